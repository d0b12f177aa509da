//! Single options on running servers that no other test shows: what is different with each of them.

use super::Launcher;
use super::launcher::Run;
use super::php::with_own_modules;
use super::trees::with_certificate;
use crate::harness::{
    Connection, Port, Request, allow, comes_true, descendants, only_rsgi, wait_until,
};
use crate::kit;

/// Tells by headers, which a HEAD has as well.
const APP: &str = r#"
import atexit, os
TEXT = "one"
atexit.register(lambda: open(os.path.join(os.path.dirname(__file__), "out/ended"), "w").close())
def application(environ, start_response):
    names = ["REQUEST_METHOD", "mod_wsgi.application_group"]
    facts = [environ[name] for name in names] + [os.environ.get("LC_ALL", "-"), TEXT]
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Facts", "|".join(facts))])
    return [environ["wsgi.input"].read()]
"#;

fn launcher(options: &str) -> Launcher {
    let options: Vec<_> = options.split_whitespace().collect();
    let launcher = Launcher::new().file("a.py", APP).file("out/x", "");
    allow(&launcher.path("out"), 0o777);
    launcher.arg("a.py").args(&options)
}

/// What the application says of a request with that method.
#[track_caller]
fn facts(run: &Run, method: &str) -> String {
    let reply = Connection::open(run.launcher.port()).ask(&Request::new(method, "/"));
    assert_eq!(reply.status, 200);
    reply.header("x-facts").unwrap().to_owned()
}

#[test]
fn the_group_of_the_application_its_locale_and_the_method_of_head_are_those_asked_for() {
    let options =
        "--application-group tools --locale C.utf8 --map-head-to-get on --chunked-request";
    let run = launcher(options).start();
    assert_eq!(facts(&run, "HEAD"), "GET|tools|C.utf8|one");
    let chunked = Request::new("POST", "/").chunked(&[b"in ", b"pieces"]);
    let ask = |run: &Run| Connection::open(run.launcher.port()).ask(&chunked);
    assert_eq!(ask(&run).ok().text(), "in pieces");

    let run = launcher("--lang C.utf8 --map-head-to-get off").start();
    assert_eq!(facts(&run, "HEAD"), "HEAD||C.utf8|one");
    assert_eq!(ask(&run).status, 411);
}

#[test]
fn an_interpreter_that_is_orphaned_runs_nothing_at_its_end() {
    for (options, ends) in [("", true), ("--orphan-interpreter", false)] {
        let mut run = launcher(options).start();
        facts(&run, "GET");
        let ended = run.launcher.path("out/ended");
        run.end(libc::SIGTERM);
        wait_until("the end", || run.launcher.processes().is_empty());
        assert_eq!(ended.exists(), ends, "{options}");
    }
}

/// There is no such Python on most machines: `ci/pythons --build` makes one.
#[test]
fn a_free_threaded_python_is_run_without_the_gil_where_that_is_asked_for() {
    const GIL: &str = "import sys\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    \
                       return [str(sys._is_gil_enabled()).encode()]\n";
    for python in kit::free_threaded() {
        for (options, expected) in [("", "True"), ("--free-threading", "False")] {
            let options = format!("--python {} {options}", python.home());
            let run = launcher(&options).file("a.py", GIL).start();
            assert_eq!(run.text("/"), expected, "{options}");
        }
    }
}

#[test]
fn without_reloading_a_changed_script_is_served_as_it_was() {
    for (options, expected) in [("", "two"), ("--disable-reloading", "one")] {
        let run = launcher(options).start();
        assert!(facts(&run, "GET").ends_with("|one"));
        let source = APP
            .replace("\"one\"", "\"two, and longer\"")
            .replace("two, and longer", "two");
        std::fs::write(run.launcher.path("a.py"), source + "# longer\n").unwrap();
        let facts = facts(&run, "GET");
        assert!(facts.ends_with(expected), "{options}: {facts}");
    }
}

