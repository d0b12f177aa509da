//! What was found about one thing, and how it is printed.

use serde_json::{Value, json};

use crate::error::Error;
use crate::message::{Paint, Style};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Ok,
    Warning,
    Error,
}

/// One line of the answer.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    level: Level,
    /// What it is about, in a word.
    topic: &'static str,
    text: String,
    /// What mends it.
    cure: Option<String>,
}

/// All of them, in the order they were made.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, topic: &'static str, text: impl Into<String>) {
        self.add(Level::Ok, topic, text.into(), None);
    }

    pub(super) fn warning(&mut self, topic: &'static str, text: impl Into<String>, cure: &str) {
        self.add(Level::Warning, topic, text.into(), Some(cure.to_owned()));
    }

    pub(super) fn error(&mut self, topic: &'static str, text: impl Into<String>, cure: &str) {
        self.add(Level::Error, topic, text.into(), Some(cure.to_owned()));
    }

    /// An error of the launcher as it would be told at a start.
    pub(super) fn failure(&mut self, topic: &'static str, error: &Error) {
        let (what, cures) = parts(error);
        let cure = Some(cures).filter(|cures| !cures.is_empty());
        self.add(Level::Error, topic, what, cure);
    }

    /// Whether an error among them says what this one would.
    pub(super) fn has_told(&self, error: &Error) -> bool {
        let (what, _) = parts(error);
        let mut errors = self.0.iter().filter(|found| found.level == Level::Error);
        errors.any(|found| found.text.contains(&what))
    }

    /// Reports a failure and goes on without the value.
    pub(super) fn take<T>(&mut self, topic: &'static str, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.failure(topic, &error)).ok()
    }

    fn add(&mut self, level: Level, topic: &'static str, text: String, cure: Option<String>) {
        self.0.push(Finding {
            level,
            topic,
            text,
            cure,
        });
    }

    /// Each as its level, topic and text, for tests.
    #[cfg(test)]
    pub(super) fn told(&self) -> Vec<(Level, &'static str, &str)> {
        let told = self.0.iter();
        told.map(|finding| (finding.level, finding.topic, finding.text.as_str()))
            .collect()
    }

    /// The worst of them.
    pub(crate) fn level(&self) -> Level {
        let levels = self.0.iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Ok)
    }

    /// A line for each, and one that counts.
    pub(crate) fn text(&self, paint: Paint) -> String {
        let mut lines: Vec<_> = self.0.iter().map(|finding| finding.line(paint)).collect();
        let count = |level| self.0.iter().filter(|found| found.level == level).count();
        lines.push(format!(
            "{} ok, {}, {}",
            count(Level::Ok),
            counted(count(Level::Warning), "warning"),
            counted(count(Level::Error), "error")
        ));
        lines.join("\n")
    }

    /// A list of objects.
    pub(crate) fn json(&self) -> Value {
        let findings = self.0.iter().map(|finding| {
            json!({
                "level": finding.level.name(),
                "topic": finding.topic,
                "text": finding.text,
                "cure": finding.cure,
            })
        });
        json!({ "level": self.level().name(), "findings": findings.collect::<Vec<_>>() })
    }
}

/// What went wrong, and what mends it.
fn parts(error: &Error) -> (String, String) {
    let text = error.to_string();
    if !error.has_cure() {
        return (text.replace('\n', " "), String::new());
    }
    let mut lines = text.lines();
    let what = lines.next().unwrap_or("").to_owned();
    (what, lines.collect::<Vec<_>>().join("; "))
}

fn counted(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

impl Finding {
    fn line(&self, paint: Paint) -> String {
        let level = paint.on(self.level.style(), &format!("{:<7}", self.level.name()));
        let cure = self.cure.as_ref().map_or_else(String::new, |cure| {
            paint.on(Style::Faint, &format!("; {cure}"))
        });
        format!("{level}  {:<13} {}{cure}", self.topic, self.text)
    }
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => Style::Good,
            Self::Warning => Style::Doubtful,
            Self::Error => Style::Bad,
        }
    }
}
