"""The module `mod_wsgi` by its own name, with the version of mod_rsgi."""

from typing import Final

from mod_wsgi import FileWrapper as FileWrapper
from mod_wsgi import LogHandler as LogHandler
from mod_wsgi import RequestTimeout as RequestTimeout
from mod_wsgi import active_requests as active_requests
from mod_wsgi import application_group as application_group
from mod_wsgi import event_callbacks as event_callbacks
from mod_wsgi import maximum_processes as maximum_processes
from mod_wsgi import process_group as process_group
from mod_wsgi import process_metrics as process_metrics
from mod_wsgi import request_data as request_data
from mod_wsgi import request_metrics as request_metrics
from mod_wsgi import server_metrics as server_metrics
from mod_wsgi import shutdown_callbacks as shutdown_callbacks
from mod_wsgi import signal_callbacks as signal_callbacks
from mod_wsgi import start_recording_metrics as start_recording_metrics
from mod_wsgi import subscribe_events as subscribe_events
from mod_wsgi import subscribe_shutdown as subscribe_shutdown
from mod_wsgi import subscribe_signals as subscribe_signals
from mod_wsgi import threads_per_process as threads_per_process

__all__ = [
    "FileWrapper",
    "LogHandler",
    "RequestTimeout",
    "active_requests",
    "application_group",
    "event_callbacks",
    "maximum_processes",
    "process_group",
    "process_metrics",
    "request_data",
    "request_metrics",
    "server_metrics",
    "shutdown_callbacks",
    "signal_callbacks",
    "start_recording_metrics",
    "subscribe_events",
    "subscribe_shutdown",
    "subscribe_signals",
    "threads_per_process",
    "version",
]

version: Final[tuple[int, int, int]]
"""The version of mod_rsgi."""
