"""The servers: how each is configured.

All run the same application with the same Python, with the processes and threads that the workload
says, on loopback, and as the web user when the benchmark is started by root.
"""

import json
import os
import shutil
from pathlib import Path

import groups
from apache import apache
from prepare import HERE, OWN_FILES, Kit
from server import Server, free_port
from workloads import FILE, Shape

HELLO_FILE = b"Hello World!"
BIG_FILE = b"x" * (100 * 1024)

WSGI_CONF = """\
LoadModule wsgi_module {module}
WSGIPythonHome {home}
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias / {script}
"""


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


def wsgi_conf(kit: Kit, name: str, script: Path) -> str:
    """The lines that put a WSGI module and its application into an httpd."""
    return WSGI_CONF.format(module=kit.modules[name], home=kit.venv, script=script)


def handler_conf(kit: Kit) -> str:
    """The lines that put the handler in C into an httpd."""
    return f"LoadModule bench_handler_module {kit.modules['c-handler']}\nSetHandler bench-handler"


def make(kit: Kit, name: str, site: Path, shape: Shape) -> Server:
    """The server `name` of the list, configured but not started."""
    folder = site / f"{name}-{shape}"
    if name in groups.NAMES:
        return groups.make(kit, name, site, folder, shape)
    threads = shape.threads if shape.processes == 1 else groups.CHILD_THREADS
    if name == "static":
        return apache(kit, name, folder, threads, "")
    if name == "c-handler":
        return apache(kit, name, folder, threads, handler_conf(kit))
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
