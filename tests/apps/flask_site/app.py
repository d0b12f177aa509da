"""A Flask application with one behaviour for each path, for tests/frameworks.rs."""

import hashlib
import time

from flask import Flask, Response, abort, redirect, render_template, request, session, url_for

application = app = Flask(__name__)
app.secret_key = "only for tests"


@app.get("/")
def index():
    return render_template("page.html", title="Tea & <biscuits>", items=["one", "two"])


@app.post("/form")
def form():
    return ", ".join(f"{key}={value}" for key, value in sorted(request.form.items()))


@app.post("/upload")
def upload():
    file = request.files["file"]
    digest = hashlib.sha256()
    size = 0
    while block := file.stream.read(65536):
        digest.update(block)
        size += len(block)
    return {"name": file.filename, "size": size, "sha256": digest.hexdigest()}


@app.get("/stream")
def stream():
    def lines():
        for number in range(5):
            yield f"line {number}\n"
            time.sleep(0.1)

    return Response(lines(), mimetype="text/plain")


@app.get("/go")
def go():
    return redirect(url_for("count"))


@app.get("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


@app.get("/missing")
def missing():
    abort(404)


@app.errorhandler(404)
def not_found(error):
    return render_template("page.html", title="Not here", items=[]), 404


@app.get("/fail")
def fail():
    raise RuntimeError("a fault of the application")
