//! A live screen by plain control sequences: the second one of the terminal, so that what was there comes back.

use std::io::{self, IsTerminal as _, Write as _};

/// Where texts are shown, each in place of the one before on a terminal.
#[derive(Debug)]
pub(super) struct Screen {
    is_live: bool,
}

impl Screen {
    /// Opens it; `is_plain` has the texts below each other on a terminal too.
    pub(super) fn open(is_plain: bool) -> Self {
        let is_live = !is_plain && io::stdout().is_terminal();
        if is_live {
            // The other screen, no cursor, no wrapping of long lines.
            put("\x1b[?1049h\x1b[?25l\x1b[?7l");
        }
        Self { is_live }
    }

    /// Shows a text.
    pub(super) fn show(&mut self, text: &str) {
        if self.is_live {
            // Each line clears what is left of the one before it, and the last one what is below: nothing flickers.
            let text = text.replace('\n', "\x1b[K\n");
            put(&format!(
                "\x1b[H{text}\x1b[K\n\x1b[K\nCtrl-C ends\x1b[K\x1b[J"
            ));
        } else {
            put(&format!("{text}\n"));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_live {
            put("\x1b[?7h\x1b[?25h\x1b[?1049l");
        }
    }
}

/// A reader that is gone ends the program by its signal or not at all.
fn put(text: &str) {
    let mut stdout = io::stdout();
    drop(write!(stdout, "{text}"));
    drop(stdout.flush());
}
