//! mod_macro: lines that are written once, between `<Macro NAME PARAMETERS>` and `</Macro>`, and read again by each
//! `Use NAME VALUES`, with the values in place of the parameters.

use std::rc::Rc;

use super::super::line::{Line, Place, words};
use super::{DEEPEST, Reader, Written};

/// More lines than all uses of macros may give: a few short lines could else ask for any number of them.
const MOST_LINES: usize = 50_000;

/// A macro.
#[derive(Debug)]
pub(super) struct Macro {
    parameters: Vec<String>,
    lines: Vec<Written>,
    place: Place,
    /// Whether its own lines are being read.
    is_in_use: bool,
}

/// Whether the head of a section begins a macro.
pub(super) fn is_definition(head: &str) -> bool {
    section_name(head).eq_ignore_ascii_case("Macro")
}

fn section_name(head: &str) -> &str {
    let end = head.find(|c: char| c.is_whitespace() || c == '>');
    &head[..end.unwrap_or(head.len())]
}

impl Reader {
    /// Takes a macro's lines from those of its file.
    pub(super) fn define_macro(
        &mut self,
        head: &str,
        place: &Place,
        rest: &mut impl Iterator<Item = Written>,
    ) {
        let head = words(head.trim_end().trim_end_matches('>'));
        let mut lines = vec![];
        let mut depth = 1;
        for (at, text) in rest {
            if text.strip_prefix('<').is_some_and(is_definition) {
                depth += 1;
            } else if text.strip_prefix("</").is_some_and(is_definition) {
                depth -= 1;
            }
            if depth == 0 {
                break;
            }
            lines.push((at, text));
        }
        if depth > 0 {
            self.find(
                "macro",
                "<Macro> is not closed in its file".to_owned(),
                place.clone(),
                "write </Macro> where it ends",
            );
        }
        let [_, name, parameters @ ..] = head.as_slice() else {
            self.find(
                "macro",
                "<Macro> has no name".to_owned(),
                place.clone(),
                "write <Macro NAME $parameter ...>",
            );
            return;
        };
        let defined = Macro {
            parameters: parameters.to_vec(),
            lines,
            place: place.clone(),
            is_in_use: false,
        };
        self.macros.insert(name.to_lowercase(), defined);
    }

    /// Reads a macro's lines.
    pub(super) fn use_macro(&mut self, line: &Line, depth: usize) {
        if self.macro_lines > MOST_LINES {
            // Told already.
            return;
        }
        let words = line.words();
        let name = words.first().map_or("", String::as_str).to_lowercase();
        match self.expansion(line, &words, depth) {
            Ok(lines) => {
                self.lines(lines, line.section.as_ref(), depth + 1);
                if let Some(used) = self.macros.get_mut(&name) {
                    used.is_in_use = false;
                }
            }
            Err((what, cure)) => self.find("macro", what, line.place.clone(), &cure),
        }
    }

    /// The lines of the macro that a `Use` names, with its values; else what is wrong, and its cure.
    fn expansion(
        &mut self,
        line: &Line,
        words: &[String],
        depth: usize,
    ) -> Result<Vec<Written>, (String, String)> {
        let wrong = |what: String, cure: &str| Err((what, cure.to_owned()));
        let Some((name, values)) = words.split_first() else {
            return wrong("Use names no macro".to_owned(), "write Use NAME VALUES");
        };
        let Some(used) = self.macros.get_mut(&name.to_lowercase()) else {
            let cure = "<Macro> has to stand before Use; is its file included?";
            return wrong(format!("there is no macro `{name}` here"), cure);
        };
        if used.is_in_use || depth + 1 >= DEEPEST {
            return wrong(
                format!("the macro `{name}` uses itself"),
                "leave this line out",
            );
        }
        if values.len() != used.parameters.len() {
            let takes = counted(used.parameters.len());
            let what = format!("the macro `{name}` takes {takes}, not {}", values.len());
            let (at, file) = (used.place.line, used.place.file.display());
            return wrong(what, &format!("it is defined in line {at} of {file}"));
        }
        self.macro_lines += used.lines.len();
        if self.macro_lines > MOST_LINES {
            let what = format!("macros give more than {MOST_LINES} lines");
            return wrong(what, "check-config reads no further macros");
        }
        used.is_in_use = true;
        let at = Rc::new(line.place.clone());
        let filled = |(place, text): &Written| {
            let mut place = place.clone();
            place.used = Some(Rc::clone(&at));
            (place, replaced(text, &used.parameters, values))
        };
        Ok(used.lines.iter().map(filled).collect())
    }

    pub(super) fn undefine_macro(&mut self, line: &Line) {
        let name = line.word();
        if self.macros.remove(&name.to_lowercase()).is_none() {
            self.find(
                "macro",
                format!("there is no macro `{name}` to be undefined"),
                line.place.clone(),
                "leave the line out",
            );
        }
    }
}

fn counted(arguments: usize) -> String {
    match arguments {
        0 => "no argument".to_owned(),
        1 => "1 argument".to_owned(),
        more => format!("{more} arguments"),
    }
}

/// The text with each parameter replaced, the longest that fits at a place first; a value is not looked at again.
fn replaced(text: &str, parameters: &[String], values: &[String]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let fits = parameters
            .iter()
            .zip(values)
            .filter(|(parameter, _)| !parameter.is_empty() && rest.starts_with(parameter.as_str()))
            .max_by_key(|(parameter, _)| parameter.len());
        match fits {
            Some((parameter, value)) => {
                out.push_str(value);
                rest = &rest[parameter.len()..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}
