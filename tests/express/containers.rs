//! The launcher in a container or under a service manager: as process 1, on a read-only system, as a user nobody knows.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Launcher;
use super::launcher::{Run, text};
use crate::harness::{Connection, Request, descendants, only_rsgi, signal, wait_until};

/// Sleeps as long as it is asked to, and leaves orphans.
const APP: &str = r#"
import os, time

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/sleep":
        time.sleep(float(query))
    if path == "/orphan":
        if os.fork() == 0:
            if os.fork() == 0:
                time.sleep(0.2)
            os._exit(0)
        os.wait()
    body = (os.environ.get("NOTIFY_SOCKET", "none") + " " + str(os.getuid())).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"#;

/// Whether this test can make namespaces.
fn can_unshare(options: &[&str]) -> bool {
    let status = Command::new("unshare").args(options).arg("true").status();
    status.is_ok_and(|status| status.success())
}

/// Asks for a page that takes a while, on a thread; what came of it.
fn ask_slowly(run: &Run, target: &'static str) -> std::thread::JoinHandle<Option<u16>> {
    let port = run.launcher.port();
    let started = std::thread::spawn(move || {
        let asked =
            std::panic::catch_unwind(|| Connection::open(port).ask(&Request::get(target)).status);
        asked.ok()
    });
    // The request is on its way when the stop comes.
    std::thread::sleep(Duration::from_millis(300));
    started
}

#[test]
fn as_process_1_it_reaps_orphans_and_finishes_requests_on_sigterm() {
    only_rsgi!("the launcher is ours");
    let namespace = ["--pid", "--mount-proc", "--fork"];
    if !can_unshare(&namespace) {
        return;
    }
    let mut run = Launcher::new()
        .file("a.py", APP)
        .arg("a.py")
        .under(&["unshare", "--pid", "--mount-proc", "--fork"])
        .start();
    run.text("/orphan");
    let is_zombie = |pid: i32| {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    };
    let inside = *descendants(run.pid()).first().unwrap();
    wait_until("the orphan is buried", || {
        !descendants(run.pid()).into_iter().any(is_zombie)
    });
    let slow = ask_slowly(&run, "/sleep?1.5");
    signal(inside, libc::SIGTERM);
    assert_eq!(slow.join().unwrap(), Some(200), "{}", run.output());
    wait_until("the launcher ends", || run.has_ended());
    assert_eq!(run.end(0), Some(0), "{}", run.output());
}

#[test]
fn a_request_beyond_the_stop_timeout_is_cut_off() {
    only_rsgi!("the launcher is ours");
    let mut run = Launcher::new()
        .file("a.py", APP)
        .args(&["a.py", "--stop-timeout", "1", "--shutdown-timeout", "1"])
        .start();
    let slow = ask_slowly(&run, "/sleep?30");
    let start = Instant::now();
    assert_eq!(run.end(libc::SIGTERM), Some(0), "{}", run.output());
    assert!(start.elapsed() >= Duration::from_millis(900), "no grace");
    assert!(start.elapsed() < Duration::from_secs(20), "no end");
    assert_ne!(slow.join().unwrap(), Some(200));
    assert!(run.output().contains("--stop-timeout"), "{}", run.output());
    run.nothing_is_left();
}

#[test]
fn a_read_only_system_with_one_folder_to_write_to_is_enough() {
    only_rsgi!("the launcher is ours");
    if !can_unshare(&["--mount"]) {
        return;
    }
    let launcher = Launcher::new().file("a.py", APP).file("w/x", "");
    let folder = launcher.path("w");
    crate::harness::allow(&folder, 0o755);
    let writable = folder.display();
    // The test's own files of output stay writable: they are open already.
    let script = format!(
        "mount --make-rprivate / && mount --bind {writable} {writable} && mount -o remount,bind,ro / && \
         ! touch /tmp/no 2>/dev/null && exec \"$@\""
    );
    let root = folder.join("root");
    let run = launcher
        .args(&["a.py", "--log-to-terminal", "--access-log", "--server-root"])
        .arg(&root.display().to_string())
        .env("TMPDIR", &folder.display().to_string())
        .under(&["unshare", "--mount", "sh", "-c", &script, "sh"])
        .start();
    assert!(run.text("/").starts_with("none "));
    // Both logs are the container's.
    wait_until("the access log", || {
        run.output().contains("\"GET / HTTP/1.1\" 200")
    });
    assert!(run.output().contains("resuming normal operations"));
    let made: Vec<_> = std::fs::read_dir(&root).unwrap().flatten().collect();
    assert!(!made.iter().any(|file| file.file_name() == "error_log"));
}

#[test]
fn a_user_that_no_file_knows_can_serve() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().file("a.py", APP).arg("a.py");
    if std::os::unix::fs::chown(launcher.directory(), Some(54321), Some(54321)).is_err() {
        return;
    }
    let mut run = launcher.env("HOME", "/nonexistent").run_by(54321).start();
    assert_eq!(run.text("/"), "none 54321");
    assert_eq!(run.end(libc::SIGTERM), Some(0), "{}", run.output());
    run.nothing_is_left();
}

#[test]
fn a_service_manager_is_told_when_the_server_answers_and_when_it_stops() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().file("a.py", APP).arg("a.py");
    let path = launcher.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    crate::harness::allow(&path, 0o777);
    let next = || {
        let mut buffer = [0; 512];
        let count = socket.recv(&mut buffer).expect("the manager is told");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    let mut run = launcher
        .env("NOTIFY_SOCKET", &path.display().to_string())
        .start();
    let ready = next();
    assert!(
        ready.starts_with("READY=1\nSTATUS=Serving http://"),
        "{ready}"
    );
    // The application cannot speak in its name.
    assert!(run.text("/").starts_with("none "));
    assert_eq!(run.end(libc::SIGTERM), Some(0), "{}", run.output());
    assert_eq!(next(), "STOPPING=1");
}

#[test]
fn the_line_that_it_answers_comes_once() {
    only_rsgi!("the launcher is ours");
    let run = Launcher::new().file("a.py", APP).arg("a.py").start();
    wait_until("the line", || run.output().contains(" answers after "));
    assert_eq!(run.text("/").split(' ').next(), Some("none"));
    assert_eq!(run.output().matches(" answers after ").count(), 1);
}

#[test]
fn the_unit_is_one_that_systemd_accepts() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .args(&[
            "hello.py",
            "--port",
            "80",
            "--document-root",
            "a b%",
            "--user",
            "daemon",
        ])
        .env("RSGI_THREADS", "7");
    let output = launcher.output("systemd-unit");
    let unit = text(&output);
    assert!(output.status.success(), "{unit}");
    for part in [
        "Type=notify",
        "ExecReload=/bin/kill -USR1 $MAINPID",
        "User=daemon",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "Environment=RSGI_THREADS=7",
        "\"a b%%\"",
        "NoNewPrivileges=yes",
        "No socket unit",
    ] {
        assert!(unit.contains(part), "no {part:?} in {unit}");
    }
    let file = launcher.path("rsgi-test.service");
    std::fs::write(&file, &unit).unwrap();
    if Path::new("/usr/bin/systemd-analyze").exists() {
        let judged = Command::new("systemd-analyze")
            .arg("verify")
            .arg(&file)
            .output();
        let judged = judged.unwrap();
        assert!(judged.status.success(), "{}", text(&judged));
        assert_eq!(text(&judged), "", "{unit}");
    }
}
