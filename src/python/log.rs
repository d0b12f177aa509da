//! Log lines: to the request that runs on this thread, else to the process's log.
#![deny(unsafe_code)]

use std::sync::OnceLock;

use crate::request;

/// Writes a line that belongs to no request.
pub(crate) type ProcessLog = fn(level: u32, text: &[u8]);

static PROCESS: OnceLock<ProcessLog> = OnceLock::new();

/// Sets where lines go that belong to no request.
pub(crate) fn set_process(log: ProcessLog) {
    let _ = PROCESS.set(log);
}

/// Writes one line.
pub(crate) fn line(level: u32, text: &[u8]) {
    if !request::log_to_current(level, text) {
        process(level, text);
    }
}

/// Writes one line that belongs to no request.
pub(crate) fn process(level: u32, text: &[u8]) {
    if let Some(log) = PROCESS.get() {
        log(level, text);
    }
}
