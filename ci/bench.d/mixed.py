"""Short requests beside long ones: at a steady rate, and only the short ones are timed.

Requests are due at times drawn beforehand, the same for every server; latency counts from when a
request was due, so a server that falls behind cannot slow the clock. Loads of this size need no
faster client.
"""

import http.client
import json
import queue
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from statistics import quantiles

from workloads import BY_NAME, Workload

SEED = 20
LONG_SHARE = 0.1
LONG_PATH = "/slow"
TIMEOUT = 30.0


@dataclass
class Tally:
    """What the clients saw."""

    short_us: list[float] = field(default_factory=list)
    answered: int = 0
    wrong: str = ""


def _plan(rate: int, seconds: float) -> list[tuple[float, bool]]:
    """When each request is due, and whether it is a long one."""
    dice = random.Random(SEED)
    due, plan = 0.0, []
    while due < seconds:
        plan.append((due, dice.random() < LONG_SHARE))
        due += dice.expovariate(rate)
    return plan


def _client(port: int, workload: Workload, due: queue.SimpleQueue, tally: Tally) -> None:
    """Sends what is due, one request at a time, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        while (task := due.get()) is not None:
            when, is_long = task
            connection.request("GET", LONG_PATH if is_long else workload.path)
            response = connection.getresponse()
            answer = response.read()
            took = time.monotonic() - when
            if response.status != 200 or answer != workload.expected:
                tally.wrong = f"status {response.status}, {len(answer)} bytes"
            tally.answered += 1
            if not is_long:
                tally.short_us.append(took * 1e6)
    except (OSError, http.client.HTTPException) as error:
        tally.wrong = f"no answer: {error!r}"
    finally:
        connection.close()


def run(port: int, workload: Workload, seconds: int) -> dict:
    """Loads the server; answers in load.lua's form."""
    tallies = [Tally() for _ in range(workload.connections)]
    due: queue.SimpleQueue = queue.SimpleQueue()
    clients = [
        threading.Thread(target=_client, args=(port, workload, due, tally)) for tally in tallies
    ]
    for client in clients:
        client.start()
    began = time.monotonic()
    for offset, is_long in _plan(workload.mixed_rate, seconds):
        time.sleep(max(0.0, began + offset - time.monotonic()))
        due.put((began + offset, is_long))
    for _ in clients:
        due.put(None)
    for client in clients:
        client.join()
    elapsed = time.monotonic() - began
    wrong = next((tally.wrong for tally in tallies if tally.wrong), "")
    times = [one for tally in tallies for one in tally.short_us]
    if wrong or len(times) < 2:
        raise RuntimeError(wrong or "no request was answered")
    cuts = quantiles(times, n=100, method="inclusive")
    answered = sum(tally.answered for tally in tallies)
    return {
        "requests": answered,
        "duration_us": elapsed * 1e6,
        "bytes": answered * len(workload.expected),
        "p50_us": cuts[49],
        "p99_us": cuts[98],
        "max_us": max(times),
        **dict.fromkeys(("connect", "read", "write", "status", "timeout"), 0),
    }


if __name__ == "__main__":
    # A process of its own, so that its time can be told from the servers'.
    print("RESULT " + json.dumps(run(int(sys.argv[1]), BY_NAME[sys.argv[2]], int(sys.argv[3]))))
