//! Why a directive is refused, each in one line.

use std::fmt;

use thiserror::Error;

use crate::daemon::DefinitionError;
use crate::words::PairError;

/// A value as the configuration gives it, made fit for one line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown(Vec<u8>);

/// Longest part of a value that an error repeats.
const SHOWN: usize = 200;

impl Shown {
    /// Keeps `value` for an error.
    #[must_use]
    pub fn new(value: &[u8]) -> Self {
        Self(value.to_vec())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = &self.0[..self.0.len().min(SHOWN)];
        f.write_str("`")?;
        for chunk in cut.utf8_chunks() {
            for letter in chunk.valid().chars() {
                if letter.is_control() {
                    write!(f, "{}", letter.escape_default())?;
                } else {
                    write!(f, "{letter}")?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_str(if cut.len() < self.0.len() {
            "…`"
        } else {
            "`"
        })
    }
}

/// Why a directive's arguments are refused. Each text names the directive, the value and the cure.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the fields are named in the texts")]
pub enum DirectiveError {
    /// An argument is not there, or empty.
    #[error("{directive} needs {what}; usage: {usage}")]
    Missing {
        directive: &'static str,
        what: &'static str,
        usage: &'static str,
    },
    /// The value is none of the words that are allowed.
    #[error("{directive} {}", taken(.allowed, .value))]
    Value {
        directive: &'static str,
        allowed: &'static str,
        value: Shown,
    },
    /// The value of an option is none of the words that are allowed.
    #[error("{directive}: the option {option} takes {allowed}, not {value}")]
    OptionValue {
        directive: &'static str,
        option: &'static str,
        allowed: &'static str,
        value: Shown,
    },
    /// An option has no value.
    #[error("{directive}: the option {option} has no value; write {option}=value without blanks")]
    EmptyOption {
        directive: &'static str,
        option: &'static str,
    },
    /// A word is no `key=value`.
    #[error(
        "{directive}: {word} is no option; options are written key=value without blanks: {allowed}"
    )]
    NoOption {
        directive: &'static str,
        word: Shown,
        allowed: &'static str,
    },
    /// No such option.
    #[error("{directive} has no option {option}; it has {allowed}")]
    UnknownOption {
        directive: &'static str,
        option: Shown,
        allowed: &'static str,
    },
    /// A section's opening line does not end.
    #[error("{directive} has no `>` at the end of its line; usage: {usage}")]
    Unclosed {
        directive: &'static str,
        usage: &'static str,
    },
    /// An option is given twice.
    #[error("{directive}: the option {option} is given twice; write one section for each")]
    Twice {
        directive: &'static str,
        option: &'static str,
    },
    /// A directive stands in a section that is not for it.
    #[error("{directive} takes {allowed}, not {value}; put that outside of the section")]
    Content {
        directive: &'static str,
        allowed: &'static str,
        value: Shown,
    },
    /// A directive that mod_wsgi has dropped.
    #[error("{directive} is no more: {instead}")]
    Removed {
        directive: &'static str,
        instead: &'static str,
    },
    /// A `WSGIDaemonProcess` that means nothing.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// A group that only a request could expand.
    #[error(
        "{directive}: {option}={value} depends on the request, but the script is loaded before any; \
         write the name of the group, or %{{GLOBAL}}"
    )]
    NotFixed {
        directive: &'static str,
        option: &'static str,
        value: Shown,
    },
}

/// What a directive takes, and what it was given.
fn taken(allowed: &str, value: &Shown) -> String {
    if value.0.is_empty() {
        format!("takes {allowed}, and nothing is given")
    } else {
        format!("takes {allowed}, not {value}")
    }
}

impl DirectiveError {
    /// The error for a word that is no option.
    pub(super) fn no_option(
        directive: &'static str,
        error: PairError<'_>,
        allowed: &'static str,
    ) -> Self {
        let (PairError::NoValue(word) | PairError::NoKey(word) | PairError::Blank(word)) = error;
        Self::NoOption {
            directive,
            word: Shown::new(word),
            allowed,
        }
    }
}
