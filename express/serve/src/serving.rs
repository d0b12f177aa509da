//! Serves what has been set up, in another image: that of rsgi-serve, which is small, or else a fresh one of the
//! launcher. What setting up took in memory is given back, since the launcher stays for as long as the server does and
//! has little to do.
//!
//! Everything it needs goes along in one variable, which Apache does not see. Where neither program can be executed, the
//! old image serves as well.

use std::env;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::message;
use crate::process::{self, Server};
use crate::ready::Ready;
use crate::watch::{Watch, Watched};

/// The program that does nothing else, and where it is from the launcher's folder: built, installed, in cargo's folder.
const PROGRAM: &str = "rsgi-serve";
const PLACES: [&str; 3] = ["../modules", "../lib/mod_rsgi", "."];
/// The first argument of the program when it only serves.
pub const SERVE: &str = "__serve";
/// The variable with what to serve.
pub const VARIABLE: &str = "RSGI_EXPRESS_SERVING";

/// What there is to know about a server that has been set up.
#[derive(Debug, Deserialize, Serialize)]
pub struct Serving {
    /// Whether the launcher's own lines are JSON.
    pub speaks_json: bool,
    /// The shell that runs the control script: a path.
    pub shell: String,
    /// The control script in the server root.
    pub apachectl: PathBuf,
    /// Apache's program.
    pub program: PathBuf,
    /// The error log, where it is a file.
    pub log: Option<PathBuf>,
    /// Apache's file with its process id, which is there while it runs.
    pub pid_file: PathBuf,
    /// Where to find out whether the server answers. No names: see the opening of the crate.
    pub addresses: Vec<SocketAddr>,
    /// What is shown to people as the place of the application.
    pub url: String,
    /// Seconds that a process of a group has to end: `--shutdown-timeout`.
    pub shutdown_timeout: u32,
    /// Seconds that running requests have to finish after SIGTERM: `--stop-timeout`.
    pub stop_timeout: u32,
    /// What `--reload-on-changes` watches.
    pub watched: Option<Watched>,
}

impl Serving {
    /// Serves until told to stop; returns what to exit with.
    ///
    /// # Errors
    /// Apache cannot be started or waited for.
    pub fn afresh(self) -> Result<u8, Error> {
        if let (Ok(own), Ok(text)) = (env::current_exe(), serde_json::to_string(&self)) {
            let own = own.canonicalize().unwrap_or(own);
            for program in beside(&own).into_iter().chain([own]) {
                let mut typed = env::args_os();
                let name = typed.next().unwrap_or_default();
                // It comes back only where it fails.
                let _ = Command::new(program)
                    .arg0(name)
                    .arg(SERVE)
                    .args(typed)
                    .env(VARIABLE, &text)
                    .exec();
            }
        }
        self.run()
    }

    /// What the image before has left.
    ///
    /// # Errors
    /// There is none: somebody has typed the argument.
    pub fn inherited() -> Result<Self, Error> {
        let text = env::var(VARIABLE).unwrap_or_default();
        let serving: Self = serde_json::from_str(&text)
            .map_err(|_| Error::Usage(format!("`{SERVE}` is not a command to type")))?;
        if serving.speaks_json {
            message::speak_json();
        }
        Ok(serving)
    }

    /// Serves in this image.
    ///
    /// # Errors
    /// As [`Self::afresh`].
    pub fn run(self) -> Result<u8, Error> {
        let watch = self.watched.as_ref().map(Watch::new);
        if watch.as_ref().is_some_and(Watch::is_truncated) {
            message::warning(
                "`--reload-on-changes`: too many files below the working directory, not all of them are watched",
            );
        }
        let server = Server::start(&self.shell, &self.apachectl, self.shutdown_timeout)?
            .finishing_within(self.stop_timeout);
        Ready {
            addresses: self.addresses.clone(),
            pid_file: self.pid_file.clone(),
            url: self.url.clone(),
        }
        .announce();
        if let Some(watch) = watch {
            restart_on_changes(watch);
        }
        let Some(status) = server.supervise(&self.pid_file)? else {
            return Ok(0);
        };
        self.report_end(status);
        Ok(process::exit_code(status))
    }

    /// Says how Apache ended, and why as far as its log tells.
    fn report_end(&self, status: ExitStatus) {
        let program = self.program.display();
        let ended = format!("`{program}` ended with {status}");
        let told = self.log.as_deref().and_then(|log| {
            let lines = last_lines(&std::fs::read(log).ok()?);
            (!lines.is_empty())
                .then(|| format!("{ended}; the end of `{}`:\n{lines}", log.display()))
        });
        message::error(&told.unwrap_or(ended));
    }
}

/// The small program that belongs to a launcher.
fn beside(launcher: &Path) -> Option<PathBuf> {
    let folder = launcher.parent()?;
    let places = PLACES.map(|place| folder.join(place).join(PROGRAM));
    places.into_iter().find(|path| path.is_file())
}

/// Starts the watcher, which asks this process for a graceful restart as anybody could: with SIGUSR1.
fn restart_on_changes(watch: Watch) {
    let own = Pid::this();
    std::thread::spawn(move || {
        watch.run(|path: &Path| {
            message::note(&format!("`{}` has changed: restarting", path.display()));
            kill(own, Signal::SIGUSR1).is_ok()
        });
    });
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
