//! The program `rsgi-daemon`: one daemon process of a group, from its first call to its last.
//!
//! It gets its descriptors at fixed numbers ([`crate::config`]) and nothing else. The order matters: whatever needs root
//! comes before the user, whatever is the user's after it; whatever wants one thread before the first other one.

mod lineage;
mod python;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rsgi_bridge::layer::Layer;
use rsgi_core::daemon::DaemonOptions;
use rustix::process::{Pid, Resource, Signal, getrlimit};

pub use self::lineage::Httpd;
use self::python::LayerHandler;
use crate::config::{FD_BOARD, FD_CONFIG, FD_INTAKE, FD_SUPERVISOR, ProcessConfig};
use crate::identity;
use crate::log;
use crate::monitor::{Ending, Monitor, Python, Watched};
use crate::scoreboard::Scoreboard;
use crate::server::{Activity, Server, Settings};
use crate::sys::identity::exit_now;
use crate::sys::process::{EXIT_CUT, EXIT_HOPELESS};
use crate::sys::{descriptor, fork, memory, signal};

/// Exit code of a process that could not go on for another reason.
pub const EXIT_FAILED: i32 = 70;
/// The largest configuration.
const MOST_CONFIG: usize = 16 * 1024 * 1024;

/// Why the program ends before it serves.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("RSGI0427: the process was not started by its supervisor: {0}")]
    Descriptor(io::Error),
    #[error("RSGI0427: the configuration of the process cannot be read: {0}")]
    Config(String),
    #[error("RSGI0427: the scoreboard of the group cannot be used: {0}")]
    Board(#[from] crate::scoreboard::BoardError),
    #[error("RSGI0428: {0}")]
    Identity(#[from] identity::IdentityError),
    #[error("RSGI0028: Python cannot be started in this process: {0}")]
    Python(String),
    #[error("RSGI0434: {what}: {error}")]
    System {
        what: &'static str,
        error: io::Error,
    },
}

impl Failure {
    const fn exit_code(&self) -> i32 {
        match self {
            Self::System { .. } => EXIT_FAILED,
            _ => EXIT_HOPELESS,
        }
    }
}

fn system(what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::System { what, error }
}

/// What the process was given.
struct Given {
    config: ProcessConfig,
    board: Arc<Scoreboard>,
    intake: OwnedFd,
    supervisor: OwnedFd,
    /// The folder of the program, where the layer is.
    folder: PathBuf,
    /// The layer, where it had to be opened before the chroot.
    layer: Option<Layer>,
    parent: Option<Pid>,
    httpd: Option<Httpd>,
}

/// Runs the program. Does not return: threads of applications may still be anywhere.
pub fn run() -> ! {
    let code = match prepare().and_then(live) {
        Ok(code) => code,
        Err(failure) => {
            log::critical(format_args!("{failure}"));
            failure.exit_code()
        }
    };
    exit_now(code)
}

/// Everything up to the point where the process is who it is to be.
fn prepare() -> Result<Given, Failure> {
    let parent = rustix::process::getppid();
    // All of them before anything else is opened: the numbers are ours only then.
    let take = |number| descriptor::take(number).map_err(Failure::Descriptor);
    let (file, board) = (take(FD_CONFIG)?, take(FD_BOARD)?);
    let (intake, supervisor) = (take(FD_INTAKE)?, take(FD_SUPERVISOR)?);
    // Read while /proc is there: a chroot has none.
    let httpd = parent.and_then(Httpd::of);
    let program = std::env::current_exe().unwrap_or_default();
    let bytes = memory::read_sealed(file.as_fd(), MOST_CONFIG)
        .map_err(|error| Failure::Config(error.to_string()))?;
    drop(file);
    let config =
        ProcessConfig::decode(&bytes).map_err(|error| Failure::Config(error.to_string()))?;
    log::set_level(config.log_level);
    let board = Arc::new(Scoreboard::open(board)?);
    if board.slot(config.slot).is_none() {
        return Err(Failure::Config(format!("there is no slot {}", config.slot)));
    }
    name_process(&config);
    let folder = program.parent().map(PathBuf::from).unwrap_or_default();
    let layer = python::open_outside(&config, &folder).map_err(Failure::Python)?;
    identity::assume(&config)?;
    tie_to_parent(parent)?;
    identity::set_environment(&config);
    Ok(Given {
        config,
        board,
        intake,
        supervisor,
        folder,
        layer,
        parent,
        httpd,
    })
}

/// The kernel's short name; the long one is the supervisor's, who chose the arguments.
fn name_process(config: &ProcessConfig) {
    let name = config.options.display_name.as_deref().unwrap_or(b"");
    if !name.is_empty()
        && let Ok(name) = std::ffi::CString::new(&name[..name.len().min(15)])
    {
        // Only a name.
        let _ = rustix::thread::set_name(&name);
    }
}

/// The process ends with its supervisor, whatever happens to the line between them. A change of user would undo it.
fn tie_to_parent(parent: Option<Pid>) -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(|error| system("PR_SET_PDEATHSIG failed")(error.into()))?;
    if rustix::process::getppid() != parent {
        // It is gone already; nobody would tell.
        exit_now(0);
    }
    Ok(())
}

