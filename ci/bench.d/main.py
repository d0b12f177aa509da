"""The run: prepare, start everything, measure in interleaved rounds, report."""

import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import load
import memory
import options
import prepare
import ratios
import report
import servers
from calibrate import iterations_per_millisecond
from process import Memory
from results import Results
from workloads import BY_NAME, Workload

# What they are there for; on other workloads they would only cost time.
ONLY_ON = {
    "c-handler": ("hello", "100k", "post", "close"),
    "static": ("hello", "100k", "file", "close"),
    # One thread, whatever is asked for.
    "gunicorn-sync": tuple(name for name in BY_NAME if name != "cpu25"),
    "gunicorn-gthread": tuple(name for name in BY_NAME if name != "cpu1"),
}
# Servers that no required ratio is about: one round is enough in a short run.
BYSTANDERS = ("static", "gunicorn-sync", "gunicorn-gthread", "granian")
SHORT_BYSTANDER_WORKLOADS = ("hello", "flask", "cpu25", "file", "close")


def _threads(server: str, workload: Workload) -> int:
    """The threads a server is started with for this workload."""
    return 1 if server == "gunicorn-sync" else workload.threads


def _turned(names: tuple[str, ...], turn: int) -> tuple[str, ...]:
    """Another one begins in each round, so that none always follows the same neighbour."""
    first = turn % len(names)
    return names[first:] + names[:first]


class Bench:
    """One run of the benchmark."""

    def __init__(self, asked: options.Options, kit: prepare.Kit, site: Path) -> None:
        self.asked = asked
        self.kit = kit
        self.site = site
        self.results = Results(absent=dict(kit.absent))
        self.running: dict[tuple[str, int], servers.Server] = {}

    def is_wanted(self, server: str, workload: Workload, turn: int) -> bool:
        """Whether this server takes part in this workload in this round."""
        if server in self.results.absent:
            return False
        if workload.name not in ONLY_ON.get(server, tuple(BY_NAME)):
            return False
        if not self.asked.is_short or server not in BYSTANDERS:
            return True
        return turn == 0 and workload.name in SHORT_BYSTANDER_WORKLOADS

    def start(self) -> None:
        """Starts every server that some workload needs."""
        for name in self.asked.servers:
            wanted = [BY_NAME[workload] for workload in self.asked.workloads]
            counts = {_threads(name, one) for one in wanted if self.is_wanted(name, one, 0)}
            for threads in sorted(counts):
                self._start_one(name, threads)

    def _start_one(self, name: str, threads: int) -> None:
        if name in self.results.absent:
            return
        server = servers.make(self.kit, name, self.site, threads)
        is_apache = (server.folder / "httpd.conf").exists()
        try:
            server.start(None if is_apache else self.kit.account)
        except prepare.Missing as missing:
            self.results.absent[name] = str(missing)
            prepare.say(str(missing))
            return
        self.running[(name, threads)] = server
        if wrong := load.fetch(server.port, BY_NAME["hello"]):
            prepare.say(f"{name}: {wrong}: {server.last_line()}")

    def stop(self) -> None:
        """Ends every server."""
        while self.running:
            _, server = self.running.popitem()
            if server.name == "rsgi" and (complaints := server.complaints()):
                last = complaints[-1]
                prepare.say(f"{server.name} logged {len(complaints)} complaints, the last: {last}")
            server.stop()

    def _label(self, key: tuple[str, int]) -> str:
        return key[0] if key[1] == 25 else f"{key[0]}, {key[1]} thread"

    def measure(self) -> None:
        """All rounds; within a round each workload goes over all servers."""
        before = {key: server.memory() for key, server in self.running.items()}
        for turn in range(self.asked.rounds):
            for name in self.asked.workloads:
                prepare.say(f"round {turn + 1} of {self.asked.rounds}: {name}")
                for server in _turned(self.asked.servers, turn):
                    self._measure_one(BY_NAME[name], server, turn)
        for key, running in self.running.items():
            after: Memory = running.memory()
            self.results.memory[self._label(key)] = (before[key], after)

    def _measure_one(self, workload: Workload, name: str, turn: int) -> None:
        server = self.running.get((name, _threads(name, workload)))
        if server is None or not self.is_wanted(name, workload, turn):
            return
        sample = load.measure(server.pid, server.port, workload, self.asked.seconds)
        self.results.add(workload.name, name, sample)
        if sample.error and turn == 0:
            prepare.say(f"{name}, {workload.name}: {sample.error}: {server.last_line()}")

    def measure_memory(self) -> None:
        """Children by themselves, when the others are gone."""
        prepare.say("memory of Apache children, growth over 100,000 requests")
        self.results.child_memory = memory.child_memory(self.kit, self.site)
        names = ("rsgi",) if self.asked.is_short else memory.PYTHON_MODULES
        for name in names:
            if name in self.kit.modules:
                self.results.growth[name] = memory.growth(self.kit, name, self.site)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _run(asked: options.Options) -> int:
    kit = prepare.prepare(asked.python, asked.servers)
    turn = prepare.take_turn(kit)
    iterations = iterations_per_millisecond(asked.python)
    prepare.say(f"1 ms of Python is {iterations} turns of the loop")
    began = time.monotonic()
    site = Path(tempfile.mkdtemp(prefix="rsgi-bench-", dir="/tmp"))
    bench = Bench(asked, kit, site)
    try:
        site.chmod(0o755)
        servers.make_site(kit, site, iterations)
        bench.start()
        bench.measure()
        bench.stop()
        if asked.has_memory:
            bench.measure_memory()
    finally:
        bench.stop()
        shutil.rmtree(site, ignore_errors=True)
        turn.close()
    found = ratios.required(bench.results, asked.workloads)
    print(report.text(asked, bench.results, found))
    path = asked.json_path or kit.place / "result.json"
    report.write_json(path, asked, bench.results, found)
    print(f"Took {time.monotonic() - began:.0f} s; all figures: {path}")
    missed = ratios.missed(found)
    if asked.is_check and missed:
        print(f"{len(missed)} required ratios are missed (tolerance {ratios.TOLERANCE:.0%})")
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """Runs the benchmark; the answer is the exit code."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    try:
        return _run(options.parse(arguments))
    except prepare.Missing as missing:
        prepare.say(str(missing))
        return 2
    except KeyboardInterrupt:
        return 130
