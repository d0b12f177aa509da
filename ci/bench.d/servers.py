"""The servers: how each is configured, started, found ready and stopped.

All run the same application with the same Python, one process and 25 threads (or one, where the
workload says so), on loopback, and as the web user when the benchmark is started by root.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import process
from prepare import HERE, OWN_FILES, Kit, Missing
from workloads import FILE

START_SECONDS = 30.0
STOP_SECONDS = 10.0
SERIOUS = re.compile(r"^\[[^]]*\] \[\w*:(?:warn|error|crit|alert|emerg)\]")
HELLO_FILE = b"Hello World!"
BIG_FILE = b"x" * (100 * 1024)

HTTPD_CONF = """\
ServerRoot {root}
DefaultRuntimeDir {root}
PidFile {root}/httpd.pid
ServerName localhost
Listen 127.0.0.1:{port}
ErrorLog {root}/error_log
LogLevel warn
<IfModule !event.c>
    LoadModule mpm_event_module {modules}/mod_mpm_event.so
</IfModule>
<IfModule !mod_authz_core.c>
    LoadModule authz_core_module {modules}/mod_authz_core.so
</IfModule>
<IfModule !mod_unixd.c>
    LoadModule unixd_module {modules}/mod_unixd.so
</IfModule>
{account}
ServerLimit 1
StartServers 1
ThreadLimit {threads}
ThreadsPerChild {threads}
MaxRequestWorkers {threads}
MinSpareThreads 1
MaxSpareThreads {threads}
MaxConnectionsPerChild 0
AsyncRequestWorkerFactor 64
Timeout 60
KeepAlive On
KeepAliveTimeout 30
MaxKeepAliveRequests 0
DocumentRoot {htdocs}
<Directory />
    Require all granted
