//! Counts and times of requests in Apache's own processes. Those of process groups are in their scoreboards.

use std::sync::OnceLock;
use std::time::Instant;

use rsgi_core::metrics::FailureCause;
use rsgi_daemon::scoreboard::{Tallies, Tally};

use super::handler::Refusal;
use super::{Rsgi, notes};
use crate::httpd::{Level, Phase, Request, Server, Verdict, log};

/// Makes the memory for them in httpd's parent, before it forks, where applications may run in its children.
pub(super) fn make(main: Server<'_>) {
    let Some(config) = main.config::<Rsgi>() else {
        return;
    };
    if !Phase::is_serving() || config.global.restrict_embedded == Some(true) {
        return;
    }
    match Tallies::new() {
        // Once a configuration.
        Ok(tallies) => drop(config.tallies.set(tallies)),
        Err(error) => log::process(
            Level::Warn,
            format!("RSGI0460: requests in Apache's own processes are not counted: {error}")
                .as_bytes(),
        ),
    }
}

/// All counts.
pub(super) fn embedded<'s>(server: Server<'s>) -> Option<&'s Tallies> {
    server.main().config::<Rsgi>()?.tallies.get()
}

/// What became of a request: what httpd is told, and what went wrong.
pub(super) type Ended = (Verdict, Option<FailureCause>);

/// A request from its beginning. It is counted once, however it ends: what is dropped without an end has panicked.
pub(super) struct Run<'r> {
    request: Request<'r>,
    tally: Option<Tally<'r>>,
    /// When it began, where it runs here; a process of a group says itself how long one took.
    began: Option<Instant>,
    is_over: bool,
}

impl<'r> Run<'r> {
    /// One that runs here begins.
    pub(super) fn here(request: Request<'r>) -> Self {
        let tallies = request.server().and_then(embedded);
        Self {
            request,
            tally: tallies.map(|tallies| tallies.tally(own_pid())),
            began: Some(Instant::now()),
            is_over: false,
        }
    }

    /// One of a group begins.
    pub(super) fn elsewhere(request: Request<'r>, tally: Option<Tally<'r>>) -> Self {
        Self {
            request,
            tally,
            began: None,
            is_over: false,
        }
    }

    /// It is over.
    pub(super) fn end(mut self, result: Result<Ended, Refusal>) -> Result<Verdict, Refusal> {
        let (verdict, failure) = match &result {
            Ok(ended) => *ended,
            Err(refusal) => (Verdict::Status(refusal.status), refusal.cause),
        };
        self.count(verdict, failure);
        result.map(|_| verdict)
    }

    fn count(&mut self, verdict: Verdict, failure: Option<FailureCause>) {
        self.is_over = true;
        let time = self.began.map(|began| began.elapsed());
        if let Some(tally) = self.tally {
            if let Some(time) = time {
                tally.ran(time);
            }
            count(tally, self.request, verdict, failure);
        }
        let noted = notes::wanted(self.request);
        if time.is_some() && noted.any() {
            notes::course(self.request, noted, own_pid(), None, time);
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.count(Verdict::Status(500), Some(FailureCause::Panic));
        }
    }
}

/// The number of this process. A call each time would be one of the system's.
fn own_pid() -> u32 {
    static PID: OnceLock<u32> = OnceLock::new();
    *PID.get_or_init(std::process::id)
}

/// Counts what became of a request.
fn count(tally: Tally<'_>, request: Request<'_>, verdict: Verdict, failure: Option<FailureCause>) {
    if let Some(cause) = failure {
        tally.failed(cause);
    }
    match verdict {
        Verdict::Status(status) => tally.answered(status),
        // A client that went away before there was a status has got none.
        _ if failure == Some(FailureCause::ClientGone) && !request.has_answered() => {}
        _ => tally.answered(request.status()),
    }
}
