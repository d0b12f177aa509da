//! Layouts of environments, made for each test with the system's real libpython, and the real ones of this machine.
