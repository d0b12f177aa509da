"""What the server offers to the applications that run in it.

The module exists only inside of the server: in Apache's own processes, in those of a daemon process group, and in the
interpreter of every application group. `mod_rsgi` is the same module with a version of its own.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol, TypedDict, TypeVar

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

_C = TypeVar("_C", bound=Callable[..., object])

class _File(Protocol):
    def read(self, size: int, /) -> bytes: ...

class _Thread(TypedDict):
    thread_id: int
    """Its number in the process, from 1: `environ["mod_wsgi.thread_id"]`."""
    request_count: int
    """Requests that it began with."""

class _ProcessMetrics(TypedDict):
    pid: int
    request_busy_time: float
    """Seconds that requests spent in applications, ever since metrics are recorded, those that run included."""
    request_count: int
    """Requests that are over."""
    memory_rss: int
    """Resident memory in bytes."""
    memory_max_rss: int
    """The most resident memory so far, in bytes."""
    cpu_user_time: float
    cpu_system_time: float
    cpu_time: float
    """Seconds of CPU time of the whole process: as user, in the kernel, both."""
    restart_time: float
    """When Python was started in the process, in seconds since the epoch."""
    current_time: float
    running_time: int
    """Whole seconds between the two."""
    request_threads: int
    """Threads that have run a request or are there to do so."""
    active_requests: int
    """Requests that run right now."""
    threads: list[_Thread]

class _RequestMetrics(TypedDict):
    """Times are means in seconds, None where there is no such phase; `_min_us` and `_max_us` are in microseconds.

    The 65 buckets count times below 1 ms, then four equal parts of each octave from 1 ms to 65,536 ms, the last of
    which has no end.
    """

    pid: int
    start_time: float
    stop_time: float
    """When the interval began and ended, in seconds since the epoch."""
    sample_period: float
    """Its length in seconds."""
    request_count: int
    """Requests that ended in it."""
    request_throughput: float
    """The same, a second."""
    capacity_utilization: float
    """Which share of the time of all threads was spent in requests, 0 to 1."""
    cpu_user_utilization: float
    cpu_system_utilization: float
    cpu_utilization: float
    """Seconds of CPU time a second."""
    cpu_user_time: float
    cpu_system_time: float
    cpu_time: float
    """The same figures by their older names."""
    memory_rss: int
    memory_max_rss: int
    status_1xx: int
    status_2xx: int
    status_3xx: int
    status_4xx: int
    status_5xx: int
    """Responses by their status. An application that never began its response counts as 500."""
    input_bytes: int
    input_reads: int
    output_bytes: int
    output_writes: int
    gil_wait_count: int
    server_time: float | None
    """In Apache, until the request was queued for a process, or until its application was called."""
    server_time_min_us: int | None
    server_time_max_us: int | None
    server_time_buckets: list[int]
    queue_time: float | None
    """Waiting for a process of the group; None in Apache's own processes."""
    queue_time_min_us: int | None
    queue_time_max_us: int | None
    queue_time_buckets: list[int]
    daemon_time: float | None
    """In the process, until the application was called; None in Apache's own processes."""
    daemon_time_min_us: int | None
    daemon_time_max_us: int | None
    daemon_time_buckets: list[int]
    application_time: float | None
    """From the call of the application to the end of its response."""
    application_time_min_us: int | None
    application_time_max_us: int | None
    application_time_buckets: list[int]
    request_time: float | None
    """All of the four above."""
    request_time_min_us: int | None
    request_time_max_us: int | None
    request_time_buckets: list[int]
    gil_wait_time: float | None
    """Waiting for the lock of the interpreter."""
    gil_wait_time_min_us: int | None
    gil_wait_time_max_us: int | None
    gil_wait_time_buckets: list[int]
    input_read_time: float | None
    input_read_time_min_us: int | None
    input_read_time_max_us: int | None
    input_read_time_buckets: list[int]
    output_write_time: float | None
    output_write_time_min_us: int | None
    output_write_time_max_us: int | None
    output_write_time_buckets: list[int]
    request_threads_maximum: int
    request_threads_started: int
    request_threads_active: int
    """Threads that there may be, that there are, and that ran a request in the interval."""
    request_threads_completed: list[int]
    request_threads_buckets: list[int]
    """Requests that ended, by thread; the same list by its older name."""
    request_threads_busy_time: list[float]
    request_threads_cpu_time: list[float]
    request_threads_current_elapsed: list[float]
    """For how long each thread has been running what it runs right now; 0 where that is nothing."""
    request_threads_max_duration: list[float]

class _Worker(TypedDict):
    thread_num: int
    generation: int
    status: str
    """`.` dead, `_` ready, `S` starting, `R` reading, `W` writing, `K` keep-alive, `L` logging, `D` looking up a name,
    `C` closing, `G` finishing, `I` idle and about to end."""
    access_count: int
    bytes_served: int
    start_time: float
    stop_time: float
    last_used: float
    client: str
    request: str
    vhost: str

