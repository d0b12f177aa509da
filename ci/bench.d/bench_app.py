"""The application that every server under ci/bench runs: one path, one workload.

Servers in Apache load it as a WSGI script, the others import it. Its settings are made by
ci/bench and lie in bench_settings.json beside it.
"""

import json
import os

_HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(_HERE, "bench_settings.json"), encoding="utf-8") as _stream:
    _SETTINGS = json.load(_stream)

HELLO = b"Hello World!"
BIG = b"x" * (100 * 1024)
BLOCK = b"g" * 4096
BLOCKS = 64

PAGE = """<!doctype html>
<title>{{ title }}</title>
<h1>{{ title }}</h1>
<table>
{% for row in rows %}  <tr class="{{ loop.cycle('odd', 'even') }}"><td>{{ row.number }}</td>\
<td>{{ row.name | upper }}</td><td>{{ "%.2f" | format(row.price) }}</td></tr>
{% endfor %}</table>
<p>{{ method }} {{ note }}</p>
"""

_flask_app = None


def burn(iterations):
    """Keeps the interpreter busy, and the GIL held, for a fixed amount of work."""
    value = 0
    for number in range(iterations):
        value = (value + number * number) % 1000003
    return value


def _flask():
    """Makes the Flask application when its page is first asked for."""
    global _flask_app
    if _flask_app is None:
        import flask
        import jinja2

        app = flask.Flask(__name__)
        app.jinja_loader = jinja2.DictLoader({"page.html": PAGE})
        rows = [{"number": n, "name": f"item {n}", "price": n * 1.25} for n in range(10)]

        @app.route("/flask")
        def page():
            return flask.render_template(
                "page.html", title="Bench", rows=rows, method=flask.request.method, note="<done>"
            )

        _flask_app = app
    return _flask_app


def _answer(start_response, body):
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


def _generator(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(BLOCKS):
        yield BLOCK


def _post(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return _answer(start_response, str(len(body)).encode("ascii"))


def _blocks_of(stream, size):
    """What a server without wsgi.file_wrapper is given."""
    with stream:
        while block := stream.read(size):
            yield block


def _file(environ, start_response):
    path = _SETTINGS["file"]
    size = os.path.getsize(path)
    headers = [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))]
    start_response("200 OK", headers)
    wrapper = environ.get("wsgi.file_wrapper", _blocks_of)
    return wrapper(open(path, "rb"), 65536)


def application(environ, start_response):
    """Dispatches on the path."""
    path = environ["PATH_INFO"]
    if path == "/hello":
        return _answer(start_response, HELLO)
    if path == "/100k":
        return _answer(start_response, BIG)
    if path == "/generator":
        return _generator(start_response)
    if path == "/post":
        return _post(environ, start_response)
    if path == "/flask":
        return _flask()(environ, start_response)
    if path == "/cpu":
        burn(_SETTINGS["iterations"])
        return _answer(start_response, HELLO)
    if path == "/slow":
        burn(_SETTINGS["iterations"] * 20)
        return _answer(start_response, HELLO)
    if path == "/file":
        return _file(environ, start_response)
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return []
