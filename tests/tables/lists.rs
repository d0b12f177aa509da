//! Reads the tables in tests/parity, and finds the tests that they name.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{place, text};

/// A line of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Why something is missing.
    pub(crate) absent: Option<String>,
    /// A name that is known only to be refused.
    pub(crate) removed: bool,
    /// The tests, by what they prove.
    pub(crate) tests: BTreeMap<String, Vec<String>>,
}

impl Entry {
    /// The tests that prove it.
    pub(crate) fn proof(&self, of: &str) -> &[String] {
        self.tests.get(of).map_or(&[], Vec::as_slice)
    }

    /// All tests.
    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        self.tests.values().flatten()
    }
}

/// The entries of a table; none where there is no such table.
#[track_caller]
pub(crate) fn entries(file: &str) -> Vec<Entry> {
    let name = format!("tests/parity/{file}");
    if !place(&name).exists() {
        return vec![];
    }
    let table: Table = text(&name)
        .parse()
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    table
        .into_iter()
        .filter_map(|(_, value)| match value {
            Value::Array(entries) => Some(entries),
            _ => None,
        })
        .flatten()
        .map(|value| entry(&name, value))
        .collect()
}

#[track_caller]
fn entry(file: &str, value: Value) -> Entry {
    let Value::Table(table) = value else {
        panic!("{file}: {value:?} is no table");
    };
    let mut entry = Entry::default();
    for (key, value) in table {
        match (key.as_str(), value) {
            ("name", Value::String(name)) => entry.name = name,
            ("absent", Value::String(reason)) => entry.absent = Some(reason),
            ("removed", Value::Boolean(removed)) => entry.removed = removed,
            (_, Value::Array(tests)) => {
                let tests = tests.iter().filter_map(Value::as_str).map(str::to_owned);
                entry.tests.insert(key, tests.collect());
            }
            // What others note of an entry of theirs.
            _ => {}
        }
    }
    assert!(!entry.name.is_empty(), "{file}: an entry without a name");
    entry
}

/// Tests of tests/parity/differences.toml, with the reasons.
#[track_caller]
pub(crate) fn differences() -> Vec<(String, String)> {
    let table: Table = text("tests/parity/differences.toml").parse().unwrap();
    let list = table["difference"].as_array().unwrap();
    let word = |value: &Value, key: &str| value[key].as_str().unwrap().to_owned();
    list.iter()
        .map(|value| (word(value, "test"), word(value, "why")))
        .collect()
}

/// The file that a test is in, and the test's own name. Tests are named by file (`tests/mapping.rs::name`) or by module
/// (`mapping::name`, of the end-to-end tests).
pub(crate) fn located(test: &str) -> Option<(String, &str)> {
    let (module, name) = test.rsplit_once("::")?;
    let path = module.replace("::", "/");
    let candidates = [
        module.to_owned(),
        format!("tests/{path}.rs"),
        format!("tests/{path}/mod.rs"),
    ];
    let file = candidates.into_iter().find(|file| place(file).is_file())?;
    Some((file, name))
}

/// Whether a file has a test of that name.
pub(crate) fn has_test(file: &str, name: &str) -> bool {
    let text = text(file);
    if file.ends_with(".py") {
        return text.contains(&format!("def {name}("));
    }
    let function = format!("fn {name}(");
    text.split("#[test]").skip(1).any(|behind| {
        let head = behind.split('{').next().unwrap_or_default();
        head.contains(&function)
    })
}
