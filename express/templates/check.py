

# Behind answer.py, as the user who will serve: does the application load? Asked about the handler script.
handler = asked


def first_line(text):
    return (str(text).splitlines() or [""])[0]


def explain(error):
    """What was raised, where in the application, and the traceback from there."""
    # The frames above the application's are this program's, the handler's and the import system's.
    trace = error.__traceback__
    while trace and is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        what, file, line = first_line(error.msg), error.filename or "", error.lineno or 0
    else:
        what, file, line = first_line(error), "", 0
        for frame in traceback.extract_tb(trace):
            if is_own(frame.filename) or not file:
                file, line = frame.filename, frame.lineno
    what = type(error).__name__ + (": " + what if what else "")
    lines = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
    return what, file, str(line), lines


def is_ours(filename):
    return filename.startswith("<") or filename == handler or "importlib" in filename


def is_own(filename):
    return "site-packages" not in filename and filename.startswith(tuple(path.rstrip("/") + "/" for path in paths))


names = {"__name__": "_mod_wsgi_check", "__file__": handler}
try:
    with open(handler, "rb") as file:
        exec(compile(file.read(), handler, "exec"), names)
except BaseException as error:
    if type(error) is names.get("CallableMissing"):
        usual_names = ("application", "app", "wsgi_app", "api", "wsgi", "server")
        say("missing", *[name for name in usual_names if callable(getattr(error.args[1], name, None))])
    if isinstance(error, ModuleNotFoundError) and error.name in ("mod_wsgi", "mod_rsgi", "apache"):
        say("unknown")
    say("raises", *explain(error))
say("loads", str(callable(names["application"])))
