//! The tables in tests/parity: nothing that the program knows is missing from them, each test that they name exists and
//! is about what it is named for.

use std::collections::BTreeSet;

use rsgi_core::daemon::option_help;
use rsgi_core::directive::{Context, DIRECTIVES};

use super::lists::{Entry, differences, entries, has_test, located};
use super::text;

/// What has to be proved of a directive.
const OF_A_DIRECTIVE: [&str; 4] = ["accepted", "merged", "refused", "effect"];
/// What has to be proved of an option.
const OF_AN_OPTION: [&str; 3] = ["accepted", "refused", "effect"];

/// A directive's name without the bracket of a section.
fn plain(name: &std::ffi::CStr) -> String {
    name.to_string_lossy().trim_matches(['<', '>']).to_owned()
}

/// Fails unless the entries are those names, each once; those that are `absent` may be missing.
#[track_caller]
fn are_complete(file: &str, entries: &[Entry], known: &BTreeSet<String>) {
    let mut named = BTreeSet::new();
    for entry in entries {
        assert!(
            named.insert(entry.name.clone()),
            "{file}: {} stands there twice",
            entry.name
        );
        assert!(
            known.contains(&entry.name) || entry.absent.is_some(),
            "{file}: the program does not know {}: say `absent = \"why\"`",
            entry.name
        );
    }
    let missing: Vec<_> = known.difference(&named).collect();
    assert!(missing.is_empty(), "{file}: no entry for {missing:?}");
}

/// Fails unless everything that is asked for has a test, or the entry says why not.
#[track_caller]
fn are_proved(file: &str, entries: &[Entry], wanted: &[&str]) {
    for entry in entries {
        let wanted = if entry.removed {
            &["refused"][..]
        } else {
            wanted
        };
        let open: Vec<_> = wanted
            .iter()
            .filter(|what| entry.proof(what).is_empty())
            .collect();
        let name = &entry.name;
        match &entry.absent {
            None => assert!(open.is_empty(), "{file}: {name} has no test for {open:?}"),
            Some(reason) => assert!(
                !open.is_empty(),
                "{file}: {name} has all its tests: `absent = {reason:?}` has to go"
            ),
        }
    }
}

/// Fails unless each test exists, in a file that speaks of the entry's name.
#[track_caller]
fn exist(file: &str, entries: &[Entry], speaks_of_it: bool) {
    for entry in entries {
        for test in entry.all() {
            let Some((source, name)) = located(test) else {
                panic!("{file}: {}: there is no file for {test}", entry.name);
            };
            assert!(
                has_test(&source, name),
                "{file}: {}: {source} has no test {name}",
                entry.name
            );
            assert!(
                !speaks_of_it || spoken(&source, &entry.name),
                "{file}: {source} never speaks of {}",
                entry.name
            );
        }
    }
}

/// Whether a file has a name as the configuration spells it, or as Rust does.
fn spoken(source: &str, name: &str) -> bool {
    let text = text(source);
    let short = name.trim_start_matches("WSGI").trim_start_matches("RSGI");
    let mut snake = String::new();
    for (at, letter) in short.char_indices() {
        if at > 0 && letter.is_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    text.contains(short) || text.contains(&snake) || text.contains(&name.replace('-', "_"))
}

#[test]
fn every_directive_has_the_tests_that_prove_it() {
    let entries = entries("directives.toml");
    let known = DIRECTIVES.iter().map(|spec| plain(spec.name)).collect();
    are_complete("directives.toml", &entries, &known);
    are_proved("directives.toml", &entries, &OF_A_DIRECTIVE);
    exist("directives.toml", &entries, true);
    let of_mod_wsgi = entries
        .iter()
        .filter(|entry| entry.name.starts_with("WSGI") && !entry.removed);
    assert_eq!(of_mod_wsgi.count(), 49, "mod_wsgi 6.1.1 has 49 directives");
    for spec in &DIRECTIVES {
        let entry = entries.iter().find(|entry| entry.name == plain(spec.name));
        assert_eq!(
            spec.context == Context::Anywhere,
            entry.is_some_and(|entry| entry.removed),
            "{:?}: `removed`",
            spec.name
        );
    }
}

#[test]
fn every_option_of_a_process_group_has_the_tests_that_prove_it() {
    let entries = entries("daemon-options.toml");
    let known = option_help().map(|option| option.name.to_owned()).collect();
    are_complete("daemon-options.toml", &entries, &known);
    are_proved("daemon-options.toml", &entries, &OF_AN_OPTION);
    exist("daemon-options.toml", &entries, true);
    assert_eq!(entries.len(), 44, "mod_wsgi 6.1.1 has 44 options");
}

#[test]
fn what_the_tables_of_python_and_the_launcher_name_exists() {
    for file in ["python-api.toml", "express-options.toml"] {
        let entries = entries(file);
        for entry in &entries {
            assert!(
                entry.absent.is_some() || entry.all().next().is_some(),
                "{file}: {} has no test",
                entry.name
            );
        }
        exist(file, &entries, false);
    }
}

#[test]
fn each_difference_is_a_test_and_says_why() {
    let mut seen = BTreeSet::new();
    for (test, why) in differences() {
        let (file, name) = located(&test).unwrap_or_else(|| panic!("no file for {test}"));
        assert!(has_test(&file, name), "{file} has no test {name}");
        assert!(why.ends_with('.'), "{test}: {why:?} is no sentence");
        assert!(seen.insert(test.clone()), "{test} stands there twice");
    }
}
