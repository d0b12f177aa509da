//! Signals, the end, and what is left after it.

use super::Launcher;
use super::launcher::HELLO;
use crate::harness::{
    Connection, Request, descendants, needs, only_rsgi, signal, wait_until, with_marker,
};

/// Starts a process of its own in each of Apache's children, as applications do.
const WITH_HELPER: &str = r#"
import subprocess
helper = subprocess.Popen(["sleep", "3600"])
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(helper.pid).encode()]
"#;

#[test]
fn ctrl_c_and_sigterm_stop_everything_and_leave_nothing() {
    for number in [libc::SIGINT, libc::SIGTERM] {
        let mut run = Launcher::new().arg("hello.py").start();
        run.text("/");
        let children = descendants(run.pid());
        assert!(children.len() >= 2, "httpd and a child: {children:?}");
        assert_eq!(run.end(number), Some(0), "{}", run.output());
        run.nothing_is_left();
    }
}

#[test]
fn a_signal_that_comes_twice_at_once_still_stops_in_order() {
    only_rsgi!("the launcher is ours");
    let mut run = Launcher::new().arg("hello.py").start();
    signal(run.pid(), libc::SIGINT);
    assert_eq!(run.end(libc::SIGTERM), Some(0), "{}", run.output());
    assert!(run.log().contains("caught SIGTERM, shutting down"));
    run.nothing_is_left();
}

#[test]
fn processes_that_the_application_started_end_too() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().file("a.py", WITH_HELPER).arg("a.py");
    let mut run = launcher.start();
    run.text("/");
    assert_eq!(run.end(libc::SIGTERM), Some(0));
    run.nothing_is_left();
}

#[test]
fn a_launcher_that_is_killed_takes_apache_with_it() {
    only_rsgi!("the launcher is ours");
    let mut run = Launcher::new().arg("hello.py").start();
    run.text("/");
    assert_eq!(run.end(libc::SIGKILL), None);
    wait_until("Apache ends", || run.launcher.processes().is_empty());
    run.nothing_is_left();
}

#[test]
fn an_apache_that_is_killed_is_cleared_away_and_its_end_is_told() {
    only_rsgi!("the launcher is ours");
    let mut run = Launcher::new().arg("hello.py").start();
    run.text("/");
    signal(run.httpd(), libc::SIGKILL);
    wait_until("the launcher ends", || run.has_ended());
    assert_eq!(run.end(0), Some(128 + libc::SIGKILL), "{}", run.output());
    assert!(
        run.output().contains("ended with signal: 9"),
        "{}",
        run.output()
    );
    run.nothing_is_left();
}

#[test]
fn sigusr1_restarts_gracefully_and_sighup_at_once() {
    let run = Launcher::new().arg("hello.py").start();
    let starts = || run.log().matches("resuming normal operations").count();
    wait_until("the start", || starts() == 1);
    signal(run.pid(), libc::SIGUSR1);
    wait_until("the graceful restart", || starts() == 2);
    assert!(run.log().contains("Doing graceful restart"));
    signal(run.pid(), libc::SIGHUP);
    wait_until("the restart", || starts() == 3);
    assert_eq!(run.text("/x"), "|/x|");
}

#[test]
fn the_control_script_stops_what_the_launcher_watches() {
    let mut run = Launcher::new().arg("hello.py").start();
    run.text("/");
    let control = run.launcher.root().join("apachectl");
    let status = std::process::Command::new(control).arg("stop").status();
    assert!(status.unwrap().success());
    wait_until("the launcher ends", || run.has_ended());
    assert_eq!(run.end(0), Some(0), "{}", run.output());
    run.nothing_is_left();
}

#[test]
fn a_change_of_the_script_or_of_a_module_restarts_when_asked_for() {
    only_rsgi!("the launcher is ours");
    let source = |text: &str| {
        format!(
            "import helper\ndef application(environ, start_response):\n    \
             start_response('200 OK', [])\n    return [('{text} ' + helper.TEXT).encode()]\n"
        )
    };
    let run = Launcher::new()
        .file("a.py", &source("one"))
        .file("helper.py", "TEXT = 'first'\n")
        .args(&["a.py", "--reload-on-changes"])
        .start();
    assert_eq!(run.text("/"), "one first");
    std::fs::write(
        run.launcher.path("helper.py"),
        "TEXT = 'second, and longer'\n",
    )
    .unwrap();
    wait_until("the module is reloaded", || {
        run.text("/") == "one second, and longer"
    });
    std::fs::write(run.launcher.path("a.py"), source("another")).unwrap();
    wait_until("the script is reloaded", || {
        run.text("/") == "another second, and longer"
    });
    assert!(run.output().contains("helper.py` has changed: restarting"));
}

