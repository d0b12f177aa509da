"""Everything one run measured, and the medians of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from load import Sample
from memory import Growth
from process import Memory


@dataclass
class Cell:
    """One server under one workload: the rounds and their medians."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def error(self) -> str:
        """The first thing that went wrong; one broken round spoils the cell."""
        return next((sample.error for sample in self.samples if sample.error), "")

    def _median(self, value: Callable[[Sample], float]) -> float | None:
        if self.error or not self.samples:
            return None
        return median(value(sample) for sample in self.samples)

    @property
    def rate(self) -> float | None:
        """Requests a second."""
        return self._median(lambda sample: sample.rate)

    @property
    def p50_us(self) -> float | None:
        """Median latency in microseconds."""
        return self._median(lambda sample: sample.p50_us)

    @property
    def p99_us(self) -> float | None:
        """99th percentile of the latency in microseconds."""
        return self._median(lambda sample: sample.p99_us)

    @property
    def cpu_us(self) -> float | None:
        """Processor time of the server per request in microseconds."""
        return self._median(lambda sample: sample.cpu_us)


@dataclass
class Results:
    """One run."""

    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    # Per server: its whole tree before and after all rounds.
    memory: dict[str, tuple[Memory, Memory]] = field(default_factory=dict)
    child_memory: dict[str, Memory] = field(default_factory=dict)
    # One idle daemon process of each module.
    daemon_memory: dict[str, Memory] = field(default_factory=dict)
    growth: dict[str, Growth] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def add(self, workload: str, server: str, sample: Sample) -> None:
        """Files one round."""
        self.cells.setdefault((workload, server), Cell()).samples.append(sample)

    def foreign(self) -> float:
        """The part of the machine that something else used, as the median of all rounds."""
        shares = [sample.foreign for cell in self.cells.values() for sample in cell.samples]
        return median(shares) if shares else 0.0

    def value(self, workload: str, server: str, what: str) -> float | None:
        """One median, if there is one."""
        cell = self.cells.get((workload, server))
        return None if cell is None else getattr(cell, what)
