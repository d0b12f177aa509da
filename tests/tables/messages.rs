//! MESSAGES.md against the sources: every number has its row, in order, with what happened and what to do.

use std::collections::BTreeSet;
use std::path::Path;

use super::{place, text};

/// Number, what happened, what to do.
fn rows() -> Vec<(String, String, String)> {
    let text = text("MESSAGES.md");
    let rows = text.lines().filter(|line| line.starts_with("| RSGI"));
    rows.map(|line| {
        let cells: Vec<&str> = line
            .split(" |")
            .map(|cell| cell.trim_matches(['|', ' ']))
            .collect();
        let [id, what, cure, ""] = cells[..] else {
            panic!("three cells: {line}");
        };
        (id.to_owned(), what.to_owned(), cure.to_owned())
    })
    .collect()
}

/// The numbers that a source names.
fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
            continue;
        }
        if !path
            .extension()
            .is_some_and(|kind| kind == "rs" || kind == "c")
        {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("RSGI0") {
            let id = text.get(at..at + 8).unwrap_or_default();
            if id.bytes().skip(4).all(|byte| byte.is_ascii_digit()) {
                found.insert(id.to_owned());
            }
        }
    }
}

#[test]
fn every_message_of_the_sources_has_a_row_and_every_row_a_message() {
    let mut named = BTreeSet::new();
    for folder in ["src", "express"] {
        collect(&place(folder), &mut named);
    }
    let listed: BTreeSet<String> = rows().into_iter().map(|(id, ..)| id).collect();
    assert_eq!(named, listed);
}

#[test]
fn every_row_has_a_cure_and_they_are_in_order() {
    let rows = rows();
    for (id, what, cure) in &rows {
        assert!(!what.is_empty() && !cure.is_empty(), "{id}: {what}: {cure}");
    }
    let ids: Vec<&String> = rows.iter().map(|(id, ..)| id).collect();
    let mut sorted = ids.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(ids, sorted);
}
