//! Daemon process groups in httpd's processes: the parent makes them and forks their supervisor, its children join
//! them, and nothing of them is left when httpd ends.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use rsgi_bridge::layer::module_directory;
use rsgi_daemon::client::GroupHandle;
use rsgi_daemon::supervisor::{
    self, Chosen, GroupSpec, Membership, Retired, Supervisor, SupervisorLog,
};
use rsgi_daemon::sys::descriptor::close_internet_sockets;
use rsgi_daemon::sys::process::become_supervisor;

use super::Rsgi;
use super::daemon_config::process_config;
use super::directives::ServerConfig;
use super::groups::Group;
use crate::httpd::{Level, Mpm, Phase, Refused, Server, close_listeners, log, watch};

/// The program of a daemon process, beside the module.
const PROGRAM: &str = "rsgi-daemon";
/// A supervisor that ends sooner than this does not get many successors at once.
const YOUNG: Duration = Duration::from_secs(5);
/// How many.
const AT_ONCE: u32 = 3;
/// What httpd has in its environment for itself and its service manager; an application that found it could speak in
/// httpd's name.
const NOT_FOR_APPLICATIONS: [&str; 14] = [
    "CREDENTIALS_DIRECTORY",
    "FDSTORE",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "MAINPID",
    "MANAGERPID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// The supervisors that this process, httpd's parent, has: of this generation and of those before that still have
/// children. It belongs to the process: no configuration knows them all.
static SUPERVISORS: Mutex<Vec<Watched>> = Mutex::new(Vec::new());
/// The process that has them: what is forked from it inherits the list.
static OWNER: AtomicU32 = AtomicU32::new(0);
/// Numbers generations.
static GENERATIONS: AtomicU64 = AtomicU64::new(0);

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

/// The lines of a supervisor, in the log of each group's server.
struct ServerLogs<'s>(Vec<Server<'s>>);

impl SupervisorLog for ServerLogs<'_> {
    fn log(&self, group: usize, level: u32, text: &[u8]) {
        if let Some(server) = self.0.get(group) {
            server.log(level, text);
        }
    }
}

/// The groups of a checked configuration, in the order of their names.
fn known(config: &ServerConfig) -> impl Iterator<Item = &Arc<Group>> {
    config.known.get().into_iter().flat_map(BTreeMap::values)
}

/// The servers of all groups, in the same order.
fn owners<'s>(main: Server<'s>, config: &ServerConfig) -> Vec<Server<'s>> {
    known(config)
        .map(|group| {
            let owner = group.resolved().and_then(|resolved| resolved.server(main));
            owner.unwrap_or(main)
        })
        .collect()
}

/// Refuses a configuration with groups whose program is missing.
pub(super) fn check(config: &ServerConfig) -> Result<(), Refused> {
    if known(config).next().is_none() {
        return Ok(());
    }
    program().map(drop).map_err(|reason| {
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
        return Ok(());
    };
    let made = make(main, config, previous).and_then(|generation| {
        let generation = config.daemons.get_or_init(|| generation);
        end_with_process(main);
        supervise(main, generation).map_err(|error| format!("no supervisor can be forked: {error}"))
    });
    made.map_err(|reason| {
        Refused::because(&format!(
            "RSGI0455: process groups cannot be served: {reason}"
        ))
    })
}

fn make(
    main: Server<'_>,
    config: &ServerConfig,
    previous: Option<Retired>,
) -> Result<Generation, String> {
    let mpm = Mpm::ask();
    let limit = u32::try_from(mpm.limit).unwrap_or(1);
    let threads = u32::try_from(mpm.threads).unwrap_or(1);
    let mut specs = Vec::new();
    for group in known(config) {
        let process = process_config(main, group).ok_or("the configuration was not checked")?;
        specs.push(GroupSpec {
            timeout: Duration::from_secs(u64::from(process.server.timeout)),
            config: process,
            overlaps: config.global.overlap,
            // A place is free again when its child was buried, a moment after its end.
            rows: limit.saturating_add(limit / 4).saturating_add(4),
            // mod_http2 brings threads of its own.
            waiters: threads.saturating_mul(2),
        });
    }
    let generation = supervisor::Generation::new(program()?, environment(), specs, previous)
        .map_err(|error| {
            format!(
                "{error}; where descriptors are out, `ulimit -n` or LimitNOFILE has to be higher"
            )
        })?;
    Ok(Generation {
        number: GENERATIONS.fetch_add(1, Ordering::Relaxed),
        parent: Mutex::new(Some(generation)),
        membership: OnceLock::new(),
        young: AtomicU32::new(0),
        is_alone: AtomicBool::new(false),
    })
}

/// The path of the program.
fn program() -> Result<CString, String> {
    let folder: PathBuf = module_directory().ok_or("the folder of mod_rsgi.so is not known")?;
    let path = folder.join(PROGRAM);
    if !path.is_file() {
        return Err(format!("there is no `{}`", path.display()));
    }
    CString::new(path.into_os_string().into_vec()).map_err(|error| error.to_string())
}

/// The environment of daemon processes: httpd's own, since people configure applications through it (containers, the
/// unit file, `envvars`), without what is between httpd and its service manager.
fn environment() -> Vec<CString> {
    std::env::vars_os()
        .filter(|(name, _)| !NOT_FOR_APPLICATIONS.iter().any(|&known| name == known))
        .filter_map(|(name, value)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
        })
        .collect()
}

/// Forks a supervisor.
fn supervise(main: Server<'_>, generation: &Generation) -> std::io::Result<()> {
    let servers = main
        .config::<Rsgi>()
        .map_or_else(Vec::new, |config| owners(main, config));
    let is_alone = generation.is_alone.load(Ordering::Relaxed);
    let mut parts = generation.parent.lock();
    let supervisor = Supervisor::fork(&mut parts, |plan| {
        become_supervisor(c"rsgi-supervisor");
        close_listeners();
        if is_alone {
            // Connections of clients are open here; held, they would not end when httpd ends them.
            close_internet_sockets();
        }
        // The lives of other supervisors are not ours to hold.
        SUPERVISORS.lock().clear();
        supervisor::run(plan, &ServerLogs(servers))
    })?;
    log::process(
        Level::Info,
        format!(
            "supervisor of daemon processes started: pid {}",
            supervisor.pid()
        )
        .as_bytes(),
    );
    watch::<Rsgi>(supervisor.pid());
    SUPERVISORS.lock().push(Watched {
        supervisor,
        generation: generation.number,
    });
    Ok(())
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

/// A supervisor has ended: the one of this generation gets a successor.
pub(super) fn supervisor_ended(pid: i32, main: Option<Server<'_>>) {
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
pub(super) fn monitor(main: Server<'_>) {
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

/// Looks after the supervisor as the monitor of httpd's parent does, at a request where there is no such parent.
fn mend(main: Server<'_>) {
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
        mend(main);
    }
    generation.membership.get()?.group(name)
}
