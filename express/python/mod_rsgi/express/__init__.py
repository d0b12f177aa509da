"""A Django app: with "mod_rsgi.express" in INSTALLED_APPS, manage.py knows runrsgi, and runmodwsgi as well."""
