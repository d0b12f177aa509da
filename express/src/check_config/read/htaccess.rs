//! The files that folders may have of their own, `.htaccess` or as `AccessFileName` says: those of the folders that the
//! configuration names, above and below them. httpd reads them with each request, where an `AllowOverride` lets it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::finding::{Finding, Level};
use super::super::line::{Line, Overrides, Section};
use super::{Reader, include, written};

/// How many folders are looked into, and how deep below one that is named.
const MOST_FOLDERS: usize = 2_000;
const DEEPEST_BELOW: usize = 6;
/// A longer file is no configuration.
const LONGEST_FILE: u64 = 1 << 20;

/// What a section says about the files of its folders.
struct Rule {
    line: Line,
    section: Rc<Section>,
}

impl Reader {
    /// Reads them, each as a section for its folder.
    pub(super) fn htaccess_files(&mut self) {
        let rules = self.override_rules();
        let names = self.access_file_names();
        let mut folders = Folders {
            rules: &rules,
            found: BTreeSet::new(),
            is_cut: false,
        };
        for named in self.named_folders() {
            folders.add(&named);
        }
        if folders.is_cut {
            self.read.findings.push(
                Finding::new(
                    Level::Note,
                    "htaccess",
                    format!("only {MOST_FOLDERS} folders were looked into for {}", names.join(" and ")),
                    None,
                )
                .why("below the folders that the configuration names, there are more")
                .cure("AllowOverride None, and the lines in <Directory> sections: Apache itself looks into each of them, too"),
            );
        }
        for folder in folders.found {
            for name in &names {
                self.htaccess(&folder, &folder.join(name), &rules);
            }
        }
    }

    fn override_rules(&self) -> Vec<Rule> {
        let rule = |line: &Line| {
            let section = line
                .sections()
                .find(|section| section.is("Directory") || section.is("DirectoryMatch"))?;
            Some(Rule {
                line: line.clone(),
                section: Rc::clone(section),
            })
        };
        let mut rules: Vec<Rule> = self
            .read
            .lines
            .iter()
            .filter(|line| line.is("AllowOverride") || line.is("AllowOverrideList"))
            .filter_map(rule)
            .collect();
        // httpd: shorter paths first, expressions last; of the same length as they stand.
        rules.sort_by_key(|rule| (rule.section.is_expression(), rule.section.components()));
        rules
    }

    fn access_file_names(&self) -> Vec<String> {
        let mut lines = self.read.lines.iter();
        lines
            .rfind(|line| line.is("AccessFileName"))
            .map_or_else(|| vec![".htaccess".to_owned()], Line::words)
    }

    /// The folders of sections, documents, aliases and scripts that are there.
    fn named_folders(&self) -> Vec<PathBuf> {
        let mut named = vec![];
        for rule in self.override_rules() {
            if !rule.section.is_expression() {
                let path = PathBuf::from(rule.section.pattern());
                named.extend(include::folders(&path));
            }
        }
        for line in &self.read.lines {
            let words = line.words();
            let path = match words.as_slice() {
                [path, ..] if line.is("DocumentRoot") => path,
                [_, path, ..] if line.is("Alias") || line.is("WSGIScriptAlias") => path,
                _ => continue,
            };
            let path = self.root.join(path);
            let folder = if path.is_dir() {
                Some(path.as_path())
            } else {
                path.parent()
            };
            named.extend(folder.map(Path::to_path_buf));
        }
        named.retain(|folder| folder.is_absolute() && folder.is_dir());
        named
    }

    fn htaccess(&mut self, folder: &Path, file: &Path, rules: &[Rule]) {
        let is_short = std::fs::metadata(file)
            .is_ok_and(|about| about.is_file() && about.len() <= LONGEST_FILE);
        if !is_short {
            return;
        }
        let (overrides, decided) = overrides_of(folder, rules);
        let text = match std::fs::read(file) {
            Ok(text) => text,
            Err(why) => {
                let what = format!("`{}` cannot be read: {why}", file.display());
                self.read
                    .findings
                    .push(Finding::new(Level::Note, "htaccess", what, None));
                return;
            }
        };
        let lines = written(file, &text);
        let Some((first, _)) = lines.first().cloned() else {
            return;
        };
        if overrides.is_none() {
            let ours = lines.into_iter().find(|(_, text)| is_ours(text));
            if let Some((place, _)) = ours {
                let finding = Finding::new(
                    Level::Note,
                    "htaccess",
                    format!("`{}` is not read", file.display()),
                    Some(place),
                )
                .why("AllowOverride is None for its folder, as it is where nothing else is said")
                .cure("write what is meant into a <Directory> section, and remove the file");
                self.read.findings.push(match decided {
                    Some(line) => finding.also("this says so", line.place.clone()),
                    None => finding,
                });
            }
            return;
        }
        let section = Section {
            name: "Directory".to_owned(),
            arguments: format!("\"{}\"", folder.display()),
            outer: None,
            place: decided.map_or(first, |line| line.place.clone()),
            htaccess: Some(overrides),
        };
        self.read.files.push(file.to_path_buf());
        self.lines(lines, Some(&Rc::new(section)), 0);
    }
}

/// What may stand in the file of a folder, and the line that decides it.
fn overrides_of<'a>(folder: &Path, rules: &'a [Rule]) -> (Overrides, Option<&'a Line>) {
    let mut overrides = Overrides::default();
    let mut decided = None;
    for rule in rules.iter().filter(|rule| rule.section.holds_for(folder)) {
        let words = rule.line.words();
        if rule.line.is("AllowOverrideList") {
            overrides.list = without_none(&words);
        } else {
            overrides.classes = without_none(&words);
            overrides.is_passed_over = words.iter().any(|word| {
                ["nonfatal=override", "nonfatal=all"].contains(&word.to_lowercase().as_str())
            });
            overrides
                .classes
                .retain(|class| !class.starts_with("nonfatal="));
        }
        decided = Some(&rule.line);
    }
    (overrides, decided)
}

/// The words in lower case, `Options=...` without its values.
fn without_none(words: &[String]) -> Vec<String> {
    words
        .iter()
        .map(|word| match word.to_lowercase() {
            word if word.starts_with("options=") => "options".to_owned(),
            word => word,
        })
        .filter(|word| word != "none")
        .collect()
}

fn is_ours(text: &str) -> bool {
    text.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("WSGI"))
        || text.contains("wsgi-script")
}

/// Folders in which the files may be.
struct Folders<'a> {
    rules: &'a [Rule],
    found: BTreeSet<PathBuf>,
    is_cut: bool,
}

impl Folders<'_> {
    /// Adds a folder, those above it, and those below it as far as their files are read.
    fn add(&mut self, folder: &Path) {
        for above in folder.ancestors().skip(1) {
            self.found.insert(above.to_path_buf());
        }
        self.descend(folder, 0);
    }

    fn descend(&mut self, folder: &Path, depth: usize) {
        if self.found.len() >= MOST_FOLDERS {
            self.is_cut = true;
            return;
        }
        let is_new = self.found.insert(folder.to_path_buf());
        // The root of all files is named by what forbids them.
        let is_root = folder.parent().is_none();
        if !is_new
            || is_root
            || depth >= DEEPEST_BELOW
            || overrides_of(folder, self.rules).0.is_none()
        {
            return;
        }
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        let mut below: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
            .map(|entry| entry.path())
            .collect();
        below.sort();
        for folder in below {
            self.descend(&folder, depth + 1);
        }
    }
}
