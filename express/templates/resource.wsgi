# Written by rsgi-express {{ version }}: hands requests for files to the scripts of --add-handler.

import os
import sys
import types

SCRIPTS = {
{% for handler in files.handlers %}
    {{ handler.extension | py }}: {{ handler.script | py }},
{% endfor %}
}
os.environ.update(MOD_WSGI_EXPRESS="true", RSGI_EXPRESS="true")
os.chdir({{ python.working_directory | py }})


def modified(path):
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


class Handler:
    def __init__(self, extension, path):
        self.path = path
        self.mtime = modified(path)
        name = "__wsgi_resource_%s__" % extension[1:]
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
        self.module = types.ModuleType(name)
        self.module.__file__ = path
        sys.modules[name] = self.module
        exec(code, self.module.__dict__)
        self.handle = getattr(self.module, "handle_request", None) or self.module.application

    def is_outdated(self, resource):
        if modified(self.path) != self.mtime:
            return True
        ask = getattr(self.module, "reload_required", None)
        return bool(ask and ask(resource))


HANDLERS = {extension: Handler(extension, path) for extension, path in SCRIPTS.items()}


def handler_of(resource):
    return HANDLERS[os.path.splitext(resource)[1].lower()]


def reload_required(resource):
    return handler_of(resource).is_outdated(resource)


def handle_request(environ, start_response):
    return handler_of(environ["SCRIPT_FILENAME"]).handle(environ, start_response)
