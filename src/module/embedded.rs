//! Python in an Apache child: opened when something needs it there, once a process.

use std::ffi::OsStr;
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rsgi_bridge::abi;
use rsgi_bridge::layer::{Layer, check_layer_for, module_directory};
use rsgi_bridge::locate::{Found, locate};
use rsgi_bridge::start::{ProcessLog, StartOptions};
use rsgi_core::group::Case;
use rsgi_core::options::{GlobalOptions, HashSeed};
use rsgi_daemon::sys::scheduling;

use super::directives::ServerConfig;
use super::{Rsgi, VERSION, WSGI_VERSION, server_metrics, version};
use crate::httpd::{Level, Mpm, Phase, Server, ServerFacts, log};

/// The layer of this process: `None` inside when it could not be started, which has been logged.
static LAYER: OnceLock<Option<Layer>> = OnceLock::new();

/// How long the end of a child waits for requests that still run.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whose thread starts Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Starter {
    /// The child's main thread, which also ends it.
    MainThread,
    /// The first request that needs it; the layer makes a thread that stays.
    Request,
}

/// Lines of the layer that belong to no request.
struct MainLog;

impl ProcessLog for MainLog {
    fn log(level: u32, text: &[u8]) {
        log::process_at(level, text);
    }

    fn enabled(level: u32) -> bool {
        log::process_enabled(level)
    }

    fn server_metrics() -> Option<String> {
        server_metrics::text()
    }
}

/// The Python layer, started now if no earlier request or hook did.
pub(super) fn layer(server: Option<Server<'_>>) -> Option<Layer> {
    match LAYER.get() {
        Some(layer) => *layer,
        None => start(server?, Starter::Request),
    }
}

/// Starts Python in this process, once; `None` when it cannot be, for the reason in the log.
pub(super) fn start(server: Server<'_>, starter: Starter) -> Option<Layer> {
    *LAYER.get_or_init(|| match try_start(server.main(), starter) {
        Ok(layer) => Some(layer),
        Err(reason) => {
            log::process(
                Level::Critical,
                format!("RSGI0028: Python cannot be started in this process: {reason}").as_bytes(),
            );
            None
        }
    })
}

/// Ends Python in this process, if it was started.
pub(super) fn stop() {
    if let Some(Some(layer)) = LAYER.get() {
        layer.stop(PATIENCE);
    }
}

/// The Python for the whole of httpd: `WSGIPythonHome`'s, else the system's.
pub(super) fn find(config: &ServerConfig) -> Result<Found, String> {
    let home = config.global.python_home.as_deref();
    let home = home.map(|home| Path::new(OsStr::from_bytes(home)));
    let named = |error: &dyn Display| match (home, &config.home_place) {
        (Some(_), Some(place)) => format!("{place}: {error}"),
        (Some(_), None) => format!("WSGIPythonHome: {error}"),
        (None, _) => {
            format!("no WSGIPythonHome is set, and the system's Python cannot be used: {error}")
        }
    };
    let found = locate(home).map_err(|error| named(&error))?;
    check_layer_for(&found).map_err(|error| named(&error))?;
    Ok(found)
}

fn try_start(main: Server<'_>, starter: Starter) -> Result<Layer, String> {
    let config = main
        .config::<Rsgi>()
        .ok_or("the module has no configuration")?;
    let found = match config.python.get() {
        Some(found) => found.clone(),
        None => find(config)?,
    };
    let folder = module_directory().ok_or("the folder of mod_rsgi.so is not known")?;
    let layer = Layer::open(&found, &folder).map_err(|error| error.to_string())?;
    let global = &config.global;
    let mpm = Mpm::ask();
    let facts = ServerFacts::ask();
    let warnings: Vec<Vec<u8>> = global.warnings.iter().map(|text| text.to_vec()).collect();
    let python_path: Vec<Vec<u8>> = global
        .python_path
        .iter()
        .map(|text| text.to_vec())
        .collect();
    // mod_wsgi: where no application may run here, there is nothing to tell.
    let may_serve = global.restrict_embedded != Some(true);
    let telemetry = global.telemetry.as_ref().filter(|_| may_serve);
    layer.start::<MainLog>(&StartOptions {
        executable: found.executable.as_os_str().as_bytes(),
        minor: found.minor,
        flags: flags(global, &mpm, starter),
        optimize: global.optimize,
        hash_seed: match global.hash_seed {
            HashSeed::Random => None,
            HashSeed::Fixed(seed) => Some(seed),
        },
        warnings: &warnings,
        python_path: &python_path,
        process_group: b"",
        processes: mpm.processes,
        threads: mpm.threads,
        mpm_processes: mpm.processes,
        mpm_threads: mpm.threads,
        apache_version: facts.version,
        wsgi_version: WSGI_VERSION,
        rsgi_version: version(VERSION),
        description: facts.description.as_bytes(),
        mpm_name: mpm.name.as_bytes(),
        build_date: facts.built.as_bytes(),
        python_eggs: global.python_eggs.as_deref().unwrap_or_default(),
        switch_interval: global.switch_interval,
        rules: &global.interpreters.for_process(b""),
        telemetry_socket: telemetry.map_or(&[], |(socket, _)| socket),
        telemetry_interval: telemetry.map_or(0, |(_, interval)| *interval),
        slow_requests: global.slow_requests,
        ..StartOptions::default()
    })?;
    Ok(layer)
}

fn flags(global: &GlobalOptions, mpm: &Mpm, starter: Starter) -> u32 {
    let bits = [
        (global.dont_write_bytecode, abi::START_DONT_WRITE_BYTECODE),
        (global.restrict_stdin, abi::START_RESTRICT_STDIN),
        (global.restrict_stdout, abi::START_RESTRICT_STDOUT),
        (global.restrict_signal, abi::START_RESTRICT_SIGNAL),
        (global.destroy_interpreter, abi::START_DESTROY),
        (global.per_interpreter_gil, abi::START_OWN_GIL),
        (
            global
                .interpreters
                .free_threading(b"", global.free_threading),
            abi::START_FREE_THREADING,
        ),
        (Phase::is_single_process(), abi::START_SINGLE_PROCESS),
        (
            global.case_sensitivity == Case::Insensitive,
            abi::START_CASE_INSENSITIVE,
        ),
        (mpm.threads != 1, abi::START_MULTITHREAD),
        (mpm.processes != 1, abi::START_MULTIPROCESS),
        (starter == Starter::MainThread, abi::START_MAIN_THREAD),
        (global.server_metrics, abi::START_SERVER_METRICS),
        (global.capture_user_agent, abi::START_CAPTURE_USER_AGENT),
        (!scheduling::is_permitted(), abi::START_FIXED_PROCESSORS),
    ];
    bits.iter()
        .filter(|(holds, _)| *holds)
        .fold(0, |flags, (_, bit)| flags | bit)
}
