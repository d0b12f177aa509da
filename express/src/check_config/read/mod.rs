//! Reads a configuration as httpd does: lines that go on behind a backslash, sections, conditions, variables, and the
//! files it includes. What cannot be known without the Apache it is for is taken as it most likely is there.
//!
//! `condition` decides about `<IfModule>` and its kin, `include` finds files, `macros` has those of mod_macro, `htaccess`
//! the files that an `AllowOverride` lets folders have.

mod condition;
mod htaccess;
mod include;
mod macros;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::finding::{Finding, Level};
use super::line::{Line, Place, Section, words};
use crate::error::Error;
use macros::Macro;

/// How deep files may include each other (httpd: AP_MAX_INCLUDE_DEPTH).
const DEEPEST: usize = 20;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// The directives, in httpd's order.
    pub(super) lines: Vec<Line>,
    /// What is wrong with the files themselves.
    pub(super) findings: Vec<Finding>,
    /// The files, in httpd's order; one that is read again is there again.
    pub(super) files: Vec<PathBuf>,
}

/// Reads a configuration.
///
/// # Errors
/// The file itself cannot be read.
pub(super) fn read(file: &Path, root: Option<&Path>, defined: &[String]) -> Result<Read, Error> {
    let text = std::fs::read(file).map_err(Error::file("read", file))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut reader = Reader {
        root: root.unwrap_or(folder).to_path_buf(),
        is_root_given: root.is_some(),
        variables: BTreeMap::new(),
        modules: BTreeSet::new(),
        macros: BTreeMap::new(),
        macro_lines: 0,
        read: Read::default(),
    };
    for one in defined {
        let (name, value) = one.split_once('=').unwrap_or((one, ""));
        reader.variables.insert(name.to_owned(), value.to_owned());
    }
    reader.file(file, &text, None, 0);
    reader.htaccess_files();
    Ok(reader.read)
}

struct Reader {
    root: PathBuf,
    is_root_given: bool,
    /// `Define`, and `-D`.
    variables: BTreeMap<String, String>,
    /// The names of modules that were loaded, as `LoadModule` has them.
    modules: BTreeSet<String>,
    /// Those of mod_macro, by their names in lower case.
    macros: BTreeMap<String, Macro>,
    /// How many lines they have given.
    macro_lines: usize,
    read: Read,
}

/// A line as it stands in its file, continued ones in one.
type Written = (Place, String);

/// A section that is open.
enum Open {
    /// Its lines count.
    Section(Rc<Section>),
    /// A condition; whether its lines count.
    Condition {
        name: String,
        holds: bool,
        place: Place,
    },
}

/// The lines of a file, continued ones in one, without empty ones and comments.
fn written(file: &Path, text: &[u8]) -> Vec<Written> {
    let file = Rc::new(file.to_path_buf());
    let mut lines = vec![];
    let mut begun: Option<(usize, String)> = None;
    for (at, line) in String::from_utf8_lossy(text).lines().enumerate() {
        let (number, mut whole) = begun.take().unwrap_or((at + 1, String::new()));
        match line.strip_suffix('\\') {
            Some(part) => {
                whole.push_str(part);
                begun = Some((number, whole));
            }
            None => {
                whole.push_str(line);
                lines.push((number, whole));
            }
        }
    }
    lines.extend(begun);
    lines.retain(|(_, text)| !text.trim().is_empty() && !text.trim().starts_with('#'));
    let place = |(line, text): (usize, String)| {
        let place = Place {
            file: Rc::clone(&file),
            line,
            text: squeezed(&text).into(),
            used: None,
        };
        (place, text.trim().to_owned())
    };
    lines.into_iter().map(place).collect()
}

impl Reader {
    fn file(&mut self, file: &Path, text: &[u8], outer: Option<&Rc<Section>>, depth: usize) {
        self.read.files.push(file.to_path_buf());
        self.lines(written(file, text), outer, depth);
    }

    /// Reads lines, in which the sections that are opened are closed.
    fn lines(&mut self, lines: Vec<Written>, outer: Option<&Rc<Section>>, depth: usize) {
        let mut open: Vec<Open> = vec![];
        let mut lines = lines.into_iter();
        while let Some((place, text)) = lines.next() {
            if let Some(name) = text.strip_prefix("</") {
                self.close(&mut open, name.trim_end_matches('>').trim(), &place);
            } else if let Some(head) = text.strip_prefix('<') {
                if counts(&open) && macros::is_definition(head) {
                    self.define_macro(head, &place, &mut lines);
                    continue;
                }
                let section = innermost(&open).or(outer).cloned();
                let opened = self.opened(head, section, &place, counts(&open));
                open.push(opened);
            } else if counts(&open) {
                let section = innermost(&open).or(outer).cloned();
                self.directive(&text, section, place, depth);
            }
        }
        for left in open {
            let (name, place) = match &left {
                Open::Section(section) => (section.name.clone(), section.place.clone()),
                Open::Condition { name, place, .. } => (name.clone(), place.clone()),
            };
            self.find(
                "section",
                format!("<{name}> is not closed in its file"),
                place,
                &format!("write </{name}> where it ends"),
            );
        }
    }

