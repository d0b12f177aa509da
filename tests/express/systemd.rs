//! The unit that `systemd-unit` prints, run by a systemd: process 1 of namespaces of its own, with nothing else to do.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::Launcher;
use super::launcher::text;
use crate::harness::{
    Connection, Request, comes_true, is_root, needs, only_rsgi, signal, wait_until, web_user,
};

/// The processes that answer.
const APP: &str = "import os\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    \
                   return [str(os.getpid()).encode()]\n";

/// Hides the machine's own units and files from a systemd, and becomes one that has only the unit.
const INIT: &str = r#"set -e
mount --make-rprivate /
umount -R -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for folder in {/etc,/lib,/usr/lib}/systemd/{system,system-generators}; do
    [ ! -d $folder ] || mount -t tmpfs -o mode=755 tmpfs $folder
done
mount --bind /etc /etc
mount -o remount,bind,ro /etc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/systemd/system
for target in sysinit basic shutdown network-online; do
    printf '[Unit]\nDefaultDependencies=no\n' >/run/systemd/system/$target.target
done
cp rsgi.service /run/systemd/system/
exec env -i container=rsgi PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=basic.target \
    --log-target=console --show-status=false
"#;
/// Everything but the network, which the tests ask.
const NAMESPACES: [&str; 5] = ["-m", "-p", "-i", "-u", "-C"];

/// A systemd.
struct Systemd {
    /// Its parent.
    outer: Child,
    /// Its number out here.
    pid: i32,
    /// What its control groups are in.
    group: PathBuf,
}

impl Systemd {
    fn start(launcher: &Launcher, group: PathBuf) -> Self {
        let enter = format!("echo $$ >{}/cgroup.procs && exec \"$@\"", group.display());
        let log = std::fs::File::create(launcher.path("systemd.log")).unwrap();
        let outer = Command::new("sh")
            .args(["-c", &enter, "sh", "unshare"])
            .args(NAMESPACES)
            .args(["--fork", "--mount-proc", "bash", "-c", INIT])
            .current_dir(launcher.directory())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let children = format!("/proc/{0}/task/{0}/children", outer.id());
        let child = || {
            let text = std::fs::read_to_string(&children).unwrap_or_default();
            text.split_whitespace().next()?.parse().ok()
        };
        wait_until("unshare has a child", || child().is_some());
        let pid = child().unwrap();
        let systemd = Self { outer, pid, group };
        let is_up = comes_true(crate::harness::PATIENCE, || {
            let output = systemd.ask(&["is-system-running"]);
            text(&output).trim() == "running"
        });
        let log = std::fs::read_to_string(launcher.path("systemd.log"));
        assert!(is_up, "systemd does not come up: {log:?}");
        systemd
    }

    /// What `systemctl` says.
    fn ask(&self, words: &[&str]) -> Output {
        Command::new("timeout")
            .args(["60", "nsenter", "-t", &self.pid.to_string()])
            .args(NAMESPACES)
            .arg("systemctl")
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn does(&self, word: &str) {
        let output = self.ask(&[word, "rsgi.service"]);
        let status = self.ask(&["status", "--no-pager", "rsgi.service"]);
        assert!(
            output.status.success(),
            "{word}: {}{}",
            text(&output),
            text(&status)
        );
    }

    /// A property of the unit.
    fn property(&self, name: &str) -> String {
        let output = self.ask(&["show", "--value", "-p", name, "rsgi.service"]);
        text(&output).trim().to_owned()
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // With process 1 all others of its namespace end.
        signal(self.pid, libc::SIGKILL);
        self.outer.wait().ok();
        let remove = ["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"];
        Command::new("find")
            .arg(&self.group)
            .args(remove)
            .status()
            .ok();
    }
}

/// A control group of the second version for a systemd, if this machine lets one be made and entered.
fn group() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    let mut lines = mounts.lines().map(|line| line.split(' '));
    let place = lines.find_map(|mut fields| {
        let place = fields.nth(1)?;
        (fields.next()? == "cgroup2").then(|| PathBuf::from(place))
    })?;
    let group = place.join(format!("rsgi-test-{}", std::process::id()));
    std::fs::create_dir(&group).ok()?;
    let enter = format!("echo $$ >{}/cgroup.procs && exec \"$@\"", group.display());
    let can = Command::new("sh")
        .args(["-c", &enter, "sh", "unshare"])
        .args(NAMESPACES)
        .args([
            "--fork",
            "--mount-proc",
            "mount",
            "-t",
            "cgroup2",
            "cgroup2",
            "/sys/fs/cgroup",
        ])
        .output();
    if can.is_ok_and(|output| output.status.success()) {
        return Some(group);
    }
    std::fs::remove_dir(&group).ok();
    None
}

