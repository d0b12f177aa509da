//! The error log of a server: its lines, and which of them nobody expected.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{UnderTest, under_test};

/// One record of an httpd error log.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    /// The level, or `none` for text that did not come through httpd.
    pub(crate) level: String,
    /// The module in front of the level.
    pub(crate) module: String,
    /// Everything, as written.
    pub(crate) text: String,
}

impl LogLine {
    fn parse(text: &str) -> Self {
        let mut fields = text.split("] [").skip(1);
        let (module, level) = match fields.next().and_then(|f| f.split_once(':')) {
            Some((module, level)) if text.starts_with('[') => (module, level.trim_end_matches(']')),
            _ => ("", "none"),
        };
        let level = level.split(']').next().unwrap_or(level);
        Self {
            level: level.to_owned(),
            module: module.to_owned(),
            text: text.to_owned(),
        }
    }

    fn is_trouble(&self) -> bool {
        let level = self.level.as_str();
        matches!(
            level,
            "warn" | "error" | "crit" | "alert" | "emerg" | "none"
        ) || self.text.contains("exit signal")
    }

    /// The part behind the bracketed fields.
    pub(crate) fn message(&self) -> &str {
        let mut rest = self.text.as_str();
        while let Some(inner) = rest.strip_prefix('[') {
            let Some((_, after)) = inner.split_once(']') else {
                break;
            };
            rest = after.strip_prefix(' ').unwrap_or(after);
        }
        rest
    }
}

/// What httpd says about itself, whatever module serves: it was stopped in the same moment in which a response
/// ended, or all of its few workers were busy for a moment.
const NOTES_OF_HTTPD: [&str; 4] = [
    "AH03093: process_socket: apr_pollset_add failure",
    "AH03092: process_lingering_close: apr_pollset_add failure",
    "AH00484: server reached MaxRequestWorkers",
    "AH10159: server is within MinSpareThreads",
];

/// An error log on disk with the texts that a test allows in it.
#[derive(Debug)]
pub(crate) struct ErrorLog {
    path: PathBuf,
    allowed: Mutex<Vec<String>>,
}

impl ErrorLog {
    pub(crate) fn new(path: &Path, allowed: Vec<String>) -> Self {
        Self {
            path: path.to_owned(),
            allowed: Mutex::new(allowed),
        }
    }

    pub(crate) fn text(&self) -> String {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn lines(&self) -> Vec<LogLine> {
        self.text()
            .lines()
            .filter(|l| !l.trim().is_empty())
            .map(LogLine::parse)
            .collect()
    }

    pub(crate) fn allow(&self, text: &str) {
        self.allowed.lock().unwrap().push(text.to_owned());
    }

    /// Allows what belongs to a traceback, whatever it tells.
    pub(crate) fn allow_traceback(&self) {
        for part in [
            "Traceback (most recent call last)",
            "  File \"",
            "     ",
            "] \t",
            "raise ",
            "^^^",
            "~~",
            "[Previous line repeated",
        ] {
            self.allow(part);
        }
    }

    /// Allows what tells where the threads of a process are that is ended by force.
    pub(crate) fn allow_stacks(&self) {
        for part in [
            "hread 0x",
            "  File \"",
            "<no Python frame>",
            "no Python frame",
            // What C was doing, from 3.14 on, and the thread itself where there is no GIL.
            "C stack trace (most recent call first)",
            "  Binary file \"",
            "<truncated rest of calls>",
            "Stack (most recent call first)",
            "<Cannot show all threads while the GIL is disabled>",
        ] {
            self.allow(part);
        }
    }

    /// Warnings and errors that no test asked for.
    pub(crate) fn unexpected(&self) -> Vec<LogLine> {
        let mut allowed = self.allowed.lock().unwrap().clone();
        allowed.extend(NOTES_OF_HTTPD.map(str::to_owned));
        if under_test() == UnderTest::ModWsgi {
            // mod_wsgi: a child that is stopped while a response ends sometimes crashes on its way out.
            allowed.push("exit signal Segmentation fault".to_owned());
        }
        self.lines()
            .into_iter()
            .filter(|line| line.is_trouble())
            .filter(|line| !allowed.iter().any(|a| line.text.contains(a.as_str())))
            .collect()
    }
}
