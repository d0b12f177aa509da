//! `check`: what would fail is said without a start, all of it at once, and nothing is left behind.

use super::Launcher;
use super::launcher::text;
use crate::harness::only_rsgi;

/// Runs `check` and returns its exit code and lines.
fn check(launcher: &Launcher) -> (Option<i32>, Vec<String>) {
    let output = launcher
        .command("check")
        .args(["--port", &launcher.port().to_string()])
        .arg("--server-root")
        .arg(launcher.root())
        .output()
        .expect("rsgi-express starts");
    let lines = text(&output).lines().map(str::to_owned).collect();
    (output.status.code(), lines)
}

/// Fails unless a line has this level, this topic and these parts.
#[track_caller]
fn has(lines: &[String], level: &str, topic: &str, parts: &[&str]) {
    let is_it = |line: &&String| {
        let mut words = line.split_whitespace();
        let level_matches = words.next() == Some(level);
        let rest: Vec<_> = words.collect();
        level_matches
            && rest.join(" ").starts_with(topic)
            && parts.iter().all(|part| line.contains(part))
    };
    assert!(
        lines.iter().any(|line| is_it(&line)),
        "no {level} of {topic} with {parts:?} in:\n{}",
        lines.join("\n")
    );
}

#[test]
fn a_server_that_would_start_is_all_ok_and_nothing_is_made() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().arg("hello.py");
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(0), "{}", lines.join("\n"));
    for topic in [
        "user",
        "apache",
        "mpm",
        "modules",
        "module",
        "layer",
        "rsgi-daemon",
        "python",
        "libpython",
        "path",
        "port",
        "server root",
        "configuration",
        "application",
    ] {
        has(&lines, "ok", topic, &[]);
    }
    assert!(!launcher.root().exists());
    assert!(launcher.processes().is_empty());
}

#[test]
fn every_obstacle_is_named_in_one_run_each_with_its_cure() {
    only_rsgi!("the launcher is ours");
    let taken = std::net::TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let launcher = Launcher::new()
        .args(&[
            "gone/app.py",
            "--document-root",
            "gone",
            "--include-file",
            "x",
        ])
        .on_port(port);
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(1), "{}", lines.join("\n"));
    has(
        &lines,
        "error",
        "path",
        &["gone/app.py", "does not exist", "; "],
    );
    has(&lines, "error", "path", &["--document-root", "gone"]);
    has(&lines, "error", "path", &["--include-file"]);
    has(
        &lines,
        "error",
        "port",
        &[&port.to_string(), "in use", "--port"],
    );
    has(&lines, "ok", "python", &[]);
}

#[test]
fn a_folder_that_the_serving_user_cannot_enter_is_named_with_its_mode() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("closed/app.py", super::launcher::HELLO)
        .arg("closed/app.py");
    let closed = launcher.path("closed");
    crate::harness::allow(&closed, 0o700);
    if std::os::unix::fs::chown(&closed, Some(0), Some(0)).is_err() {
        return;
    }
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(1), "{}", lines.join("\n"));
    has(
        &lines,
        "error",
        "path",
        &["cannot enter", "closed`", "mode 0700", "chmod o+x"],
    );
    let told = lines.iter().filter(|line| line.contains("cannot enter"));
    assert_eq!(told.count(), 1, "{}", lines.join("\n"));
}

#[test]
fn a_check_without_an_application_says_that_a_page_of_welcome_is_served() {
    only_rsgi!("the launcher is ours");
    let (code, lines) = check(&Launcher::new());
    assert_eq!(code, Some(0), "{}", lines.join("\n"));
    has(&lines, "ok", "application", &["none is named", "welcome"]);
}

#[test]
fn an_application_that_does_not_load_and_a_configuration_apache_refuses_are_found() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("bad.py", "import no_such_module\n")
        .arg("bad.py");
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(1));
    has(
        &lines,
        "error",
        "rehearsal",
        &["no_such_module", "bad.py` line 1"],
    );

    let launcher = Launcher::new()
        .file("more.conf", "NoSuchDirective On\n")
        .args(&["hello.py", "--include-file", "more.conf"]);
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(1));
    has(&lines, "error", "rehearsal", &["NoSuchDirective"]);
}

#[test]
fn a_python_an_apache_and_modules_that_are_not_there_are_found() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().args(&["hello.py", "--python", "/nowhere"]);
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(1));
    has(&lines, "error", "python", &["/nowhere"]);

    let launcher = Launcher::new().args(&["hello.py", "--modules-directory", "/tmp"]);
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(1));
    has(&lines, "error", "mpm", &["mod_mpm_"]);

    let launcher = Launcher::new().args(&["hello.py", "--httpd-executable", "/nowhere"]);
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(1));
    has(&lines, "error", "apache", &["/nowhere"]);
}

