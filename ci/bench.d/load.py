"""One measurement: the answer is checked, a load runs, the server's processor time is read.

A broken answer is never counted: the cell then holds the reason instead of figures.
"""

import http.client
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import process
from server import Server
from workloads import Workload

HERE = Path(__file__).resolve().parent
WRK_THREADS = 2
# What starts behind an Apache may take a while.
ANSWER_SECONDS = 15.0


@dataclass
class Sample:
    """The figures of one round, or the reason why there are none."""

    error: str = ""
    requests: int = 0
    rate: float = 0.0
    p50_us: float = 0.0
    p99_us: float = 0.0
    cpu_us: float = 0.0
    # The part of the machine that neither the server nor wrk used.
    foreign: float = 0.0

    def as_json(self) -> dict:
        """What goes into the JSON file."""
        return asdict(self)


def fetch(port: int, workload: Workload, timeout: float = 30.0) -> str:
    """Asks once and compares the whole answer; says what is wrong with it, or nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        body = workload.body or None
        connection.request(workload.method, workload.path, body)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error!r}"
    finally:
        connection.close()
    if response.status != 200:
        return f"status {response.status}"
    if not workload.is_right(answer):
        return f"wrong body of {len(answer)} bytes"
    return ""


def await_answer(server: Server, workload: Workload, seconds: float = ANSWER_SECONDS) -> str:
    """Asks until the answer is right; what is wrong with it when that takes too long."""
    deadline = time.monotonic() + seconds
    while (wrong := fetch(server.port, workload, seconds)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return wrong


def _command(port: int, workload: Workload, seconds: int) -> list[str]:
    """The program that makes the load."""
    if workload.mixed_rate:
        return [sys.executable, "-B", str(HERE / "mixed.py"), str(port), workload.name, str(seconds)]
    threads = min(WRK_THREADS, workload.connections)
    command = ["wrk", f"-t{threads}", f"-c{workload.connections}", f"-d{seconds}s"]
    command += ["--timeout", "10s", "-s", str(HERE / "load.lua")]
    command += [f"http://127.0.0.1:{port}{workload.path}", "--", workload.method]
    return [*command, str(workload.post_size), "keep" if workload.keep_alive else "close"]


def run_load(port: int, workload: Workload, seconds: int) -> dict:
    """Loads a server once; answers what load.lua or mixed.py printed."""
    done = subprocess.run(
        _command(port, workload, seconds),
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    detail = (done.stderr or done.stdout).strip()[-200:]
    raise RuntimeError(f"the load ended with code {done.returncode}: {detail}")


def faults(result: dict, workload: Workload) -> str:
    """What was wrong with the answers under load, or nothing."""
    kinds = ("status", "connect", "read", "write", "timeout")
    found = [f"{result[kind]} {kind} errors" for kind in kinds if result[kind]]
    if not result["requests"]:
        found.append("no request was answered")
    elif result["bytes"] < result["requests"] * len(workload.expected):
        found.append("answers are too short")
    return ", ".join(found)


def _children_seconds() -> float:
    """Processor time of the children that have ended: wrk's."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(server: Server, workload: Workload, seconds: int) -> Sample:
    """Measures one workload on a server, once."""
    if wrong := fetch(server.port, workload):
        return Sample(error=wrong)
    before = server.tree()
    cpu_before = process.cpu_seconds(before)
    others_before, began = process.machine_seconds() - _children_seconds(), time.monotonic()
    try:
        result = run_load(server.port, workload, seconds)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return Sample(error=str(error))
    others = process.machine_seconds() - _children_seconds() - others_before
    elapsed = time.monotonic() - began
    after = server.tree()
    if not set(before) <= set(after):
        return Sample(error="a server process ended under load")
    if wrong := faults(result, workload):
        return Sample(error=wrong)
    cpu = process.cpu_seconds(after) - cpu_before
    return Sample(
        requests=result["requests"],
        rate=result["requests"] / (result["duration_us"] / 1e6),
        p50_us=result["p50_us"],
        p99_us=result["p99_us"],
        cpu_us=cpu * 1e6 / result["requests"],
        foreign=max(0.0, others - cpu) / (elapsed * (os.cpu_count() or 1)),
    )
