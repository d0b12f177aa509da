//! Every way to say who serves, started as root: each process that runs anything of the application is that user for
//! good, in process groups and in Apache's own processes. Shown from /proc.

use std::collections::BTreeSet;

use super::Launcher;
use super::launcher::Run;
use super::privileges::{CLIMBER, ids, numbers};
use super::trees::with_certificate;
use crate::harness::{
    Port, descendants, is_daemon, is_root, leads_a_group, needs, status_field, wait_until, web_user,
};

/// Options, and the user and group that they mean; no user is the web's, no group the user's own.
const WAYS: [(&[&str], Option<&str>, Option<u32>); 7] = [
    (&[], None, None),
    (&["--user", "nobody"], Some("nobody"), None),
    (&["--group", "nogroup"], None, Some(65_534)),
    (
        &["--user", "nobody", "--group", "daemon"],
        Some("nobody"),
        Some(1),
    ),
    (&["--user", "#65534"], Some("nobody"), None),
    (
        &["--user", "#1", "--group", "#65533"],
        Some("daemon"),
        Some(65_533),
    ),
    (&["--group", "#2"], None, Some(2)),
];

/// The processes that run what is not ours: all but the launcher, Apache's parent and the supervisor.
fn serving(run: &Run) -> Vec<i32> {
    let mut all = descendants(run.httpd());
    all.retain(|&pid| is_daemon(pid) || !leads_a_group(pid));
    all
}

/// Fails unless each process that serves is that user for good.
#[track_caller]
fn is_dropped(run: &Run, told: &str, user: Option<&str>, group: Option<u32>) {
    let mut lines: Vec<_> = told.lines().collect();
    let served_by: i32 = lines.pop().unwrap().parse().unwrap();
    for line in lines {
        assert!(line.ends_with(": PermissionError"), "{line}");
    }
    let user = user.map_or_else(web_user, str::to_owned);
    let (uid, own, groups) = ids(&user);
    let gid = group.unwrap_or(own);
    let allowed: BTreeSet<u32> = groups.into_iter().chain([gid]).collect();
    // Apache's children are root for a moment after their start.
    wait_until("all that serve have dropped root", || {
        let all = serving(run);
        all.contains(&served_by) && all.iter().all(|&pid| numbers(pid, "Uid")[0] == uid)
    });
    for pid in serving(run) {
        let who = format!("process {pid} as {user}");
        assert_eq!(numbers(pid, "Uid"), [uid; 4], "{who}");
        assert_eq!(numbers(pid, "Gid"), [gid; 4], "{who}");
        let groups: BTreeSet<u32> = numbers(pid, "Groups").into_iter().collect();
        assert!(groups.is_subset(&allowed), "{who}: {groups:?}");
        assert!(!groups.contains(&0), "{who}: {groups:?}");
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            let value = status_field(pid, set).unwrap();
            assert_eq!(u64::from_str_radix(&value, 16), Ok(0), "{set}, {who}");
        }
    }
}

#[track_caller]
fn all_ways(more: &[&str]) {
    for (options, user, group) in WAYS {
        let run = Launcher::new()
            .file("a.py", CLIMBER)
            .arg("a.py")
            .args(options)
            .args(more)
            .start();
        is_dropped(&run, &run.text("/"), user, group);
    }
}

#[test]
fn in_process_groups_every_way_to_say_who_serves_drops_root_for_good() {
    needs!(is_root(), "only root has something to drop");
    all_ways(&["--processes", "2", "--threads", "2"]);
}

#[test]
fn in_apaches_own_processes_every_way_to_say_who_serves_drops_root_for_good() {
    needs!(is_root(), "only root has something to drop");
    all_ways(&["--embedded-mode", "--processes", "2", "--threads", "2"]);
}

#[test]
fn each_mpm_and_one_process_with_one_thread_drop_root_as_well() {
    needs!(is_root(), "only root has something to drop");
    for options in [
        &["--server-mpm", "prefork", "--threads", "1"][..],
        &["--server-mpm", "prefork", "--embedded-mode"],
        &["--server-mpm", "worker", "--processes", "1"],
    ] {
        let run = Launcher::new()
            .file("a.py", CLIMBER)
            .args(&["a.py", "--user", "nobody"])
            .args(options)
            .start();
        is_dropped(&run, &run.text("/"), Some("nobody"), None);
    }
}

#[test]
fn on_port_443_the_key_is_roots_and_the_application_is_not() {
    needs!(is_root(), "only root has port 443 to give up");
    let is_free = std::net::TcpListener::bind(("0.0.0.0", 443)).is_ok();
    needs!(is_free, "port 443 is taken");
    let launcher = with_certificate(Launcher::new().file("a.py", CLIMBER));
    crate::harness::allow(&launcher.path("site.key"), 0o600);
    let http = Port::take();
    let run = launcher
        .args(&["a.py", "--https-port", "443", "--ssl-certificate", "site"])
        .args(&["--server-name", "www.example.com"])
        .on_port(http.number())
        .start();
    let output = std::process::Command::new("curl")
        .args(["-sk", "--max-time", "20", "https://www.example.com/"])
        .args(["--resolve", "www.example.com:443:127.0.0.1"])
        .output();
    let told = String::from_utf8(output.unwrap().stdout).unwrap();
    is_dropped(&run, &told, None, None);
}
