# Run by rsgi-express before Apache starts, as the user of the service of --enable-telemetry: can it run?
# Arguments: the port of its page, or 0; then the entries of Python's path. Answers on its standard output.
import os
import site
import socket
import sys

answer = os.dup(1)
os.dup2(2, 1)
port, paths = int(sys.argv[1]), sys.argv[2:]
usual = [entry for entry in sys.path if entry]
sys.path[:] = usual
for path in paths:
    site.addsitedir(path)
sys.path[:] = [entry for entry in sys.path if entry not in usual] + usual


def say(*lines):
    os.write(answer, "\n".join(lines).encode("utf-8", "backslashreplace"))
    os._exit(0)


try:
    import mod_wsgi.telemetry.server
except BaseException as error:
    say("missing", type(error).__name__ + ": " + (str(error).splitlines() or [""])[0])
try:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
except OSError as error:
    say("port", error.strerror)
say("ready")
