# Written by rsgi-express {{ version }}: loads the application and hands Apache's requests to it.

{% if application.type_name == "module" %}
import importlib
{% endif %}
import os
import sys
{% if application.type_name == "script" %}
import types
{% endif %}

ENTRY = {{ application.entry | py }}
{% if application.type_name != "paste" %}
CALLABLE = {{ application.callable | py }}
{% endif %}
{% if application.mount %}
# As the environ spells it: its bytes, each as a character.
MOUNT = {{ application.mount | py }}.encode().decode("latin-1")
{% endif %}

os.environ.update(
    MOD_WSGI_EXPRESS="true",
    RSGI_EXPRESS="true",
    MOD_WSGI_SERVER_NAME={{ server_name | py }},
{% if listening.aliases %}
    MOD_WSGI_SERVER_ALIASES={{ listening.aliases | join(" ") | py }},
{% endif %}
{% if reloading.on_changes %}
    MOD_WSGI_RELOADER_ENABLED="true",
{% endif %}
{% if debug.is_on %}
    MOD_WSGI_DEBUG_MODE="true",
{% endif %}
{% if debug.debugger %}
    MOD_WSGI_DEBUGGER_ENABLED="true",
{% endif %}
{% if debug.coverage %}
    MOD_WSGI_COVERAGE_ENABLED="true",
{% endif %}
{% if debug.profiler %}
    MOD_WSGI_PROFILER_ENABLED="true",
{% endif %}
{% if debug.recorder %}
    MOD_WSGI_RECORDER_ENABLED="true",
{% endif %}
{% if gdb %}
    MOD_WSGI_GDB_ENABLED="true",
{% endif %}
{% if processes.is_embedded %}
    PYTHON_EGG_CACHE={{ python.eggs | py }},
{% endif %}
)
os.chdir({{ python.working_directory | py }})

{% if debug.coverage %}
{% include "handler/coverage.py" %}

{% endif %}
{% if debug.debugger_startup %}
import pdb

pdb.set_trace()

{% endif %}
{% include "handler/load.py" %}
{% if debug.debugger %}

{% include "handler/debugger.py" %}
{% endif %}
{% if debug.profiler %}

{% include "handler/profiler.py" %}
{% endif %}
{% if debug.recorder %}

{% include "handler/recorder.py" %}
{% endif %}


def handle_request(environ, start_response):
    # Apache has split the URL at the first part that is no file; to the application it is one path again.
    # A trusted proxy's header may have said where the application is mounted: that stays.
    if "mod_wsgi.mount_point" in environ:
        path = environ["mod_wsgi.script_name"] + environ["PATH_INFO"]
{% if application.mount %}
        if path == MOUNT or path.startswith(MOUNT + "/"):
            path = path[len(MOUNT):]
{% endif %}
        environ["PATH_INFO"] = path
    else:
{% if application.mount %}
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
