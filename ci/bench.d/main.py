"""The run: prepare, start everything, measure in interleaved rounds, report."""

import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import express
import gil
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
from server import Server
from tables import shape_of
from workloads import BY_NAME, CHILD, GROUP, Shape, Workload

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
        self.running: dict[tuple[str, Shape], Server] = {}

    def is_wanted(self, server: str, workload: Workload, turn: int) -> bool:
        """Whether this server takes part in this workload in this round."""
        table, is_short = self.asked.table, self.asked.is_short
        is_there = server not in self.results.absent
        return is_there and table.is_wanted(server, workload.name, turn, is_short)

    def start(self) -> None:
        """Starts every server that some workload needs."""
        for name in self.asked.servers:
            wanted = [BY_NAME[workload] for workload in self.asked.workloads]
            shapes = {shape_of(name, one) for one in wanted if self.is_wanted(name, one, 0)}
            for shape in sorted(shapes):
                self._start_one(name, shape)

    def _start_one(self, name: str, shape: Shape) -> None:
        if name in self.results.absent:
            return
        try:
            server = servers.make(self.kit, name, self.site, shape)
            server.start(self.kit.account)
        except prepare.Missing as missing:
            self._leave_out(name, str(missing))
            return
        self.running[(name, shape)] = server
        if wrong := load.await_answer(server, BY_NAME["hello"]):
            self._leave_out(name, f"{wrong}: {server.last_line()}")

    def _leave_out(self, name: str, reason: str) -> None:
        self.results.absent[name] = reason
        prepare.say(f"{name} is left out: {reason}")

    def stop(self) -> None:
        """Ends every server."""
        while self.running:
            _, server = self.running.popitem()
            if server.name == self.asked.table.own and (complaints := server.complaints()):
                last = complaints[-1]
                prepare.say(f"{server.name} logged {len(complaints)} complaints, the last: {last}")
            server.stop()

    def _label(self, key: tuple[str, Shape]) -> str:
        return key[0] if key[1] in (CHILD, GROUP) else f"{key[0]}, {key[1]}"

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
        server = self.running.get((name, shape_of(name, workload)))
        if server is None or not self.is_wanted(name, workload, turn):
            return
        sample = load.measure(server, workload, self.asked.seconds)
        self.results.add(workload.name, name, sample)
        if sample.error and turn == 0:
            prepare.say(f"{name}, {workload.name}: {sample.error}: {server.last_line()}")

    def measure_memory(self) -> None:
        """Children and daemons by themselves, when the others are gone."""
        if self.asked.is_daemon:
            prepare.say("memory of idle daemon processes")
            self.results.daemon_memory = memory.daemon_memory(self.kit, self.site)
            return
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
    found = ratios.required(asked.table, bench.results, asked.workloads)
    print(report.text(asked, bench.results, found))
    path = asked.json_path or kit.place / asked.json_name
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
        asked = options.parse(arguments)
        if asked.is_gil:
            return gil.run(asked)
        return express.run(asked) if asked.is_express else _run(asked)
    except prepare.Missing as missing:
        prepare.say(str(missing))
        return 2
    except KeyboardInterrupt:
        return 130
