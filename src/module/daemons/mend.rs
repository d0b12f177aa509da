//! Looks after the supervisor of daemon processes: one that has ended gets a successor, and what a generation needs no more
//! is let go.

use std::process;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;

use super::start::supervise;
use super::{Generation, OWNER, SUPERVISORS, generation};
use crate::httpd::{Level, Mpm, Server, log};

/// A supervisor that ends sooner than this does not get many successors at once.
const YOUNG: Duration = Duration::from_secs(5);
/// How many.
const AT_ONCE: u32 = 3;

/// A supervisor has ended: the one of this generation gets a successor.
pub(in crate::module) fn supervisor_ended(pid: i32, main: Option<Server<'_>>) {
    let ended = {
        let mut supervisors = SUPERVISORS.lock();
        let at = supervisors
            .iter()
            .position(|watched| watched.supervisor.pid() == pid);
        at.map(|at| supervisors.swap_remove(at))
    };
    let (Some(ended), Some(main)) = (ended, main) else {
        return;
    };
    let Some(generation) = generation(Some(main)) else {
        return;
    };
    if ended.generation != generation.number || Mpm::is_stopping() {
        release_previous(generation);
        return;
    }
    let young = if ended.supervisor.age() < YOUNG {
        generation.young.fetch_add(1, Ordering::Relaxed) + 1
    } else {
        generation.young.store(0, Ordering::Relaxed);
        0
    };
    log::process(
        Level::Error,
        format!(
            "RSGI0454: the supervisor of daemon processes (pid {pid}) has ended; its processes finish their requests \
             and end, another one starts new ones"
        )
        .as_bytes(),
    );
    if young < AT_ONCE {
        start_again(main, generation);
    }
}

/// Starts the supervisor that is missing, and lets go what is not needed any more.
pub(in crate::module) fn monitor(main: Server<'_>) {
    let Some(generation) = generation(Some(main)) else {
        return;
    };
    let is_there = SUPERVISORS
        .lock()
        .iter()
        .any(|watched| watched.generation == generation.number);
    if !is_there && !Mpm::is_stopping() && OWNER.load(Ordering::Acquire) == process::id() {
        start_again(main, generation);
    }
    release_previous(generation);
}

/// The generation before is needed no more once this one has its processes.
fn release_previous(generation: &Generation) {
    if let Some(parts) = &mut *generation.parent.lock() {
        parts.release_previous();
    }
}

fn start_again(main: Server<'_>, generation: &Generation) {
    if let Err(error) = supervise(main, generation) {
        log::process(
            Level::Error,
            format!("RSGI0455: no supervisor of daemon processes can be started: {error}; it is tried again")
                .as_bytes(),
        );
    }
}

/// Looks after the supervisor as the monitor of httpd's parent does, at a request where there is no such parent.
pub(super) fn mend(main: Server<'_>) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock();
    let ended = SUPERVISORS
        .lock()
        .iter()
        .find(|watched| watched.supervisor.has_ended())
        .map(|watched| watched.supervisor.pid());
    match ended {
        Some(pid) => supervisor_ended(pid, Some(main)),
        None => monitor(main),
    }
}
