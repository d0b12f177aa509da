//! The real `rsgi-daemon` with a real Python, started by hand as the supervisor does and spoken to in frames as Apache's
//! children do.
//!
//! `cargo test` builds the program but not the Python layer: `RSGI_TEST_LAYER` names its file (the target folder's by
//! default, built if it is not there). Tests of privileges need root and say so when they do nothing.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is a failure")]
#![expect(
    clippy::print_stdout,
    reason = "what a failed process said belongs to the failure"
)]

mod cases;
mod harness;
