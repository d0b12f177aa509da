//! The book in docs/: every page is in its table of contents, and every link in it leads somewhere.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{place, text};

/// The pages below docs/, by their paths from there.
fn pages() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in ["", "reference"] {
        for entry in std::fs::read_dir(place("docs").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let page = path.strip_prefix(place("docs")).unwrap();
                found.insert(page.display().to_string());
            }
        }
    }
    found
}

/// The targets of the links of a page, without those that leave the book.
fn links(page: &str) -> Vec<String> {
    let text = text(&format!("docs/{page}"));
    let mut links = vec![];
    let mut rest = text.as_str();
    while let Some((_, behind)) = rest.split_once("](") {
        let (target, after) = behind.split_once(')').unwrap_or((behind, ""));
        if !target.contains("://") {
            links.push(target.to_owned());
        }
        rest = after;
    }
    links
}

/// A heading as mdBook names its anchor.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|letter| match letter {
            ' ' | '-' => Some('-'),
            letter if letter.is_alphanumeric() || letter == '_' => Some(letter),
            _ => None,
        })
        .collect()
}

/// The path that a link of a page leads to, from docs/.
fn target(page: &str, link: &str) -> String {
    let folder = Path::new(page).parent().unwrap();
    let mut path = PathBuf::new();
    for part in folder.join(link).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path.display().to_string()
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let listed = links("SUMMARY.md");
    let mut pages = pages();
    assert!(pages.remove("SUMMARY.md"));
    let unique: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(unique.len(), listed.len(), "a page is listed twice");
    assert_eq!(unique, pages);
}

#[test]
fn every_link_leads_to_a_page_and_a_heading() {
    for page in pages() {
        for link in links(&page) {
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let to = if path.is_empty() {
                page.clone()
            } else {
                target(&page, path)
            };
            assert!(
                place("docs").join(&to).is_file(),
                "docs/{page}: there is no docs/{to}"
            );
            let text = text(&format!("docs/{to}"));
            let has_it = text
                .lines()
                .filter_map(|line| line.strip_prefix('#'))
                .any(|line| anchor(line.trim_start_matches('#')) == heading);
            assert!(
                heading.is_empty() || has_it,
                "docs/{page}: docs/{to} has no heading #{heading}"
            );
        }
    }
}
