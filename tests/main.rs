//! End-to-end tests: a real httpd with the module loaded, looked at from outside.
//!
//! One file per feature. Run them with `ci/e2e`, which builds the modules and says where they are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]
#![allow(dead_code, reason = "the harness serves tests that are still to come")]

mod harness;

mod environ;
mod failures;
mod file_wrapper;
mod groups;
mod input;
mod interpreter;
mod loading;
mod logging;
mod mapping;
mod output;
mod start_response;
