//! `--enable-telemetry`: the service of PyPI's mod_wsgi-telemetry, run by the server.

use std::net::TcpListener;
use std::path::PathBuf;

use super::Launcher;
use super::launcher::Run;
use super::privileges::{ids, numbers};
use crate::harness::{
    Connection, Port, Request, descendants, is_daemon, is_root, needs, only_rsgi, wait_until,
    web_user,
};
use crate::kit::{self, venv};

/// An environment with the package and what it needs.
fn environment() -> PathBuf {
    venv(
        &kit::system_python(),
        "telemetry-ui",
        &["mod_wsgi-telemetry"],
    )
}

/// The launcher with the service, whose page has a port of its own.
fn telling() -> (Launcher, Port) {
    let port = Port::take();
    let launcher = Launcher::new()
        .arg("hello.py")
        .args(&["--python", environment().to_str().unwrap()])
        .args(&["--enable-telemetry", "--telemetry-interval", "0.5"])
        .args(&["--telemetry-ui-port", &port.number().to_string()]);
    (launcher, port)
}

/// What the service says on its page's port.
fn page(port: &Port, target: &str) -> String {
    if !is_listening(port) {
        return String::new();
    }
    Connection::open(port.number())
        .ask(&Request::get(target))
        .text()
}

fn is_listening(port: &Port) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port.number())).is_ok()
}

/// Asks the server until the service tells of its requests.
#[track_caller]
fn shows_requests(run: &Run, port: &Port) {
    wait_until("the page is there", || {
        page(port, "/").contains("<title>mod_wsgi telemetry</title>")
    });
    wait_until("the service knows of the requests", || {
        run.text("/hello");
        counted(&page(port, "/api/state")) > 0
    });
}

/// The requests that are told of in all samples that the service knows.
fn counted(state: &str) -> u32 {
    let numbers = state.split("\"request_count\": ").skip(1);
    let digits = |text: &str| {
        text.split(|c: char| !c.is_ascii_digit())
            .next()
            .map(str::to_owned)
    };
    numbers
        .filter_map(|text| digits(text)?.parse::<u32>().ok())
        .sum()
}

/// What the error log has beyond the beginning and the end.
fn trouble(run: &Run) -> String {
    let log = run.log();
    let lines = log.lines().filter(|line| !line.contains(":notice]"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The process that runs the service.
fn service(run: &Run) -> i32 {
    let is_it = |pid: &i32| {
        if !is_daemon(*pid) {
            return false;
        }
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("service:telemetry")
    };
    let mut found = None;
    wait_until("the service's process", || {
        found = descendants(run.httpd()).into_iter().find(is_it);
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn the_service_shows_what_is_asked_of_the_server_and_ends_with_it() {
    only_rsgi!("as root, the service of the original cannot make its socket");
    let nobody = ids("nobody").0;
    let users = [None, is_root().then_some(nobody)];
    for user in &users[..if is_root() { 2 } else { 1 }] {
        let (mut launcher, port) = telling();
        if let Some(user) = *user {
            launcher = launcher.run_by(user);
        }
        let mut run = launcher.start();
        shows_requests(&run, &port);
        let uid = match user {
            None if is_root() => ids(&web_user()).0,
            _ => numbers(run.pid(), "Uid")[0],
        };
        assert_eq!(numbers(service(&run), "Uid"), [uid; 4]);
        assert_eq!(run.end(libc::SIGINT), Some(0), "{}", run.output());
        run.nothing_is_left();
        assert!(!is_listening(&port), "the page is still there");
        assert_eq!(trouble(&run), "", "with {user:?}");
    }
}

#[test]
fn the_service_may_be_somebody_else_s() {
    only_rsgi!("as root, the service of the original cannot make its socket");
    needs!(is_root(), "only root can choose");
    let (launcher, port) = telling();
    let run = launcher
        .args(&["--service-user", "telemetry", "nobody"])
        .args(&["--service-log-file", "telemetry", "told"])
        .args(&["--log-level", "info"])
        .start();
    shows_requests(&run, &port);
    assert_eq!(numbers(service(&run), "Uid"), [ids("nobody").0; 4]);
    // Nobody else can tell the service anything.
    let folder = std::fs::metadata(run.launcher.root().join("telemetry")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&folder.permissions());
    assert_eq!(mode & 0o777, 0o710);
    let log = std::fs::read_to_string(run.launcher.root().join("told")).unwrap();
    assert!(log.contains("UI on http://127.0.0.1:"), "{log}");
}

#[test]
fn a_port_that_is_taken_is_told_before_apache_starts() {
    only_rsgi!("the launcher is ours");
    let (launcher, port) = telling();
    let _holder = TcpListener::bind(("127.0.0.1", port.number())).unwrap();
    let told = format!("port `{}` is in use", port.number());
    launcher.refused(5, &[&told, "`--telemetry-ui-port`"]);
}

#[test]
fn a_python_without_the_package_is_told_with_the_cure() {
    only_rsgi!("the launcher is ours");
    let python = venv(&kit::system_python(), "plain", &[]);
    let launcher = Launcher::new().arg("hello.py").args(&[
        "--python",
        python.to_str().unwrap(),
        "--enable-telemetry",
    ]);
    let cure = "-m pip install mod_wsgi-telemetry`";
    launcher.refused(4, &["`--enable-telemetry`", "bin/python", cure]);
}
