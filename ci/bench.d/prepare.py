"""What must be there before the first round: the servers to compare with, built once.

Everything lies in one folder that the web user can enter (target/bench, or /var/tmp if the
checkout is closed to others) and is kept between runs. Nothing is installed into the system.
"""

import fcntl
import glob
import grp
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGES = ("mod_wsgi==6.1.1", "flask", "gunicorn", "granian", "uwsgi==2.0.31")
DEBIAN_MODULE = Path("/usr/lib/apache2/modules/mod_wsgi.so")
OWN_FILES = ("mod_rsgi.so", "rsgi_python.so", "rsgi-daemon")
WEB_USERS = ("www-data", "apache", "http", "nobody")


class Missing(Exception):
    """Something the benchmark cannot do without; the text says what to do."""


@dataclass
class Kit:
    """Where everything is."""

    place: Path
    python: str
    httpd: str
    apache_modules: Path
    # The user and group that servers run as, when we are root.
    account: tuple[int, int] | None
    account_names: tuple[str, str] | None
    modules: dict[str, Path] = field(default_factory=dict)
    # Servers that cannot be measured, with the reason.
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def venv(self) -> Path:
        """The virtual environment of all servers."""
        return self.place / "venv"


def say(text: str) -> None:
    """Tells what is going on, beside the results."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run(command: list[str], cwd: Path, what: str) -> str:
    """Runs a step; its output is shown only when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        check=False,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        raise Missing(f"{what} failed: {' '.join(command)}\n{done.stdout.strip()[-2000:]}")
    return done.stdout


def tool(*names: str, package: str) -> str:
    """The path of a program, looked for in the administrator's folders too."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    raise Missing(f"{names[0]} is missing: install {package} (ci/setup --tests does)")


def web_account() -> tuple[tuple[int, int], tuple[str, str]] | tuple[None, None]:
    """The unprivileged user that servers run as; nobody else when we are not root."""
    if os.geteuid() != 0:
        return None, None
    for name in WEB_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        group = grp.getgrgid(entry.pw_gid).gr_name
        return (entry.pw_uid, entry.pw_gid), (name, group)
    raise Missing(f"no web user found: tried {', '.join(WEB_USERS)}")


def is_open(folder: Path) -> bool:
    """Whether others may enter `folder` and all folders above it."""
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))


def _own_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise Missing(f"{folder} belongs to somebody else; set RSGI_BENCH_DIR")
    folder.chmod(0o755)
    return folder


def choose_place(has_account: bool) -> Path:
    """The folder for everything that is built; one the web user can read."""
    if given := os.environ.get("RSGI_BENCH_DIR"):
        return _own_folder(Path(given).resolve())
    if not has_account or is_open(ROOT):
        return _own_folder(ROOT / "target" / "bench")
    place = Path(f"/var/tmp/rsgi-bench-{os.geteuid()}")
    say(f"the web user cannot enter {ROOT}: using {place}")
    return _own_folder(place)


def prepare(python: str, servers: tuple[str, ...]) -> Kit:
    """Builds what is not there yet."""
    tool("wrk", package="wrk")
    account, names = web_account()
    apxs = tool("apxs", "apxs2", package="apache2-dev")
    kit = Kit(
        place=choose_place(account is not None),
        python=python,
        httpd=tool("apache2", "httpd", package="apache2"),
        apache_modules=Path(run([apxs, "-q", "LIBEXECDIR"], ROOT, "apxs").strip()),
        account=account,
        account_names=names,
    )
    _prepare_venv(kit)
    makers = {
        "c-handler": lambda: _build_handler(kit, apxs),
        "rsgi": _own_module,
        "mod_wsgi-6": lambda: _mod_wsgi_6(kit),
        "mod_wsgi-4": lambda: _mod_wsgi_4(kit),
    }
    for server, make in makers.items():
        # A process group's name begins with that of its module.
        if not any(name == server or name.startswith(f"{server}-") for name in servers):
            continue
        try:
            kit.modules[server] = make()
        except Missing as missing:
            kit.absent[server] = str(missing)
            say(f"{server} is left out: {missing}")
    return kit


def take_turn(kit: Kit) -> TextIO:
    """Waits until no other run uses the place; the turn lasts as long as the answer is open."""
    turn = (kit.place / "turn").open("w")
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another run to end: two at once would measure each other")
        fcntl.flock(turn, fcntl.LOCK_EX)
    return turn


def _prepare_venv(kit: Kit) -> None:
    stamp = kit.venv / "bench-packages"
    wanted = f"{kit.python} {' '.join(PACKAGES)}"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say(f"installing {', '.join(PACKAGES)} into {kit.venv}")
    if kit.venv.exists():
        shutil.rmtree(kit.venv)
    run([kit.python, "-m", "venv", str(kit.venv)], ROOT, "venv (package python3-venv)")
    pip = [str(kit.venv / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
    # What is built for another Python of the same version, and linked to its library, has the same
    # name in pip's cache.
    pip.append("--no-cache-dir")
    # A builder's own switches must not slow the module that we compare with.
    run([*pip, *PACKAGES], ROOT, "pip install (needs apache2-dev, python3-dev, a network)")
    stamp.write_text(wanted)


def _build_handler(kit: Kit, apxs: str) -> Path:
    source = HERE / "mod_bench_handler.c"
    folder = kit.place / "c-handler"
    module = folder / "mod_bench_handler.so"
    if module.exists() and module.stat().st_mtime > source.stat().st_mtime:
        return module
    folder.mkdir(exist_ok=True)
    shutil.copy(source, folder)
    run([apxs, "-c", "-Wc,-O2", "-Wc,-Wall", source.name], folder, "the C handler's build")
    shutil.copy(folder / ".libs" / module.name, module)
    return module


def _own_module() -> Path:
    given = Path(os.environ.get("RSGI_MODULE", ROOT / "target" / "dist" / "modules")).resolve()
    folder = given if given.is_dir() else given.parent
    for name in OWN_FILES:
        if not (folder / name).is_file():
            raise Missing(f"{folder / name} is not there: run `make build`")
    return folder / OWN_FILES[0]


def _mod_wsgi_6(kit: Kit) -> Path:
    pattern = str(kit.venv / "lib/python3*/site-packages/mod_wsgi/server/mod_wsgi-py3*.so")
    if found := glob.glob(pattern):
        return Path(found[0])
    raise Missing(f"no file {pattern}")


def _mod_wsgi_4(kit: Kit) -> Path:
    if DEBIAN_MODULE.exists():
        return DEBIAN_MODULE.resolve()
    folder = kit.place / "mod_wsgi-4"
    module = folder / DEBIAN_MODULE.relative_to("/")
    if not module.exists():
        folder.mkdir(exist_ok=True)
        tool("apt-get", package="mod_wsgi 4.9.4 by hand: this is no Debian")
        run(["apt-get", "download", "libapache2-mod-wsgi-py3"], folder, "apt-get download")
        package = next(folder.glob("libapache2-mod-wsgi-py3_*.deb"))
        run(["dpkg", "-x", package.name, "."], folder, "dpkg -x")
    return module.resolve()
