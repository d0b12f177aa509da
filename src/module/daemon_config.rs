//! What httpd's parent tells each process of a group: everything but its slot and its incarnation.

use rsgi_bridge::abi;
use rsgi_core::group::Case;
use rsgi_core::options::{GlobalOptions, HashSeed};
use rsgi_daemon::config::{self, ImportConfig, ProcessConfig, PythonConfig, TelemetryConfig};

use super::groups::{self, Group};
use super::{Rsgi, VERSION, WSGI_VERSION, version};
use crate::httpd::{Mpm, Server, ServerFacts};

/// The configuration of a group's processes; slot and incarnation are still 0. None before the configuration was
/// checked.
pub(super) fn process_config(main: Server<'_>, group: &Group) -> Option<ProcessConfig> {
    let global = &main.config::<Rsgi>()?.global;
    let resolved = group.resolved()?;
    let owner = resolved.server(main)?;
    let definition = &group.definition;
    let imports = groups::imports(main, &definition.name);
    Some(ProcessConfig {
        group: definition.name.clone(),
        slot: 0,
        incarnation: 0,
        options: definition.options.clone(),
        identity: resolved.accounts.identity.clone(),
        client_user: resolved.accounts.client_user,
        python: PythonConfig {
            optimize: global.optimize,
            hash_seed: match global.hash_seed {
                HashSeed::Random => None,
                HashSeed::Fixed(seed) => Some(seed),
            },
            warnings: global.warnings.iter().map(|text| text.to_vec()).collect(),
            flags: flags(global, group),
            rules: global.interpreters.for_process(&definition.name),
            ..PythonConfig::new(&resolved.python)
        },
        imports: imports
            .into_iter()
            .map(|import| ImportConfig {
                script: import.script.to_vec(),
                application_group: import.application_group.to_vec(),
            })
            .collect(),
        server: server_config(owner),
        telemetry: global
            .telemetry
            .as_ref()
            .map(|(socket, interval)| TelemetryConfig {
                socket: socket.to_vec(),
                interval: *interval,
                slow_requests: global.slow_requests,
            }),
        log_level: owner.log_level(),
    })
}

fn server_config(owner: Server<'_>) -> config::ServerConfig {
    let facts = ServerFacts::ask();
    let mpm = Mpm::ask();
    config::ServerConfig {
        apache_version: facts.version,
        wsgi_version: WSGI_VERSION,
        rsgi_version: version(VERSION),
        description: facts.description.into_bytes(),
        mpm_name: mpm.name.into_bytes(),
        build_date: facts.built.into_bytes(),
        mpm_processes: mpm.processes,
        mpm_threads: mpm.threads,
        timeout: owner.timeout(),
    }
}

/// The `START_*` bits that come from the configuration.
fn flags(global: &GlobalOptions, group: &Group) -> u32 {
    let options = &group.definition.options;
    let is_service = options.threads == 0;
    let bits = [
        (true, abi::START_DAEMON),
        (is_service, abi::START_SERVICE),
        (global.dont_write_bytecode, abi::START_DONT_WRITE_BYTECODE),
        (global.restrict_stdin, abi::START_RESTRICT_STDIN),
        (global.restrict_stdout, abi::START_RESTRICT_STDOUT),
        // mod_wsgi: a service process has its signals for itself.
        (
            global.restrict_signal && !is_service,
            abi::START_RESTRICT_SIGNAL,
        ),
        (global.destroy_interpreter, abi::START_DESTROY),
        (global.per_interpreter_gil, abi::START_OWN_GIL),
        (
            global
                .interpreters
                .free_threading(&group.definition.name, global.free_threading),
            abi::START_FREE_THREADING,
        ),
        (
            global.case_sensitivity == Case::Insensitive,
            abi::START_CASE_INSENSITIVE,
        ),
        (options.threads != 1, abi::START_MULTITHREAD),
        (options.is_multiprocess, abi::START_MULTIPROCESS),
        (options.server_metrics, abi::START_SERVER_METRICS),
        (global.capture_user_agent, abi::START_CAPTURE_USER_AGENT),
    ];
    bits.iter()
        .filter(|(holds, _)| *holds)
        .fold(0, |flags, (_, bit)| flags | bit)
}
