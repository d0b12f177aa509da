//! Flask and Django of today, from PyPI, behind a real httpd.
