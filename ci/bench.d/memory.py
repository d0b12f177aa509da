"""Memory of single Apache children, and what grows with the number of requests."""

import time
from dataclasses import dataclass
from pathlib import Path

import load
import process
import servers
from prepare import Kit, Missing, say
from workloads import Workload

HELLO = Workload("hello", "hello", "/hello", servers.HELLO_FILE)
WARM_SECONDS = 1
GROWTH_REQUESTS = 100_000
GROWTH_WARM_REQUESTS = 20_000
# Sockets are counted when they have been the same for one pause.
SETTLE_PAUSE = 0.2
SETTLE_TURNS = 20
PYTHON_MODULES = ("rsgi", "mod_wsgi-6", "mod_wsgi-4")


@dataclass
class Growth:
    """What 100,000 requests added to one child."""

    requests: int = 0
    rss: int = 0
    private: int = 0
    open_files: int = 0
    threads: int = 0
    error: str = ""


def _only_child(server: servers.Server) -> int:
    found = process.children(server.pid)
    if len(found) != 1:
        raise Missing(f"{server.name} has {len(found)} children, not 1: {server.log()}")
    return found[0]


def _requests(server: servers.Server, least: int) -> int:
    """Sends at least so many requests; answers how many were sent."""
    sent = 0
    while sent < least:
        result = load.run_wrk(server.port, HELLO, WARM_SECONDS)
        if wrong := load.faults(result, HELLO):
            raise Missing(f"{server.name}: {wrong}: {server.log()}")
        sent += result["requests"]
    return sent


def _settled_files(pid: int) -> int:
    """Open descriptors once the load generator's connections are closed."""
    count = process.open_files(pid)
    for _ in range(SETTLE_TURNS):
        time.sleep(SETTLE_PAUSE)
        now = process.open_files(pid)
        if now == count:
            break
        count = now
    return count


def _child_memory(server: servers.Server) -> process.Memory:
    """Memory of the child after it has been busy for a second."""
    server.start()
    try:
        if wrong := load.fetch(server.port, HELLO):
            raise Missing(f"{server.name}: {wrong}: {server.log()}")
        _requests(server, 1)
        return process.memory([_only_child(server)])
    finally:
        server.stop()


def child_memory(kit: Kit, site: Path) -> dict[str, process.Memory]:
    """Children of: no module, each module with static files only, each module with Python."""
    confs = {"plain": ""}
    for name in PYTHON_MODULES:
        if name in kit.modules:
            confs[f"{name} idle"] = f"LoadModule wsgi_module {kit.modules[name]}"
            confs[f"{name} python"] = servers.wsgi_conf(kit, name, site / "hello_app.py")
    found = {}
    for name, extra in confs.items():
        folder = site / f"memory-{name.replace(' ', '-')}"
        try:
            found[name] = _child_memory(servers.apache(kit, name, folder, 25, extra))
        except (Missing, RuntimeError) as problem:
            say(f"memory of {name}: {problem}")
    return found


def growth(kit: Kit, name: str, site: Path) -> Growth:
    """Serves 100,000 requests and compares the child before and after."""
    conf = servers.wsgi_conf(kit, name, site / "hello_app.py")
    server = servers.apache(kit, name, site / f"growth-{name}", 25, conf)
    server.start()
    try:
        if wrong := load.fetch(server.port, HELLO):
            raise Missing(wrong)
        _requests(server, GROWTH_WARM_REQUESTS)
        child = _only_child(server)
        files, threads = _settled_files(child), process.threads(child)
        before = process.memory([child])
        sent = _requests(server, GROWTH_REQUESTS)
        if _only_child(server) != child:
            raise Missing("the child was replaced")
        files = _settled_files(child) - files
        after = process.memory([child])
        return Growth(
            requests=sent,
            rss=after.rss - before.rss,
            private=after.private - before.private,
            open_files=files,
            threads=process.threads(child) - threads,
        )
    except (Missing, RuntimeError) as problem:
        return Growth(error=str(problem))
    finally:
        server.stop()
