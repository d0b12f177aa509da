
{% if application.type_name == "paste" %}
from paste.deploy import loadapp

{% if reloading.script %}

def modified(path):
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


MTIME = modified(ENTRY)
application = loadapp("config:" + ENTRY)


def reload_required(resource):
    return modified(ENTRY) != MTIME
{% else %}
application = loadapp("config:" + ENTRY)
{% endif %}
{% else %}
class CallableMissing(Exception):
    pass


def load():
{% if application.type_name == "module" %}
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


{% if reloading.script %}
def modified(path):
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


{% if application.type_name == "module" %}
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
{% endif %}
