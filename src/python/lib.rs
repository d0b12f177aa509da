//! The Python layer of mod_rsgi: everything that touches CPython, behind the one symbol of `entry`.
//!
//! Built against the limited API with libpython's symbols left undefined: the host opens libpython first, then this
//! shared object (`rsgi_bridge::layer`). One file serves CPython 3.10 to 3.15. No Python object is in a static:
//! what is cached belongs to an interpreter (`interpreter::Interpreter`).

mod capi;
mod entry;
mod environ;
mod handler;
mod interpreter;
mod loader;
mod log;
mod options;
mod request;
mod start;
mod types;