#[test]
fn what_a_start_takes_is_no_error() {
    only_rsgi!("the launcher is ours");
    let program = crate::harness::httpd();
    let name = program.file_name().unwrap().to_string_lossy().into_owned();
    let launcher = Launcher::new()
        .args(&["hello.py", "--httpd-executable", &name])
        .args(&["--python-path", "later", "--url-alias", "/new", "to-come"]);
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(0), "{}", lines.join("\n"));
    has(&lines, "ok", "apache", &[&name]);
    has(&lines, "warning", "path", &["--python-path", "later"]);
    has(&lines, "warning", "path", &["--url-alias", "to-come"]);
}

#[test]
fn files_alone_need_neither_the_module_nor_a_python() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("site/index.html", "")
        .args(&["--application-type", "static", "site"])
        .args(&["--python", "/nowhere"]);
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(0), "{}", lines.join("\n"));
    assert!(!lines.iter().any(|line| line.contains("nowhere")));
}

#[test]
fn the_user_of_the_environment_serves_and_a_service_has_its_own() {
    only_rsgi!("the launcher is ours");
    if !crate::harness::is_root() {
        return;
    }
    let launcher = Launcher::new()
        .file("closed/tick.py", "")
        .args(&["hello.py", "--service-script", "tick", "closed/tick.py"])
        .args(&["--service-user", "tick", "daemon"])
        .env("MOD_WSGI_USER", "nobody");
    let closed = launcher.path("closed");
    crate::harness::allow(&closed, 0o700);
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap();
    let mut lines = accounts.lines().map(|line| line.split(':'));
    let owner = lines.find_map(|mut fields| {
        (fields.next() == Some("daemon")).then(|| fields.nth(1)?.parse().ok())?
    });
    let Some(owner) = owner else { return };
    std::os::unix::fs::chown(&closed, Some(owner), None).unwrap();
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(0), "{}", lines.join("\n"));
    has(&lines, "ok", "user", &["serves as `nobody`"]);
    has(&lines, "ok", "path", &["--service-script"]);
}

#[test]
fn the_temporary_root_of_a_check_is_not_told_of() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().args(&["hello.py", "--python-eggs", "gone/deep"]);
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(1), "{}", lines.join("\n"));
    let launcher = Launcher::new().args(&["hello.py", "--error-log-format", "%Q"]);
    let (_, more) = check(&launcher);
    for line in lines.iter().chain(&more) {
        assert!(!line.contains("rsgi-check-"), "{line}");
    }
}

#[test]
fn the_findings_are_json_for_programs() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().args(&["gone.py", "--json"]);
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(1));
    let text = lines.join("\n");
    for part in ["\"level\": \"error\"", "\"topic\": \"path\"", "\"cure\": "] {
        assert!(text.contains(part), "{text}");
    }
}

/// Makes a key and a certificate that is valid for so many days; false where there is no openssl.
fn certify(launcher: &Launcher, name: &str, days: &str) -> bool {
    let path = |suffix: &str| launcher.path(&format!("{name}.{suffix}"));
    let openssl = |arguments: &[&str], files: &[(&str, &str)]| {
        let mut command = std::process::Command::new("openssl");
        command.args(arguments).stderr(std::process::Stdio::null());
        for (option, suffix) in files {
            command.arg(option).arg(path(suffix));
        }
        command.status().is_ok_and(|status| status.success())
    };
    openssl(
        &[
            "req",
            "-new",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=localhost",
        ],
        &[("-keyout", "key"), ("-out", "csr")],
    ) && openssl(
        &["x509", "-req", "-days", days],
        &[("-in", "csr"), ("-signkey", "key"), ("-out", "crt")],
    )
}

#[test]
fn a_certificate_that_has_expired_and_a_key_of_another_are_found() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new();
    if !certify(&launcher, "over", "-1") || !certify(&launcher, "good", "90") {
        return;
    }
    let launcher = launcher.args(&[
        "hello.py",
        "--https-port",
        "8443",
        "--server-name",
        "localhost",
        "--ssl-certificate-file",
        "over.crt",
        "--ssl-certificate-key-file",
        "good.key",
    ]);
    let (code, lines) = check(&launcher);
    assert_eq!(code, Some(1), "{}", lines.join("\n"));
    has(&lines, "error", "certificate", &["over.crt", "expired"]);
    has(&lines, "error", "key", &["good.key", "over.crt"]);
}
