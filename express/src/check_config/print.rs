//! Findings for people: what, where with the line itself, why, and the cure, as compilers print them.

use super::finding::{Finding, Level};
use super::line::Place;
use crate::message::{Paint, Style};

/// All of them, and a line that counts.
pub(super) fn text(findings: &[Finding], files: usize, paint: Paint) -> String {
    let mut text = String::new();
    for finding in findings {
        push(&mut text, finding, paint);
        text.push('\n');
    }
    text.push_str(&summary(findings, files));
    text
}

fn push(text: &mut String, finding: &Finding, paint: Paint) {
    let level = paint.on(style(finding.level), finding.level.name());
    let what = paint.on(Style::Strong, &finding.what);
    text.push_str(&format!("{level}[{}]: {what}\n", finding.code));
    let place = finding.place.as_ref();
    let used = place.and_then(|place| place.used.as_deref());
    let widest = [place, used, finding.also.as_ref().map(|also| &also.1)];
    let digits = widest.iter().flatten().map(|place| place.line).max();
    let width = digits.map_or(0, |line| line.to_string().len());
    let gap = " ".repeat(width);
    if let Some(place) = &finding.place {
        point(text, place, width, paint);
        match &finding.instead {
            Some(line) => {
                let number = format!("{:>width$}", place.line);
                let old = paint.on(Style::Bad, &format!("- {}", place.text));
                let new = paint.on(Style::Good, &format!("+ {line}"));
                text.push_str(&format!("{number} {old}\n{number} {new}\n"));
            }
            None => quote(text, place, width, paint),
        }
    }
    let used = used.map(|place| ("the macro is used here", place));
    let also = finding.also.as_ref();
    let also = also.map(|(what, place)| (what.as_str(), place));
    for (what, place) in used.into_iter().chain(also) {
        text.push_str(&format!(
            "{gap} {}: {what}\n",
            paint.on(Style::Aside, "note")
        ));
        point(text, place, width, paint);
        quote(text, place, width, paint);
    }
    if let Some(why) = &finding.why {
        text.push_str(&format!(
            "{gap} = {}: {why}\n",
            paint.on(Style::Aside, "why")
        ));
    }
    for cure in &finding.cures {
        text.push_str(&format!(
            "{gap} = {}: {cure}\n",
            paint.on(Style::Good, "help")
        ));
    }
}

fn point(text: &mut String, place: &Place, width: usize, paint: Paint) {
    let arrow = paint.on(Style::Faint, "-->");
    text.push_str(&format!(
        "{}{arrow} {}:{}\n",
        " ".repeat(width),
        place.file.display(),
        place.line
    ));
}

fn quote(text: &mut String, place: &Place, width: usize, paint: Paint) {
    let number = paint.on(Style::Faint, &format!("{:>width$} |", place.line));
    text.push_str(&format!("{number} {}\n", place.text));
}

fn style(level: Level) -> Style {
    match level {
        Level::Note => Style::Aside,
        Level::Change => Style::Good,
        Level::Warning => Style::Doubtful,
        Level::Error => Style::Bad,
    }
}

/// How many there are of each.
fn summary(findings: &[Finding], files: usize) -> String {
    let counted = |level: Level, one: &str, many: &str| {
        let count = findings.iter().filter(|found| found.level == level).count();
        format!("{count} {}", if count == 1 { one } else { many })
    };
    format!(
        "{} read: {}, {}, {}, {}",
        if files == 1 {
            "1 file".to_owned()
        } else {
            format!("{files} files")
        },
        counted(Level::Error, "error", "errors"),
        counted(Level::Warning, "warning", "warnings"),
        counted(Level::Change, "change", "changes"),
        counted(Level::Note, "note", "notes"),
    )
}
