//! Notes that a request carries for the access log (`%{rsgi_pid}n`): which there are, and which the configuration names.
//!
//! A note costs a little at each request, so only those are made that some directive names: `LogFormat`, `CustomLog`,
//! `ErrorLogFormat`, or an expression with `%{note:rsgi_pid}`.

/// A note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Note {
    /// Microseconds that the request waited for a thread of its process group.
    QueueTime = 1,
    /// Microseconds that it ran.
    RunTime = 2,
    /// The process that it ran in.
    Pid = 4,
    /// Its process group.
    ProcessGroup = 8,
    /// Its application group.
    ApplicationGroup = 16,
}

impl Note {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::QueueTime,
        Self::RunTime,
        Self::Pid,
        Self::ProcessGroup,
        Self::ApplicationGroup,
    ];

    /// The key.
    #[must_use]
    pub const fn name(self) -> &'static std::ffi::CStr {
        match self {
            Self::QueueTime => c"rsgi_queue_time",
            Self::RunTime => c"rsgi_run_time",
            Self::Pid => c"rsgi_pid",
            Self::ProcessGroup => c"rsgi_process_group",
            Self::ApplicationGroup => c"rsgi_application_group",
        }
    }
}

/// The notes that are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes(u32);

impl Notes {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// Those that a text names, and these. Names of tables are taken in any case by httpd.
    #[must_use]
    pub fn with(self, text: &[u8]) -> Self {
        let is_named = |note: &Note| {
            let name = note.name().to_bytes();
            text.windows(name.len())
                .any(|part| part.eq_ignore_ascii_case(name))
        };
        let named = Note::ALL.iter().filter(|note| is_named(note));
        Self(named.fold(self.0, |bits, &note| bits | note as u32))
    }

    /// Whether there are any.
    #[must_use]
    pub const fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether one is among them.
    #[must_use]
    pub const fn has(self, note: Note) -> bool {
        self.0 & note as u32 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_directive_names_is_wanted() {
        for (text, expected) in [
            (&b""[..], vec![]),
            (b"\"%h %{rsgi_x}n rsgi_\" common", vec![]),
            (b"\"%{rsgi_pid}n\"", vec![Note::Pid]),
            (
                b"%{RSGI_Queue_Time}n%{note:rsgi_run_time}",
                vec![Note::QueueTime, Note::RunTime],
            ),
            (b"rsgi_process_group", vec![Note::ProcessGroup]),
            (b"rsgi_application_grou", vec![]),
        ] {
            let notes = Notes::NONE.with(text);
            let wanted: Vec<Note> = Note::ALL
                .into_iter()
                .filter(|&note| notes.has(note))
                .collect();
            assert_eq!(wanted, expected, "{}", text.escape_ascii());
            assert_eq!(notes.any(), !expected.is_empty());
        }
        let both = Notes::NONE
            .with(b"rsgi_pid")
            .with(b"rsgi_run_time")
            .with(b"x");
        assert!(both.has(Note::Pid) && both.has(Note::RunTime));
    }
}
