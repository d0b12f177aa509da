//! What a generation of process groups begins with: its scoreboards and intakes, the environment of its processes, and the
//! fork of its supervisor. Called by the parent, and by `mend` for a successor.

use std::ffi::CString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rsgi_bridge::layer::module_directory;
use rsgi_daemon::supervisor::{self, GroupSpec, Retired, Supervisor, SupervisorLog};
use rsgi_daemon::sys::descriptor::close_internet_sockets;
use rsgi_daemon::sys::process::become_supervisor;

use super::{Generation, SUPERVISORS, Watched, known};
use crate::httpd::{Level, Mpm, Server, close_listeners, log, watch};
use crate::module::Rsgi;
use crate::module::daemon_config::process_config;
use crate::module::directives::ServerConfig;

/// The program of a daemon process, beside the module.
pub(super) const PROGRAM: &str = "rsgi-daemon";
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

/// Numbers generations.
static GENERATIONS: AtomicU64 = AtomicU64::new(0);

/// The lines of a supervisor, in the log of each group's server.
struct ServerLogs<'s>(Vec<Server<'s>>);

impl SupervisorLog for ServerLogs<'_> {
    fn log(&self, group: usize, level: u32, text: &[u8]) {
        if let Some(server) = self.0.get(group) {
            server.log(level, text);
        }
    }
}

/// The servers of all groups, in the order of their names.
fn owners<'s>(main: Server<'s>, config: &ServerConfig) -> Vec<Server<'s>> {
    known(config)
        .map(|group| {
            let owner = group.resolved().and_then(|resolved| resolved.server(main));
            owner.unwrap_or(main)
        })
        .collect()
}

/// Makes the groups of a checked configuration; those of the previous generation may be used on.
pub(super) fn make(
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
pub(super) fn program() -> Result<CString, String> {
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
pub(super) fn supervise(main: Server<'_>, generation: &Generation) -> std::io::Result<()> {
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
