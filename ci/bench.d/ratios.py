"""The ratios that mod_rsgi must reach, all between servers of the same run."""

from collections.abc import Callable
from dataclasses import dataclass

from results import Results

OTHERS = ("mod_wsgi-6", "mod_wsgi-4")
# What --check lets pass beyond a target: the noise of medians on a small machine.
TOLERANCE = 0.05
GROWTH_LIMIT_KIB = 512
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


def _against(results: Results, workload: str, what: str, choose: Callable) -> float | None:
    """Our figure over that of the better mod_wsgi."""
    others = [results.value(workload, other, what) for other in OTHERS]
    return _divide(results.value(workload, "rsgi", what), _best(others, choose))


def required(results: Results, workloads: tuple[str, ...]) -> list[Ratio]:
    """The requirements about these workloads, in the order in which they are stated."""
    found = []
    if "hello" in workloads:
        own, limit = (results.value("hello", name, "rate") for name in ("rsgi", "c-handler"))
        found.append(Ratio("hello: req/s over the C handler's", 0.75, True, _divide(own, limit)))
        cpu = _against(results, "hello", "cpu_us", min)
        found.append(Ratio("hello: CPU over the better mod_wsgi's", 0.5, False, cpu))
    for workload in workloads:
        target = FASTER.get(workload, 1.0)
        rate = _against(results, workload, "rate", max)
        found.append(Ratio(f"{workload}: req/s over the better mod_wsgi's", target, True, rate))
    return found + _threads(results, workloads) + _memory(results)


def _threads(results: Results, workloads: tuple[str, ...]) -> list[Ratio]:
    """What many threads may cost."""
    found = []
    if "cpu25" in workloads and "cpu1" in workloads:
        many, one = (results.value(name, "rsgi", "cpu_us") for name in ("cpu25", "cpu1"))
        found.append(Ratio("1 ms: CPU with 25 threads over 1", 1.10, False, _divide(many, one)))
    if "cpu25" in workloads:
        p99 = _against(results, "cpu25", "p99_us", min)
        found.append(Ratio("1 ms: p99 with 25 threads over mod_wsgi's", 1.0, False, p99))
    return found


def _memory(results: Results) -> list[Ratio]:
    children = results.child_memory
    if not children and not results.growth:
        return []

    def private(name: str) -> float | None:
        # What one more child costs: code that all children share is not counted.
        return float(children[name].private) if name in children else None

    others = _best([private(f"{other} python") for other in OTHERS], min)
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
