//! Debugging: everything in one process that has the terminal, and what it leaves at its end.

use std::io::{BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;

use super::Launcher;
use crate::harness::{Connection, Request, only_rsgi, signal, wait_until};
use crate::kit::{system_python, venv};

const APP: &str = "def application(environ, start_response):\n    \
    body = environ['wsgi.input'].read()\n    \
    if environ['PATH_INFO'] == '/raises':\n        raise KeyError('deliberate')\n    \
    start_response('200 OK', [('X-Answer', 'yes')])\n    return [b'got ' + body]\n";

/// The files of a folder by their extension, with their text.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| {
            let path = entry.path();
            let kind = path
                .extension()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let bytes = std::fs::read(&path).unwrap_or_default();
            (kind, String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn requests_are_recorded_profiled_and_covered() {
    only_rsgi!("the launcher is ours");
    let home = venv(&system_python(), "coverage", &["coverage"]);
    let mut run = Launcher::new()
        .file("a.py", APP)
        .args(&[
            "a.py",
            "--enable-recorder",
            "--enable-profiler",
            "--enable-coverage",
            "--coverage-directory",
            "covered",
        ])
        .args(&["--python", &home.display().to_string()])
        .start_without_log();
    assert!(
        run.output().contains("debug, worker MPM"),
        "{}",
        run.output()
    );
    let post = Request::new("POST", "/x").body("hello");
    assert_eq!(
        Connection::open(run.launcher.port()).ask(&post).ok().text(),
        "got hello"
    );
    assert_eq!(run.get("/raises").status, 500);
    // Apache has taken the launcher's place: there is one process.
    assert_eq!(run.httpd(), run.pid());
    run.end(libc::SIGTERM);
    let root = run.launcher.root();
    let recorded = files(&root.join("archive"));
    for (kind, part) in [
        ("iheaders", "'REQUEST_METHOD': 'POST'"),
        ("icontent", "hello"),
        ("oheaders", "X-Answer"),
        ("ocontent", "got hello"),
        ("oaexcept", "deliberate"),
    ] {
        let has = recorded
            .iter()
            .any(|(is, text)| is == kind && text.contains(part));
        assert!(has, "no {part} in {kind}: {recorded:?}");
    }
    let profiles = files(&root.join("pstats"));
    assert!(
        profiles.iter().any(|(kind, _)| kind == "pstats"),
        "{profiles:?}"
    );
    let pages = files(&run.launcher.path("covered"));
    assert!(
        pages
            .iter()
            .any(|(kind, text)| kind == "html" && text.contains("a.py")),
        "{}",
        run.log()
    );
}

#[test]
fn the_debugger_stops_where_the_application_raises() {
    let launcher = Launcher::new().file("a.py", APP).args(&[
        "a.py",
        "--enable-debugger",
        "--debugger-startup",
    ]);
    let mut child = launcher
        .command("start-server")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    // At the start, before the application is loaded.
    read_until(&mut output, "(Pdb)");
    input.write_all(b"continue\n").unwrap();
    let port = launcher.port();
    wait_until("the server listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let asking =
        std::thread::spawn(move || Connection::open(port).ask(&Request::get("/raises")).status);
    read_until(&mut output, "(Pdb)");
    input.write_all(b"p environ['PATH_INFO'] + '!'\n").unwrap();
    read_until(&mut output, "'/raises!'");
    input.write_all(b"continue\n").unwrap();
    assert_eq!(asking.join().unwrap(), 500);
    signal(child.id().cast_signed(), libc::SIGTERM);
    drop(input);
    child.wait().unwrap();
}

fn read_until(output: &mut impl std::io::Read, text: &str) {
    let mut seen = String::new();
    let mut byte = [0];
    while !seen.contains(text) {
        assert_eq!(output.read(&mut byte).unwrap(), 1, "the end after: {seen}");
        seen.push(char::from(byte[0]));
    }
}

#[test]
fn gdb_gets_apache_and_the_way_to_start_it() {
    only_rsgi!("the launcher is ours");
    let script = "#!/bin/sh\necho \"gdb: $*\"\ngrep '^run' \"$2\"\n";
    let launcher = Launcher::new().file("gdb.sh", script).args(&[
        "hello.py",
        "--enable-gdb",
        "--gdb-executable",
        "./gdb.sh",
    ]);
    crate::harness::allow(&launcher.path("gdb.sh"), 0o755);
    let output = launcher.output("start-server");
    let text = super::launcher::text(&output);
    assert!(
        text.contains("gdb: -x ") && text.contains("-DONE_PROCESS"),
        "{text}"
    );
    assert!(
        text.lines().any(|line| line.starts_with("run -f ")),
        "{text}"
    );
}
