"""The ratios that mod_rsgi must reach, all between servers of the same run."""

from collections.abc import Callable
from dataclasses import dataclass

from results import Results
from tables import DAEMON, Table

# What --check lets pass beyond a target: the noise of medians on a small machine.
TOLERANCE = 0.05
GROWTH_LIMIT_KIB = 512
# 0: another requirement speaks of it.
FASTER_IN_GROUPS = {
    "d-hello": 2.5,
    "d-post": 2.0,
    "d-100k": 2.0,
    "d-generator": 1.5,
    "d-file": 2.5,
    "d-flask": 1.5,
    "d-cpu": 1.2,
    "d-hello64": 0.0,
    "d-cpu64": 0.0,
    "d-cpu1x1": 0.0,
    "d-cpu1x15": 0.0,
    "d-mixed": 0.0,
}
LATENCIES = (
    ("d-hello64", "hello, 64 connections", 0.5),
    ("d-cpu64", "1 ms, 64 connections", 0.5),
    ("d-mixed", "hellos beside long requests", 1.0),
)
FASTER = {"hello": 2.0, "flask": 1.3, "100k": 1.5, "post": 1.5}


@dataclass
class Ratio:
    """One requirement and what came out."""

    name: str
    target: float
    is_at_least: bool
    value: float | None
    unit: str = ""

    def _passes(self, slack: float) -> bool:
        if self.value is None:
            return False
        if self.is_at_least:
            return self.value >= self.target * (1 - slack)
        return self.value <= self.target * (1 + slack)

    @property
    def mark(self) -> str:
        """pass, near (missed, but within the tolerance), MISS or not measured."""
        if self.value is None:
            return "not measured"
        if self._passes(0.0):
            return "pass"
        return "near" if self._passes(TOLERANCE) else "MISS"


def _divide(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else above / below


def _best(values: list[float | None], choose: Callable) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None


def _against(
    table: Table, results: Results, workload: str, what: str, choose: Callable
) -> float | None:
    """Our figure over that of the better mod_wsgi."""
    others = [results.value(workload, other, what) for other in table.others]
    return _divide(results.value(workload, table.own, what), _best(others, choose))


def _over(results: Results, what: str, own: tuple[str, str], other: tuple[str, str]):
    """The figure of one workload and server over that of another."""
    return _divide(results.value(*own, what), results.value(*other, what))


def required(table: Table, results: Results, workloads: tuple[str, ...]) -> list[Ratio]:
    """The requirements about these workloads, in the order in which they are stated."""
    if table is DAEMON:
        return _of_daemons(results, workloads)
    found = []
    if "hello" in workloads:
        limit = _over(results, "rate", ("hello", "rsgi"), ("hello", "c-handler"))
        found.append(Ratio("hello: req/s over the C handler's", 0.75, True, limit))
        cpu = _against(table, results, "hello", "cpu_us", min)
        found.append(Ratio("hello: CPU over the better mod_wsgi's", 0.5, False, cpu))
    found += _rates(table, results, workloads, FASTER)
    return found + _threads(table, results, workloads) + _memory(table, results)


def _rates(
    table: Table, results: Results, workloads: tuple[str, ...], targets: dict[str, float]
) -> list[Ratio]:
    """How much faster than the better mod_wsgi."""
    found = []
    for workload in workloads:
        target = targets.get(workload, 1.0)
        if target:
            rate = _against(table, results, workload, "rate", max)
            name = f"{workload.removeprefix('d-')}: req/s over the better mod_wsgi's"
            found.append(Ratio(name, target, True, rate))
    return found


def _of_daemons(results: Results, workloads: tuple[str, ...]) -> list[Ratio]:
    """What process groups must reach."""
    own = DAEMON.own
    found = []
    if "d-hello" in workloads:
        ours = ("d-hello", own)
        limit = _over(results, "rate", ours, ("d-hello", "c-handler"))
        uwsgi = _over(results, "rate", ours, ("d-hello", "proxy-uwsgi"))
        cpu = _against(DAEMON, results, "d-hello", "cpu_us", min)
        found.append(Ratio("hello: req/s over the C handler's", 0.5, True, limit))
        found.append(Ratio("hello: CPU over the better mod_wsgi's", 0.45, False, cpu))
        found.append(Ratio("hello: req/s over mod_proxy_uwsgi's", 1.0, True, uwsgi))
    if "d-file" in workloads:
        static = _over(results, "rate", ("d-file", own), ("d-file", "static"))
        found.append(Ratio("file: req/s over Apache's static file", 0.7, True, static))
    found += _rates(DAEMON, results, workloads, FASTER_IN_GROUPS)
    if "d-cpu1x1" in workloads and "d-cpu1x15" in workloads:
        many = _over(results, "rate", ("d-cpu1x15", own), ("d-cpu1x1", own))
        found.append(Ratio("1 ms: req/s with 1x15 over 1x1", 0.95, True, many))
    for workload, title, target in LATENCIES:
        if workload in workloads:
            p99 = _against(DAEMON, results, workload, "p99_us", min)
            found.append(Ratio(f"{title}: p99 over mod_wsgi's", target, False, p99))
    if results.daemon_memory:
        idle = results.daemon_memory.get(own)
        for name, limit in (("rss", 14), ("pss", 8)):
            value = None if idle is None else getattr(idle, name) / 1024
            found.append(Ratio(f"idle daemon: {name.upper()}", limit, False, value, "MB"))
    return found


def _threads(table: Table, results: Results, workloads: tuple[str, ...]) -> list[Ratio]:
    """What many threads may cost."""
    found = []
    if "cpu25" in workloads and "cpu1" in workloads:
        many = _over(results, "cpu_us", ("cpu25", table.own), ("cpu1", table.own))
        found.append(Ratio("1 ms: CPU with 25 threads over 1", 1.10, False, many))
    if "cpu25" in workloads:
        p99 = _against(table, results, "cpu25", "p99_us", min)
        found.append(Ratio("1 ms: p99 with 25 threads over mod_wsgi's", 1.0, False, p99))
    return found


def _memory(table: Table, results: Results) -> list[Ratio]:
    children = results.child_memory
    if not children and not results.growth:
        return []

    def private(name: str) -> float | None:
        # What one more child costs: code that all children share is not counted.
        return float(children[name].private) if name in children else None

    others = _best([private(f"{other} python") for other in table.others], min)
    with_python = _divide(private("rsgi python"), others)
    without = _divide(private("rsgi idle"), private("plain"))
    found = [
        Ratio("child with Python: private memory over mod_wsgi's", 1.0, False, with_python),
        Ratio("child without: private memory over a plain one's", 1.0, False, without),
    ]
    growth = results.growth.get("rsgi")
    if growth is not None:
        grown = None if growth.error else float(growth.private)
        name = f"growth over {growth.requests:,} requests, private memory"
        found.append(Ratio(name, GROWTH_LIMIT_KIB, False, grown, "KiB"))
        files = None if growth.error else float(growth.open_files + growth.threads)
        found.append(Ratio("growth of descriptors and threads", 0, False, files, "more"))
    return found


def missed(ratios: list[Ratio]) -> list[Ratio]:
    """Those that are missed beyond the tolerance, or that could not be measured."""
    return [ratio for ratio in ratios if ratio.mark in ("MISS", "not measured")]
