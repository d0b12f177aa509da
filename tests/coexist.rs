//! mod_rsgi beside mod_wsgi and beside modules that bring a Python of their own.
