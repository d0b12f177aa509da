//! What the end-to-end tests stand on: a real httpd with a fresh server root per test, a client that
//! sees single bytes, and assertions over the error log. Nothing in here knows mod_rsgi's sources.

mod check;
mod client;
mod config;
mod curl;
mod httpd;
mod load;
mod log;
mod mode;
mod mpm;
mod process;
mod python;
mod root;
mod server;

pub(crate) use check::Check;
pub(crate) use client::{Connection, Reply, Request, chunk};
pub(crate) use config::Builder;
pub(crate) use curl::Curl;
pub(crate) use httpd::{httpd, is_root, web_user};
pub(crate) use load::{Ask, Failure, Load, Report};
pub(crate) use mode::{Mode, is_without_gil, mode, needs_gil, needs_threads, only_embedded};
pub(crate) use mpm::Mpm;
pub(crate) use process::{
    PATIENCE, children, comes_true, descendants, has_ended, is_daemon, leads_a_group, monotonic,
    open_descriptors, resident, session, signal, status_field, wait_until, with_marker,
};
pub(crate) use python::{ENVIRON_APP, Environ};
pub(crate) use root::allow;
pub(crate) use server::{Port, Server};

use std::path::PathBuf;

/// The module that a run of the tests is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnderTest {
    /// Our own.
    Rsgi,
    /// The original, as the oracle: `RSGI_UNDER_TEST=mod_wsgi`.
    ModWsgi,
}

/// Which module is tested.
pub(crate) fn under_test() -> UnderTest {
    match std::env::var("RSGI_UNDER_TEST").as_deref() {
        Ok("mod_wsgi") => UnderTest::ModWsgi,
        _ => UnderTest::Rsgi,
    }
}

/// The file that `LoadModule` gets.
pub(crate) fn module_path() -> PathBuf {
    let Some(path) = std::env::var_os("RSGI_TEST_MODULE") else {
        panic!("RSGI_TEST_MODULE is not set: run the end-to-end tests with ci/e2e");
    };
    PathBuf::from(path)
}

/// The id of a log line: modules share the numbers, not the prefix.
pub(crate) fn id(number: &str) -> String {
    match under_test() {
        UnderTest::Rsgi => format!("RSGI{number}:"),
        UnderTest::ModWsgi => format!("WSGI{number}:"),
    }
}

/// Prints a line of the harness itself, such as a skipped test and why.
#[expect(
    clippy::print_stderr,
    reason = "a test's only way to say why it was skipped"
)]
pub(crate) fn say(line: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    eprintln!("[{test}] {line}");
}

/// Prints why a test is skipped, and notes it for `ci/matrix`.
pub(crate) fn skipped(reason: &str) {
    use std::io::Write as _;
    say(&format!("skipped {reason}"));
    let Some(path) = std::env::var_os("RSGI_TEST_RESULTS") else {
        return;
    };
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    let python = std::env::var("RSGI_TEST_PYTHON").unwrap_or_default();
    let mode = std::env::var("RSGI_TEST_MODE").unwrap_or_default();
    let mut file = std::fs::File::options().append(true).open(path).unwrap();
    // One write, so that lines of tests beside it stay whole.
    file.write_all(format!("{python}, {mode}\t{test}\tskipped\t{reason}\n").as_bytes())
        .unwrap();
}

/// Notes that the original skips a test, for `ci/parity`, and prints the reason.
pub(crate) fn note_skipped(reason: &str) {
    use std::io::Write as _;
    say(&format!("skipped under mod_wsgi: {reason}"));
    let Some(path) = std::env::var_os("RSGI_TEST_SKIPPED") else {
        return;
    };
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    let mut file = std::fs::File::options().append(true).open(path).unwrap();
    // One write, so that lines of tests beside it stay whole.
    file.write_all(format!("{test}\t{reason}\n").as_bytes())
        .unwrap();
}

/// Leaves a test that the original cannot pass; the reason is printed.
macro_rules! only_rsgi {
    ($reason:expr) => {
        if $crate::harness::under_test() == $crate::harness::UnderTest::ModWsgi {
            $crate::harness::note_skipped($reason);
            return;
        }
    };
}
pub(crate) use only_rsgi;

/// Leaves a test whose tool is missing on this machine; the reason is printed.
macro_rules! needs {
    ($condition:expr, $reason:expr) => {
        if !$condition {
            $crate::harness::skipped(concat!("here: ", $reason));
            return;
        }
    };
}
pub(crate) use needs;