#[test]
fn changes_of_named_files_restart_at_once_and_those_of_ignored_folders_do_not() {
    only_rsgi!("the launcher is ours");
    let run = Launcher::new()
        .file("settings.toml", "a = 1\n")
        .file("pages/a.html", "one\n")
        .file("made/x.py", "X = 1\n")
        .args(&["hello.py", "--reload-on-changes"])
        .args(&["--reload-watch", "settings.toml", "--reload-watch", "pages"])
        .args(&["--reload-ignore", "made"])
        .start();
    let told = |name: &str| {
        run.output()
            .contains(&format!("{name}` has changed: restarting"))
    };
    let write = |name: &str| std::fs::write(run.launcher.path(name), "# changed\n").unwrap();
    write("made/x.py");
    for name in ["settings.toml", "pages/a.html", "hello.py"] {
        let since = std::time::Instant::now();
        if name == "hello.py" {
            std::fs::write(run.launcher.path(name), HELLO.replace("200 OK", "200 Fine")).unwrap();
        } else {
            write(name);
        }
        wait_until(name, || told(name));
        // Without notifications it would be two seconds; a busy machine may take its time as well.
        let took = since.elapsed();
        assert!(
            took < std::time::Duration::from_millis(1500),
            "{name}: {took:?}"
        );
    }
    assert!(!told("x.py"), "{}", run.output());
    assert_eq!(run.text("/x"), "|/x|");
}

#[test]
fn a_change_of_the_script_gives_a_new_process_without_being_asked_for() {
    let source = |text: &str| {
        format!(
            "import os\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    \
             return [('{text} %d' % os.getpid()).encode()]\n"
        )
    };
    let run = Launcher::new()
        .file("a.py", &source("one"))
        .arg("a.py")
        .start();
    let before = run.text("/");
    assert!(before.starts_with("one "), "{before}");
    std::fs::write(run.launcher.path("a.py"), source("another")).unwrap();
    let after = run.text("/");
    assert!(after.starts_with("another "), "{after}");
    assert_ne!(before.split(' ').nth(1), after.split(' ').nth(1));
    assert_eq!(run.log().matches("resuming normal operations").count(), 1);
}

#[test]
fn a_locale_of_the_environment_that_is_not_installed_here_does_not_matter() {
    only_rsgi!("the launcher is ours");
    let source = "import os\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    \
                  return [os.environ['LC_ALL'].encode()]\n";
    let run = Launcher::new()
        .file("a.py", source)
        .arg("a.py")
        .env("LC_ALL", "xx_YY.UTF-8")
        .start();
    assert_eq!(run.text("/"), "C.UTF-8");
}

#[test]
fn a_request_under_way_is_finished_when_a_change_restarts() {
    only_rsgi!("the launcher is ours");
    let source = r#"
import os, time
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] != "/wait":
        yield b"here"
        return
    yield b"begun "
    while not os.path.exists(os.path.join(os.path.dirname(__file__), "go")):
        time.sleep(0.01)
    yield b"and finished"
"#;
    let run = Launcher::new()
        .file("a.py", source)
        .args(&["a.py", "--reload-on-changes"])
        .start();
    let mut slow = Connection::open(run.launcher.port());
    slow.send(Request::get("/wait").to_bytes());
    assert_eq!(slow.head().status, 200);
    assert_eq!(slow.chunk().as_deref(), Some(b"begun ".as_slice()));
    std::fs::write(run.launcher.path("new.py"), "").unwrap();
    wait_until("the restart", || {
        run.log().matches("resuming normal operations").count() == 2
    });
    // The new process serves while the old one still has its request.
    assert_eq!(run.text("/"), "here");
    std::fs::write(run.launcher.path("go"), "").unwrap();
    assert_eq!(slow.chunk().as_deref(), Some(b"and finished".as_slice()));
}

#[test]
fn logs_on_the_terminal_leave_no_process_behind() {
    only_rsgi!("the launcher is ours");
    let mut run = Launcher::new()
        .args(&["hello.py", "--log-to-terminal", "--access-log"])
        .start();
    run.text("/seen");
    wait_until("the access log", || {
        run.output().contains("\"GET /seen HTTP/1.1\" 200")
    });
    assert!(run.output().contains("resuming normal operations"));
    let marker = run.launcher.root().display().to_string();
    assert_eq!(run.end(libc::SIGINT), Some(0));
    assert!(with_marker(&marker).is_empty());
    run.nothing_is_left();
}

#[test]
fn what_stays_of_the_launcher_is_the_small_program_where_that_is_installed() {
    only_rsgi!("the original stays as Apache");
    let beside = super::launcher::program().with_file_name("../modules/rsgi-serve");
    needs!(beside.exists(), "ci/e2e has not laid it out");
    let alone = ["sh", "-c", "shift; exec ./rsgi-express \"$@\"", "sh"];
    for (wrapper, expected) in [(&[][..], "rsgi-serve"), (&alone[..], "rsgi-express")] {
        let launcher = Launcher::new().arg("hello.py").under(wrapper);
        let copy = launcher.path("rsgi-express");
        std::fs::copy(super::launcher::program(), copy).unwrap();
        let mut run = launcher.start();
        let program = std::fs::read_link(format!("/proc/{}/exe", run.pid())).unwrap();
        assert_eq!(program.file_name().unwrap(), expected);
        assert_eq!(run.text("/"), "|/|");
        assert_eq!(run.end(libc::SIGTERM), Some(0), "{}", run.output());
        run.nothing_is_left();
    }
}
