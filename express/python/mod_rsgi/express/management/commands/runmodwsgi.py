"""manage.py runmodwsgi: runrsgi by the name that mod_wsgi has for it."""

from mod_rsgi.express.management.commands.runrsgi import Command

__all__ = ["Command"]
