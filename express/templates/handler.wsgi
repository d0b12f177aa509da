# Written by rsgi-express {{ version }}: loads the application and hands Apache's requests to it.

{% if is_module %}
import importlib
{% endif %}
import os
import sys
{% if not is_module %}
import types
{% endif %}

ENTRY = {{ entry | py }}
CALLABLE = {{ callable | py }}
{% if mount %}
# As the environ spells it: its bytes, each as a character.
MOUNT = {{ mount | py }}.encode().decode("latin-1")
{% endif %}

os.environ.update(
    MOD_WSGI_EXPRESS="true",
    RSGI_EXPRESS="true",
    MOD_WSGI_SERVER_NAME={{ server_name | py }},
{% if reload_on_changes %}
    MOD_WSGI_RELOADER_ENABLED="true",
{% endif %}
)
os.chdir({{ working_directory | py }})


class CallableMissing(Exception):
    pass


def load():
{% if is_module %}
    # What an earlier run of this file imported is out of date by now.
    sys.modules.pop(ENTRY, None)
    module = importlib.import_module(ENTRY)
{% else %}
    with open(ENTRY, "rb") as file:
        code = compile(file.read(), ENTRY, "exec", dont_inherit=True)
    module = types.ModuleType("__wsgi__")
    module.__file__ = ENTRY
    sys.modules["__wsgi__"] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        sys.modules.pop("__wsgi__", None)
        raise
{% endif %}
    if not hasattr(module, CALLABLE):
        raise CallableMissing(ENTRY + " defines no " + CALLABLE, module)
    return module


{% if reloads_script %}
def modified(path):
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


{% if is_module %}
module = load()
PATH = module.__file__
MTIME = modified(PATH)
{% else %}
PATH = ENTRY
MTIME = modified(PATH)
module = load()
{% endif %}
application = getattr(module, CALLABLE)


def reload_required(resource):
    return modified(PATH) != MTIME
{% else %}
application = getattr(load(), CALLABLE)
{% endif %}


def handle_request(environ, start_response):
    # Apache has split the URL at the first part that is no file; to the application it is one path again.
    # A trusted proxy's header may have said where the application is mounted: that stays.
    if "mod_wsgi.mount_point" in environ:
        path = environ["mod_wsgi.script_name"] + environ["PATH_INFO"]
{% if mount %}
        if path == MOUNT or path.startswith(MOUNT + "/"):
            path = path[len(MOUNT):]
{% endif %}
        environ["PATH_INFO"] = path
    else:
{% if mount %}
        path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
        if path == MOUNT or path.startswith(MOUNT + "/"):
            environ["SCRIPT_NAME"] = MOUNT
            environ["PATH_INFO"] = path[len(MOUNT):]
        else:
            environ["SCRIPT_NAME"] = ""
            environ["PATH_INFO"] = path
{% else %}
        environ["PATH_INFO"] = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
        environ["SCRIPT_NAME"] = ""
{% endif %}
    return application(environ, start_response)
