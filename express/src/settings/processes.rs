//! Processes and capacity: the process group, and what Apache needs to feed it.

use std::path::Path;

use serde::Serialize;

use super::Listening;
use super::text::{each, printable, url_path, usable};
use crate::cli::ProcessArgs;
use crate::error::Error;

/// The largest number that a process group takes.
const LARGEST: u64 = 2_147_483_647;
/// The least size of a buffer where it is not 0, and what 0 stands for.
const LEAST: [(&str, u64, &str); 4] = [
    ("send-buffer-size", 512, "the system's"),
    ("receive-buffer-size", 512, "the system's"),
    ("header-buffer-size", 8192, "32768"),
    ("response-buffer-size", 65_536, "8388608"),
];

/// Where the application runs, and how many requests at once.
#[derive(Debug, Serialize)]
pub(crate) struct Processes {
    /// Whether Apache's own processes run the application.
    pub(crate) is_embedded: bool,
    /// The name of the process group.
    pub(crate) group: String,
    /// The options of WSGIDaemonProcess that differ from the module's own defaults.
    pub(crate) options: Vec<GroupOption>,
    /// How many processes; 1 where nothing was said.
    pub(crate) processes: u32,
    pub(crate) threads: u32,
    pub(crate) max_clients: Option<u32>,
    pub(crate) workers: Workers,
    pub(crate) mpms: Vec<String>,
    pub(crate) maximum_requests: u32,
    /// Apache's Timeout, and with it the process group's socket-timeout.
    pub(crate) socket_timeout: u32,
    pub(crate) shutdown_timeout: u32,
    /// The start of the names of sockets.
    pub(crate) socket_prefix: Option<String>,
    /// URLs whose requests are no activity.
    pub(crate) ignore_activity: Vec<String>,
    /// What the summary tells about times.
    pub(crate) told: Told,
}

/// Fractions of all workers that Apache keeps.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Workers {
    pub(crate) initial: Option<f64>,
    pub(crate) minimum_spare: Option<f64>,
    pub(crate) maximum_spare: Option<f64>,
}

/// One option of WSGIDaemonProcess.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct GroupOption {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// Numbers for the summary.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) request_timeout: u32,
    pub(crate) interrupt_timeout: u32,
    pub(crate) startup_timeout: u32,
    pub(crate) queue_timeout: u32,
}

impl Processes {
    /// Resolves the options; the address names the group where nobody did.
    ///
    /// # Errors
    /// A name, URL or path cannot be written down, or a number is none that a process group takes.
    pub(super) fn resolve(
        args: &ProcessArgs,
        listening: &Listening,
        is_debugged: bool,
        here: &Path,
    ) -> Result<Self, Error> {
        let group = match &args.process_group {
            Some(name) => group_name(name)?,
            None => format!("{}:{}", listening.address(), listening.port),
        };
        let socket_prefix = match &args.socket_prefix {
            Some(path) => Some(usable("--socket-prefix", &here.join(path))? + "/wsgi"),
            None => None,
        };
        let times = &args.times;
        taken("socket-timeout", times.socket_timeout.into())?;
        Ok(Self {
            is_embedded: args.embedded_mode || is_debugged,
            group,
            options: options(args)?,
            processes: if is_debugged {
                1
            } else {
                args.processes.unwrap_or(1)
            },
            threads: if is_debugged { 1 } else { args.threads },
            max_clients: args.max_clients,
            workers: Workers {
                initial: args.initial_workers,
                minimum_spare: args.minimum_spare_workers,
                maximum_spare: args.maximum_spare_workers,
            },
            mpms: mpms(&args.server_mpm, is_debugged)?,
            maximum_requests: args.maximum_requests,
            socket_timeout: times.socket_timeout,
            shutdown_timeout: times.shutdown_timeout,
            socket_prefix,
            ignore_activity: each(&times.ignore_activity, |url| {
                url_path("--ignore-activity", url)
            })?,
            told: Told {
                request_timeout: times.request_timeout,
                interrupt_timeout: times.interrupt_timeout,
                startup_timeout: times.startup_timeout,
                queue_timeout: times.queue_timeout,
            },
        })
    }

    /// Takes the MPM without threads, which most builds of PHP need.
    ///
    /// mod_wsgi: whatever was asked for.
    pub(super) fn have_no_threads(&mut self) {
        self.mpms = vec!["prefork".to_owned()];
    }
}

