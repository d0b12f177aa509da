

# Behind answer.py, as the user of the service of --enable-telemetry: can it run? Asked about the port of its page, or 0.
port = int(asked)


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
