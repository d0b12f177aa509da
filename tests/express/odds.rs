//! Places and moments that are not as they should be: long ways, links, full disks, folders that nobody can write to,
//! signals in the middle of a start, what an earlier server has left.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Launcher;
use super::launcher::{Run, text};
use super::trees::with_certificate;
use crate::harness::{
    allow, comes_true, is_root, needs, only_rsgi, signal, status_field, wait_until,
};

#[test]
fn a_very_long_way_to_everything_is_no_obstacle() {
    only_rsgi!("its sockets have names that end after 107 bytes");
    let folder = "a folder with a name as long as names may be ".repeat(5);
    let name = vec![folder; 8].join("/");
    let run = Launcher::named(&name)
        .file("public/x.txt", "a file\n")
        .args(&["hello.py", "--document-root", "public", "--access-log"])
        .args(&["--url-alias", "/static", "public", "--processes", "2"])
        .start();
    assert!(run.launcher.root().display().to_string().len() > 1800);
    assert_eq!(run.text("/y"), "|/y|");
    assert_eq!(run.text("/x.txt"), "a file\n");
    assert_eq!(run.text("/static/x.txt"), "a file\n");
}

#[test]
fn links_to_scripts_folders_and_the_place_of_the_server_root_are_followed() {
    only_rsgi!("links are resolved by what serves");
    let launcher = Launcher::new()
        .file("real/a.py", super::launcher::HELLO)
        .file("real/files/x.txt", "a file\n")
        .file("elsewhere/x", "");
    for (from, to) in [
        ("real", "by-link"),
        ("real/a.py", "script.py"),
        ("real/files", "files"),
        ("elsewhere", "runs"),
    ] {
        symlink(launcher.path(from), launcher.path(to)).unwrap();
    }
    let run = launcher
        .args(&["script.py", "--document-root", "by-link/files"])
        .args(&["--url-alias", "/f", "files", "--server-root", "runs/root"])
        .args(&["--working-directory", "by-link"])
        .start_without_log();
    assert_eq!(run.text("/y"), "|/y|");
    assert_eq!(run.text("/x.txt"), "a file\n");
    assert_eq!(run.text("/f/x.txt"), "a file\n");
    assert!(run.launcher.path("elsewhere/root/httpd.conf").exists());
}

/// Has the launcher run where its server root is a file system of that size, which only it and its children see.
fn on_a_small_disk(size: &str) -> Launcher {
    let launcher = Launcher::new();
    let disk = launcher.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let script = format!(
        "mount -t tmpfs -o size={size},mode=755 tmpfs '{}' && exec \"$@\"",
        disk.display()
    );
    let root = disk.join("root").display().to_string();
    launcher
        .under(&["unshare", "--mount", "sh", "-c", &script, "sh"])
        .args(&["hello.py", "--server-root", &root])
}

fn can_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]);
    command.output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_full_disk_is_told_before_the_start_and_outlived_after_it() {
    only_rsgi!("the sentence is ours");
    needs!(can_mount(), "nothing can be mounted here");
    let launcher = on_a_small_disk("8k");
    let output = launcher.output("start-server");
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("error: cannot write `"), "{told}");
    assert!(told.contains("No space left on device"), "{told}");
    assert!(!told.contains("panicked"), "{told}");

    let run = on_a_small_disk("400k").start_without_log();
    assert_eq!(run.text("/before"), "|/before|");
    // As the launcher's own processes see it.
    let disk = format!(
        "/proc/{}/root{}",
        run.pid(),
        run.launcher.path("disk").display()
    );
    let fill = std::fs::write(Path::new(&disk).join("fill"), vec![b'x'; 1 << 20]);
    assert!(fill.is_err(), "the disk is larger than it should be");
    for number in 0..20 {
        assert_eq!(run.text(&format!("/{number}")), format!("|/{number}|"));
    }
}

