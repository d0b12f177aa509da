# Run by rsgi-express before Apache starts, as the user who will serve: does the application load?
# Arguments: the handler script, then the entries of Python's path. Answers on its standard output.
import os
import site
import sys
import traceback

answer = os.dup(1)
os.dup2(2, 1)
handler, paths = sys.argv[1], sys.argv[2:]
sys.argv = ["mod_wsgi"]
usual = [entry for entry in sys.path if entry]
sys.path[:] = usual
for path in paths:
    site.addsitedir(path)
sys.path[:] = [entry for entry in sys.path if entry not in usual] + usual


def say(*lines):
    text = "\n".join(" ".join(str(line).splitlines()) for line in lines[:4])
    text += "\n" + "".join(map(str, lines[4:]))
    os.write(answer, text.encode("utf-8", "backslashreplace"))
    os._exit(0)


def location(error):
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0
    frames = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in frames if not frame.filename.startswith("<")]
    places = tuple(path.rstrip("/") + "/" for path in paths)
    own = [frame for frame in frames if frame.filename.startswith(places) and "site-packages" not in frame.filename]
    frames = own or frames
    return (frames[-1].filename, frames[-1].lineno) if frames else (handler, 0)


names = {"__name__": "_mod_wsgi_check", "__file__": handler}
try:
    with open(handler, "rb") as file:
        exec(compile(file.read(), handler, "exec"), names)
except BaseException as error:
    if type(error) is names.get("CallableMissing"):
        module = error.args[1]
        likely = [name for name in ("application", "app", "wsgi_app", "api", "wsgi", "server") if callable(getattr(module, name, None))]
        say("missing", ",".join(likely))
    if isinstance(error, ModuleNotFoundError) and error.name in ("mod_wsgi", "mod_rsgi", "apache"):
        say("unknown")
    message = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1]
    file, line = location(error)
    say("raises", message, file, line, *traceback.format_exception(type(error), error, error.__traceback__))
say("loads", callable(names["application"]))
