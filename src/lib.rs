//! mod_rsgi: Python WSGI applications inside Apache httpd.
//!
//! This crate is the shared object that httpd loads. It exports one module record under two names; everything
//! else is in the rooms below (ARCHITECTURE.md): `module` is mod_rsgi itself, `httpd` and `apr` are safe views of
//! Apache, `ffi` is what bindgen reads from its headers.
#![warn(missing_docs)]

mod apr;
mod ffi;
mod httpd;
mod module;

use httpd::{command_table, record, register};
use module::{COMMANDS, COUNT, Rsgi};

/// httpd's table of the directives: raw pointers to constants.
struct CommandTable([ffi::command_rec; COUNT + 1]);

// SAFETY: nobody writes to the table or to what it points to.
unsafe impl Sync for CommandTable {}

static COMMAND_TABLE: CommandTable = CommandTable(command_table::<Rsgi, { COUNT + 1 }>(&COMMANDS));

/// `LoadModule wsgi_module …/mod_rsgi.so`: configurations written for mod_wsgi change one path.
///
/// httpd writes into the record (http_config.h), which is why it is mutable.
#[unsafe(no_mangle)]
pub static mut wsgi_module: ffi::module = record::<Rsgi>(
    c"mod_wsgi.c",
    (&raw const COMMAND_TABLE.0).cast(),
    register_wsgi,
);

/// `LoadModule rsgi_module …/mod_rsgi.so`: the same module under its own name.
#[unsafe(no_mangle)]
pub static mut rsgi_module: ffi::module = record::<Rsgi>(
    c"mod_wsgi.c",
    (&raw const COMMAND_TABLE.0).cast(),
    register_rsgi,
);

unsafe extern "C" fn register_wsgi(pool: *mut ffi::apr_pool_t) {
    let record = &raw mut wsgi_module;
    // SAFETY: httpd calls this while it loads the module through this record, with its pool.
    unsafe { register::<Rsgi>(record, pool) }
}

unsafe extern "C" fn register_rsgi(pool: *mut ffi::apr_pool_t) {
    let record = &raw mut rsgi_module;
    // SAFETY: as above, for the other record.
    unsafe { register::<Rsgi>(record, pool) }
}