#[test]
fn only_the_address_that_is_named_listens() {
    let run = launcher("--host 127.0.0.1").start();
    facts(&run, "GET");
    let other = std::net::TcpStream::connect(("127.0.0.2", run.launcher.port()));
    assert!(other.is_err());
}

#[test]
fn logs_tell_as_much_as_is_asked_for_and_the_startup_log_is_where_its_name_says() {
    let run = launcher("--log-level debug --startup-log --startup-log-name begun").start();
    facts(&run, "GET");
    assert!(run.log().contains(":debug]"), "{}", run.log());
    assert!(run.launcher.root().join("begun").exists());
    let quiet = launcher("").start();
    facts(&quiet, "GET");
    assert!(!quiet.log().contains(":debug]"), "{}", quiet.log());
}

#[test]
fn a_log_that_is_large_is_rotated_by_the_program_that_is_named() {
    only_rsgi!("a request with 8,000 bytes of header is not answered");
    let script =
        "#!/bin/sh\necho \"$@\" >>\"${0%/*}/out/rotated\"\nexec /usr/bin/rotatelogs \"$@\"\n";
    let launcher = launcher(
        "--rotate-logs --max-log-size 1 --rotatelogs-executable ./rotate.sh --access-log \
         --access-log-format %{X-Long}i",
    )
    .file("rotate.sh", script);
    allow(&launcher.path("rotate.sh"), 0o755);
    let run = launcher.start_without_log();
    let request = Request::get("/").header("X-Long", &"x".repeat(8000));
    let count = || {
        let files = std::fs::read_dir(run.launcher.root()).unwrap().flatten();
        files
            .filter(|file| {
                file.file_name()
                    .to_string_lossy()
                    .starts_with("access_log.")
            })
            .count()
    };
    let is_rotated = comes_true(crate::harness::PATIENCE, || {
        let mut connection = Connection::open(run.launcher.port());
        for _ in 0..50 {
            connection.ask(&request);
        }
        count() > 1
    });
    assert!(is_rotated, "{} files", count());
    let told = std::fs::read_to_string(run.launcher.path("out/rotated")).unwrap();
    assert!(told.contains("1M"), "{told}");
}

#[test]
fn the_shell_the_apache_and_the_modules_that_are_named_are_those_that_run() {
    only_rsgi!("the control script and the configuration spell them otherwise");
    let script = |program: &str| {
        format!("#!/bin/sh\n: >\"${{0%/*}}/out/${{0##*/}}.ran\"\nexec {program} \"$@\"\n")
    };
    let launcher = with_own_modules(launcher(""));
    let apachectl = std::fs::read_to_string(launcher.root().join("apachectl")).unwrap();
    let httpd = apachectl
        .lines()
        .find_map(|line| line.strip_prefix("HTTPD="));
    let launcher = launcher
        .file("shell.sh", &script("/bin/sh"))
        .file("apache.sh", &script(httpd.unwrap()))
        .args(&["--shell-executable", "./shell.sh"])
        .args(&["--httpd-executable", "./apache.sh"]);
    for name in ["shell.sh", "apache.sh"] {
        allow(&launcher.path(name), 0o755);
    }
    let run = launcher.start();
    facts(&run, "GET");
    for name in ["shell.sh", "apache.sh"] {
        let ran = run.launcher.path(&format!("out/{name}.ran"));
        assert!(ran.exists(), "{name} did not run");
    }
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", run.httpd())).unwrap();
    let own = run.launcher.path("modules/mod_alias.so");
    assert!(maps.contains(&own.display().to_string()), "{maps}");
}

#[test]
fn a_server_that_is_named_as_slow_is_given_up_in_time() {
    let slow = "import time\ndef application(environ, start_response):\n    time.sleep(3)\n    \
                start_response('200 OK', [])\n    return []\n";
    let behind = Launcher::new().file("a.py", slow).arg("a.py").start();
    let there = format!("http://127.0.0.1:{}/", behind.launcher.port());
    let run = launcher("--proxy-timeout 1")
        .args(&["--proxy-mount-point", "/slow", &there])
        .start();
    let begun = std::time::Instant::now();
    assert!([502, 504].contains(&run.get("/slow/").status));
    assert!(begun.elapsed() < std::time::Duration::from_millis(2800));
}

