
import pdb
import traceback


class Debugger:
    """Stops in pdb where the application, the iteration over its answer or the answer's close() raises."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        return Stopping(self.watched(self.application, environ, start_response), self)

    def watched(self, function, *arguments):
        try:
            return function(*arguments)
        except (StopIteration, GeneratorExit):
            raise
        except Exception as error:
            traceback.print_exc()
            pdb.post_mortem(error.__traceback__)
            raise


class Stopping:
    """An answer, watched."""

    def __init__(self, answer, debugger):
        self.answer = answer
        self.debugger = debugger
        self.parts = debugger.watched(iter, answer)

    def __iter__(self):
        return self

    def __next__(self):
        return self.debugger.watched(next, self.parts)

    def close(self):
        if hasattr(self.answer, "close"):
            self.debugger.watched(self.answer.close)


application = Debugger(application)
