//! Why the launcher refuses: one enum for all of it, each variant one clear line, and the exit code it ends with.

use std::io;
use std::path::{Path, PathBuf};

/// What the process ends with; an Apache that was started ends it with its own code instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// The command did what it says.
    Success = 0,
    /// A file or a process could not be handled.
    Failure = 1,
    /// The options do not make sense (clap uses the same code).
    Usage = 2,
    /// The application is missing, cannot be read or does not load.
    Application = 3,
    /// Apache, its modules, mod_rsgi or Python is missing or does not fit.
    Installation = 4,
    /// The port cannot be had.
    Port = 5,
}

/// A reason not to go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option, or options together, make no sense.
    #[error("{0}")]
    Usage(String),
    /// The application cannot be served as it is.
    #[error("{0}")]
    Application(String),
    /// Something that has to be installed is not, or does not fit.
    #[error("{0}")]
    Installation(String),
    /// The port cannot be listened on.
    #[error("{0}")]
    Port(String),
    /// The server root is not one that can be trusted.
    #[error("server root `{}` {problem}", path.display())]
    ServerRoot {
        /// The directory.
        path: PathBuf,
        /// What is wrong, and the cure.
        problem: String,
    },
    /// Apache does not accept the configuration written for it.
    #[error("Apache refuses the configuration `{}`:\n{text}", path.display())]
    Configuration {
        /// The generated file.
        path: PathBuf,
        /// What `httpd -t` says.
        text: String,
    },
    /// A template does not render: a mistake of ours.
    #[error("cannot generate `{name}`: {source:#}")]
    Template {
        /// The template's name.
        name: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A system call on a file or process failed.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// What was attempted, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A system call that concerns no file failed.
    #[error("cannot {action}: {source}")]
    System {
        /// What was attempted.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// Turns an I/O error into one that says what was attempted on which file.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// Turns a failed system call into an error that says what was attempted.
    pub fn system<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System {
            action,
            source: source.into(),
        }
    }

    /// Whether the lines after the first are the cure, rather than what Apache or the system says.
    pub fn has_cure(&self) -> bool {
        matches!(
            self,
            Self::Usage(_)
                | Self::Application(_)
                | Self::Installation(_)
                | Self::Port(_)
                | Self::ServerRoot { .. }
        )
    }

    /// The same with one path said for another.
    pub fn in_place_of(self, path: &str, other: &str) -> Self {
        let put = |text: String| text.replace(path, other);
        match self {
            Self::Usage(text) => Self::Usage(put(text)),
            Self::Application(text) => Self::Application(put(text)),
            Self::Installation(text) => Self::Installation(put(text)),
            Self::Port(text) => Self::Port(put(text)),
            Self::ServerRoot {
                path: root,
                problem,
            } => Self::ServerRoot {
                path: put(root.to_string_lossy().into_owned()).into(),
                problem: put(problem),
            },
            Self::File {
                action,
                path: file,
                source,
            } => Self::File {
                action,
                path: put(file.to_string_lossy().into_owned()).into(),
                source,
            },
            Self::Configuration { path: file, text } => Self::Configuration {
                path: put(file.to_string_lossy().into_owned()).into(),
                text: put(text),
            },
            other @ (Self::Template { .. } | Self::System { .. }) => other,
        }
    }

    /// The same with a line below it, where it is one of ours.
    pub fn with_note(mut self, note: &str) -> Self {
        match &mut self {
            Self::Usage(text)
            | Self::Application(text)
            | Self::Installation(text)
            | Self::Port(text) => *text += &format!("\nnote: {note}"),
            _ => {}
        }
        self
    }

    /// The code to exit with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::Usage,
            Self::Application(_) => ExitCode::Application,
            Self::Installation(_) | Self::Configuration { .. } => ExitCode::Installation,
            Self::Port(_) => ExitCode::Port,
            Self::ServerRoot { .. }
            | Self::Template { .. }
            | Self::File { .. }
            | Self::System { .. } => ExitCode::Failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_said_in_place_of_another_in_every_kind_of_error() {
        let errors = [
            Error::Usage("in /tmp/a/x".into()),
            Error::Application("in /tmp/a/x".into()),
            Error::Installation("in /tmp/a/x".into()),
            Error::Port("in /tmp/a/x".into()),
            Error::ServerRoot {
                path: "/tmp/a".into(),
                problem: "is not like `/tmp/a/x`".into(),
            },
            Error::Configuration {
                path: "/tmp/a/httpd.conf".into(),
                text: "in /tmp/a/x".into(),
            },
            Error::file("read", Path::new("/tmp/a/x"))(io::ErrorKind::NotFound.into()),
        ];
        for error in errors {
            let told = error.in_place_of("/tmp/a", "/srv/b").to_string();
            assert!(
                told.contains("/srv/b") && !told.contains("/tmp/a"),
                "{told}"
            );
        }
    }
}