#[test]
fn a_certificate_its_key_and_its_chain_are_named_one_by_one() {
    let https = Port::take();
    let port = https.number().to_string();
    // One is in the chain, which is sent with another.
    let launcher = with_certificate(launcher("--server-name www.example.com"));
    std::fs::rename(launcher.path("site.crt"), launcher.path("chain")).unwrap();
    let launcher = with_certificate(launcher);
    std::fs::rename(launcher.path("site.key"), launcher.path("secret")).unwrap();
    let run = launcher
        .args(&["--ssl-port", &port, "--ssl-certificate-file", "site.crt"])
        .args(&["--ssl-certificate-key-file", "secret"])
        .args(&["--ssl-certificate-chain-file", "chain"])
        .start();
    let output = std::process::Command::new("openssl")
        .args(["s_client", "-showcerts", "-servername", "www.example.com"])
        .args(["-connect", &format!("127.0.0.1:{port}")])
        .stdin(std::process::Stdio::null())
        .output();
    let told = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
    assert_eq!(told.matches("BEGIN CERTIFICATE").count(), 2, "{told}");
    drop(run);
}

#[test]
fn the_group_that_is_asked_for_is_another_than_the_usual_one() {
    let source = "def check_password(environ, user, password):\n    return True\n\
                  def groups_for_user(environ, user):\n    return [user]\n";
    let run = launcher("--auth-user-script auth.py --auth-group-script auth.py --auth-group staff")
        .file("auth.py", source)
        .start();
    // staff:x, wsgi:x
    for (word, status) in [("c3RhZmY6eA==", 200), ("d3NnaTp4", 401)] {
        let request = Request::get("/").header("Authorization", &format!("Basic {word}"));
        let reply = Connection::open(run.launcher.port()).ask(&request);
        assert_eq!(reply.status, status, "{word}");
    }
}

#[test]
fn debugging_is_one_process_and_its_results_are_where_they_are_asked_for() {
    only_rsgi!("the directories have to be there");
    let options = "--debug-mode --enable-profiler --enable-recorder --profiler-directory out/times \
                   --recorder-directory out/tape";
    let mut run = launcher(options).start_without_log();
    facts(&run, "GET");
    assert_eq!(descendants(run.httpd()), Vec::<i32>::new());
    run.end(libc::SIGTERM);
    for name in ["out/times", "out/tape"] {
        let mut files = std::fs::read_dir(run.launcher.path(name)).unwrap();
        assert!(files.next().is_some(), "{name} is empty");
    }
}

#[test]
fn scripts_of_files_without_an_application_are_told_the_same_of_requests() {
    let script = "def handle_request(environ, start_response):\n    \
                  names = ['REQUEST_METHOD', 'SHOP', 'HTTP_AUTHORIZATION']\n    \
                  facts = '|'.join(environ.get(name, '-') for name in names)\n    \
                  start_response('200 OK', [('X-Facts', facts)])\n    \
                  return [environ['wsgi.input'].read()]\n";
    let run = Launcher::new()
        .file("md.py", script)
        .file("site/page.md", "")
        .args(&["--application-type", "static", "--document-root", "site"])
        .args(&["--add-handler", ".md", "md.py", "--setenv", "SHOP", "tea"])
        .args(&["--chunked-request", "--map-head-to-get", "on"])
        .start();
    let ask = |request| Connection::open(run.launcher.port()).ask(&request);
    let head = Request::new("HEAD", "/page.md").header("Authorization", "Bearer x");
    assert_eq!(ask(head).header("x-facts"), Some("GET|tea|Bearer x"));
    let chunked = Request::new("POST", "/page.md").chunked(&[b"in ", b"pieces"]);
    assert_eq!(ask(chunked).ok().text(), "in pieces");
}
