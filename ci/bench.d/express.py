"""The launchers side by side: time from the start to the first answer, memory, and how soon a change is served.

Both launch the same application with the same Python and the same options, in turn, a fresh server root each time. What
is counted begins with the launcher's own start and includes everything that it leaves running, itself too.
"""

import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import process
import report
from options import Options
from prepare import HERE, Kit, Missing, prepare, say, take_turn
from ratios import Ratio, missed
from server import free_port

OWN, OTHER = "rsgi-express", "mod_wsgi-express"
SHAPES = {
    "daemon": (),
    "embedded": ("--embedded-mode",),
    "2 processes": ("--processes", "2"),
}
ANSWER = b"Hello World!"
PATIENCE = 30.0
PAUSE = 0.002
# What a server still does after its first answer is over by then.
SETTLED = 0.5
# How soon a change has to be served, in seconds.
RELOADED = 0.5
CHANGES = 7

Row = dict[tuple[str, str], "Figures"]


@dataclass
class Figures:
    """One launcher with one set of options: a value for each round."""

    seconds: list[float] = field(default_factory=list)
    memory: list[process.Memory] = field(default_factory=list)
    processes: int = 0

    def middle(self, what: str) -> float:
        """The median: `seconds`, or memory in KiB."""
        if what == "seconds":
            return median(self.seconds)
        return median(getattr(memory, what) for memory in self.memory)


