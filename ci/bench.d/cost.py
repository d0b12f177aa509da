"""What a hello costs, counted and not timed: system calls, and instructions in user space.

Over all processes that serve it together: the Apache child, and the daemon or none. One client asks
on one connection, again and again, so the counts are the same on a busy machine.
"""

import argparse
import http.client
import os
import re
import signal
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import groups
import load
import prepare
import servers
from apache import apache
from server import Server
from workloads import CHILD, GROUP, Workload

HELLO = Workload("hello", "hello", "/hello", servers.HELLO_FILE)
SERVERS = ("c-handler", "rsgi", "mod_wsgi-6", "rsgi-daemon", "mod_wsgi-6-daemon")
WARM_REQUESTS = 300
ATTACH_SECONDS = 1.0
# Traced, a server answers so late that the next request is there before it looks: every request
# is to find it idle, as a client far away would.
PAUSE = 0.002
# Under callgrind everything takes fifty times as long.
PATIENCE = 120.0


@dataclass(frozen=True)
class Budget:
    """The most that a hello may take."""

    calls: float
    instructions: float


# DESIGN §1 and the issue on process groups.
BUDGETS = {"rsgi": Budget(16, 80_000), "rsgi-daemon": Budget(24, 130_000)}


class Refused(Exception):
    """Why something could not be counted."""


def ask(server: Server, requests: int, pause: float = 0.0) -> None:
    """Sends hellos on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        for _ in range(requests):
            connection.request("GET", HELLO.path)
            response = connection.getresponse()
            if response.read() != HELLO.expected or response.status != 200:
                raise Refused(f"{server.name} answered with status {response.status}")
            time.sleep(pause)
    except (OSError, http.client.HTTPException) as error:
        raise Refused(f"{server.name} did not answer: {error!r}") from error
    finally:
        connection.close()


def _total(text: str) -> int:
    """The sum of strace's table."""
    for line in text.splitlines():
        if line.endswith(" total"):
            return int(line.split()[3])
    raise Refused(f"strace counted nothing: {text.strip()[-200:]}")


def _traced(server: Server, requests: int, folder: Path) -> float:
    """What strace counts while a running server answers."""
    report = folder / "calls"
    pids = [argument for pid in server.tree() for argument in ("-p", str(pid))]
    command = ["strace", "-f", "-c", "-o", str(report), *pids]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as tracer:
        try:
            time.sleep(ATTACH_SECONDS)
            ask(server, requests, PAUSE)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(PATIENCE)
    # The monitor's own, a few a second, are more for a slower run: whole numbers are compared.
    return _total(report.read_text(encoding="utf-8")) / requests


def _counted(folder: Path) -> int:
    """The sum of what callgrind wrote for all processes of a server that has ended."""
    total = 0
    for path in folder.glob("callgrind.*"):
        found = re.search(r"^(?:totals|summary): (\d+)", path.read_text(), re.MULTILINE)
        total += int(found[1]) if found else 0
    if not total:
        raise Refused(f"callgrind wrote nothing into {folder}")
    return total


def _callgrind(folder: Path) -> list[str]:
    return ["valgrind", "--tool=callgrind", "--trace-children=yes", "-q"] + [
        f"--callgrind-out-file={folder}/callgrind.%p",
        "--dump-line=no",
        "--vgdb=no",
    ]


def _server(kit: prepare.Kit, name: str, folder: Path, site: Path) -> Server:
    script = site / "hello_app.py"
    if name in groups.MODULES:
        return groups.group_server(kit, name, folder, script, GROUP)
    if name == "c-handler":
        return apache(kit, name, folder, CHILD.threads, servers.handler_conf(kit))
    return apache(kit, name, folder, CHILD.threads, servers.wsgi_conf(kit, name, script))


@dataclass
class Cost:
    """What was counted for one server."""

    name: str
    calls: float | None = None
    instructions: float | None = None
    error: str = ""

    @property
    def verdict(self) -> str:
        """Whether it stays in its budget."""
        budget = BUDGETS.get(self.name)
        if budget is None:
            return ""
        if self.calls is None or self.instructions is None:
            return "not counted"
        if round(self.calls) > budget.calls or self.instructions > budget.instructions:
            return f"over {budget.calls:.0f} and {budget.instructions:,.0f}"
        return f"within {budget.calls:.0f} and {budget.instructions:,.0f}"


def _started(kit: prepare.Kit, name: str, site: Path, what: str) -> Server:
    """A server that has answered some requests, under callgrind if instructions are to be counted."""
    server = _server(kit, name, site / f"{name}-{what}", site)
    if what != "calls":
        server.wrap(_callgrind(server.folder))
        if kit.account is not None:
            os.chown(server.folder, *kit.account)
    server.start(kit.account)
    try:
        if wrong := load.await_answer(server, HELLO, PATIENCE):
            raise Refused(f"{wrong}: {server.last_line()}")
        ask(server, WARM_REQUESTS)
    except Refused:
        server.stop()
        raise
    return server


def count_calls(kit: prepare.Kit, name: str, site: Path, requests: int) -> float:
    """System calls of all processes of a server for a hello."""
    server = _started(kit, name, site, "calls")
    try:
        return _traced(server, requests, server.folder)
    finally:
        server.stop()


def count_instructions(kit: prepare.Kit, name: str, site: Path, requests: int) -> float:
    """Instructions of a hello: what a run with many has more than one with few."""
    totals = []
    for what, count in (("few", requests // 10), ("many", requests + requests // 10)):
        server = _started(kit, name, site, what)
        try:
            ask(server, count)
        finally:
            # Made by a daemon while it was root, written when it is not any more.
            for path in server.folder.glob("callgrind.*"):
                path.chmod(0o666)
            server.stop(PATIENCE)
        totals.append(_counted(server.folder))
    return (totals[1] - totals[0]) / requests


def _cost(kit: prepare.Kit, name: str, site: Path, requests: int) -> Cost:
    cost = Cost(name)
    try:
        cost.calls = count_calls(kit, name, site, requests)
        cost.instructions = count_instructions(kit, name, site, requests)
    except (prepare.Missing, Refused) as problem:
        cost.error = str(problem)
    return cost


def _table(costs: list[Cost]) -> str:
    lines = [f"A hello costs{'calls':>24}{'instructions':>15}"]
    for cost in costs:
        if cost.error:
            lines.append(f"  {cost.name:<20}  not counted: {cost.error}")
            continue
        lines.append(
            f"  {cost.name:<20}{cost.calls:>15.1f}{cost.instructions:>15,.0f}  {cost.verdict}"
        )
    return "\n".join(lines)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ci/cost", description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="how many are counted")
    parser.add_argument("--servers", default=",".join(SERVERS), help="names, with commas between")
    parser.add_argument("--python", default=os.environ.get("RSGI_BENCH_PYTHON", "/usr/bin/python3"))
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Counts; 1 when a budget is passed."""
    asked = _parse(arguments)
    names = tuple(asked.servers.split(","))
    try:
        for name in ("strace", "valgrind"):
            prepare.tool(name, package=name)
        kit = prepare.prepare(asked.python, names)
    except prepare.Missing as missing:
        prepare.say(str(missing))
        return 2
    site = Path(tempfile.mkdtemp(prefix="rsgi-cost-", dir="/tmp"))
    try:
        site.chmod(0o755)
        servers.make_site(kit, site, 1)
        costs = [_cost(kit, name, site, asked.requests) for name in names]
    finally:
        shutil.rmtree(site, ignore_errors=True)
    print(_table(costs))
    return int(any(cost.verdict.startswith("over") for cost in costs))
