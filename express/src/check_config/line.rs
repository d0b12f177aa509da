//! A line of a configuration as httpd would take it: its directive, its arguments, the sections round it, and where it
//! stands.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use rsgi_core::words::Words;

/// Where a line stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The file, as it was named or included.
    pub(super) file: Rc<PathBuf>,
    /// Its first line, from 1.
    pub(super) line: usize,
    /// The line as it is written; continued lines in one.
    pub(super) text: Rc<str>,
}

/// A section that lines stand in.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name, such as `VirtualHost`.
    pub(super) name: String,
    /// Its arguments.
    pub(super) arguments: String,
    /// The section round it.
    pub(super) outer: Option<Rc<Self>>,
    pub(super) place: Place,
}

/// A directive.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// As it is written.
    pub(super) name: String,
    /// What follows, its variables expanded as far as they are known.
    pub(super) arguments: String,
    /// The innermost section.
    pub(super) section: Option<Rc<Section>>,
    pub(super) place: Place,
}

impl Line {
    /// Whether it is that directive; case does not matter to httpd.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The words of its arguments, without quotes.
    pub(super) fn words(&self) -> Vec<String> {
        words(&self.arguments)
    }

    /// The first word of its arguments.
    pub(super) fn word(&self) -> String {
        self.words().into_iter().next().unwrap_or_default()
    }

    /// Whether its only word is `On`.
    pub(super) fn is_on(&self) -> bool {
        self.word().eq_ignore_ascii_case("on")
    }

    /// The sections round it, the innermost first.
    pub(super) fn sections(&self) -> impl Iterator<Item = &Rc<Section>> {
        let mut next = self.section.as_ref();
        std::iter::from_fn(move || {
            let section = next?;
            next = section.outer.as_ref();
            Some(section)
        })
    }

    /// The virtual host it stands in.
    pub(super) fn host(&self) -> Option<&Rc<Section>> {
        self.sections().find(|section| section.is("VirtualHost"))
    }

    /// The innermost section for files or URLs it stands in, if any.
    pub(super) fn directory(&self) -> Option<&Rc<Section>> {
        self.sections().find(|section| !section.is("VirtualHost"))
    }
}

impl Section {
    /// Whether it is a section of that name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The path of a `<Directory>` or `<Location>`, without quotes, `~` and trailing slashes; patterns end before their
    /// first wildcard.
    pub(super) fn path(&self) -> String {
        let words = words(&self.arguments);
        let path = words.iter().find(|word| *word != "~");
        let path = path.map_or("", String::as_str).trim_start_matches('^');
        let end = path.find(['*', '?', '[', '(', '$']).unwrap_or(path.len());
        let path = path[..end].trim_end_matches('/');
        path.to_owned()
    }
}

/// The words of a text, without quotes.
pub(super) fn words(text: &str) -> Vec<String> {
    Words::new(text.as_bytes())
        .map(|word| String::from_utf8_lossy(&word).into_owned())
        .collect()
}

/// Whether a path is that folder or lies below it.
pub(super) fn lies_below(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    !folder.is_empty() && Path::new(path).starts_with(folder)
        || folder.is_empty() && path.starts_with('/')
}
