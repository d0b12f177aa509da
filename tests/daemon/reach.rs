//! What a process of a group can reach, and who can reach it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::identity::{EVALUATING, user_id, value};
use super::{answering, group};
use crate::harness::{
    Server, UnderTest, is_root, leads_a_group, needs, only_rsgi, say, session, under_test,
    wait_until, web_user,
};

/// Runs a command as another user.
fn as_user(name: &str, command: &str) -> (bool, String) {
    let output = Command::new("setpriv")
        .args([
            "--reuid",
            name,
            "--regid",
            "nogroup",
            "--clear-groups",
            "sh",
            "-c",
            command,
        ])
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// Copies what a Python needs that was started outside into a folder that becomes the root.
fn chroot_of_the_system_python(to: &std::path::Path) -> bool {
    let script = format!(
        "set -e; mkdir -p {0}/tmp {0}/apps {0}/dev; \
         v=$(/usr/bin/python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'); \
         mkdir -p {0}/usr/lib {0}/usr/bin; \
         tar -C /usr/lib --exclude=test --exclude=__pycache__ --exclude=idlelib --exclude=ensurepip -cf - python$v | tar -C {0}/usr/lib -xf -; \
         cp -L /usr/bin/python3 {0}/usr/bin/python3; \
         mkdir -p {0}/usr/lib/x86_64-linux-gnu; \
         cp -L /usr/lib/x86_64-linux-gnu/libpython$v.so.1.0 /lib/x86_64-linux-gnu/lib[czm].so.* /lib/x86_64-linux-gnu/libexpat.so.1 /lib/x86_64-linux-gnu/libgcc_s.so.1 {0}/usr/lib/x86_64-linux-gnu/; \
         ln -sfn usr/lib {0}/lib; chmod -R go+rX {0}",
        to.display()
    );
    let run = Command::new("sh").args(["-c", &script]).output().unwrap();
    run.status.success()
}

/// Waits until all processes serve: one that starts reads the files of its Python.
fn all_have_started(server: &Server) {
    wait_until("all have started", || {
        let log = server.log();
        let started = log.iter().filter(|l| l.text.contains("Started Python"));
        started.count() == server.daemons().len()
    });
}

#[test]
fn a_process_holds_nothing_of_apaches() {
    only_rsgi!("it is forked from the parent and holds what that one held");
    let server = group("processes=2 threads=2")
        .conf("WSGIDaemonProcess other processes=1 threads=2")
        .start();
    answering(&server);
    all_have_started(&server);
    let listening = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let sockets_of_tcp: BTreeSet<&str> = listening
        .lines()
        .filter_map(|l| l.split_whitespace().nth(9))
        .collect();
    for pid in server.daemons() {
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let target = std::fs::read_link(entry.unwrap().path()).unwrap_or_default();
            let target = target.display().to_string();
            if let Some(inode) = target.strip_prefix("socket:[") {
                let inode = inode.trim_end_matches(']');
                assert!(!sockets_of_tcp.contains(inode), "a TCP socket: {target}");
            }
            let is_fine = target == "/dev/null"
                || target == "/dev/urandom"
                || ["socket:", "pipe:", "anon_inode:", "/memfd:"]
                    .iter()
                    .any(|kind| target.starts_with(kind));
            assert!(is_fine, "{pid} holds {target}");
            let kind = target
                .split(['[', ':'])
                .next()
                .unwrap_or_default()
                .to_owned();
            *kinds.entry(kind).or_default() += 1;
        }
        say(&format!("{pid}: {kinds:?}"));
        // Its own intake, the line to its supervisor, one connection from the only Apache child.
        assert!(
            kinds.get("socket").copied().unwrap_or_default() <= 4,
            "{kinds:?}"
        );
        assert!(
            kinds.get("/memfd").copied().unwrap_or_default() <= 2,
            "{kinds:?}"
        );
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        for part in ["apache2", "httpd", "mod_", "libapr"] {
            let line = maps.lines().find(|l| {
                let file = l.split_whitespace().nth(5).unwrap_or_default();
                file.rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .starts_with(part)
            });
            assert_eq!(line, None, "{pid} has it mapped");
        }
    }
    server.finish();
}

#[test]
fn processes_are_in_httpds_session_and_lead_groups_of_their_own() {
    only_rsgi!("its daemons are in httpd's process group");
    let server = group("processes=2 threads=2").start();
    wait_until("both are there", || server.daemons().len() == 2);
    let mut all = server.daemons();
    all.extend(server.supervisors());
    assert_eq!(all.len(), 3);
    // A session with a terminal is left: that of tests which somebody started by hand.
    let has_terminal = std::fs::File::open("/dev/tty").is_ok();
    for pid in all {
        assert!(leads_a_group(pid), "{pid}");
        let is_httpds = session(pid) == session(server.pid());
        assert_eq!(is_httpds, !has_terminal, "{pid}");
    }
    server.finish();
}

