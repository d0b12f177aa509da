//! What is written about the module, held against the sources: the tables in tests/parity, the pages of docs/ that are
//! made from them, the links of the book. Needs neither httpd nor Python; `ci/pages` writes the pages.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod book;
mod lists;
mod messages;
mod pages;
mod parity;
mod parity_page;
mod reference;
mod scripts;

use std::path::{Path, PathBuf};

/// A file or folder of the repository.
fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A text file of the repository.
#[track_caller]
fn text(name: &str) -> String {
    match std::fs::read_to_string(place(name)) {
        Ok(text) => text,
        Err(error) => panic!("{name}: {error}"),
    }
}
