//! `SetHandler rsgi-status`: what the process groups do right now, as JSON. Who may ask is for `Require` to say.

use rsgi_core::json::{Object, list};
use rsgi_daemon::client::GroupHandle;
use rsgi_daemon::scoreboard::{Slot, SlotState};

use super::handler::NO_MEMORY;
use super::{Rsgi, VERSION, daemons};
use crate::httpd::{Mpm, Request, Response, Verdict};

/// The handler's name.
pub(super) const HANDLER: &[u8] = b"rsgi-status";

/// Answers a request for the status.
pub(super) fn handle(request: Request<'_>) -> Verdict {
    respond(request, "application/json", || text(request))
}

/// Answers with a text that says how things are now.
pub(super) fn respond(
    request: Request<'_>,
    media_type: &str,
    text: impl FnOnce() -> String,
) -> Verdict {
    if !matches!(request.method(), Some(b"GET" | b"HEAD")) {
        return Verdict::Status(405);
    }
    let Some(mut response) = Response::new(request) else {
        super::handler::log(request, rsgi_bridge::abi::level::ERROR, NO_MEMORY);
        return Verdict::Status(500);
    };
    let body = text();
    response.set_content_type(media_type.as_bytes());
    response.add_header(b"Cache-Control", b"no-store", false);
    response.set_content_length(body.len() as u64);
    // A client that is gone needs no answer.
    let _ = response.send(std::iter::once(body.as_bytes()), true, false);
    Verdict::Ok
}

fn text(request: Request<'_>) -> String {
    let main = request.server().map(|server| server.main());
    let groups = main.map_or_else(Vec::new, |main| {
        daemons::groups(main).map(group).collect::<Vec<_>>()
    });
    let embedded = main
        .and_then(|main| main.config::<Rsgi>())
        .is_some_and(|config| config.global.restrict_embedded != Some(true));
    Object::new()
        .text("version", VERSION.as_bytes())
        .text("mpm", Mpm::ask().name.as_bytes())
        .number("child", std::process::id())
        .raw("embedded", if embedded { "true" } else { "false" })
        .raw("groups", &list(groups))
        .finish()
}

fn group(group: &GroupHandle) -> String {
    let board = &group.board;
    let totals = board.totals();
    let slots = board
        .slots()
        .filter(|slot| slot.state() != SlotState::Free)
        .map(slot);
    let children = board.children().map(|child| {
        Object::new()
            .number("pid", child.pid)
            .number("waiting", child.waiting)
            .number("assigned", child.assigned)
            .finish()
    });
    let running = board.running().map(|running| {
        Object::new()
            .number("child", running.child)
            .number("slot", running.slot)
            .seconds("seconds", Some(running.since))
            .text("request", &running.line)
            .finish()
    });
    Object::new()
        .text("name", &group.name)
        .number("processes", group.options.processes)
        .number("threads", group.options.threads)
        .number("waiting", board.waiting())
        .seconds("oldest_wait", board.oldest_wait())
        .number("queued", totals.queued)
        .seconds("queued_time", Some(totals.queued_time))
        .number("queue_timeouts", totals.queue_timeouts)
        .number("no_process", totals.no_process)
        .raw("slots", &list(slots))
        .raw("children", &list(children))
        .raw("running", &list(running))
        .finish()
}

fn slot(slot: Slot<'_>) -> String {
    let object = Object::new()
        .number("slot", slot.index())
        .number("incarnation", slot.incarnation())
        .text("state", state_name(slot.state()).as_bytes())
        .number("pid", slot.pid())
        .seconds("age", slot.age())
        .seconds("heartbeat_age", slot.heartbeat_age())
        .number("threads", slot.threads())
        .number("busy", slot.busy())
        .number("assigned", slot.assigned())
        .number("requests", slot.requests());
    match slot.reason() {
        Some(reason) => object.text("reason", reason.name().as_bytes()),
        None => object,
    }
    .finish()
}

/// A state, as it is told to people and programs.
pub(super) const fn state_name(state: SlotState) -> &'static str {
    match state {
        SlotState::Free => "free",
        SlotState::Starting => "starting",
        SlotState::Ready => "ready",
        SlotState::Draining => "draining",
        SlotState::Dead => "dead",
    }
}
