//! docs/reference/parity.md: what of mod_wsgi is there, and the tests that say so.

use std::fmt::Write as _;

use super::lists::{self, Entry, entries, located};

/// The page.
pub(crate) fn render() -> String {
    let mut page = String::from(OPENING);
    let directives = entries("directives.toml");
    let (own, of_mod_wsgi): (Vec<_>, Vec<_>) = directives
        .into_iter()
        .partition(|entry| entry.name.starts_with("RSGI"));
    let (removed, present): (Vec<_>, Vec<_>) =
        of_mod_wsgi.into_iter().partition(|entry| entry.removed);
    part(
        &mut page,
        "Directives",
        &present,
        &["accepted", "merged", "refused", "effect"],
    );
    part(
        &mut page,
        "Directives of mod_rsgi alone",
        &own,
        &["accepted", "merged", "refused", "effect"],
    );
    part(
        &mut page,
        "Directives that mod_wsgi has dropped",
        &removed,
        &["refused"],
    );
    part(
        &mut page,
        "Options of WSGIDaemonProcess",
        &entries("daemon-options.toml"),
        &["accepted", "refused", "effect"],
    );
    part(
        &mut page,
        "Python API",
        &entries("python-api.toml"),
        &["tests"],
    );
    part(
        &mut page,
        "Options of rsgi-express",
        &entries("express-options.toml"),
        &["tests"],
    );
    differences(&mut page);
    page
}

/// Where the original does something else, for a reason.
fn differences(page: &mut String) {
    page.push_str(
        "\n## Where mod_wsgi 6.1.1 differs on purpose\n\nOf the tests above, mod_wsgi passes all but these. Besides, \
         what ours says of a refused line names the value and the cure.\n\n| Test | Why |\n|---|---|\n",
    );
    for (test, why) in lists::differences() {
        let name = test.rsplit("::").next().unwrap_or_default();
        writeln!(page, "| {} | {why} |", name.replace('_', " ")).unwrap();
    }
}

const OPENING: &str = "\
# What of mod_wsgi is there

Each directive and option of mod_wsgi 6.1.1, with the tests that prove it: that its values are taken, how it is merged \
over servers and sections, that nonsense is refused by name, and what it does. Made from the tables in `tests/parity` \
by `ci/pages`: do not edit. `make parity` runs these tests; `RSGI_UNDER_TEST=mod_wsgi make parity` runs them against \
mod_wsgi 6.1.1 itself.
";

fn part(page: &mut String, title: &str, entries: &[Entry], columns: &[&str]) {
    if entries.is_empty() {
        return;
    }
    write!(page, "\n## {title}\n\n| Name |").unwrap();
    for column in columns {
        let (first, rest) = column.split_at(1);
        write!(page, " {}{rest} |", first.to_uppercase()).unwrap();
    }
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(columns.len()));
    page.push('\n');
    for entry in entries {
        row(page, entry, columns);
    }
}

fn row(page: &mut String, entry: &Entry, columns: &[&str]) {
    write!(page, "| `{}` |", entry.name.replace('|', "\\|")).unwrap();
    for (at, column) in columns.iter().enumerate() {
        let tests: Vec<_> = entry.proof(column).iter().map(|test| shown(test)).collect();
        let cell = match (&entry.absent, tests.is_empty()) {
            (Some(reason), true) if at + 1 == columns.len() => format!("not there: {reason}"),
            (_, true) => "–".to_owned(),
            _ => tests.join("<br>"),
        };
        write!(page, " {cell} |").unwrap();
    }
    page.push('\n');
}

/// A test by its sentence and where it stands.
fn shown(test: &str) -> String {
    let (file, name) = located(test).unwrap_or((test.to_owned(), ""));
    format!("{} (`{file}`)", name.replace('_', " "))
}
