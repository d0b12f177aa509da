//! Colours, where a person looks: on a terminal, unless NO_COLOR or a dumb one says otherwise.

use std::env;
use std::io::{self, IsTerminal as _};

/// What a colour stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// What is well: green.
    Good,
    /// What may go wrong, a warning: yellow.
    Doubtful,
    /// What is wrong, an error: red.
    Bad,
    /// A note beside the matter: cyan.
    Aside,
    /// What is to be seen first: bold.
    Strong,
    /// What can be passed over: dim.
    Faint,
}

/// Whether one stream gets colours.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    is_on: bool,
}

impl Paint {
    /// For standard output.
    pub fn of_stdout() -> Self {
        Self::of(io::stdout().is_terminal())
    }

    /// Never any colours.
    pub fn plain() -> Self {
        Self { is_on: false }
    }

    /// For standard error.
    pub fn of_stderr() -> Self {
        Self::of(io::stderr().is_terminal())
    }

    fn of(is_terminal: bool) -> Self {
        // https://no-color.org: any value but an empty one.
        let is_refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            is_on: is_terminal && !is_refused && !is_dumb,
        }
    }

    /// The text in its colour.
    pub fn on(self, style: Style, text: &str) -> String {
        if !self.is_on {
            return text.to_owned();
        }
        let code = match style {
            Style::Good => "1;32",
            Style::Doubtful => "1;33",
            Style::Bad => "1;31",
            Style::Aside => "1;36",
            Style::Strong => "1",
            Style::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