#[test]
fn another_local_user_can_neither_connect_to_a_group_nor_see_its_requests() {
    needs!(is_root(), "not root");
    needs!(as_user("nobody", "true").0, "no setpriv");
    let server = group("processes=1 threads=2").start();
    let pid = answering(&server);
    // Nothing to connect to: no file that is a socket, no abstract name.
    let inodes: BTreeSet<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| {
            let target = std::fs::read_link(entry.unwrap().path()).ok()?;
            let text = target.display().to_string();
            Some(
                text.strip_prefix("socket:[")?
                    .trim_end_matches(']')
                    .to_owned(),
            )
        })
        .collect();
    let names = std::fs::read_to_string("/proc/net/unix").unwrap();
    for line in names.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.get(6).is_some_and(|inode| inodes.contains(*inode)) {
            match under_test() {
                UnderTest::Rsgi => assert_eq!(fields.len(), 7, "{line}"),
                UnderTest::ModWsgi => {
                    if let Some(path) = fields.get(7) {
                        let connect = format!(
                            "python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('{path}')\""
                        );
                        assert!(!as_user("nobody", &connect).0, "{line}");
                    }
                }
            }
        }
    }
    for file in ["environ", "mem", "fd/3", "fd/4", "maps"] {
        let (is_open, text) = as_user("nobody", &format!("head -c 1 /proc/{pid}/{file}"));
        assert!(!is_open, "{file}: {text}");
    }
    assert!(!as_user("nobody", &format!("ls /proc/{pid}/fd/")).0);
    assert!(!as_user("nobody", &format!("kill -USR1 {pid}")).0);
    server.finish();
}

#[test]
fn one_group_can_neither_signal_nor_read_another_of_a_different_user() {
    needs!(is_root(), "not root");
    let server = Server::builder()
        .daemon("app", "processes=1 threads=2 user=nobody group=nogroup home=/")
        .app("app.wsgi", EVALUATING)
        .conf(
            "WSGIDaemonProcess other processes=1 threads=2\nWSGIApplicationGroup %{GLOBAL}\n\
             WSGIScriptAlias /other @APPS@/app.wsgi process-group=other\nWSGIScriptAlias / @APPS@/app.wsgi",
        )
        .start();
    let other = server.text("/other?os.getpid()");
    let code = format!("os.kill({other}, 0)");
    let escape = |byte: u8| format!("%{byte:02X}");
    let query: String = code.bytes().map(escape).collect();
    assert_eq!(server.get(&format!("/?{query}")).status, 500);
    let code = format!("open('/proc/{other}/environ', 'rb').read(1)");
    let query: String = code.bytes().map(escape).collect();
    assert_eq!(server.get(&format!("/?{query}")).status, 500);
    server.expect_error("PermissionError");
    server.finish();
}

#[test]
fn a_process_lives_in_its_chroot() {
    needs!(is_root(), "not root");
    let python = std::env::var("RSGI_TEST_PYTHON").unwrap_or_default();
    needs!(
        python.is_empty() || python == "/usr",
        "the chroot is made of the system's Python"
    );
    let builder = Server::builder();
    let cell = builder.root().join("cell");
    needs!(
        chroot_of_the_system_python(&cell),
        "no chroot can be made here"
    );
    let source = EVALUATING.replace("locale, ", "").replace("socket, ", "");
    let server = builder
        .threads(16)
        .daemon("app", "processes=1 threads=2 chroot=@ROOT@/cell home=/tmp")
        .file("cell/apps/app.wsgi", source.as_bytes())
        .conf("WSGIScriptAlias / @ROOT@/cell/apps/app.wsgi\nWSGIApplicationGroup %{GLOBAL}")
        .app("outside.wsgi", EVALUATING)
        .conf("WSGIScriptAlias /outside @APPS@/outside.wsgi")
        .conf("WSGIRestrictEmbedded On")
        .start();
    // The longer alias is behind the shorter: only the first is reachable, and that is enough here.
    assert_eq!(
        value(&server, "environ['SCRIPT_FILENAME']"),
        "'/apps/app.wsgi'"
    );
    assert_eq!(
        value(&server, "sorted(os.listdir('/'))"),
        "['apps', 'dev', 'lib', 'tmp', 'usr']"
    );
    assert_eq!(value(&server, "os.getcwd()"), "'/tmp'");
    assert_eq!(
        value(&server, "os.getuid()"),
        user_id(&web_user()).to_string()
    );
    // The locales are outside.
    server.allow_log("RSGI0079");
    server.finish();
}
