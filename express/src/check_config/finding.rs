//! What was found in a configuration: how serious it is, where, why, and what to write instead.

use serde_json::{Value, json};

use super::line::Place;

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Worth knowing.
    Note,
    /// A line to write otherwise, which is all there is to do.
    Change,
    /// It works, and may not be what was meant, or not well.
    Warning,
    /// Apache would not start, or requests would fail.
    Error,
}

/// One thing that was found.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// Its kind, in a word: what programs and people look for.
    pub(super) code: &'static str,
    /// What is so, in one line.
    pub(super) what: String,
    pub(super) place: Option<Place>,
    /// Another line that it is about.
    pub(super) also: Option<(String, Place)>,
    /// Why it matters.
    pub(super) why: Option<String>,
    /// What mends it.
    pub(super) cures: Vec<String>,
    /// What to write in place of the line.
    pub(super) instead: Option<String>,
}

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Change => "change",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Finding {
    pub(super) fn new(
        level: Level,
        code: &'static str,
        what: impl Into<String>,
        place: Option<Place>,
    ) -> Self {
        Self {
            level,
            code,
            what: what.into(),
            place,
            also: None,
            why: None,
            cures: vec![],
            instead: None,
        }
    }

    /// What mends it.
    pub(super) fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cures.push(cure.into());
        self
    }

    /// Why it matters.
    pub(super) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// What to write in place of the line.
    pub(super) fn instead(mut self, line: impl Into<String>) -> Self {
        self.instead = Some(line.into());
        self
    }

    /// Another line that it is about, and what of it.
    pub(super) fn also(mut self, what: impl Into<String>, place: Place) -> Self {
        self.also = Some((what.into(), place));
        self
    }

    /// As an object.
    pub(super) fn json(&self) -> Value {
        let place = self.place.as_ref();
        json!({
            "level": self.level.name(),
            "code": self.code,
            "message": self.what,
            "file": place.map(|place| place.file.display().to_string()),
            "line": place.map(|place| place.line),
            "text": place.map(|place| place.text.to_string()),
            "why": self.why,
            "help": self.cures,
            "instead": self.instead,
            "used": place.and_then(|place| place.used.as_ref()).map(|used| json!({
                "file": used.file.display().to_string(),
                "line": used.line,
            })),
            "also": self.also.as_ref().map(|(what, place)| json!({
                "message": what,
                "file": place.file.display().to_string(),
                "line": place.line,
            })),
        })
    }
}

/// Sorts by place, in the order of the files, what has none last; the same thing is said once.
pub(super) fn in_order(mut findings: Vec<Finding>, files: &[std::path::PathBuf]) -> Vec<Finding> {
    let order = |finding: &Finding| {
        let place = finding.place.as_ref();
        let file = place.and_then(|place| files.iter().position(|file| *file == *place.file));
        (
            file.unwrap_or(usize::MAX),
            place.map_or(0, |place| place.line),
            std::cmp::Reverse(finding.level),
        )
    };
    findings.sort_by_key(order);
    findings.dedup_by(|a, b| a.code == b.code && a.what == b.what && a.place == b.place);
    findings
}
