
import itertools
import pprint
import time
import traceback

COUNT = itertools.count(1)


class Recorder:
    """Writes each request and its answer into files of one name: what came, what went, what was raised."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        record = Record()
        record.write("iheaders", pprint.pformat(environ).encode())
        environ["wsgi.input"] = Tee(environ["wsgi.input"], record)

        def recorded(status, headers, *exc_info):
            record.write("oheaders", pprint.pformat((status, headers) + exc_info).encode())
            write = start_response(status, headers, *exc_info)

            def written(data):
                record.write("ocontent", data)
                return write(data)

            return written

        with record.raised("oaexcept"):
            answer = self.application(environ, recorded)
        return Recorded(answer, record)


class Record:
    def __init__(self):
        name = "%d-%d-%d" % (time.time() * 1000000, os.getpid(), next(COUNT))
        self.path = os.path.join({{ debug.recorder | py }}, name)

    def write(self, kind, data):
        with open(self.path + "." + kind, "ab") as file:
            file.write(data)

    def raised(self, kind):
        return Raised(self, kind)


class Raised:
    def __init__(self, record, kind):
        self.record = record
        self.kind = kind

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None and not isinstance(error, (StopIteration, GeneratorExit)):
            text = "".join(traceback.format_exception(kind, error, trace))
            self.record.write(self.kind, text.encode("utf-8", "backslashreplace"))


class Tee:
    """The request's body, written down as the application reads it."""

    def __init__(self, source, record):
        self.source = source
        self.record = record

    def read(self, *size):
        return self.kept(self.source.read(*size))

    def readline(self, *size):
        return self.kept(self.source.readline(*size))

    def readlines(self, *hint):
        return [self.kept(line) for line in self.source.readlines(*hint)]

    def __iter__(self):
        return map(self.kept, self.source)

    def kept(self, data):
        self.record.write("icontent", data)
        return data


class Recorded:
    """The answer, written down as it is sent."""

    def __init__(self, answer, record):
        self.answer = answer
        self.record = record
        with record.raised("orexcept"):
            self.parts = iter(answer)

    def __iter__(self):
        return self

    def __next__(self):
        with self.record.raised("orexcept"):
            part = next(self.parts)
        self.record.write("ocontent", part)
        return part

    def close(self):
        if hasattr(self.answer, "close"):
            with self.record.raised("ofexcept"):
                self.answer.close()


application = Recorder(application)
