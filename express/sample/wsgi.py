"""The sample application of rsgi-express: a form, an upload and a response that streams."""

import hashlib
import os
import platform
import threading
import time
from importlib import metadata

import flask

application = flask.Flask(__name__)
application.config["MAX_CONTENT_LENGTH"] = 8 * 1024 * 1024

# Read from the files of the package: too dear for each request.
FLASK_VERSION = metadata.version("flask")


def dotted(version):
    return ".".join(map(str, version)) if version else "unknown"


def served_by():
    """Where this request runs, as the server tells it."""
    environ = flask.request.environ
    return {
        "Apache": dotted(environ.get("apache.version")),
        "API": "mod_wsgi " + dotted(environ.get("mod_wsgi.version")),
        "Python": platform.python_version(),
        "Flask": FLASK_VERSION,
        "Process group": environ.get("mod_wsgi.process_group") or "none, Apache's own processes",
        "Process": os.getpid(),
        "Thread": environ.get("mod_wsgi.thread_id", threading.current_thread().name),
        "User id": os.geteuid(),
        "Multithread": environ["wsgi.multithread"],
        "Multiprocess": environ["wsgi.multiprocess"],
    }


def page(**answers):
    return flask.render_template("page.html", facts=served_by(), **answers)


@application.get("/")
def index():
    return page()


@application.post("/greet")
def greet():
    name = flask.request.form.get("name", "").strip()
    return page(greeting=f"Hello, {name or 'stranger'}!")


@application.post("/upload")
def upload():
    file = flask.request.files.get("file")
    if not file or not file.filename:
        return page(error="Choose a file first."), 400
    digest = hashlib.sha256()
    size = 0
    while block := file.stream.read(64 * 1024):
        digest.update(block)
        size += len(block)
    return page(uploaded={"name": file.filename, "size": size, "sha256": digest.hexdigest()})


@application.get("/stream")
def stream():
    """One line every half second: each arrives as soon as it is made."""

    def lines():
        for number in range(1, 11):
            yield f"line {number} of 10, made at {time.strftime('%H:%M:%S')}\n"
            if number < 10:
                time.sleep(0.5)

    return flask.Response(lines(), mimetype="text/plain")


@application.errorhandler(413)
def too_large(_error):
    return page(error="That file is larger than 8 MB."), 413
