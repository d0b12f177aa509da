"""The workloads: what is asked for, what the right answer is, and who can answer it."""

from dataclasses import dataclass, replace
from typing import NamedTuple

HELLO = b"Hello World!"
BIG = b"x" * (100 * 1024)
GENERATED = b"g" * (64 * 4096)
FILE = bytes(range(256)) * 4096
POST_SIZE = 64 * 1024

# The Flask page differs between servers in nothing; its end is what is checked.
FLASK_END = b"<p>GET &lt;done&gt;</p>"



class Shape(NamedTuple):
    """How many processes run the application, and with how many threads each."""

    processes: int
    threads: int

    def __str__(self) -> str:
        return f"{self.processes}x{self.threads}"


# Of an Apache child; of a process group.
CHILD = Shape(1, 25)
GROUP = Shape(2, 5)


@dataclass(frozen=True)
class Workload:
    """One kind of request under load."""

    name: str
    title: str
    path: str
    expected: bytes
    method: str = "GET"
    post_size: int = 0
    keep_alive: bool = True
    connections: int = 16
    shape: Shape = CHILD
    # Only the end of the body is known beforehand.
    is_end_only: bool = False
    # Requests a second that come whether or not earlier ones were answered, a tenth of them
    # long ones; the latencies are those of the others. 0: as many as are answered.
    mixed_rate: int = 0

    @property
    def body(self) -> bytes:
        """The request's body."""
        return b"p" * self.post_size

    def is_right(self, body: bytes) -> bool:
        """Whether `body` is the whole answer."""
        if self.is_end_only:
            return body.rstrip().endswith(self.expected)
        return body == self.expected


WORKLOADS = (
    Workload("hello", "hello, 12 bytes", "/hello", HELLO),
    Workload("100k", "100 KB", "/100k", BIG),
    Workload("generator", "generator of 64 x 4 KB", "/generator", GENERATED),
    Workload(
        "post", "POST of 64 KB", "/post", str(POST_SIZE).encode(), "POST", post_size=POST_SIZE
    ),
    Workload("flask", "Flask page with a template", "/flask", FLASK_END, is_end_only=True),
    # The event MPM closes idle keep-alive connections while all its workers are busy, and
    # wrk then rightly counts errors: so no more connections than leave one worker free.
    Workload("cpu1", "1 ms of pure Python, 1 thread", "/cpu", HELLO, connections=1, shape=Shape(1, 1)),
    Workload("cpu25", "1 ms of pure Python, 25 threads", "/cpu", HELLO, connections=24),
    Workload("file", "1 MB file, wsgi.file_wrapper", "/file", FILE),
    Workload("close", "hello without keep-alive", "/hello", HELLO, keep_alive=False),
)


def _in_group(name: str, base: str, **changes) -> Workload:
    """A workload of the list above, under the name that the daemon table has for it."""
    plain = next(workload for workload in WORKLOADS if workload.name == base)
    return replace(plain, name=name, **{"shape": GROUP, **changes})


DAEMON_WORKLOADS = (
    *(
        _in_group(f"d-{name}", name)
        for name in ("hello", "100k", "generator", "post", "flask", "file", "close")
    ),
    _in_group("d-hello64", "hello", title="hello, 64 connections", connections=64),
    _in_group("d-cpu", "cpu25", title="1 ms of pure Python, 2x5", connections=16),
    _in_group("d-cpu64", "cpu25", title="1 ms of pure Python, 2x5, 64 connections", connections=64),
    _in_group(
        "d-cpu1x1",
        "cpu25",
        title="1 ms of pure Python, 1x1, 16 connections",
        connections=16,
        shape=Shape(1, 1),
    ),
    _in_group(
        "d-cpu1x15",
        "cpu25",
        title="1 ms of pure Python, 1x15, 16 connections",
        connections=16,
        shape=Shape(1, 15),
    ),
    _in_group(
        "d-mixed",
        "hello",
        title="hellos beside 10 % of 20 ms of Python, 1x15, 200 req/s",
        connections=32,
        shape=Shape(1, 15),
        mixed_rate=200,
    ),
)

BY_NAME = {workload.name: workload for workload in WORKLOADS + DAEMON_WORKLOADS}