#[test]
fn folders_that_cannot_be_written_to_are_named() {
    only_rsgi!("the sentence is ours");
    needs!(is_root(), "takes another user to start it");
    let cases: [(&[&str], &[&str]); 3] = [
        (
            &["--server-root", "shut/root"],
            &["cannot make", "shut/root", "denied"],
        ),
        (&["--log-directory", "shut"], &["shut/error_log", "denied"]),
        (&["--pid-file", "shut/pid"], &["shut/pid", "denied"]),
    ];
    for (options, parts) in cases {
        let launcher = Launcher::new().file("shut/x", "").arg("hello.py");
        let launcher = launcher.args(options).run_by(65_534);
        let output = launcher.output("start-server");
        let told = text(&output).to_lowercase();
        assert!(!output.status.success(), "{options:?}: {told}");
        for part in parts {
            assert!(told.contains(part), "no {part} in {told}");
        }
        assert!(launcher.processes().is_empty(), "{options:?}");
    }
}

#[test]
fn a_signal_at_any_moment_of_the_start_ends_it_and_leaves_nothing() {
    only_rsgi!("it is Apache itself from the first moment");
    let source = format!("import time\ntime.sleep(0.2)\n{}", super::launcher::HELLO);
    for (turn, number) in [libc::SIGINT, libc::SIGTERM, libc::SIGINT, libc::SIGTERM]
        .into_iter()
        .enumerate()
    {
        for step in 0..4_u64 {
            let launcher = Launcher::new().file("a.py", &source).arg("a.py");
            let mut child = launcher
                .command("start-server")
                .stdout(std::process::Stdio::null())
                .stderr(std::fs::File::create(launcher.path("told")).unwrap())
                .spawn()
                .unwrap();
            let moment = 5 + step * 130 + u64::try_from(turn).unwrap() * 35;
            std::thread::sleep(Duration::from_millis(moment));
            signal(child.id().cast_signed(), number);
            let ended = comes_true(crate::harness::PATIENCE, || {
                child.try_wait().unwrap().is_some()
            });
            let told = std::fs::read_to_string(launcher.path("told")).unwrap();
            assert!(ended, "{number} after {moment} ms: {told}");
            assert!(!told.contains("panicked"), "{told}");
            wait_until(
                &format!("the end of all, {number} after {moment} ms"),
                || launcher.processes().is_empty(),
            );
            assert!(!launcher.root().join("httpd.pid").exists(), "{moment} ms");
        }
    }
}

#[test]
fn what_an_earlier_server_has_left_is_no_obstacle() {
    only_rsgi!("looks at nothing");
    // Somebody who ended, somebody else who lives, nobody, nothing.
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let own = std::process::id().to_string();
    let launcher = Launcher::new().arg("hello.py");
    launcher.setup();
    let mut launcher = Some(launcher);
    for left in [gone.id().to_string(), own, "nonsense".into(), String::new()] {
        let here = launcher
            .take()
            .unwrap_or_else(|| Launcher::new().arg("hello.py"));
        here.setup();
        for name in ["httpd.pid", ".httpd.conf.new", "error_log"] {
            std::fs::write(here.root().join(name), format!("{left}\n")).unwrap();
        }
        let run: Run = here.start();
        assert_eq!(run.text("/x"), "|/x|", "{left}");
        let pid = run.httpd();
        assert_ne!(pid.to_string(), left);
        assert!(status_field(pid, "Name").is_some());
    }
}

#[test]
fn certificates_that_cannot_be_are_refused_before_the_start() {
    only_rsgi!("the sentence is ours");
    let launcher = with_certificate(Launcher::new());
    std::fs::rename(launcher.path("site.key"), launcher.path("other.key")).unwrap();
    let launcher = with_certificate(launcher)
        .file("empty.crt", "")
        .file(
            "nonsense.crt",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .args(&[
            "hello.py",
            "--https-port",
            "8443",
            "--server-name",
            "www.example.com",
        ]);
    allow(&launcher.path("other.key"), 0o600);
    for (certificate, key, parts) in [
        ("site.crt", "other.key", ["other.key", "site.crt"]),
        ("empty.crt", "site.key", ["empty.crt", "empty.crt"]),
        ("nonsense.crt", "site.key", ["nonsense.crt", "nonsense.crt"]),
    ] {
        let output = launcher
            .command("start-server")
            .args(["--ssl-certificate-file", certificate])
            .args(["--ssl-certificate-key-file", key])
            .output()
            .unwrap();
        let told = text(&output);
        assert!(!output.status.success(), "{certificate}: {told}");
        for part in parts {
            assert!(told.contains(part), "no {part} in {told}");
        }
        assert!(launcher.processes().is_empty(), "{certificate}");
    }
}