class Launched:
    """A server that a launcher has started."""

    def __init__(self, kit: Kit, name: str, script: Path, options: tuple[str, ...]) -> None:
        self.name = name
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=script.parent))
        self.folder.chmod(0o755)
        words = [_program(kit, name), "start-server", str(script), "--port", str(self.port)]
        words += ["--server-root", str(self.folder / "root"), *options]
        if name == OWN:
            words += ["--python", str(kit.venv)]
        if kit.account_names is not None:
            words += ["--user", kit.account_names[0], "--group", kit.account_names[1]]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        if name == OWN and "rsgi" in kit.modules:
            environment["RSGI_MODULE"] = str(kit.modules["rsgi"])
        self.began = time.monotonic()
        with (self.folder / "output").open("wb") as output:
            self._child = subprocess.Popen(
                words,
                cwd=script.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def await_body(self, wanted: bytes, since: float) -> float:
        """Seconds until the server answers with that body."""
        while time.monotonic() < since + PATIENCE:
            if self._child.poll() is not None:
                raise Missing(f"{self.name} ended: {self._told()}")
            if self._body() == wanted:
                return time.monotonic() - since
            time.sleep(PAUSE)
        raise Missing(f"{self.name} did not answer {wanted!r}: {self._told()}")

    def _body(self) -> bytes | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.read() if answer.status == http.client.OK else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _told(self) -> str:
        return (self.folder / "output").read_text(encoding="utf-8", errors="replace")[-1500:]

    def tree(self) -> list[int]:
        """The launcher and all that it started."""
        return process.tree(self._child.pid)

    def stop(self) -> None:
        """Ends it and removes what it wrote."""
        left = self.tree()
        self._child.terminate()
        try:
            self._child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for pid in left:
                subprocess.run(["kill", "-KILL", str(pid)], check=False)
            self._child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _program(kit: Kit, name: str) -> str:
    if name == OTHER:
        return str(kit.venv / "bin" / OTHER)
    built = HERE.parent.parent / "target" / "dist" / "bin" / OWN
    given = os.environ.get("RSGI_EXPRESS", str(built))
    if not Path(given).is_file():
        raise Missing(f"{given} is not there: run `make build`")
    return given


def _once(kit: Kit, name: str, script: Path, shape: str, figures: Figures) -> None:
    server = Launched(kit, name, script, SHAPES[shape])
    try:
        figures.seconds.append(server.await_body(ANSWER, server.began))
        time.sleep(SETTLED)
        pids = server.tree()
        figures.memory.append(process.memory(pids))
        figures.processes = len(pids)
    finally:
        server.stop()


def _starts(asked: Options, kit: Kit, script: Path) -> Row:
    found: Row = {(shape, name): Figures() for shape in SHAPES for name in (OWN, OTHER)}
    for turn in range(asked.rounds):
        say(f"starts, round {turn + 1} of {asked.rounds}")
        for shape, name in found:
            _once(kit, name, script, shape, found[(shape, name)])
    return found


def _reloads(kit: Kit, name: str, script: Path) -> list[float]:
    """Seconds from a change of a module to the first answer with it."""
    module = script.with_name("told.py")
    app = script.with_name("reloaded.py")
    app.write_text(
        "import told\ndef application(environ, start_response):\n"
        "    start_response('200 OK', [])\n    return [told.TEXT]\n"
    )
    module.write_text("TEXT = b'0'\n")
    server = Launched(kit, name, app, ("--reload-on-changes",))
    found = []
    try:
        server.await_body(b"0", server.began)
        for number in range(1, CHANGES + 1):
            # Anywhere between two looks of a launcher that looks every second.
            time.sleep(1.0 + 0.13 * number)
            # Another length, as one of the same second may not show in a compiled file.
            module.write_text(f"TEXT = b'{number}'\n" + "#" * number + "\n")
            found.append(server.await_body(str(number).encode(), time.monotonic()))
    finally:
        server.stop()
    return found


def _ratios(starts: Row, reloads: dict[str, list[float]]) -> list[Ratio]:
    found = []
    for shape in SHAPES:
        own, other = starts[(shape, OWN)], starts[(shape, OTHER)]
        for what, title in (("seconds", "first answer"), ("pss", "PSS"), ("rss", "RSS")):
            value = own.middle(what) / other.middle(what)
            found.append(Ratio(f"{shape}: {title} over {OTHER}'s", 1.0, False, value))
    found.append(Ratio("a change is served within", RELOADED, False, median(reloads[OWN]), "s"))
    return found


def _table(starts: Row, reloads: dict[str, list[float]]) -> str:
    lines = ["Medians: from the launcher's start to the first answer, and all of its processes then"]
    lines.append(f"  {'':<32}{'ms':>8}{'RSS MB':>9}{'PSS MB':>9}{'processes':>11}")
    for (shape, name), figures in starts.items():
        megabytes = [figures.middle(what) / 1024 for what in ("rss", "pss")]
        lines.append(
            f"  {shape + ', ' + name:<32}{figures.middle('seconds') * 1000:>8.0f}"
            f"{megabytes[0]:>9.1f}{megabytes[1]:>9.1f}{figures.processes:>11}"
        )
    lines.append(f"From a change of a module to the first answer with it, {CHANGES} times")
    for name, seconds in reloads.items():
        lines.append(f"  {name:<32}{median(seconds) * 1000:>8.0f} ms, {max(seconds) * 1000:.0f} at most")
    return "\n".join(lines)


def _write(path: Path, starts: Row, reloads: dict[str, list[float]], found: list[Ratio]) -> None:
    document = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "ratios": [{**asdict(ratio), "mark": ratio.mark} for ratio in found],
        "starts": [
            {"options": shape, "launcher": name, **asdict(figures)}
            for (shape, name), figures in starts.items()
        ],
        "reload_seconds": reloads,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def run(asked: Options) -> int:
    """Measures and reports; the answer is the exit code."""
    kit = prepare(asked.python, ("rsgi", "mod_wsgi-6"))
    if kit.absent:
        raise Missing("; ".join(f"{name}: {reason}" for name, reason in kit.absent.items()))
    turn = take_turn(kit)
    began, busy = time.monotonic(), process.machine_seconds()
    site = Path(tempfile.mkdtemp(prefix="rsgi-bench-", dir="/tmp"))
    try:
        site.chmod(0o755)
        script = site / "hello_app.py"
        shutil.copy(HERE / script.name, script)
        starts = _starts(asked, kit, script)
        reloads = {name: _reloads(kit, name, script) for name in (OWN, OTHER)}
    finally:
        shutil.rmtree(site, ignore_errors=True)
        turn.close()
    found = _ratios(starts, reloads)
    print(report.ratio_lines(found))
    print(_table(starts, reloads))
    path = asked.json_path or kit.place / asked.json_name
    _write(path, starts, reloads, found)
    took = time.monotonic() - began
    share = (process.machine_seconds() - busy) / took / (os.cpu_count() or 1)
    print(f"Took {took:.0f} s, the machine {share:.0%} busy; all figures: {path}")
    if asked.is_check and (bad := missed(found)):
        print(f"{len(bad)} required ratios are missed")
        return 1
    return 0
