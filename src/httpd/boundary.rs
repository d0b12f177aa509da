//! The border: every function that httpd calls goes through [`enter`], which answers a panic with a value that
//! httpd understands and one log line.

use super::log::{self, Level};
use crate::apr::fence;

/// Makes stopped panics appear in the error log. Called when httpd registers the module's hooks.
pub(crate) fn install() {
    fence::install(|entry, message| {
        log::process(
            Level::Error,
            format!("RSGI0300: a panic was stopped in {entry}: {message}").as_bytes(),
        );
    });
}

/// Runs `run` for httpd; `fallback` is the answer when it panics.
pub(crate) fn enter<R>(entry: &'static str, fallback: R, run: impl FnOnce() -> R) -> R {
    fence::guard(entry, run).unwrap_or(fallback)
}
