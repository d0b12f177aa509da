//! Counts and times of requests in Apache's own processes. Those of process groups are in their scoreboards.

use std::sync::OnceLock;
use std::time::Instant;

use rsgi_core::metrics::FailureCause;
use rsgi_daemon::scoreboard::{Tallies, Tally};

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

/// A request that runs here, from its beginning.
pub(super) struct Run<'r> {
    tally: Option<Tally<'r>>,
    began: Instant,
}

impl<'r> Run<'r> {
    /// It begins.
    pub(super) fn begin(request: Request<'r>) -> Self {
        let tallies = request.server().and_then(embedded);
        Self {
            tally: tallies.map(|tallies| tallies.tally(own_pid())),
            began: Instant::now(),
        }
    }

    /// It is over.
    pub(super) fn end(self, request: Request<'_>, verdict: Verdict, failure: Option<FailureCause>) {
        let time = self.began.elapsed();
        if let Some(tally) = self.tally {
            tally.ran(time);
            count(tally, request, verdict, failure);
        }
        let noted = notes::wanted(request);
        if noted.any() {
            notes::course(request, noted, own_pid(), None, Some(time));
        }
    }
}

/// The number of this process. A call each time would be one of the system's.
fn own_pid() -> u32 {
    static PID: OnceLock<u32> = OnceLock::new();
    *PID.get_or_init(std::process::id)
}

/// Counts what became of a request.
pub(super) fn count(
    tally: Tally<'_>,
    request: Request<'_>,
    verdict: Verdict,
    failure: Option<FailureCause>,
) {
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