class _Process(TypedDict):
    process_num: int
    pid: int
    generation: int
    quiescing: bool
    workers: list[_Worker]

class _ServerMetrics(TypedDict):
    server_limit: int
    thread_limit: int
    running_generation: int
    restart_time: float
    current_time: float
    running_time: int
    processes: list[_Process]

version: Final[tuple[int, int, int]]
"""The version of mod_wsgi whose behaviour this is."""

process_group: Final[str]
"""The daemon process group; empty in Apache's own processes."""

application_group: Final[str]
"""The application group, which is the interpreter; empty for the main interpreter."""

maximum_processes: Final[int]
"""Processes of the group, or the most that Apache may have."""

threads_per_process: Final[int]
"""Threads for requests in each of them."""

event_callbacks: Final[list[Callable[..., object]]]
"""What `subscribe_events` registered in this interpreter. May be changed."""

shutdown_callbacks: Final[list[Callable[..., object]]]
"""What `subscribe_shutdown` registered in this interpreter. May be changed."""

signal_callbacks: Final[list[Callable[..., object]]]
"""What `subscribe_signals` registered in this interpreter. May be changed."""

active_requests: Final[dict[str, dict[str, Any]]]
"""The requests that run in this interpreter: `request_data()` of each by its `environ["mod_wsgi.request_id"]`."""

class FileWrapper:
    """Sends a file as a response: `environ["wsgi.file_wrapper"]`.

    Where the application returns one around a regular file, and has sent nothing before, the server sends the file itself
    from its current position on. Otherwise it is read in blocks.
    """

    @property
    def filelike(self) -> _File: ...
    @property
    def blksize(self) -> int: ...
    def __init__(self, filelike: _File, blksize: int = 8192) -> None: ...
    def __iter__(self) -> Iterator[bytes]: ...
    def __next__(self) -> bytes: ...
    def close(self) -> None: ...

class RequestTimeout(BaseException):
    """Raised in a request that runs for longer than `request-timeout` where `interrupt-timeout` is set."""

class LogHandler(logging.Handler):
    """Passes records of `logging` to the server's log, each line as a record of its own.

    Levels from 50 on are `crit`, from 40 `error`, from 30 `warn`, from 20 `info`, below `debug`. What `LogLevel` leaves
    out is not formatted. Within a request a record goes to the log of that request's virtual host.
    """

    def emit(self, record: logging.LogRecord) -> None: ...

def __dir__() -> list[str]: ...
def request_data() -> dict[str, Any]:
    """A dict for whatever is to be kept with the request that the calling thread runs. Its events have it, too.

    Raises RuntimeError where the thread runs no request.
    """

def subscribe_events(callback: _C, /) -> _C:
    """Registers a callback for everything that happens in this interpreter; gives it back, so it is a decorator as well.

    It is called with the event's name and its values as keywords: `callback(name, **event)`. A dict that it returns
    changes the event for the callbacks behind it. What it raises is logged.

    - `request_started`: request_id, thread_id, server_pid, daemon_connects, daemon_restarts, request_start, queue_start,
      daemon_start, application_start, callable_object, request_environ, request_data, and application_object, which
      is what will be called: a returned dict may replace it. `daemon_connects` says how many processes it was given to,
      `daemon_restarts` how many of them were about to be replaced; both are 0 in Apache's own processes.
    - `response_started`: request_id, request_data, response_status, response_headers, exception_info
    - `request_exception`: request_id, request_data, exception_info (type, value, traceback)
    - `request_finished`: request_id, request_data, thread_id, server_pid, request_start, queue_start, daemon_start,
      application_finish, application_time, status, input_reads, input_length, input_time, output_writes, output_length,
      output_time, cpu_user_time, cpu_system_time, cpu_time, gil_wait_time, gil_wait_count
    - `process_signal`: signame, signum
    - `process_stopping`: shutdown_reason
    """

def subscribe_shutdown(callback: _C, /) -> _C:
    """Registers a callback for the end of the process: `callback("process_stopping", shutdown_reason=...)`.

    Requests may still run then. The reason is empty in Apache's own processes.
    """

def subscribe_signals(callback: _C, /) -> _C:
    """Registers a callback for SIGHUP and SIGUSR2: `callback("process_signal", signame=..., signum=...)`.

    Only the processes of a group that have threads for requests are told of signals; elsewhere the callback is given
    back without being registered.
    """

def start_recording_metrics() -> None:
    """Lets the process record what `request_metrics()` and `process_metrics()` tell. May be called again."""

def request_metrics() -> _RequestMetrics | None:
    """What happened in the process since the last call; None before `start_recording_metrics()`."""

def process_metrics() -> _ProcessMetrics | None:
    """Figures of the process so far; None before `start_recording_metrics()`."""

def server_metrics() -> _ServerMetrics | None:
    """Apache's scoreboard; None without `WSGIServerMetrics On` (in process groups: `server-metrics=On`)."""
