"""An httpd with the settings that all Apache variants share."""

from pathlib import Path

from prepare import Kit
from server import Server, free_port

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
