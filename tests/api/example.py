"""What an application may do with the server's modules; checked by `mypy --strict`."""

import logging
from collections.abc import Iterable
from types import TracebackType
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import apache
import mod_rsgi
import mod_wsgi


@mod_wsgi.subscribe_events
def on_event(name: str, **event: Any) -> dict[str, Any] | None:
    """Times requests, and wraps the application."""
    if name == "request_started":
        mod_wsgi.request_data()["begun"] = event["application_start"]
        inner: WSGIApplication = event["application_object"]

        def outer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            return inner(environ, start_response)

        return {"application_object": outer}
    if name == "request_exception":
        info: tuple[type[BaseException], BaseException, TracebackType] = event["exception_info"]
        logging.getLogger("errors").error("failed", exc_info=info)
    return None


@mod_wsgi.subscribe_shutdown
def on_shutdown(name: str, *, shutdown_reason: str) -> None:
    """Says goodbye."""
    logging.warning("%s: %s", name, shutdown_reason)


@mod_wsgi.subscribe_signals
def on_signal(name: str, *, signame: str, signum: int) -> None:
    """Reads its configuration again."""
    logging.warning("%s: %s %d", name, signame, signum)


def report() -> str:
    """Some figures of this process."""
    mod_wsgi.start_recording_metrics()
    lines: list[str] = [".".join(map(str, mod_wsgi.version)), apache.mpm_name, str(mod_rsgi.version[0])]
    requests = mod_wsgi.request_metrics()
    if requests is not None:
        queue: float | None = requests["queue_time"]
        slowest: int | None = requests["application_time_max_us"]
        lines.append(f"{requests['request_count']} {queue} {slowest} {sum(requests['request_time_buckets'])}")
    process = mod_wsgi.process_metrics()
    if process is not None:
        lines += [f"{thread['thread_id']} {thread['request_count']}" for thread in process["threads"]]
    server = mod_wsgi.server_metrics()
    if server is not None:
        lines += [worker["status"] for child in server["processes"] for worker in child["workers"]]
    lines += [f"{name}: {sorted(data)}" for name, data in mod_wsgi.active_requests.items()]
    mod_wsgi.event_callbacks.remove(on_event)
    return "\n".join(lines)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The application."""
    logging.getLogger().addHandler(mod_wsgi.LogHandler(logging.INFO))
    start_response("200 OK", [("X-Group", mod_wsgi.process_group or mod_rsgi.application_group)])
    try:
        return mod_wsgi.FileWrapper(open(__file__, "rb"), blksize=4096)
    except mod_wsgi.RequestTimeout:
        return [report().encode()]