/// The options with their values and, in the last column, the module's own defaults, which need not be written down.
///
/// # Errors
/// The module would refuse one, in the words of its directive.
fn options(args: &ProcessArgs) -> Result<Vec<GroupOption>, Error> {
    let (times, buffers) = (&args.times, &args.buffers);
    let numbers: [(&'static str, u64, u64); 20] = [
        ("threads", args.threads.into(), 15),
        ("listen-backlog", args.daemon_backlog.into(), 100),
        ("maximum-requests", args.maximum_requests.into(), 0),
        ("startup-timeout", times.startup_timeout.into(), 0),
        ("shutdown-timeout", times.shutdown_timeout.into(), 5),
        ("restart-interval", times.restart_interval.into(), 0),
        ("cpu-time-limit", times.cpu_time_limit.into(), 0),
        ("graceful-timeout", times.graceful_timeout.into(), 15),
        ("eviction-timeout", times.eviction_timeout.into(), 0),
        ("deadlock-timeout", times.deadlock_timeout.into(), 300),
        ("inactivity-timeout", times.inactivity_timeout.into(), 0),
        ("request-timeout", times.request_timeout.into(), 0),
        ("interrupt-timeout", times.interrupt_timeout.into(), 0),
        ("connect-timeout", times.connect_timeout.into(), 15),
        ("queue-timeout", times.queue_timeout.into(), 0),
        (
            "response-socket-timeout",
            times.response_socket_timeout.into(),
            0,
        ),
        ("response-flush-delay", times.response_flush_delay.into(), 5),
        ("send-buffer-size", buffers.send_buffer_size.into(), 0),
        ("receive-buffer-size", buffers.receive_buffer_size.into(), 0),
        ("header-buffer-size", buffers.header_buffer_size.into(), 0),
    ];
    // Given, it tells the application that there are several, even where it is 1.
    let processes = args.processes.map(|number| ("processes", number.into(), 0));
    let response = ("response-buffer-size", buffers.response_buffer_size, 0);
    processes
        .into_iter()
        .chain(numbers)
        .chain([response])
        .filter(|(_, value, default)| value != default)
        .map(|(name, value, _)| {
            let value = taken(name, value)?.to_string();
            Ok(GroupOption { name, value })
        })
        .collect()
}

/// A number that the module takes.
fn taken(name: &str, value: u64) -> Result<u64, Error> {
    if value > LARGEST {
        return Err(Error::Usage(format!(
            "`--{name}`: `{value}` is too large\n{LARGEST} at most"
        )));
    }
    let size = LEAST.iter().find(|(option, ..)| *option == name);
    match size {
        Some((_, least, usual)) if value != 0 && value < *least => Err(Error::Usage(format!(
            "`--{name}`: `{value}` is too small\n0 for {usual}, or {least} and more"
        ))),
        _ => Ok(value),
    }
}

/// The name of a process group, which also ends up in the names of its processes.
pub(super) fn group_name(name: &str) -> Result<String, Error> {
    if name.is_empty() || name.contains("%{") || name.contains(char::is_whitespace) {
        return Err(Error::Usage(format!(
            "`--process-group`: `{name}` cannot be the name of a process group\nit is one word, without `%{{`"
        )));
    }
    printable("--process-group", name.to_owned())
}

/// mod_wsgi: debugging takes an MPM that can do with one process and one thread, whatever was asked for.
fn mpms(asked: &[String], is_debugged: bool) -> Result<Vec<String>, Error> {
    let known = ["event", "worker", "prefork"];
    match asked.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Error::Usage(format!(
            "`--server-mpm`: `{name}` is none of event, worker and prefork"
        ))),
        None if is_debugged => Ok(vec!["worker".to_owned(), "prefork".to_owned()]),
        None if asked.is_empty() => Ok(known.map(str::to_owned).to_vec()),
        None => Ok(asked.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_the_module_would_refuse_are_refused_by_the_name_of_their_option() {
        for (name, value) in [
            ("send-buffer-size", 511),
            ("receive-buffer-size", 1),
            ("header-buffer-size", 8191),
            ("response-buffer-size", 65_535),
            ("response-buffer-size", LARGEST + 1),
            ("request-timeout", LARGEST + 1),
        ] {
            let told = taken(name, value).unwrap_err().to_string();
            let start = format!("`--{name}`: `{value}` is too ");
            assert!(told.starts_with(&start) && told.contains('\n'), "{told}");
        }
        for (name, value) in [
            ("send-buffer-size", 0),
            ("send-buffer-size", 512),
            ("header-buffer-size", 8192),
            ("response-buffer-size", LARGEST),
            ("request-timeout", 1),
        ] {
            assert_eq!(taken(name, value).unwrap(), value, "{name}");
        }
    }
}
