"""The workloads: what is asked for, what the right answer is, and who can answer it."""

from dataclasses import dataclass

HELLO = b"Hello World!"
BIG = b"x" * (100 * 1024)
GENERATED = b"g" * (64 * 4096)
FILE = bytes(range(256)) * 4096
POST_SIZE = 64 * 1024

# The Flask page differs between servers in nothing; its end is what is checked.
FLASK_END = b"<p>GET &lt;done&gt;</p>"


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
    # Threads a server runs the application with.
    threads: int = 25
    # Only the end of the body is known beforehand.
    is_end_only: bool = False

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
    Workload("cpu1", "1 ms of pure Python, 1 thread", "/cpu", HELLO, connections=1, threads=1),
    Workload("cpu25", "1 ms of pure Python, 25 threads", "/cpu", HELLO, connections=24),
    Workload("file", "1 MB file, wsgi.file_wrapper", "/file", FILE),
    Workload("close", "hello without keep-alive", "/hello", HELLO, keep_alive=False),
)

BY_NAME = {workload.name: workload for workload in WORKLOADS}
