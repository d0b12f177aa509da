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
    /// Where the macro is used that the line belongs to.
    pub(super) used: Option<Rc<Self>>,
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
    /// Of the whole of an `.htaccess`: what it may hold.
    pub(super) htaccess: Option<Overrides>,
}

/// What an `AllowOverride` lets the files of a folder say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Overrides {
    /// `FileInfo`, `AuthConfig` and their kin, in lower case.
    pub(super) classes: Vec<String>,
    /// The directives of `AllowOverrideList`.
    pub(super) list: Vec<String>,
    /// Whether what may not stand there is passed over: `Nonfatal=Override` or `All`.
    pub(super) is_passed_over: bool,
}

impl Overrides {
    /// Whether nothing may stand there, so that httpd does not look for the files.
    pub(super) fn is_none(&self) -> bool {
        self.classes.is_empty() && self.list.is_empty()
    }

    /// Whether a class of directives may stand there.
    pub(super) fn has(&self, class: &str) -> bool {
        self.classes
            .iter()
            .any(|one| one == "all" || one.eq_ignore_ascii_case(class))
    }

    /// Whether a directive may stand there, whatever its class.
    pub(super) fn lists(&self, directive: &str) -> bool {
        self.list
            .iter()
            .any(|one| one.eq_ignore_ascii_case(directive))
    }
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

    /// The `.htaccess` it stands in, and what that may hold.
    pub(super) fn htaccess(&self) -> Option<(&Rc<Section>, &Overrides)> {
        self.sections()
            .find_map(|section| Some((section, section.htaccess.as_ref()?)))
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

    /// Its path or expression as it is written.
    pub(super) fn pattern(&self) -> String {
        let words = words(&self.arguments);
        let written = words.into_iter().find(|word| word != "~");
        written.unwrap_or_default()
    }

    /// Whether it names its folders by an expression.
    pub(super) fn is_expression(&self) -> bool {
        self.name.to_ascii_lowercase().ends_with("match")
            || self.arguments.split_whitespace().next() == Some("~")
    }

    /// How many folders its path has, which is how httpd orders sections.
    pub(super) fn components(&self) -> usize {
        let pattern = self.pattern();
        pattern.split('/').filter(|part| !part.is_empty()).count()
    }

    /// Whether a `<Directory>` holds for a folder. An expression holds for what begins like it.
    pub(super) fn holds_for(&self, folder: &Path) -> bool {
        if self.is_expression() {
            return lies_below(&folder.to_string_lossy(), &self.path());
        }
        let pattern = self.pattern();
        if !pattern.contains(['*', '?', '[']) {
            return lies_below(&folder.to_string_lossy(), &pattern);
        }
        let options = glob::MatchOptions {
            require_literal_separator: true,
            ..glob::MatchOptions::new()
        };
        glob::Pattern::new(pattern.trim_end_matches('/')).is_ok_and(|pattern| {
            folder
                .ancestors()
                .any(|folder| pattern.matches_path_with(folder, options))
        })
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
