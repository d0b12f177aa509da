//! What the launcher says: results on standard output, everything else on standard error.
//!
//! Three forms of the same: plain, with colours where a terminal shows them, and a JSON object a line for
//! `--log-format json`. A reader that has gone away is no reason to stop serving, so failures to write are ignored
//! here, once.

mod paint;
mod time;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};

use crate::error::Error;
pub use paint::{Paint, Style};

/// Whether lines are JSON: decided once, when the options are known.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// From here on, lines are JSON objects.
pub fn speak_json() {
    IS_JSON.store(true, Ordering::Relaxed);
}

/// Whether they are.
pub fn speaks_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// How serious a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
    Note,
}

/// A refusal; where it is one of ours, the lines after the first say what mends it.
pub fn refusal(error: &Error) {
    if error.has_cure() {
        say(Level::Error, &error.to_string());
    } else {
        self::error(error);
    }
}

/// Something that went wrong, as somebody else tells it.
pub fn error(text: &dyn Display) {
    tell(Level::Error, &text.to_string(), &[], &[]);
}

/// Something that works but may not be what was meant; the lines after the first say what mends it.
pub fn warning(text: &str) {
    say(Level::Warning, text);
}

/// Something worth knowing.
pub fn note(text: &str) {
    tell(Level::Note, text, &[], &[]);
}

/// Takes the cures and notes below a message apart.
fn say(level: Level, text: &str) {
    let mut lines = text.lines();
    let what = lines.next().unwrap_or("");
    let (notes, cures): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("note: "));
    let notes: Vec<_> = notes
        .iter()
        .map(|note| note.trim_start_matches("note: "))
        .collect();
    tell(level, what, &cures, &notes);
}

fn tell(level: Level, what: &str, cures: &[&str], notes: &[&str]) {
    if IS_JSON.load(Ordering::Relaxed) {
        let mut line = Map::new();
        line.insert("level".into(), level.name().into());
        line.insert("message".into(), what.into());
        for (key, lines) in [("help", cures), ("note", notes)] {
            if !lines.is_empty() {
                line.insert(key.into(), lines.join("; ").into());
            }
        }
        write_json(line);
        return;
    }
    let paint = Paint::of_stderr();
    let mut text = format!(
        "{}{} {what}",
        paint.on(level.style(), level.name()),
        paint.on(Style::Strong, ":")
    );
    for (name, style, lines) in [("help", Style::Good, cures), ("note", Style::Aside, notes)] {
        for line in lines {
            text += &format!("\n  {}: {line}", paint.on(style, name));
        }
    }
    drop(writeln!(io::stderr(), "{text}"));
}

/// What will run, as lines of a name, a colon and a value: one object for a program.
pub fn facts(text: &str) {
    let row = |line: &'_ str| -> Option<(String, String)> {
        let (name, value) = line.split_once(" : ")?;
        Some((name.to_owned(), value.to_owned()))
    };
    if IS_JSON.load(Ordering::Relaxed) {
        let mut line = Map::new();
        line.insert("level".into(), "info".into());
        line.insert("message".into(), "set up".into());
        for (name, value) in text.lines().filter_map(row) {
            let key = name.trim().to_lowercase().replace(' ', "_");
            line.insert(key, json!(value));
        }
        write_json(line);
        return;
    }
    let paint = Paint::of_stdout();
    let lines: Vec<_> = text
        .lines()
        .map(|line| match row(line) {
            Some((name, value)) => {
                let name = paint.on(Style::Faint, &format!("{name} :"));
                format!("{name} {value}")
            }
            None => line.to_owned(),
        })
        .collect();
    output(&lines.join("\n"));
}

/// An event of the server's life: a line for a person, an object with its facts for a program.
pub fn event(name: &str, text: &str, facts: &[(&str, String)]) {
    if !IS_JSON.load(Ordering::Relaxed) {
        output(text);
        return;
    }
    let mut line = Map::new();
    line.insert("level".into(), "info".into());
    line.insert("message".into(), name.into());
    for (key, value) in facts {
        line.insert((*key).into(), json!(value));
    }
    write_json(line);
}

fn write_json(mut line: Map<String, Value>) {
    line.insert("time".into(), time::now().into());
    drop(writeln!(io::stderr(), "{}", Value::Object(line)));
}

/// The result of a command.
pub fn output(text: &str) {
    let mut stdout = io::stdout();
    drop(writeln!(stdout, "{text}"));
    drop(stdout.flush());
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Error => Style::Bad,
            Self::Warning => Style::Doubtful,
            Self::Note => Style::Aside,
        }
    }
}
