"""Whether pure Python of one process scales with the cores: with one GIL, with one for each interpreter, with none.

Each client keeps one application group of one daemon process busy, as many clients as there are cores against one alone.
Every Python that ci/pythons prints takes part as far as it can; other servers have nothing to compare with.
"""

import http.client
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from apache import apache
from options import Options
from prepare import HERE, Kit, prepare, say, take_turn
from ratios import Ratio, missed
import report

# Turns of the loop in the application: some milliseconds, so that the clients cost next to nothing.
APP = """\
def application(environ, start_response):
    value = 0
    for number in range(60000):
        value = (value + number * number) % 1000003
    body = b"%d" % value
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

CONF = """\
LoadModule wsgi_module {module}
WSGIRestrictEmbedded On
WSGIPythonHome {home}
WSGIDaemonProcess bench threads={threads} connect-timeout=60
{aliases}
{extra}
"""

# What pure Python on N cores has to reach, of N: the rest is the clients' and httpd's.
REQUIRED = 0.75
PATIENCE = 30.0


@dataclass
class Row:
    """One way to run one Python."""

    python: str
    way: str
    one: float = 0.0
    all: float = 0.0

    @property
    def factor(self) -> float:
        """How many times as fast all are as one."""
        return self.all / self.one if self.one else 0.0


def _pythons() -> list[tuple[str, str, bool, bool]]:
    """Prefix and version of each Python, whether its interpreters can have a GIL each, whether it can have none."""
    listed = subprocess.run(
        [str(HERE.parent / "pythons")], check=True, capture_output=True, text=True
    ).stdout.split()
    ask = "import sys, sysconfig as s; print(*sys.version_info[:3], s.get_config_var('Py_GIL_DISABLED') or 0)"
    found = []
    for prefix in listed:
        told = subprocess.run(
            [f"{prefix}/bin/python3", "-c", ask], check=True, capture_output=True, text=True
        ).stdout.split()
        is_free = told[3] == "1"
        version = ".".join(told[:3]) + ("t" if is_free else "")
        found.append((prefix, version, int(told[1]) >= 12 and not is_free, is_free))
    return found


def _load(port: int, paths: list[str], seconds: float) -> float:
    """Requests a second of one client for each path."""
    counts = [0] * len(paths)
    end = time.monotonic() + seconds

    def client(place: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        while time.monotonic() < end:
            connection.request("GET", paths[place])
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise RuntimeError(f"status {response.status}")
            counts[place] += 1
        connection.close()

    clients = [threading.Thread(target=client, args=(place,)) for place in range(len(paths))]
    began = time.monotonic()
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    return sum(counts) / (time.monotonic() - began)


def _measure(kit: Kit, site: Path, prefix: str, row: Row, asked: Options) -> None:
    cores = os.cpu_count() or 1
    is_free = row.way == "no GIL"
    extra = {
        "one GIL": "",
        "a GIL each": "WSGIPerInterpreterGIL On",
        "no GIL": "WSGIFreeThreading On",
    }[row.way]
    script = site / "gil_app.py"
    aliases = "\n".join(
        f"WSGIScriptAlias /{n} {script} process-group=bench application-group={'g' if is_free else n}"
        for n in range(cores)
    )
    conf = CONF.format(
        module=kit.modules["rsgi"],
        home=prefix,
        threads=cores + 1,
        aliases=aliases,
        extra=extra,
    )
    folder = Path(tempfile.mkdtemp(prefix="gil-", dir=site)) / "root"
    folder.parent.chmod(0o755)
    (folder.parent / "htdocs").mkdir(mode=0o755)
    server = apache(kit, "rsgi-daemon", folder, 2 * cores + 4, conf)
    server.start(kit.account)
    try:
        paths = [f"/{n}" for n in range(cores)]
        _load(server.port, paths, 0.2)
        ones, alls = [], []
        for _ in range(asked.rounds):
            ones.append(_load(server.port, paths[:1], asked.seconds))
            alls.append(_load(server.port, paths, asked.seconds))
        row.one, row.all = median(ones), median(alls)
    finally:
        server.stop()


def _ratios(rows: list[Row]) -> list[Ratio]:
    cores = os.cpu_count() or 1
    return [
        Ratio(f"{row.python}, {row.way}: {cores} busy groups / 1", REQUIRED * cores, True, row.factor)
        for row in rows
        if row.way != "one GIL" and cores > 1
    ]


def run(asked: Options) -> int:
    """Measures and reports; the answer is the exit code."""
    kit = prepare(asked.python, ("rsgi-daemon",))
    turn = take_turn(kit)
    site = Path(tempfile.mkdtemp(prefix="rsgi-bench-", dir="/tmp"))
    rows = []
    try:
        site.chmod(0o755)
        (site / "gil_app.py").write_text(APP)
        for prefix, version, can_have_each, can_have_none in _pythons():
            layer = f"rsgi_python.cp{''.join(version.split('.')[:2])}t.so"
            if can_have_none and not (kit.modules["rsgi"].parent / layer).is_file():
                say(f"Python {version} is left out: `ci/build --free-threaded` makes the layer that it needs")
                continue
            ways = ["one GIL"] + ["a GIL each"] * can_have_each + ["no GIL"] * can_have_none
            for way in ways:
                say(f"Python {version}, {way}")
                row = Row(version, way)
                _measure(kit, site, prefix, row, asked)
                rows.append(row)
    finally:
        shutil.rmtree(site, ignore_errors=True)
        turn.close()
    found = _ratios(rows)
    print(report.ratio_lines(found))
    print(f"{'Python':10} {'way':12} {'1 busy':>9} {'all busy':>9} {'times':>6}   (requests a second)")
    for row in rows:
        print(f"{row.python:10} {row.way:12} {row.one:9.1f} {row.all:9.1f} {row.factor:6.2f}")
    path = asked.json_path or kit.place / asked.json_name
    path.write_text(json.dumps([{**asdict(row), "factor": row.factor} for row in rows], indent=1))
    if asked.is_check and (bad := missed(found)):
        print(f"{len(bad)} required ratios are missed")
        return 1
    return 0
