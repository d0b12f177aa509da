//! The table of options and their tests, tests/parity/express-options.toml: nothing missing, nothing made up.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use toml::Table;

use super::launcher::{program, text};
use super::wrong;
use crate::harness::{UnderTest, only_rsgi, say, under_test};

const TABLE: &str = include_str!("../parity/express-options.toml");

/// An option as the program defines it.
#[derive(Debug)]
struct Defined {
    takes_a_value: bool,
}

/// What the program says about its options, by name; other spellings are options of their own.
fn defined() -> BTreeMap<String, Defined> {
    let output = Command::new(program())
        .args(["options", "--markdown"])
        .output()
        .unwrap();
    let mut found = BTreeMap::new();
    for line in text(&output).lines() {
        let Some(cell) = line.strip_prefix("| `--") else {
            continue;
        };
        // `--name VALUE`, `--other-spelling` + | default | what it writes |
        let cell = cell.split(" | ").next().unwrap_or_default();
        let mut spellings = cell.split("`--").peekable();
        let takes_a_value = spellings.peek().is_some_and(|first| {
            let inside = first.split('`').next().unwrap_or_default();
            inside.contains(' ')
        });
        for spelling in spellings {
            let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
            let name: String = spelling.chars().take_while(is_part).collect();
            found.insert(name, Defined { takes_a_value });
        }
    }
    found
}

/// The tests that an entry names under a key.
fn named<'a>(entry: &'a Table, key: &str) -> Vec<&'a str> {
    let tests = entry.get(key).and_then(|value| value.as_array());
    let tests = tests.into_iter().flatten();
    tests.filter_map(|test| test.as_str()).collect()
}

/// Whether there is such a test.
fn exists(test: &str) -> bool {
    let Some((file, name)) = test.split_once("::") else {
        return false;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let source = std::fs::read_to_string(path).unwrap_or_default();
    source.contains(&format!("#[test]\nfn {name}() {{"))
}

#[test]
fn every_option_has_tests_of_its_effect_and_of_a_wrong_value() {
    only_rsgi!("the table is of ours");
    let table: Table = TABLE.parse().expect("the table is TOML");
    let entries = table["entry"].as_array().unwrap();
    let mut listed: BTreeMap<&str, &Table> = BTreeMap::new();
    let mut wrongs = vec![];
    for entry in entries {
        let entry = entry.as_table().unwrap();
        let name = entry["name"].as_str().unwrap();
        if listed.insert(name, entry).is_some() {
            wrongs.push(format!("{name} is listed twice"));
        }
    }
    let defined = defined();
    assert!(defined.len() >= 152, "{}", defined.len());
    let missing = defined
        .keys()
        .filter(|name| !listed.contains_key(name.as_str()));
    wrongs.extend(missing.map(|name| format!("{name} is not listed")));
    for (name, entry) in listed {
        let Some(option) = defined.get(name) else {
            wrongs.push(format!("{name} is no option"));
            continue;
        };
        let effects = named(entry, "tests");
        let refusals = named(entry, "wrong");
        if effects.is_empty() {
            wrongs.push(format!("{name} has no test"));
        }
        if option.takes_a_value && refusals.is_empty() {
            wrongs.push(format!("{name} has no test of a wrong value"));
        }
        if !refusals.is_empty() && !wrong::mentions(name) {
            wrongs.push(format!("{name} is not in the list of wrong values"));
        }
        let unknown = effects.iter().chain(&refusals).filter(|test| !exists(test));
        wrongs.extend(unknown.map(|test| format!("{name}: there is no {test}")));
    }
    assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
}

#[test]
fn every_option_of_the_original_is_in_the_table() {
    if under_test() != UnderTest::ModWsgi {
        say("skipped: this asks mod_wsgi-express for its options");
        return;
    }
    let list = "from mod_wsgi.express.options import option_list\n\
                for option in option_list: print(' '.join(option._long_opts))";
    let python = program().with_file_name("python");
    let output = Command::new(python).args(["-c", list]).output().unwrap();
    let told = text(&output);
    assert!(told.lines().count() >= 150, "{told}");
    let table: Table = TABLE.parse().expect("the table is TOML");
    let entries = table["entry"].as_array().unwrap();
    let listed: Vec<_> = entries.iter().filter_map(|e| e["name"].as_str()).collect();
    let missing: Vec<_> = told
        .split_whitespace()
        .map(|option| option.trim_start_matches('-'))
        .filter(|option| !listed.contains(option))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
