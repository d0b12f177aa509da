//! What the user is told once everything is set up: what will run, where it answers, where its files are.

use crate::capacity::Capacity;
use crate::cli::ApplicationType;
use crate::context::Findings;
use crate::privileges;
use crate::settings::{Log, Settings};
use crate::tree::ServerRoot;

/// The summary, one line for each fact.
pub(crate) fn text(settings: &Settings, findings: &Findings, root: &ServerRoot) -> String {
    let mut rows = vec![("Server URL", settings.url())];
    if let Some(url) = settings.https_url() {
        rows.push(("Server URL (HTTPS)", url));
    }
    if settings.tree.has_status {
        rows.push(("Server Status", base(settings) + "/server-status"));
    }
    if settings.files.has_docs {
        rows.push(("Documentation", base(settings) + "/__wsgi__/docs/"));
    }
    if let Some(port) = settings.metrics.ui_port() {
        rows.push(("Telemetry UI", format!("http://127.0.0.1:{port}/")));
    }
    rows.push(("Application", application(settings)));
    rows.push(("Operating Mode", mode(settings, findings)));
    if settings.has_python() {
        rows.push(("Request Capacity", capacity(settings, findings)));
        rows.extend(limits(settings));
    }
    if !settings.processes.is_embedded {
        let connections = Capacity::new(&settings.processes, &findings.mpm).total;
        let connections = counted(connections, "connection", "connections");
        rows.push(("Server Capacity", connections));
    }
    rows.push(("Server Backlog", settings.listening.backlog.to_string()));
    if let Some((_, python)) = &findings.python {
        let interpreter = python.executable.display();
        rows.push(("Python", format!("{} ({interpreter})", python.version)));
        rows.push(("Locale Setting", settings.python.locale.clone()));
    }
    rows.extend(files(settings, root));
    let lines: Vec<_> = rows
        .iter()
        .map(|(label, value)| format!("{label:<18} : {value}"))
        .collect();
    lines.join("\n")
}

/// Where the server is, without a slash at its end.
fn base(settings: &Settings) -> String {
    let url = settings.url();
    let url = url.trim_end_matches(&settings.application.mount);
    url.trim_end_matches('/').to_owned()
}

fn application(settings: &Settings) -> String {
    let application = &settings.application;
    let entry = &application.entry;
    match application.kind {
        _ if application.is_welcome => "none: a page of welcome".to_owned(),
        ApplicationType::Script | ApplicationType::Module => {
            format!("{entry} ({})", application.callable)
        }
        ApplicationType::Paste => format!("{entry} (paste)"),
        ApplicationType::Static => "none: files only".to_owned(),
    }
}

/// Where everything is.
fn files(settings: &Settings, root: &ServerRoot) -> Vec<(&'static str, String)> {
    let logs = &settings.logs;
    let mut rows = vec![
        ("Server Root", settings.server_root.clone()),
        ("Server Conf", file(root, "httpd.conf")),
        (
            "Error Log File",
            format!("{} ({})", readable(&logs.error), logs.level),
        ),
    ];
    if let Some(log) = &logs.access {
        rows.push(("Access Log File", readable(log)));
    }
    let outputs = [
        ("Startup Log File", &logs.startup),
        ("Coverage Output", &settings.debug.coverage),
        ("Profiler Output", &settings.debug.profiler),
        ("Recorder Output", &settings.debug.recorder),
    ];
    for (label, path) in outputs {
        rows.extend(path.clone().map(|path| (label, path)));
    }
    rows.push(("Rewrite Rules", settings.files.rewrite_rules.clone()));
    rows.push(("Environ Variables", file(root, "envvars")));
    rows.push(("Control Script", file(root, "apachectl")));
    rows
}

/// Where a log goes; a log to the launcher's own output is written through a pipe, which says nothing to a user.
fn readable(log: &Log) -> String {
    if log.is_terminal {
        "this terminal".to_owned()
    } else {
        log.place.clone()
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
    let mode = if settings.debug.is_on {
        "debug".to_owned()
    } else if settings.has_group() {
        format!("daemon, process group {}", settings.processes.group)
    } else if settings.has_python() {
        "embedded".to_owned()
    } else {
        "static".to_owned()
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
