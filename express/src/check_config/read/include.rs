//! The files that an `Include` names: one, those that a pattern fits, or all below a folder; the folders of a section.

use std::path::{Path, PathBuf};

/// Whether a name has wildcards.
pub(super) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// More folders than that are not looked for behind one pattern.
const MOST_FOLDERS: usize = 500;

/// The folders that the pattern of a section fits.
pub(super) fn folders(path: &Path) -> Vec<PathBuf> {
    let text = path.to_string_lossy();
    if !is_pattern(&text) {
        return vec![path.to_path_buf()];
    }
    let options = glob::MatchOptions {
        require_literal_separator: true,
        ..glob::MatchOptions::new()
    };
    let found = glob::glob_with(&text, options).into_iter().flatten();
    let mut found: Vec<PathBuf> = found
        .filter_map(Result::ok)
        .filter(|path| path.is_dir())
        .take(MOST_FOLDERS)
        .collect();
    found.sort();
    found
}

/// The files, in httpd's order. Folders are read with all that is below them.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let text = path.to_string_lossy();
    if !is_pattern(&text) {
        return below(path);
    }
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    let mut found: Vec<PathBuf> = glob::glob_with(&text, options)
        .map(|paths| paths.filter_map(Result::ok).collect())
        .unwrap_or_default();
    found.sort();
    found.iter().flat_map(|path| below(path)).collect()
}

fn below(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let Ok(entries) = std::fs::read_dir(path) else {
        return vec![];
    };
    let mut entries: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    entries.sort();
    entries.iter().flat_map(|entry| below(entry)).collect()
}
