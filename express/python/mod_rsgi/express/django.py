"""What the settings of a Django project say about how it is served, as options of rsgi-express."""

import hashlib
import importlib
import os
import stat
import sys
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.management import CommandError, call_command
from django.template.utils import get_app_template_dirs


def arguments(given):
    """The options for this project. What was typed comes behind them and wins."""
    module, callable_name = application()
    options = ["--application-type", "module", "--entry-point", module, "--callable-object", callable_name]
    options += ["--working-directory", str(base_directory()), "--python", sys.executable]
    for folder in own_folders():
        options += ["--python-path", folder]
    if "--reload-on-changes" in given:
        for folder in template_folders():
            options += ["--reload-watch", folder]
    return options + static_files(given) + list(given)


def application():
    """The module and the name in WSGI_APPLICATION."""
    path = settings.WSGI_APPLICATION
    module, _, name = (path or "").rpartition(".")
    if not module:
        raise CommandError("WSGI_APPLICATION is not set: it names the application, such as 'mysite.wsgi.application'")
    return module, name


def base_directory():
    """BASE_DIR, or the folder that the settings' package is in."""
    base = getattr(settings, "BASE_DIR", None)
    if base:
        return Path(base)
    module = importlib.import_module(settings.SETTINGS_MODULE)
    depth = settings.SETTINGS_MODULE.count(".")
    return Path(module.__file__).resolve().parents[depth]


def own_folders():
    """The folder of this package, where Python has it from PYTHONPATH alone; the server reads no such variable."""
    folder = str(Path(__file__).resolve().parents[2])
    return [] if "site-packages" in folder or "dist-packages" in folder else [folder]


def template_folders():
    """Where the project keeps its templates, which are read once; those of installed packages do not change."""
    base = base_directory().resolve()
    folders = [folder for engine in settings.TEMPLATES for folder in engine.get("DIRS", ())]
    if any(engine.get("APP_DIRS") for engine in settings.TEMPLATES):
        folders += get_app_template_dirs("templates")
    found = [Path(folder).resolve() for folder in folders]
    return [str(folder) for folder in found if base in folder.parents and folder.is_dir()]


def static_files(given):
    """An alias for the static files, unless the project serves them itself or an alias was typed."""
    url = settings.STATIC_URL
    if any("whitenoise" in name.lower() for name in settings.MIDDLEWARE):
        return []
    if not url or not url.startswith("/") or is_typed(given, url):
        return []
    root = settings.STATIC_ROOT or collected()
    return ["--url-alias", url, os.path.join(root, "")] if root else []


def is_typed(given, url):
    """Whether there is an alias for the URL among the arguments."""
    pairs = zip(given, given[1:])
    return any(option == "--url-alias" and typed.strip("/") == url.strip("/") for option, typed in pairs)


def collected():
    """The static files of all apps, put together outside of the project: for those that have no STATIC_ROOT yet."""
    if "django.contrib.staticfiles" not in settings.INSTALLED_APPS:
        return None
    name = hashlib.sha256(str(base_directory()).encode()).hexdigest()[:16]
    folder = os.path.join(tempfile.gettempdir(), "rsgi-static-%d-%s" % (os.geteuid(), name))
    try:
        os.mkdir(folder, 0o755)
        # The user who serves reads them, whatever the umask is.
        os.chmod(folder, 0o755)
    except FileExistsError:
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise CommandError("%s is not ours alone: remove it, or set STATIC_ROOT" % folder) from None
    settings.STATIC_ROOT = folder
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    return folder
