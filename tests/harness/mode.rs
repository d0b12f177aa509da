//! Where the applications of the shared list run: in Apache's children or in a daemon process group.
//!
//! The tests do not know: the builder puts the group into the configuration. Those that are about embedded mode by
//! nature say so with `only_embedded!` and the reason; what differs by design is asked for here, with the reason.

use std::sync::OnceLock;

/// The group that the builder makes.
pub(crate) const GROUP: &str = "e2e";

/// Where applications run: `RSGI_TEST_MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In Apache's children: `embedded`, or nothing.
    Embedded,
    /// In two processes with five threads each: `daemon`.
    Daemon,
    /// In one process with one thread: `single`.
    Single,
}

/// The mode of this run.
pub(crate) fn mode() -> Mode {
    static MODE: OnceLock<Mode> = OnceLock::new();
    *MODE.get_or_init(|| match std::env::var("RSGI_TEST_MODE").as_deref() {
        Ok("daemon") => Mode::Daemon,
        Ok("single") => Mode::Single,
        Ok("" | "embedded") | Err(_) => Mode::Embedded,
        Ok(other) => panic!("RSGI_TEST_MODE={other}: embedded, daemon or single"),
    })
}

/// Whether the Python of this run is used without its GIL: `RSGI_TEST_FREE_THREADING`, for a free-threaded one.
pub(crate) fn is_without_gil() -> bool {
    std::env::var_os("RSGI_TEST_FREE_THREADING").is_some_and(|value| !value.is_empty())
}

impl Mode {
    /// The options of the group.
    pub(crate) fn options(self) -> Option<&'static str> {
        match self {
            Self::Embedded => None,
            Self::Daemon => Some("processes=2 threads=5"),
            Self::Single => Some("processes=1 threads=1"),
        }
    }

    /// What `mod_wsgi.process_group` is: a group has a name, Apache's children have none.
    pub(crate) fn process_group(self) -> &'static str {
        match self {
            Self::Embedded => "",
            _ => GROUP,
        }
    }

    /// How many requests run at a time in one process whose server has `threads` for each child: a group has threads
    /// of its own.
    pub(crate) fn threads(self, threads: usize) -> usize {
        match self {
            Self::Embedded => threads,
            Self::Daemon => 5,
            Self::Single => 1,
        }
    }
}

/// Leaves a test that is about Apache's children by nature; the reason is printed.
macro_rules! only_embedded {
    ($reason:expr) => {
        if $crate::harness::mode() != $crate::harness::Mode::Embedded {
            $crate::harness::skipped(concat!("in daemon mode: ", $reason));
            return;
        }
    };
}
pub(crate) use only_embedded;

/// Leaves a test that needs requests that run at the same time; the reason is printed.
macro_rules! needs_threads {
    ($reason:expr) => {
        if $crate::harness::mode() == $crate::harness::Mode::Single {
            $crate::harness::skipped(concat!("with one thread: ", $reason));
            return;
        }
    };
}
pub(crate) use needs_threads;

/// Leaves a test that is about the GIL where there is none; the reason is printed.
macro_rules! needs_gil {
    ($reason:expr) => {
        if $crate::harness::is_without_gil() {
            $crate::harness::skipped(concat!("without a GIL: ", $reason));
            return;
        }
    };
}
pub(crate) use needs_gil;
