
import atexit
import cProfile
import time


class Profiler:
    """Adds up what the application's requests take, and writes it down at the end."""

    def __init__(self, application):
        self.application = application
        self.profile = cProfile.Profile()

    def __call__(self, environ, start_response):
        return self.profile.runcall(self.whole, environ, start_response)

    def whole(self, environ, start_response):
        answer = self.application(environ, start_response)
        try:
            return list(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()

    def write(self):
        name = "%d-%d.pstats" % (time.time() * 1000000, os.getpid())
        self.profile.create_stats()
        self.profile.dump_stats(os.path.join({{ debug.profiler | py }}, name))


application = Profiler(application)
atexit.register(application.write)
