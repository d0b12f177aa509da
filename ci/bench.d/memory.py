"""Memory of single Apache children, and what grows with the number of requests."""

import time
from dataclasses import dataclass
from pathlib import Path

import groups
import load
import process
import servers
from apache import apache
from prepare import Kit, Missing, say
from server import Server
from workloads import GROUP, Workload

HELLO = Workload("hello", "hello", "/hello", servers.HELLO_FILE)
WARM_SECONDS = 1
GROWTH_REQUESTS = 100_000
GROWTH_WARM_REQUESTS = 20_000
# Sockets are counted when they have been the same for one pause.
SETTLE_PAUSE = 0.2
SETTLE_TURNS = 20
IDLE_PAUSE = 1.0
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


def _only_child(server: Server) -> int:
    found = process.children(server.pid)
    if len(found) != 1:
        raise Missing(f"{server.name} has {len(found)} children, not 1: {server.log()}")
    return found[0]


def _requests(server: Server, least: int) -> int:
    """Sends at least so many requests; answers how many were sent."""
    sent = 0
    while sent < least:
        result = load.run_load(server.port, HELLO, WARM_SECONDS)
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


def _child_memory(server: Server) -> process.Memory:
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
            found[name] = _child_memory(apache(kit, name, folder, 25, extra))
        except (Missing, RuntimeError) as problem:
            say(f"memory of {name}: {problem}")
    return found


def _daemons(server: Server) -> list[int]:
    """The processes of its group, which bear the group's name."""
    return [pid for pid in server.tree() if groups.DISPLAY_NAME in process.command_line(pid)]


def daemon_memory(kit: Kit, site: Path) -> dict[str, process.Memory]:
    """One process of a group that has served a request and does nothing."""
    found = {}
    for name, (module, _, _) in groups.MODULES.items():
        if module not in kit.modules or name.endswith("fastest"):
            continue
        folder, script = site / f"memory-{name}", site / "hello_app.py"
        try:
            server = groups.group_server(kit, name, folder, script, GROUP)
        except Missing:
            continue
        try:
            server.start()
            if wrong := load.await_answer(server, HELLO):
                raise Missing(f"{wrong}: {server.last_line()}")
            if not (pids := _daemons(server)):
                raise Missing("no process bears the name of the group")
            time.sleep(IDLE_PAUSE)
            every = [process.memory([pid]) for pid in pids]
            found[name] = max(every, key=lambda memory: memory.rss)
        except Missing as problem:
            say(f"memory of {name}: {problem}")
        finally:
            server.stop()
    return found


def growth(kit: Kit, name: str, site: Path) -> Growth:
    """Serves 100,000 requests and compares the child before and after."""
    conf = servers.wsgi_conf(kit, name, site / "hello_app.py")
    server = apache(kit, name, site / f"growth-{name}", 25, conf)
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