</Directory>
{extra}
"""

WSGI_CONF = """\
LoadModule wsgi_module {module}
WSGIPythonHome {home}
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias / {script}
"""
# All threads were busy; connections that wrk leaves with an answer still to come.
EXCUSED = ("AH00484", "Broken pipe", "Connection reset")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_site(kit: Kit, folder: Path, iterations: int) -> None:
    """Writes the application, its settings and the static files, and copies our modules.

    A copy, because the web user must be able to read it, and because a build during the run must
    not change what is measured.
    """
    htdocs = folder / "htdocs"
    htdocs.mkdir(parents=True)
    (htdocs / "hello").write_bytes(HELLO_FILE)
    (htdocs / "100k").write_bytes(BIG_FILE)
    (htdocs / "file").write_bytes(FILE)
    for name in ("bench_app.py", "hello_app.py"):
        shutil.copy(HERE / name, folder)
    if "rsgi" in kit.modules:
        for name in OWN_FILES:
            shutil.copy(kit.modules["rsgi"].with_name(name), folder)
            (folder / name).chmod(0o755)
        kit.modules["rsgi"] = folder / OWN_FILES[0]
    settings = {"iterations": iterations, "file": str(htdocs / "file")}
    (folder / "bench_settings.json").write_text(json.dumps(settings))


class Server:
    """One running server."""

    def __init__(self, name: str, folder: Path, command: list[str], port: int) -> None:
        self.name = name
        self.folder = folder
        self.port = port
        self._command = command
        self._child: subprocess.Popen | None = None

    @property
    def pid(self) -> int:
        """The first process of the server's tree."""
        if self._child is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._child.pid

    def start(self, account: tuple[int, int] | None = None) -> None:
        """Starts it and waits until it takes connections."""
        # Changing the user is left to Apache, which opens its logs first.
        identity: dict = {}
        if account is not None:
            identity = {"user": account[0], "group": account[1], "extra_groups": []}
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with (self.folder / "output").open("wb") as output:
            self._child = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **identity,
            )
        self._await_ready(self._child)

    def _await_ready(self, child: subprocess.Popen) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise Missing(f"{self.name} ended with code {child.returncode}: {self.log()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise Missing(f"{self.name} took no connection in {START_SECONDS:.0f} s: {self.log()}")

    def log(self) -> str:
        """The end of what it wrote."""
        text = ""
        for name in ("output", "error_log"):
            path = self.folder / name
            if path.exists():
                text += path.read_text(encoding="utf-8", errors="replace")
        return text.strip()[-1500:]

    def last_line(self) -> str:
        """The last line that it wrote."""
        return self.log().rpartition("\n")[2]

    def complaints(self) -> list[str]:
        """What Apache logged at warn or above, but for what wrk's abrupt end brings about."""
        path = self.folder / "error_log"
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        serious = [line for line in lines if SERIOUS.search(line)]
        return [line for line in serious if not any(word in line for word in EXCUSED)]

    def memory(self) -> process.Memory:
        """Memory of the whole tree."""
        return process.memory(process.tree(self.pid))

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ends it, politely first; leaves nothing of its tree behind."""
        if self._child is None:
            return
        left = process.tree(self._child.pid)
        self._child.terminate()
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            for pid in left:
                _kill(pid)
            self._child.wait()
        self._child = None


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def apache(kit: Kit, name: str, folder: Path, threads: int, extra: str) -> Server:
    """An httpd with the settings that all Apache variants share, and `extra`."""
    folder.mkdir(parents=True)
    account = ""
    if kit.account_names is not None:
        user, group = kit.account_names
        account = f"User {user}\nGroup {group}"
    port = free_port()
    # While all its workers are busy, the event MPM closes idle connections, and one that has
    # just answered counts as busy: a server with one thread needs a second that is free.
    threads = max(threads, 2)
    conf = HTTPD_CONF.format(
        root=folder,
        port=port,
        modules=kit.apache_modules,
        account=account,
        threads=threads,
        htdocs=folder.parent / "htdocs",
        extra=extra,
    )
    (folder / "httpd.conf").write_text(conf)
    command = [kit.httpd, "-f", str(folder / "httpd.conf"), "-DFOREGROUND"]
    return Server(name, folder, command, port)


def wsgi_conf(kit: Kit, name: str, script: Path) -> str:
    """The lines that put a WSGI module and its application into an httpd."""
    return WSGI_CONF.format(module=kit.modules[name], home=kit.venv, script=script)


def make(kit: Kit, name: str, site: Path, threads: int) -> Server:
    """The server `name` of the list, configured but not started."""
    folder = site / f"{name}-{threads}"
    if name == "static":
        return apache(kit, name, folder, threads, "")
    if name == "c-handler":
        extra = f"LoadModule bench_handler_module {kit.modules[name]}\nSetHandler bench-handler"
        return apache(kit, name, folder, threads, extra)
    if name in ("rsgi", "mod_wsgi-6", "mod_wsgi-4"):
        return apache(kit, name, folder, threads, wsgi_conf(kit, name, site / "bench_app.py"))
    return _standalone(kit, name, site, folder, threads)


def _standalone(kit: Kit, name: str, site: Path, folder: Path, threads: int) -> Server:
    folder.mkdir(parents=True)
    if kit.account is not None:
        os.chown(folder, *kit.account)
    port = free_port()
    program = str(kit.venv / "bin" / name.partition("-")[0])
    if name == "granian":
        command = [program, "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--blocking-threads", str(threads), "--no-access-log"]
        command += ["--working-dir", str(site), "--log-level", "warning"]
    else:
        command = [program, "-w", "1", "-b", f"127.0.0.1:{port}", "--chdir", str(site)]
        command += ["--log-level", "warning", "--worker-tmp-dir", str(folder)]
        command += ["-k", "sync"] if name == "gunicorn-sync" else _gthread(threads)
    return Server(name, folder, [*command, "bench_app:application"], port)


def _gthread(threads: int) -> list[str]:
    return ["-k", "gthread", "--threads", str(threads), "--keep-alive", "30"]
