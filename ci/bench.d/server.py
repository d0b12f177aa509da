"""One server: started as its user, found ready, weighed, and stopped with all that belongs to it."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import process
from prepare import Missing

START_SECONDS = 30.0
STOP_SECONDS = 10.0
SERIOUS = re.compile(r"^\[[^]]*\] \[\w*:(?:warn|error|crit|alert|emerg)\]")
# All threads were busy; connections that wrk leaves with an answer still to come.
EXCUSED = ("AH00484", "Broken pipe", "Connection reset")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One running server."""

    def __init__(self, name: str, folder: Path, command: list[str], address: int | Path) -> None:
        self.name = name
        self.folder = folder
        # A port, or a UNIX socket.
        self.address = address
        # The server behind this one, which runs the application.
        self.backend: Server | None = None
        self._command = command
        self._child: subprocess.Popen | None = None

    def wrap(self, program: list[str]) -> None:
        """Lets another program start it."""
        self._command = [*program, *self._command]

    @property
    def port(self) -> int:
        """The port that takes requests."""
        if not isinstance(self.address, int):
            raise TypeError(f"{self.name} has no port")
        return self.address

    @property
    def pid(self) -> int:
        """The first process of the server's tree."""
        if self._child is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._child.pid

    def start(self, account: tuple[int, int] | None = None) -> None:
        """Starts it, with what is behind it, and waits until it takes connections."""
        if self.backend is not None:
            self.backend.start(account)
        # Changing the user is left to Apache, which opens its logs first.
        if self.is_apache:
            account = None
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

    @property
    def is_apache(self) -> bool:
        """Whether it is an httpd."""
        return (self.folder / "httpd.conf").exists()

    def tree(self) -> list[int]:
        """All its processes, and those behind it."""
        behind = [] if self.backend is None else self.backend.tree()
        return process.tree(self.pid) + behind

    def _connect(self) -> None:
        if isinstance(self.address, int):
            socket.create_connection(("127.0.0.1", self.address), timeout=1).close()
            return
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self.address))

    def _await_ready(self, child: subprocess.Popen) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise Missing(f"{self.name} ended with code {child.returncode}: {self.log()}")
            try:
                self._connect()
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
        return process.memory(self.tree())

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ends it, politely first; leaves nothing of its tree behind."""
        if self.backend is not None:
            self.backend.stop(seconds)
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
