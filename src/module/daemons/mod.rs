//! Daemon process groups in httpd's processes: the parent makes them and forks their supervisor, its children join
//! them, and nothing of them is left when httpd ends. `start` makes and forks, `mend` looks after what was forked.

mod mend;
mod start;

use std::collections::BTreeMap;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rsgi_daemon::client::GroupHandle;
use rsgi_daemon::supervisor::{self, Chosen, Membership, Retired, Supervisor};

pub(super) use mend::{monitor, supervisor_ended};
use start::PROGRAM;

use super::Rsgi;
use super::directives::ServerConfig;
use super::groups::Group;
use crate::httpd::{Level, Mpm, Phase, Refused, Server, log};

/// The supervisors that this process, httpd's parent, has: of this generation and of those before that still have
/// children. It belongs to the process: no configuration knows them all.
static SUPERVISORS: Mutex<Vec<Watched>> = Mutex::new(Vec::new());
/// The process that has them: what is forked from it inherits the list.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// The generation whose configuration is gone, until the next one is made: it belongs to the process as well.
static RETIRED: Mutex<Option<Retired>> = Mutex::new(None);

struct Watched {
    supervisor: Supervisor,
    generation: u64,
}

/// The groups of one generation, in the main server's configuration.
pub(super) struct Generation {
    number: u64,
    /// What the parent needs to fork for it; empty in what was forked.
    parent: Mutex<Option<supervisor::Generation>>,
    /// What a child has of it.
    membership: OnceLock<Membership>,
    /// Supervisors that ended young, in a row.
    young: AtomicU32,
    /// This process is the parent and its only child (`httpd -X`): nobody else looks after the supervisor.
    is_alone: AtomicBool,
}

impl Drop for Generation {
    /// The configuration goes: children that have it serve on, and those of the next one may use its processes.
    fn drop(&mut self) {
        let parts = self.parent.get_mut().take();
        if OWNER.load(Ordering::Acquire) == process::id() {
            *RETIRED.lock() = parts.map(supervisor::Generation::retire);
        }
    }
}

/// The groups of a checked configuration, in the order of their names.
fn known(config: &ServerConfig) -> impl Iterator<Item = &Arc<Group>> {
    config.known.get().into_iter().flat_map(BTreeMap::values)
}

/// Refuses a configuration with groups whose program is missing.
pub(super) fn check(config: &ServerConfig) -> Result<(), Refused> {
    if known(config).next().is_none() {
        return Ok(());
    }
    start::program().map(drop).map_err(|reason| {
        Refused::because(&format!(
            "RSGI0457: process groups cannot be served: {reason}; install `{PROGRAM}` beside mod_rsgi.so"
        ))
    })
}

/// Makes the groups and starts their supervisor, when what follows is serving.
pub(super) fn serve(main: Server<'_>) -> Result<(), Refused> {
    if !Phase::is_serving() {
        return Ok(());
    }
    let previous = RETIRED.lock().take();
    let config = main.config::<Rsgi>();
    let Some(config) = config.filter(|config| known(config).next().is_some()) else {
        previous.into_iter().for_each(Retired::let_go);
        return Ok(());
    };
    let made = start::make(main, config, previous).and_then(|generation| {
        let generation = config.daemons.get_or_init(|| generation);
        end_with_process(main);
        start::supervise(main, generation)
            .map_err(|error| format!("no supervisor can be forked: {error}"))
    });
    made.map_err(|reason| {
        Refused::because(&format!(
            "RSGI0455: process groups cannot be served: {reason}"
        ))
    })
}

/// When this process ends, its supervisors end first, so that nothing is left when `apachectl stop` returns.
fn end_with_process(main: Server<'_>) {
    if OWNER.swap(process::id(), Ordering::AcqRel) != process::id()
        && let Some(pool) = main.process_pool()
    {
        pool.on_cleanup(stop_all);
    }
}

/// Stops all supervisors and waits for them, in the process that started them.
fn stop_all() {
    if OWNER.load(Ordering::Acquire) != process::id() {
        return;
    }
    let supervisors = std::mem::take(&mut *SUPERVISORS.lock());
    for watched in &supervisors {
        watched.supervisor.stop();
    }
    for watched in supervisors {
        let pid = watched.supervisor.pid();
        if !watched.supervisor.wait() {
            log::startup(
                Level::Warn,
                &format!(
                    "RSGI0456: the supervisor of daemon processes (pid {pid}) did not end in time and was killed"
                ),
            );
        }
    }
}

/// A child is being stopped by force: so are the processes that work for it, or its threads would wait for them.
pub(super) fn children_stop(pid: i32, main: Option<Server<'_>>) {
    let current = generation(main).map(|generation| generation.number);
    for watched in &*SUPERVISORS.lock() {
        let is_over = Mpm::is_stopping() || Some(watched.generation) != current;
        if watched.supervisor.pid() == pid && is_over {
            watched.supervisor.stop();
        }
    }
}

fn generation<'s>(main: Option<Server<'s>>) -> Option<&'s Generation> {
    main?.config::<Rsgi>()?.daemons.get()
}

/// Takes the child's part of the groups and leaves what is the parent's.
pub(super) fn join(phase: Phase<'_>) {
    let Some(generation) = generation(phase.server) else {
        return;
    };
    if Phase::is_single_process() {
        join_alone(generation);
        // httpd -X ends without its process pool.
        phase.pool.on_cleanup(stop_all);
        return;
    }
    let Some(parts) = generation.parent.lock().take() else {
        return;
    };
    // The parts are dropped when they are not wanted: this runs once in a process.
    let _ = generation.membership.set(parts.into_membership());
    SUPERVISORS.lock().clear();
}

/// Takes the child's part and keeps the parent's.
fn join_alone(generation: &Generation) {
    let parts = generation.parent.lock();
    match parts.as_ref().map(supervisor::Generation::membership) {
        Some(Ok(membership)) => {
            let _ = generation.membership.set(membership);
            generation.is_alone.store(true, Ordering::Relaxed);
        }
        Some(Err(error)) => log::process(
            Level::Error,
            format!("RSGI0455: process groups cannot be served: {error}").as_bytes(),
        ),
        None => {}
    }
}

/// All groups of this generation, in a child.
pub(super) fn groups<'s>(main: Server<'s>) -> impl Iterator<Item = &'s GroupHandle> {
    generation(Some(main))
        .and_then(|generation| generation.membership.get())
        .into_iter()
        .flat_map(Membership::groups)
}

/// The group of that name for a request, in a child.
pub(super) fn group<'s>(main: Server<'s>, name: &[u8]) -> Option<Chosen<'s>> {
    let generation = generation(Some(main))?;
    if generation.is_alone.load(Ordering::Relaxed) {
        mend::mend(main);
    }
    generation.membership.get()?.group(name)
}