    fn opened(
        &mut self,
        head: &str,
        outer: Option<Rc<Section>>,
        place: &Place,
        counts: bool,
    ) -> Open {
        let end = if head.trim_end().ends_with('>') {
            ">"
        } else {
            ""
        };
        let head = head.trim_end().trim_end_matches('>').trim();
        let (name, arguments) = head.split_once(char::is_whitespace).unwrap_or((head, ""));
        let arguments = self.expanded(arguments.trim());
        match self.condition(name, &arguments) {
            Some(holds) => Open::Condition {
                name: name.to_owned(),
                holds,
                place: place.clone(),
            },
            None => {
                let section = Rc::new(Section {
                    name: name.to_owned(),
                    arguments,
                    outer,
                    place: place.clone(),
                    htaccess: None,
                });
                if counts
                    && name
                        .get(..4)
                        .is_some_and(|start| start.eq_ignore_ascii_case("WSGI"))
                {
                    // A section that is a directive, too.
                    self.read.lines.push(Line {
                        name: format!("<{name}"),
                        arguments: format!("{}{end}", section.arguments),
                        section: section.outer.clone(),
                        place: place.clone(),
                    });
                }
                Open::Section(section)
            }
        }
    }

    fn close(&mut self, open: &mut Vec<Open>, name: &str, place: &Place) {
        let expected = match open.last() {
            Some(Open::Section(section)) => section.name.clone(),
            Some(Open::Condition { name, .. }) => name.clone(),
            None => String::new(),
        };
        if expected.eq_ignore_ascii_case(name) {
            open.pop();
            return;
        }
        let cure = if expected.is_empty() {
            "leave the line out".to_owned()
        } else {
            format!("write </{expected}> here")
        };
        self.find(
            "section",
            format!("</{name}> closes no section"),
            place.clone(),
            &cure,
        );
    }

    fn directive(&mut self, text: &str, section: Option<Rc<Section>>, place: Place, depth: usize) {
        let (name, arguments) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let line = Line {
            name: name.to_owned(),
            arguments: self.expanded(arguments.trim()),
            section,
            place,
        };
        if line.is("Include") || line.is("IncludeOptional") {
            self.include(&line, depth);
            return;
        }
        if line.is("Use") {
            self.use_macro(&line, depth);
            return;
        }
        if line.is("UndefMacro") {
            self.undefine_macro(&line);
            return;
        }
        let words = line.words();
        match words.as_slice() {
            [name, rest @ ..] if line.is("Define") => {
                let value = rest.first().cloned().unwrap_or_default();
                self.variables.insert(name.clone(), value);
            }
            [name, ..] if line.is("UnDefine") => {
                self.variables.remove(name);
            }
            [path, ..] if line.is("ServerRoot") && !self.is_root_given => {
                self.root = PathBuf::from(path);
            }
            [name, ..] if line.is("LoadModule") => {
                self.modules.insert(name.clone());
            }
            _ => {}
        }
        self.read.lines.push(line);
    }

    fn include(&mut self, line: &Line, depth: usize) {
        for pattern in words(&line.arguments) {
            let path = self.root.join(&pattern);
            let files = include::files(&path);
            if files.is_empty() && line.is("Include") && !path.is_dir() {
                let what = if include::is_pattern(&pattern) {
                    "no file fits"
                } else {
                    "there is no"
                };
                self.find(
                    "include",
                    format!("{what} `{}`", path.display()),
                    line.place.clone(),
                    "name the file by its whole path, or give --server-root; IncludeOptional lets it be missing",
                );
            }
            for file in files {
                if depth + 1 >= DEEPEST {
                    self.find(
                        "include",
                        format!("`{}` is included {DEEPEST} files deep", file.display()),
                        line.place.clone(),
                        "a file includes itself: leave this line out",
                    );
                    return;
                }
                match std::fs::read(&file) {
                    Ok(text) => self.file(&file, &text, line.section.as_ref(), depth + 1),
                    Err(why) => self.find(
                        "include",
                        format!("`{}` cannot be read: {why}", file.display()),
                        line.place.clone(),
                        "run the command as a user who can read it",
                    ),
                }
            }
        }
    }

    /// The text with `${NAME}` replaced, where the name is known.
    fn expanded(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            out.push_str(before);
            match behind.split_once('}') {
                Some((name, after)) => {
                    match self.variables.get(name) {
                        Some(value) => out.push_str(value),
                        None => match std::env::var(name) {
                            Ok(value) => out.push_str(&value),
                            Err(_) => out.push_str(&format!("${{{name}}}")),
                        },
                    }
                    rest = after;
                }
                None => {
                    out.push_str("${");
                    rest = behind;
                }
            }
        }
        out.push_str(rest);
        out
    }

    fn find(&mut self, code: &'static str, what: String, place: Place, cure: &str) {
        self.read
            .findings
            .push(Finding::new(Level::Error, code, what, Some(place)).cure(cure));
    }
}

fn innermost(open: &[Open]) -> Option<&Rc<Section>> {
    open.iter().rev().find_map(|one| match one {
        Open::Section(section) => Some(section),
        Open::Condition { .. } => None,
    })
}

fn counts(open: &[Open]) -> bool {
    open.iter().all(|one| match one {
        Open::Section(_) => true,
        Open::Condition { holds, .. } => *holds,
    })
}

/// The text with each run of blanks as one, for a line that went over several.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
