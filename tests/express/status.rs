//! `status`: what a running server does, for the one who started it and nobody else.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::Duration;

use super::Launcher;
use super::launcher::{Run, program, text};
use crate::harness::{Connection, Request, comes_true, only_rsgi, wait_until};

/// Sleeps as long as it is asked to.
const APP: &str = r#"
import time
def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/sleep"):
        time.sleep(float(environ["QUERY_STRING"]))
    body = b"fine"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"#;

fn start(options: &[&str]) -> Run {
    let run = Launcher::new()
        .file("a.py", APP)
        .arg("a.py")
        .args(options)
        .start();
    run.text("/");
    run
}

/// What `status` says with these options, and whether it could.
fn status(run: &Run, options: &[&str]) -> (bool, String) {
    let output = Command::new(program())
        .args(["status", "--server-root"])
        .arg(run.launcher.root())
        .args(options)
        .output()
        .expect("rsgi-express starts");
    (output.status.success(), text(&output))
}

#[test]
fn it_shows_the_group_its_processes_and_their_requests() {
    only_rsgi!("the launcher is ours");
    let run = start(&["--processes", "2", "--threads", "3"]);
    for _ in 0..5 {
        run.text("/");
    }
    let (is_fine, told) = status(&run, &[]);
    assert!(is_fine, "{told}");
    let group = format!("localhost:{}  2 processes × 3 threads", run.launcher.port());
    for part in [
        &*group,
        "requests/s",
        "queue 0",
        "ready",
        "0/3",
        "slot",
        "pid",
        "Apache's children",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    assert!(!told.contains('\x1b'), "{told:?}");

    let (is_fine, json) = status(&run, &["--json"]);
    assert!(is_fine, "{json}");
    let done = |json: &str| -> u64 {
        let numbers = json.split("\"requests\": ").skip(1);
        let numbers = numbers.map(|rest| rest.split([',', '\n', ' ']).next().unwrap_or(""));
        numbers.map(|number| number.parse::<u64>().unwrap()).sum()
    };
    assert_eq!(done(&json), 6, "{json}");
    assert_eq!(json.matches("\"state\": \"ready\"").count(), 2, "{json}");
}

#[test]
fn requests_that_wait_are_seen() {
    only_rsgi!("the launcher is ours");
    let run = start(&["--threads", "1"]);
    let port = run.launcher.port();
    let clients: Vec<_> = (0..3)
        .map(|_| {
            std::thread::spawn(move || Connection::open(port).ask(&Request::get("/sleep?3")).status)
        })
        .collect();
    let mut told = String::new();
    let is_seen = comes_true(Duration::from_secs(10), || {
        told = status(&run, &[]).1;
        told.contains("queue 2 (oldest ") && told.contains(" 1/1 ")
    });
    assert!(is_seen, "{told}");
    for client in clients {
        assert_eq!(client.join().unwrap(), 200);
    }
}

#[test]
fn the_slowest_running_requests_are_named() {
    only_rsgi!("the launcher is ours");
    let run = start(&["--threads", "3"]);
    let port = run.launcher.port();
    let ask = |target: &'static str| {
        std::thread::spawn(move || Connection::open(port).ask(&Request::get(target)).status)
    };
    let clients = [ask("/sleep/first?4"), ask("/sleep/second?4")];
    let mut told = String::new();
    let is_seen = comes_true(Duration::from_secs(10), || {
        told = status(&run, &[]).1;
        told.contains("GET /sleep/first?4 HTTP/1.1")
            && told.contains("GET /sleep/second?4 HTTP/1.1")
            && told.contains("the slowest first")
    });
    assert!(is_seen, "{told}");
    for client in clients {
        assert_eq!(client.join().unwrap(), 200);
    }
    let over = status(&run, &[]).1;
    assert!(!over.contains("GET /"), "{over}");
}

