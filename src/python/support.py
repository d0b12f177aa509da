"""What a mod_rsgi interpreter needs in Python: streams, classes, script loading, messages.

Executed once in each interpreter, in a namespace of its own. The host's functions are given to it: `_log(level, text)`
writes one line to the log of the running request, or of the process; `_options` says how the process is configured.
"""

import io
import os
import sys
import types

ERROR, WARN, INFO = 3, 4, 6


class Log(io.RawIOBase):
    """A stream of lines: each goes to Apache's error log as one record."""

    def __init__(self, name, level=ERROR, request=False):
        self.name = name
        self._level = level
        self._part = b""
        self._ended = False
        self._used = False

    mode = "w"
    encoding = "utf-8"
    errors = "replace"

    def _check(self):
        if self._ended:
            raise RuntimeError("log object has expired")

    def write(self, data):
        self._check()
        self._used = True
        if isinstance(data, str):
            data = data.encode("utf-8", "replace")
        size = len(data)
        *lines, self._part = (self._part + bytes(data)).split(b"\n")
        for line in lines:
            _log(self._level, line)
        return size

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        if self._part:
            self._check()
            part, self._part = self._part, b""
            _log(self._level, part)

    def close(self):
        self.flush()

    @property
    def closed(self):
        return False

    def isatty(self):
        return False

    def fileno(self):
        raise OSError("log object has no file descriptor")

    def readable(self):
        return False

    def seekable(self):
        return False

    def writable(self):
        return True


def text_stream(log):
    return io.TextIOWrapper(log, encoding="utf-8", errors="replace", line_buffering=True, write_through=True)


def new_errors():
    """The pair of stream and log that is `wsgi.errors` of one request, or of several that never used it."""
    log = Log("<wsgi.errors>")
    return text_stream(log), log


def end_errors(log):
    """Ends a request's stream; whether it can serve another request."""
    if not log._used:
        return True
    log.flush()
    return False


def expire_errors(log):
    log.flush()
    log._ended = True


class Restricted:
    """Stands in for a standard stream that applications must not use."""

    def __init__(self, name):
        object.__setattr__(self, "_name", name)

    def __getattribute__(self, attribute):
        name = object.__getattribute__(self, "_name")
        raise OSError("%s access restricted by mod_wsgi" % name)


class SignalIntercept:
    """`signal.signal` for applications in Apache: handlers are Apache's, nothing is registered."""

    def __init__(self, original):
        self._original = original
        self._pid = os.getpid()

    def __call__(self, signalnum, handler):
        if os.getpid() != self._pid:
            return self._original(signalnum, handler)
        import traceback

        _log(INFO, b"Callback registration for signal %d ignored." % int(signalnum))
        for line in "".join(traceback.format_stack()).splitlines():
            _log(INFO, line.encode("utf-8", "replace"))
        return handler


class FileWrapper:
    """`wsgi.file_wrapper` (PEP 3333): iterates a file-like object in blocks."""

    def __init__(self, filelike, blksize=8192):
        if blksize < 0:
            raise ValueError("blksize must be non-negative")
        self._filelike = filelike
        self._blksize = int(blksize)

    @property
    def filelike(self):
        return self._filelike

    @property
    def blksize(self):
        return self._blksize

    def __iter__(self):
        return self

    def __next__(self):
        block = self._filelike.read(self._blksize)
        if not isinstance(block, bytes):
            raise TypeError("file like object yielded non bytes type")
        if not block:
            raise StopIteration
        return block

    def close(self):
        try:
            close = getattr(self._filelike, "close", None)
            if close is not None:
                close()
        except Exception:
            pass


class RequestTimeout(BaseException):
    """Raised in a thread whose request has run for too long."""


for _public in (Log, Restricted, SignalIntercept, FileWrapper, RequestTimeout):
    _public.__module__ = "mod_wsgi"


def file_range(wrapper, declared):
    """`(descriptor, offset, length)` when the kernel can send the wrapper's file, else None."""
    import stat

    filelike = wrapper._filelike
    try:
        descriptor = filelike.fileno()
        offset = filelike.tell()
        info = os.fstat(descriptor)
    except Exception:
        return None
    if not isinstance(descriptor, int) or not isinstance(offset, int) or not stat.S_ISREG(info.st_mode) or offset < 0:
        return None
    length = max(info.st_size - offset, 0)
    return descriptor, offset, length