/// The process that answers, if one does.
fn answering(port: u16) -> Option<u32> {
    TcpStream::connect(("127.0.0.1", port)).ok()?;
    let reply = Connection::open(port).ask(&Request::get("/"));
    (reply.status == 200).then(|| reply.text().parse().unwrap())
}

#[test]
fn a_unit_that_systemd_runs_is_ready_when_it_serves_reloads_without_a_gap_and_stops() {
    only_rsgi!("the launcher is ours");
    needs!(is_root(), "only root can start a systemd");
    let is_there = |path: &str| Path::new(path).exists();
    needs!(
        is_there("/lib/systemd/systemd") && is_there("/usr/bin/systemctl"),
        "no systemd"
    );
    let group = group();
    needs!(
        group.is_some(),
        "no namespaces, or no control groups of version 2"
    );
    let launcher = Launcher::new().file("a.py", APP).arg("a.py");
    let port = launcher.port();
    let launcher = launcher.args(&["--port", &port.to_string()]);
    let unit = text(&launcher.output("systemd-unit"));
    let launcher = launcher.file("rsgi.service", &unit);
    let systemd = Systemd::start(&launcher, group.unwrap());

    systemd.does("start");
    let first = answering(port).expect("a unit that is started serves");
    assert_eq!(systemd.property("ActiveState"), "active");
    let status = systemd.property("StatusText");
    assert_eq!(status, format!("Serving http://localhost:{port}/"));

    systemd.does("reload");
    wait_until("another process serves, with no request refused", || {
        answering(port).expect("a server that reloads serves") != first
    });

    // The launcher dies: systemd starts it again.
    let launcher_before = systemd.property("MainPID");
    systemd.ask(&["kill", "--signal=KILL", "--kill-who=main", "rsgi.service"]);
    wait_until("the launcher is started again", || {
        let pid = systemd.property("MainPID");
        pid != "0" && pid != launcher_before && systemd.property("ActiveState") == "active"
    });
    answering(port).expect("a unit that is started again serves");

    systemd.does("stop");
    assert_eq!(systemd.property("ActiveState"), "inactive");
    assert_eq!(systemd.property("Result"), "success");
    assert!(answering(port).is_none(), "something still serves");
}

#[test]
fn a_unit_carries_what_the_launcher_heeds_and_may_write_where_the_options_say() {
    only_rsgi!("the launcher is ours");
    let user = web_user();
    let launcher = Launcher::new()
        .file("run/x", "")
        .args(&["hello.py", "--pid-file", "run/httpd.pid"])
        .env("LC_CTYPE", "C.UTF-8")
        .env("RSGI_RELOAD_POLLING", "1")
        .env("MOD_WSGI_USER", &user);
    let output = launcher.output("systemd-unit");
    let unit = text(&output);
    let folder = launcher.path("run");
    for line in [
        format!("ReadWritePaths=-{}", folder.display()),
        "Environment=LC_CTYPE=C.UTF-8".to_owned(),
        "Environment=RSGI_RELOAD_POLLING=1".to_owned(),
        format!("User={user}"),
    ] {
        assert!(unit.lines().any(|other| other == line), "no {line}: {unit}");
    }
}
