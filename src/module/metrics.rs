//! `SetHandler rsgi-metrics`: what was counted, for Prometheus. Who may ask is for `Require` to say.

use rsgi_core::metrics::{self, Children, Group, Server, Slot, Usage, choose, html, lines, report};
use rsgi_daemon::client::GroupHandle;
use rsgi_daemon::scoreboard::{Slot as Place, SlotState};
use rsgi_daemon::usage;

use super::status::{respond, state_name};
use super::{VERSION, daemons, tally};
use crate::httpd::{Mpm, PageForm, Request, Scoreboard, Verdict};

/// The handler's name.
pub(super) const HANDLER: &[u8] = b"rsgi-metrics";

/// Answers a request for the metrics.
pub(super) fn handle(request: Request<'_>) -> Verdict {
    let accept = request
        .headers_in()
        .and_then(|headers| headers.first(c"Accept"));
    let format = choose(accept.map(std::ffi::CStr::to_bytes));
    respond(request, format.media_type(), || {
        with_server(request, |server| report(server, format))
    })
}

/// The section of mod_status's page.
pub(super) fn section(request: Request<'_>, form: PageForm) -> String {
    with_server(request, |server| match form {
        PageForm::Tables => html(server),
        PageForm::Plain => {
            let lines = lines(server);
            let lines = lines.replace('&', "&amp;").replace('<', "&lt;");
            format!("<hr />\n<pre>\n{lines}</pre>\n")
        }
        PageForm::Lines => lines(server),
    })
}

/// Looks at the whole server.
fn with_server<R>(request: Request<'_>, look: impl FnOnce(&Server<'_>) -> R) -> R {
    let main = request.server().map(|server| server.main());
    let groups = main.map_or_else(Vec::new, |main| {
        daemons::groups(main).map(group).collect::<Vec<_>>()
    });
    let embedded = main.and_then(tally::embedded);
    look(&Server {
        version: VERSION,
        mpm: &Mpm::ask().name,
        children: children(),
        embedded: embedded.map(|tallies| tallies.tallied()),
        groups,
    })
}

fn children() -> Children {
    let mut sum = Children::default();
    let board = Scoreboard::open();
    for child in board.into_iter().flat_map(Scoreboard::children) {
        let Some(pid) = u32::try_from(child.pid).ok().filter(|&pid| pid > 0) else {
            continue;
        };
        let Some(Usage { resident, cpu }) = usage::of(pid) else {
            continue;
        };
        sum.count += 1;
        sum.usage.resident += resident;
        sum.usage.cpu += cpu;
    }
    sum
}

/// What is told of one group.
fn group(group: &GroupHandle) -> Group {
    let board = &group.board;
    let places = board.slots();
    let is_taken = |place: &Place<'_>| !matches!(place.state(), SlotState::Free | SlotState::Dead);
    Group {
        name: group.name.clone(),
        processes: group.options.processes,
        threads: group.options.threads,
        waiting: board.waiting(),
        oldest_wait: board.oldest_wait(),
        tallied: board.tallied(),
        ends: board.ends(),
        slots: places.filter(is_taken).map(slot).collect(),
    }
}

fn slot(place: Place<'_>) -> metrics::Slot {
    let pid = place.pid();
    Slot {
        slot: place.index(),
        pid,
        state: state_name(place.state()),
        age: place.age(),
        threads: place.threads(),
        busy: place.busy(),
        requests: place.requests(),
        usage: usage::of(pid),
    }
}
