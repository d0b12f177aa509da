//! Where mod_wsgi breaks the rules of PEP 3333 and HTTP, and mod_rsgi keeps them.