def load(name, path, mtime):
    """Executes a script as a fresh module."""
    with open(path, "rb") as script:
        source = script.read()
        if mtime is None:
            mtime = os.fstat(script.fileno()).st_mtime_ns // 1000
    code = compile(source, os.fsdecode(path), "exec", dont_inherit=True)
    module = types.ModuleType(name)
    module.__file__ = os.fsdecode(path)
    module.__mtime__ = mtime
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module.__dict__


def mtime_of(path):
    try:
        return os.stat(path).st_mtime_ns // 1000
    except OSError:
        return -1


_NOT_HERE = (
    "does not support loading in subinterpreters",
    "do not yet support subinterpreters",
    "may only be initialized once per interpreter process",
    "cannot load module more than once per process",
    "CPU dispatcher tracer already initialized",
    "Interpreter change detected",
)


def describe(error, trace, what):
    """The lines of an exception for the log: a header, the traceback without our own frames, a hint."""
    import traceback

    while trace is not None and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next
    lines = [what]
    lines += "".join(traceback.format_exception(type(error), error, trace)).splitlines()
    if isinstance(error, ImportError) and _options["application_group"]:
        text = str(error)
        if any(mark in text for mark in _NOT_HERE):
            name = getattr(error, "name", None) or "an extension"
            lines.append(
                "RSGI0304: %s cannot be used in the application group %r: its code only works in Python's main "
                "interpreter; set `WSGIApplicationGroup %%{GLOBAL}` for this application"
                % (name if name != "an extension" else _extension_of(trace), _options["application_group"])
            )
    return [line.encode("utf-8", "replace") for line in lines if line.strip()]


def _extension_of(trace):
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_globals.get("__name__", "an extension") if trace is not None else "an extension"


def set_up():
    """Makes a fresh interpreter what applications expect."""
    import threading  # noqa: F401  the main thread is the one that starts Python

    module = types.ModuleType("mod_wsgi", "The application's view of the server that runs it.")
    module.version = _options["wsgi_version"]
    module.rsgi_version = _options["rsgi_version"]
    module.process_group = _options["process_group"]
    module.application_group = _options["application_group"]
    module.maximum_processes = _options["processes"]
    module.threads_per_process = _options["threads"]
    module.FileWrapper = FileWrapper
    module.RequestTimeout = RequestTimeout
    sys.stderr = text_stream(Log("<stderr>"))
    if not _options["single_process"]:
        sys.stdout = Restricted("sys.stdout") if _options["restrict_stdout"] else text_stream(Log("<stdout>"))
        if _options["restrict_stdin"]:
            sys.stdin = Restricted("sys.stdin")
    sys.argv = ["mod_wsgi"]
    if _options["restrict_signal"]:
        import signal

        signal.signal = SignalIntercept(signal.signal)
    if _options["python_path"]:
        _extend_path(_options["python_path"])
    _join_package(module)
    sys.modules["mod_wsgi"] = sys.modules["mod_rsgi"] = module
    _make_apache()


def _extend_path(folders):
    import site

    before = list(sys.path)
    for folder in folders:
        site.addsitedir(folder)
    added = [entry for entry in sys.path if entry not in before]
    sys.path[:] = added + [entry for entry in sys.path if entry not in added]


def _join_package(module):
    """A package of that name from PyPI stays importable below ours: mod_wsgi.express and its like."""
    import importlib.machinery

    try:
        spec = importlib.machinery.PathFinder.find_spec("mod_wsgi")
    except Exception:
        spec = None
    if spec is not None and spec.submodule_search_locations:
        module.__path__ = list(spec.submodule_search_locations)


def _make_apache():
    import importlib.util

    try:
        if importlib.util.find_spec("apache") is not None:
            return
    except Exception:
        pass
    module = types.ModuleType("apache", "The Apache that runs the application.")
    module.version = _options["apache_version"]
    module.maximum_processes = _options["mpm_processes"]
    module.threads_per_process = _options["mpm_threads"]
    module.description = _options["description"]
    module.mpm_name = _options["mpm_name"]
    module.build_date = _options["build_date"]
    sys.modules["apache"] = module


def shut_down():
    """What Python does when it ends: threads are waited for, exit functions run, streams are flushed."""
    import atexit
    import threading

    try:
        threading._shutdown()
    finally:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
