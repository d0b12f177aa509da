//! What the launcher says: results on standard output, everything else on standard error.
//!
//! A reader that has gone away is no reason to stop serving, so failures to write are ignored here, once.

use std::fmt::Display;
use std::io::{self, Write as _};

/// A refusal.
pub(crate) fn error(text: &dyn Display) {
    drop(writeln!(io::stderr(), "error: {text}"));
}

/// Something that works but may not be what was meant.
pub(crate) fn warning(text: &str) {
    drop(writeln!(io::stderr(), "warning: {text}"));
}

/// Something worth knowing.
pub(crate) fn note(text: &str) {
    drop(writeln!(io::stderr(), "note: {text}"));
}

/// The result of a command.
pub(crate) fn output(text: &str) {
    let mut stdout = io::stdout();
    drop(writeln!(stdout, "{text}"));
    drop(stdout.flush());
}
