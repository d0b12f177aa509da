//! The phases of reading a configuration: which servers there are, which other modules are loaded, refusals.

use std::ffi::CStr;
use std::ptr;

use super::hooks::active_record;
use super::log::{self, Level};
use super::server::Server;
use crate::apr::Pool;
use crate::ffi;

/// The configuration was refused; the reason has been logged.
#[derive(Debug)]
pub(crate) struct Refused;

impl Refused {
    /// Logs the reason where the administrator sees it at start, and stands for the refusal.
    pub(crate) fn because(sentence: &str) -> Self {
        log::startup(Level::Emergency, sentence);
        Self
    }
}

/// A hook that runs while or after the configuration is read.
#[derive(Clone, Copy)]
pub(crate) struct Phase<'p> {
    /// The configuration's pool: cleared at the next restart.
    pub(crate) pool: Pool<'p>,
    /// The main server; `None` in `pre_config`.
    pub(crate) server: Option<Server<'p>>,
}

impl Phase<'_> {
    /// Names of the loaded modules (their source file, by httpd's convention) other than this one.
    pub(crate) fn other_modules(&self) -> Vec<String> {
        let mine = active_record().cast_const();
        let mut names = Vec::new();
        // SAFETY: httpd's list of modules, read on the thread that reads the configuration.
        let mut module: *const ffi::module = unsafe { ffi::ap_top_module };
        // SAFETY: null or an entry of the list.
        while let Some(record) = unsafe { module.as_ref() } {
            if !ptr::eq(record, mine) && !record.name.is_null() {
                // SAFETY: the name of a module is a C string.
                names.push(
                    unsafe { CStr::from_ptr(record.name) }
                        .to_string_lossy()
                        .into_owned(),
                );
            }
            module = record.next;
        }
        names
    }

    /// Whether httpd runs as one process (`httpd -X` defines DEBUG).
    pub(crate) fn is_single_process() -> bool {
        [c"DEBUG", c"ONE_PROCESS"].iter().any(|name| {
            // SAFETY: looks a name up in the list of -D definitions.
            unsafe { ffi::ap_exists_config_define(name.as_ptr()) != 0 }
        })
    }

    /// Whether what follows is serving: httpd reads its configuration twice at a start, and only to check it under
    /// `-t` and its kin.
    pub(crate) fn is_serving() -> bool {
        // SAFETY: asks httpd for a number.
        let state = unsafe { ffi::ap_state_query(ffi::AP_SQ_MAIN_STATE) };
        // SAFETY: as above.
        let mode = unsafe { ffi::ap_state_query(ffi::AP_SQ_RUN_MODE) };
        state == ffi::AP_SQ_MS_CREATE_CONFIG && mode == ffi::AP_SQ_RM_NORMAL
    }

    /// Gives the arguments of each directive of the configuration that is being taken in, sections included.
    pub(crate) fn each_directive(mut give: impl FnMut(&[u8])) {
        // SAFETY: httpd's tree of directives, read on the thread that reads the configuration.
        let top: *const ffi::ap_directive_t = unsafe { ffi::ap_conftree };
        let mut rest = vec![top];
        while let Some(directive) = rest.pop() {
            // SAFETY: null or a directive of the tree, which lives as long as the configuration.
            let Some(directive) = (unsafe { directive.as_ref() }) else {
                continue;
            };
            if !directive.args.is_null() {
                // SAFETY: the arguments of a directive are a C string.
                give(unsafe { CStr::from_ptr(directive.args) }.to_bytes());
            }
            rest.extend([
                directive.next.cast_const(),
                directive.first_child.cast_const(),
            ]);
        }
    }

    /// Adds `name/version` to httpd's banner.
    pub(crate) fn add_version(&self, component: &CStr) {
        // SAFETY: the live pool of the configuration and a C string.
        unsafe { ffi::ap_add_version_component(self.pool.as_ptr(), component.as_ptr()) };
    }
}
