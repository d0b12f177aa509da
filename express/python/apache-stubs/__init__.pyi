"""What Apache says of itself to the applications that run in it.

The module exists only inside of the server, and in Apache's own processes only where the application has no module of
that name.
"""

from typing import Final

version: Final[tuple[int, int, int]]
"""The version of httpd."""

maximum_processes: Final[int]
"""The most processes that the MPM may have, also where the application runs in a process group."""

threads_per_process: Final[int]
"""Threads of each of them."""

description: Final[str]
"""What httpd says of itself in full, for instance `Apache/2.4.62 (Debian) mod_rsgi/…`."""

mpm_name: Final[str]
"""`event`, `worker` or `prefork`."""

build_date: Final[str]
"""When httpd was built."""
