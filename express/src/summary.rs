//! What the user is told once everything is set up: what will run, where it answers, where its files are.

use crate::capacity::Capacity;
use crate::context::{self, Findings};
use crate::privileges;
use crate::settings::Settings;
use crate::tree::ServerRoot;

/// The summary, one line for each fact.
pub(crate) fn text(settings: &Settings, findings: &Findings, root: &ServerRoot) -> String {
    let application = &settings.application;
    let python = &findings.python;
    let level = context::log_level(settings.log_level);
    let mut rows = vec![
        ("Server URL", settings.url()),
        (
            "Application",
            format!("{} ({})", application.entry, application.callable),
        ),
        ("Operating Mode", mode(settings, findings)),
        ("Request Capacity", capacity(settings, findings)),
        (
            "Python",
            format!("{} ({})", python.version, python.executable.display()),
        ),
        ("Server Root", settings.server_root.clone()),
        ("Server Conf", file(root, "httpd.conf")),
        (
            "Error Log File",
            format!("{} ({level})", readable(context::error_log(settings))),
        ),
    ];
    rows.splice(4..4, limits(settings));
    if !settings.processes.is_embedded {
        let connections = Capacity::new(&settings.processes, &findings.mpm).total;
        rows.insert(
            4,
            (
                "Server Capacity",
                counted(connections, "connection", "connections"),
            ),
        );
    }
    if let Some(log) = context::access_log(settings) {
        rows.push(("Access Log File", readable(log)));
    }
    rows.push(("Rewrite Rules", file(root, "rewrite.conf")));
    rows.push(("Environ Variables", file(root, "envvars")));
    rows.push(("Control Script", file(root, "apachectl")));
    let lines: Vec<_> = rows
        .iter()
        .map(|(label, value)| format!("{label:<17} : {value}"))
        .collect();
    lines.join("\n")
}

/// Where a log goes; a log to the launcher's own output is written through a pipe, which says nothing to a user.
fn readable(log: String) -> String {
    if log.starts_with('|') {
        "this terminal".to_owned()
    } else {
        log
    }
}

fn file(root: &ServerRoot, name: &str) -> String {
    root.file(name).display().to_string()
}

fn mode(settings: &Settings, findings: &Findings) -> String {
    let user = match &findings.identity {
        Some(identity) => identity.user.clone(),
        None => privileges::current_user(),
    };
    let mode = if settings.processes.is_embedded {
        "embedded".to_owned()
    } else {
        format!("daemon, process group {}", settings.processes.group)
    };
    format!("{mode}, {} MPM, as user {user}", findings.mpm)
}

/// What becomes of a request that waits or takes long.
fn limits(settings: &Settings) -> Vec<(&'static str, String)> {
    let told = &settings.processes.told;
    let mut rows = vec![];
    if !settings.processes.is_embedded {
        rows.extend([
            ("Request Timeout", seconds(told.request_timeout)),
            ("Startup Timeout", seconds(told.startup_timeout)),
            ("Queue Timeout", seconds(told.queue_timeout)),
        ]);
        if told.interrupt_timeout > 0 {
            rows.insert(1, ("Interrupt Timeout", seconds(told.interrupt_timeout)));
        }
    }
    rows
}

fn seconds(number: u32) -> String {
    if number == 0 {
        "none".to_owned()
    } else {
        counted(number, "second", "seconds")
    }
}

fn capacity(settings: &Settings, findings: &Findings) -> String {
    let (processes, threads) = (settings.processes.processes, settings.processes.threads);
    if settings.processes.is_embedded && findings.mpm == "prefork" {
        return counted(processes.saturating_mul(threads), "process", "processes");
    }
    format!(
        "{} × {}",
        counted(processes, "process", "processes"),
        counted(threads, "thread", "threads")
    )
}

fn counted(number: u32, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
