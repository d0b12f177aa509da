//! Notes of a request for the access log, those that the configuration names.

use std::time::Duration;

use rsgi_core::notes::{Note, Notes};

use super::Rsgi;
use crate::httpd::{Phase, Request};

/// Httpd's and our name for what is the main one: an empty text would look like a gap in a log.
const MAIN: &[u8] = b"%{GLOBAL}";

/// Looks which notes the configuration names.
pub(super) fn look(phase: Phase<'_>) {
    let Some(config) = phase.server.and_then(|main| main.config::<Rsgi>()) else {
        return;
    };
    let mut notes = Notes::NONE;
    Phase::each_directive(|arguments| notes = notes.with(arguments));
    let _ = config.notes.set(notes);
}

/// The notes that are wanted.
pub(super) fn wanted(request: Request<'_>) -> Notes {
    let main = request.server().map(|server| server.main());
    let config = main.and_then(|main| main.config::<Rsgi>());
    config
        .and_then(|config| config.notes.get())
        .copied()
        .unwrap_or_default()
}

/// Says where a request runs.
pub(super) fn place(request: Request<'_>, process_group: &[u8], application_group: &[u8]) {
    let notes = wanted(request);
    if !notes.any() {
        return;
    }
    let shown = |name| if <[u8]>::is_empty(name) { MAIN } else { name };
    for (note, name) in [
        (Note::ProcessGroup, process_group),
        (Note::ApplicationGroup, application_group),
    ] {
        set(request, notes, note, || shown(name).to_vec());
    }
}

/// Says how it ran there; `queued` only where it could have to wait.
pub(super) fn course(
    request: Request<'_>,
    notes: Notes,
    pid: u32,
    queued: Option<Duration>,
    ran: Option<Duration>,
) {
    if pid != 0 {
        set(request, notes, Note::Pid, || pid.to_string().into_bytes());
    }
    for (note, time) in [(Note::QueueTime, queued), (Note::RunTime, ran)] {
        if let Some(time) = time {
            set(request, notes, note, || {
                time.as_micros().to_string().into_bytes()
            });
        }
    }
}

fn set(request: Request<'_>, notes: Notes, note: Note, value: impl FnOnce() -> Vec<u8>) {
    if !notes.has(note) {
        return;
    }
    if let (Some(table), Some(pool)) = (request.notes(), request.pool()) {
        table.set(note.name(), pool.copy_c(&value()));
    }
}
