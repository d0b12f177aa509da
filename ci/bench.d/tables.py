"""The two tables: which servers run which workloads, in a whole run and in a short one."""

from dataclasses import dataclass, field

import groups
from workloads import DAEMON_WORKLOADS, WORKLOADS, Shape, Workload

EMBEDDED_SETTINGS = """\
Apache variants: event MPM, one child with 25 threads, no access log, else the defaults; cpu1 has
one connection and two threads, of which one is busy at a time.
gunicorn and granian: one worker process with 25 threads (cpu1: one; gunicorn sync has one always).
They run the python3 program, the modules libpython, which Debian builds to run Python slower.
wrk on the same machine, 2 threads, 16 keep-alive connections (cpu1: 1, cpu25: 24), loopback.
CPU is that of the server's whole process tree; a broken answer spoils its cell."""

DAEMON_SETTINGS = f"""\
Apache: event MPM, one child with {groups.CHILD_THREADS} threads, no access log, else the defaults. Process groups and
uWSGI (UNIX socket) have 2 processes with 5 threads, gunicorn (UNIX socket, kept connections) too,
where the workload names no other shape. mod_wsgi-6-fastest: {groups.FASTEST_OPTIONS},
{groups.FASTEST_EXTRA}.
wrk on the same machine, 2 threads, 16 keep-alive connections or 64, loopback. The mixed load comes
at a fixed rate from Python threads; its latencies are those of the short requests.
CPU is that of all processes behind the port; a broken answer spoils its cell."""


@dataclass(frozen=True)
class Table:
    """One kind of comparison."""

    own: str
    # The modules whose better figure ours is held against.
    others: tuple[str, ...]
    servers: tuple[str, ...]
    workloads: tuple[str, ...]
    settings: str
    # What a server is there for; on other workloads it would only cost time.
    only_on: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # In a short run: the workloads, the servers that run but one round, and where they do.
    short: tuple[str, ...] = ()
    bystanders: tuple[str, ...] = ()
    bystander_workloads: tuple[str, ...] = ()

    def is_wanted(self, server: str, workload: str, turn: int, is_short: bool) -> bool:
        """Whether a server takes part in a workload in a round."""
        if workload not in self.only_on.get(server, self.workloads):
            return False
        if not is_short or server not in self.bystanders:
            return True
        return turn == 0 and workload in self.bystander_workloads


def shape_of(server: str, workload: Workload) -> Shape:
    """What a server is started with for this workload."""
    return Shape(1, 1) if server == "gunicorn-sync" else workload.shape


_NAMES = tuple(workload.name for workload in WORKLOADS)
EMBEDDED = Table(
    own="rsgi",
    others=("mod_wsgi-6", "mod_wsgi-4"),
    servers=(
        "c-handler",
        "static",
        "rsgi",
        "mod_wsgi-6",
        "mod_wsgi-4",
        "gunicorn-sync",
        "gunicorn-gthread",
        "granian",
    ),
    workloads=_NAMES,
    settings=EMBEDDED_SETTINGS,
    only_on={
        "c-handler": ("hello", "100k", "post", "close"),
        "static": ("hello", "100k", "file", "close"),
        # One thread, whatever is asked for.
        "gunicorn-sync": tuple(name for name in _NAMES if name != "cpu25"),
        "gunicorn-gthread": tuple(name for name in _NAMES if name != "cpu1"),
    },
    short=_NAMES,
    bystanders=("static", "gunicorn-sync", "gunicorn-gthread", "granian"),
    bystander_workloads=("hello", "flask", "cpu25", "file", "close"),
)

_GROUP_NAMES = tuple(workload.name for workload in DAEMON_WORKLOADS)
# What asks for many processes and threads says nothing about a handler in C.
_PLAIN = ("d-hello", "d-100k", "d-post", "d-close")
DAEMON = Table(
    own="rsgi-daemon",
    others=("mod_wsgi-6-daemon", "mod_wsgi-6-fastest", "mod_wsgi-4-daemon"),
    servers=("c-handler", "static", *groups.NAMES),
    workloads=_GROUP_NAMES,
    settings=DAEMON_SETTINGS,
    only_on={
        "c-handler": _PLAIN,
        "static": ("d-file",),
        "mod_wsgi-6-fastest": tuple(n for n in _GROUP_NAMES if "1x" not in n and "mix" not in n),
        "proxy-uwsgi": (*_PLAIN, "d-generator", "d-flask", "d-file", "d-hello64", "d-cpu"),
        "proxy-gunicorn": (*_PLAIN, "d-generator", "d-flask", "d-file", "d-hello64", "d-cpu"),
    },
    short=("d-hello", "d-100k", "d-post", "d-flask", "d-file", "d-hello64", "d-cpu64"),
    bystanders=("proxy-gunicorn", "mod_wsgi-6-fastest"),
    bystander_workloads=("d-hello", "d-flask"),
)
