"""Servers in Apache whose applications run in processes of their own: process groups and proxies."""

import os
from pathlib import Path

from apache import apache
from prepare import Kit, Missing
from server import Server
from workloads import Shape

# Apache's own threads: enough for every connection, so that only the group sets the pace.
CHILD_THREADS = 80

# By which the processes of a group are found.
DISPLAY_NAME = "(bench-group)"

GROUP_CONF = """\
LoadModule wsgi_module {module}
WSGIRestrictEmbedded On
WSGISocketPrefix {folder}/wsgi
WSGIDaemonProcess bench processes={shape.processes} threads={shape.threads} \
    python-home={home} display-name={display} connect-timeout=120 {options}
WSGIScriptAlias / {script} process-group=bench application-group=%{{GLOBAL}}
{extra}
"""

PROXY_CONF = """\
<IfModule !mod_proxy.c>
    LoadModule proxy_module {modules}/mod_proxy.so
</IfModule>
LoadModule proxy_{kind}_module {modules}/mod_proxy_{kind}.so
ProxyPass / unix:{socket}|{kind}://localhost/ enablereuse=on
"""

# What makes mod_wsgi 6.1.1 fastest of what its directives offer, found by trying each alone.
FASTEST_OPTIONS = "response-flush-delay=0"
FASTEST_EXTRA = "WSGIScriptReloading Off"

# The module of each process group, its options and more directives.
MODULES = {
    "rsgi-daemon": ("rsgi", "", ""),
    "mod_wsgi-6-daemon": ("mod_wsgi-6", "", ""),
    "mod_wsgi-6-fastest": ("mod_wsgi-6", FASTEST_OPTIONS, FASTEST_EXTRA),
    "mod_wsgi-4-daemon": ("mod_wsgi-4", "", ""),
}
def group_server(kit: Kit, name: str, folder: Path, script: Path, shape: Shape) -> Server:
    """An httpd with a WSGI module, a process group and its application."""
    module, options, extra = MODULES[name]
    if module not in kit.modules:
        raise Missing(kit.absent.get(module, f"{module} was not prepared"))
    conf = GROUP_CONF.format(
        folder=folder,
        module=kit.modules[module],
        home=kit.venv,
        script=script,
        shape=shape,
        display=DISPLAY_NAME,
        options=options,
        extra=extra,
    )
    return apache(kit, name, folder, CHILD_THREADS, conf)


def make(kit: Kit, name: str, site: Path, folder: Path, shape: Shape) -> Server:
    """One of `NAMES`, configured but not started."""
    if name in MODULES:
        return group_server(kit, name, folder, site / "bench_app.py", shape)
    kind, backend_of = PROXIES[name]
    backend = backend_of(kit, site, folder, shape)
    conf = PROXY_CONF.format(modules=kit.apache_modules, kind=kind, socket=backend.address)
    server = apache(kit, name, folder, CHILD_THREADS, conf)
    server.backend = backend
    return server


def _backend_folder(kit: Kit, folder: Path) -> Path:
    """The folder of a backend and its socket, which belong to the web user."""
    place = folder.with_name(f"{folder.name}-backend")
    place.mkdir(parents=True)
    if kit.account is not None:
        os.chown(place, *kit.account)
    return place


def _uwsgi(kit: Kit, site: Path, folder: Path, shape: Shape) -> Server:
    place = _backend_folder(kit, folder)
    socket = place / "socket"
    command = [str(kit.venv / "bin/uwsgi"), "--master", "--die-on-term", "--disable-logging"]
    command += ["--socket", str(socket), "--listen", "100", "--need-app", "--thunder-lock"]
    command += ["--processes", str(shape.processes), "--threads", str(shape.threads)]
    command += ["--virtualenv", str(kit.venv), "--chdir", str(site), "--pythonpath", str(site)]
    command += ["--module", "bench_app:application"]
    return Server("uwsgi", place, command, socket)


def _gunicorn(kit: Kit, site: Path, folder: Path, shape: Shape) -> Server:
    place = _backend_folder(kit, folder)
    socket = place / "socket"
    command = [str(kit.venv / "bin/gunicorn"), "-b", f"unix:{socket}", "--chdir", str(site)]
    command += ["-w", str(shape.processes), "-k", "gthread", "--threads", str(shape.threads)]
    command += ["--keep-alive", "60", "--log-level", "warning", "--worker-tmp-dir", str(place)]
    return Server("gunicorn", place, [*command, "bench_app:application"], socket)


# The protocol of each proxy, and what it talks to.
PROXIES = {"proxy-uwsgi": ("uwsgi", _uwsgi), "proxy-gunicorn": ("http", _gunicorn)}
NAMES = (*MODULES, *PROXIES)
