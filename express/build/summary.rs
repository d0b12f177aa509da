//! The list of pages: SUMMARY.md, as mdBook reads it.

/// A line of the list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry<'t> {
    /// The title of a part.
    Part(&'t str),
    /// A page.
    Page(Link<'t>),
}

/// A page by its title.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link<'t> {
    pub(super) title: &'t str,
    /// Its file, from the book's folder.
    pub(super) file: &'t str,
}

impl<'t> Entry<'t> {
    /// The page, where it is one.
    pub(super) fn page(&self) -> Option<Link<'t>> {
        match self {
            Self::Page(link) => Some(*link),
            Self::Part(_) => None,
        }
    }
}

/// All lines that say something, but for the title of the list itself.
pub(super) fn entries(summary: &str) -> Vec<Entry<'_>> {
    let lines = summary.lines().map(str::trim);
    lines.filter_map(entry).collect()
}

fn entry(line: &str) -> Option<Entry<'_>> {
    if let Some(part) = line.strip_prefix("# ") {
        return (part != "Summary").then_some(Entry::Part(part));
    }
    let link = line.trim_start_matches("- ").strip_prefix('[')?;
    let (title, file) = link.strip_suffix(')')?.split_once("](")?;
    Some(Entry::Page(Link { title, file }))
}