/// The process's life, from Python's beginning to its end.
fn live(given: Given) -> Result<i32, Failure> {
    let began = Instant::now();
    fork::watch().map_err(system("forks cannot be noticed"))?;
    let signals = signal::install().map_err(system("signals cannot be handled"))?;
    let options = &given.config.options;
    let activity = Activity::new(options.threads, options.maximum_requests)
        .map_err(system("no descriptors"))?;
    let activity = Arc::new(activity);
    let monitor = Monitor::start(Watched {
        group: given.config.group.clone(),
        options: options.clone(),
        board: Arc::clone(&given.board),
        slot: given.config.slot,
        activity: Arc::clone(&activity),
        supervisor: given.supervisor,
        signals,
        parent: given.parent,
        httpd: given.httpd,
    })
    .map_err(system("the monitor's thread cannot be started"))?;
    let layer = match given.layer {
        Some(layer) => layer,
        None => python::open(&given.config, &given.folder).map_err(Failure::Python)?,
    };
    let layer = python::start(&given.config, layer).map_err(Failure::Python)?;
    let handler = Arc::new(LayerHandler::new(layer));
    monitor.set_python(Arc::clone(&handler) as Arc<dyn Python>);
    if options.threads == 0 {
        serve_nobody(&given.config, &handler, &monitor);
        return Ok(0);
    }
    handler.import_all(&given.config);
    let server = Server::new(
        settings(&given.config),
        Arc::clone(&given.board),
        Arc::clone(&activity),
        given.intake,
    );
    let server = Arc::new(server.map_err(system("no descriptors"))?);
    if monitor.ending().is_none() {
        start_workers(&server, &handler, &given.config)?;
        if let Some(slot) = given.board.slot(given.config.slot) {
            slot.set_threads(options.threads);
        }
        monitor.set_ready();
    }
    let ending = monitor.wait(server.overdue_period(), || server.close_overdue());
    server.stop();
    Ok(end(&given.config, &handler, ending, &activity, began))
}

/// A service process: no workers; its scripts run on the main thread.
fn serve_nobody(config: &ProcessConfig, handler: &LayerHandler, monitor: &Monitor) {
    let began = Instant::now();
    if monitor.ending().is_none() {
        handler.run_services(config);
    }
    monitor.set_through();
    let reason = monitor.ending().map(|ending| ending.reason.name());
    log::info(format_args!(
        "RSGI0436: service process {} of group `{}` ends after {} s{}",
        std::process::id(),
        config.group.escape_ascii(),
        began.elapsed().as_secs(),
        reason.map_or_else(
            || ": its scripts have returned".to_owned(),
            |reason| format!(" (shutdown reason {reason})")
        )
    ));
    handler.stop(reason.unwrap_or_default(), Duration::from_secs(1));
}

fn settings(config: &ProcessConfig) -> Settings {
    let options = &config.options;
    let timeout = match (options.socket_timeout, config.server.timeout) {
        (0, 0) => 60,
        (0, server) => server,
        (own, _) => own,
    };
    Settings {
        slot: config.slot,
        incarnation: config.incarnation,
        client_user: config.client_user,
        socket_timeout: Duration::from_secs(timeout.into()),
        send_buffer: options.send_buffer_size,
        receive_buffer: options.receive_buffer_size,
    }
}

fn start_workers(
    server: &Arc<Server>,
    handler: &Arc<LayerHandler>,
    config: &ProcessConfig,
) -> Result<(), Failure> {
    for number in 1..=config.options.threads {
        let (server, handler) = (Arc::clone(server), Arc::clone(handler));
        std::thread::Builder::new()
            .name(format!("rsgi-{number}"))
            .stack_size(stack_size(&config.options))
            .spawn(move || server.work(number, &*handler))
            .map_err(system("a worker's thread cannot be started"))?;
    }
    Ok(())
}

/// How large the stack of a worker's thread is: as the option says, else as a C program's threads have it here, which is
/// what extensions are written for. Rust's own 2 MB are too few for the matrices of numpy.
fn stack_size(options: &DaemonOptions) -> usize {
    /// Where the system sets no limit.
    const WITHOUT_LIMIT: u64 = 8 << 20;
    /// Python itself needs about a quarter of it.
    const LEAST: u64 = 2 << 20;
    let size = options.stack_size.unwrap_or_else(|| {
        let limit = getrlimit(Resource::Stack).current;
        limit.unwrap_or(WITHOUT_LIMIT).max(LEAST)
    });
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// Ends Python and says why the process ends; gives its exit code.
fn end(
    config: &ProcessConfig,
    handler: &LayerHandler,
    ending: Ending,
    activity: &Activity,
    began: Instant,
) -> i32 {
    let start = Instant::now();
    let running = activity.running().count();
    handler.stop(ending.reason.name(), ending.patience);
    let cut = activity.running().count();
    if cut > 0 {
        log::warn(format_args!(
            "RSGI0442: process {} of group `{}` (shutdown reason {}) ends while {cut} requests still run, {} ms after it was to end (shutdown-timeout={}); where they are follows at info",
            std::process::id(),
            config.group.escape_ascii(),
            ending.reason.name(),
            start.elapsed().as_millis(),
            config.options.shutdown_timeout
        ));
        handler.dump_unsafe();
    }
    log::info(format_args!(
        "RSGI0436: process {} of group `{}` ends: shutdown reason {}, {} requests served in {} s, {running} still running when it was to end, which took {} ms",
        std::process::id(),
        config.group.escape_ascii(),
        ending.reason.name(),
        activity.finished(),
        began.elapsed().as_secs(),
        start.elapsed().as_millis(),
    ));
    if cut > 0 { EXIT_CUT } else { 0 }
}