#[test]
fn only_the_owner_of_the_server_root_can_ask() {
    only_rsgi!("the launcher is ours");
    let run = start(&[]);
    for file in ["status.conf", "status.json"] {
        let metadata = std::fs::metadata(run.launcher.root().join(file)).unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(run.get("/__rsgi__/status").status, 403);
    let guess = Request::get("/__rsgi__/status").header("X-RSGI-Token", "guess");
    let reply = Connection::open(run.launcher.port()).ask(&guess);
    assert_eq!(reply.status, 403);

    let output = {
        use std::os::unix::process::CommandExt as _;
        Command::new(program())
            .args(["status", "--server-root"])
            .arg(run.launcher.root())
            .uid(65534)
            .gid(65534)
            .output()
    };
    if let Ok(output) = output {
        assert!(!output.status.success());
        assert!(
            text(&output).contains("belongs to somebody else"),
            "{}",
            text(&output)
        );
    }
}

#[test]
fn names_and_the_application_are_not_in_its_way() {
    only_rsgi!("the launcher is ours");
    let run = Launcher::new()
        .file("a.py", APP)
        .args(&[
            "a.py",
            "--server-name",
            "www.example.com",
            "--mount-point",
            "/app",
        ])
        .start();
    let (is_fine, told) = status(&run, &[]);
    assert!(is_fine, "{told}");
    assert!(told.contains("ready"), "{told}");
}

#[test]
fn a_server_in_apaches_own_processes_has_no_groups() {
    only_rsgi!("the launcher is ours");
    let run = start(&["--embedded-mode"]);
    let (is_fine, told) = status(&run, &[]);
    assert!(is_fine, "{told}");
    assert!(told.contains("no process groups"), "{told}");
}

#[test]
fn a_server_that_is_not_there_is_told_with_the_way_to_name_it() {
    only_rsgi!("the launcher is ours");
    let output = Command::new(program())
        .args(["status", "--server-root", "/nowhere"])
        .output()
        .unwrap();
    let told = text(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("`/nowhere`") && told.contains("--server-root"),
        "{told}"
    );

    let mut run = start(&[]);
    run.end(libc::SIGINT);
    let (is_fine, told) = status(&run, &[]);
    assert!(!is_fine && told.contains("does not answer"), "{told}");
}

#[test]
fn a_live_screen_is_drawn_on_a_terminal_and_put_away_at_its_end() {
    only_rsgi!("the launcher is ours");
    let run = start(&[]);
    let line = format!(
        "timeout -s INT 2 {} status --watch --interval 0.2 --server-root {}",
        program().display(),
        run.launcher.root().display()
    );
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .output();
    let Ok(output) = output else { return };
    let drawn = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(drawn.starts_with("\x1b[?1049h"), "{drawn:?}");
    assert!(drawn.matches("\x1b[H").count() >= 3, "{drawn:?}");
    assert!(drawn.contains("Ctrl-C ends"), "{drawn:?}");
    assert!(drawn.trim_end().ends_with("\x1b[?1049l"), "{drawn:?}");
}

#[test]
fn a_watch_goes_on_after_a_restart() {
    only_rsgi!("the launcher is ours");
    let run = start(&[]);
    let file = run.launcher.path("watched");
    let output = std::fs::File::create(&file).unwrap();
    let mut watch = Command::new(program())
        .args([
            "status",
            "--watch",
            "--json",
            "--interval",
            "0.1",
            "--server-root",
        ])
        .arg(run.launcher.root())
        .stdout(output)
        .spawn()
        .unwrap();
    let lines = || {
        std::fs::read_to_string(&file)
            .unwrap_or_default()
            .lines()
            .count()
    };
    wait_until("two lines", || lines() >= 2);
    crate::harness::signal(run.pid(), libc::SIGUSR1);
    wait_until("the restart", || {
        run.log().matches("resuming normal operations").count() == 2
    });
    let seen = lines();
    wait_until("further lines", || lines() >= seen + 5);
    crate::harness::signal(watch.id().cast_signed(), libc::SIGTERM);
    assert!(watch.wait().unwrap().success());
}
