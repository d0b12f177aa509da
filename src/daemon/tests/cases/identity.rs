//! Who the process is. Most of it needs root.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rsgi_daemon::config::ProcessIdentity;

use crate::harness::{Daemon, Ended, Request};

const APP: &str = r#"
import os
def application(environ, start_response):
    start_response('200 OK', [])
    tried = []
    for name in ('setuid', 'setgid', 'seteuid'):
        try:
            getattr(os, name)(0)
            tried.append(name)
        except PermissionError:
            pass
    return [repr((os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.getcwd(),
        os.environ.get('HOME'), os.environ.get('LANG'), tried)).encode()]
"#;

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("not root: nothing was tested");
    }
    is_root
}

fn nobody() -> ProcessIdentity {
    ProcessIdentity {
        user: 65_534,
        group: 65_534,
        groups: vec![65_534, 4],
        name: b"nobody".to_vec(),
        home: Some(b"/nonexistent".to_vec()),
    }
}

#[test]
fn root_is_given_up_for_good() {
    if !is_root() {
        return;
    }
    let daemon = Daemon::start(APP, |config| {
        config.identity = Some(nobody());
        config.options.lang = Some(b"C.UTF-8".to_vec());
    });
    let text = daemon.connect().ask(&Request::get("/")).text();
    let ids = "(65534, 65534, 65534)";
    assert_eq!(
        text,
        format!("({ids}, {ids}, [4, 65534], '/', '/nonexistent', 'C.UTF-8', [])")
    );
    daemon.expect_line("RSGI0431");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(
            status.contains(&format!("{set}:\t0000000000000000")),
            "{status}"
        );
    }
    assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"));
}

#[test]
fn the_process_has_what_it_was_given_and_nothing_else() {
    let daemon = Daemon::start(APP, |_| {});
    assert!(daemon.connect().ask(&Request::get("/")).is_ended);
    let folder = format!("/proc/{}/fd", daemon.pid());
    let names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            fs::read_link(entry.unwrap().path())
                .unwrap()
                .display()
                .to_string()
        })
        .collect();
    let known = [
        "/dev/null",
        "pipe:",
        "socket:",
        "memfd:rsgi-board",
        "/memfd:rsgi-board",
        "anon_inode:",
        // What tells of the end of httpd.
        "pidfd:",
    ];
    for name in &names {
        assert!(
            known.iter().any(|known| name.starts_with(known)),
            "{names:#?}"
        );
    }
}

#[test]
fn what_cannot_be_is_an_end_that_does_not_help_to_repeat() {
    let mut daemon = Daemon::spawn(APP, |config| {
        config.options.home = Some(b"/no/such".to_vec())
    });
    assert_eq!(daemon.ended(), Ended::Code(78));
    daemon.expect_line("RSGI0428");
    let mut daemon = Daemon::spawn(APP, |config| {
        config.python.library = b"/no/such.so".to_vec()
    });
    assert_eq!(daemon.ended(), Ended::Code(78));
    daemon.expect_line("RSGI0028");
    let mut daemon = Daemon::spawn(APP, |config| {
        config.identity = Some(ProcessIdentity {
            user: 0,
            ..nobody()
        });
    });
    assert_eq!(daemon.ended(), Ended::Code(78));
    daemon.expect_line("never runs as root");
}

#[test]
fn a_service_process_runs_its_script_and_ends() {
    let mut daemon = Daemon::spawn("print('a service')\n", |config| {
        config.options.threads = 0;
        config.imports.push(crate::harness::import("app.wsgi"));
    });
    assert_eq!(daemon.ended(), Ended::Code(0));
    daemon.expect_line("a service");
    daemon.expect_line("RSGI0436");
}

#[test]
fn a_service_process_is_asked_to_end_by_a_signal() {
    let script = "
import time
try:
    print('a service')
    while True:
        time.sleep(0.1)
finally:
    print('asked')
";
    let mut daemon = Daemon::spawn(script, |config| {
        config.options.threads = 0;
        config.imports.push(crate::harness::import("app.wsgi"));
    });
    daemon.expect_line("a service");
    daemon.order(rsgi_daemon::order::Order::Stop);
    assert_eq!(daemon.ended(), Ended::Code(0));
    daemon.expect_line("asked");
    daemon.expect_line("shutdown_signal");
}

#[test]
fn a_service_process_that_ends_by_itself_is_not_asked_to() {
    // What is left of a module goes when Python has let go of its signals.
    let script = "
import os, time
class Last:
    def __del__(self, write=os.write, sleep=time.sleep):
        write(2, b'the last one\\n')
        sleep(0.5)
last = Last()
";
    let mut daemon = Daemon::spawn(script, |config| {
        config.options.threads = 0;
        config.imports.push(crate::harness::import("app.wsgi"));
    });
    daemon.expect_line("the last one");
    daemon.order(rsgi_daemon::order::Order::Stop);
    assert_eq!(daemon.ended(), Ended::Code(0));
}

#[test]
fn a_chroot_holds_the_python_and_the_script_but_not_the_layer() {
    if !is_root() {
        return;
    }
    let found = rsgi_bridge::locate::locate(None).unwrap();
    let jail = tempfile::tempdir().unwrap();
    fs::set_permissions(jail.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let inside = |path: &Path| jail.path().join(path.strip_prefix("/").unwrap());
    for path in [&found.standard_library, &found.library, &found.executable] {
        fs::create_dir_all(inside(path).parent().unwrap()).unwrap();
        let copy = |how| {
            let to = inside(path);
            let mut copy = Command::new("cp");
            copy.args([how, "--"]).arg(path).arg(to).status().unwrap()
        };
        assert!(copy("-aL").success());
    }
    fs::write(jail.path().join("app.wsgi"), APP).unwrap();
    let daemon = Daemon::start(APP, |config| {
        config.identity = Some(nobody());
        config.options.chroot = Some(jail.path().as_os_str().as_bytes().to_vec());
        config.options.home = Some(b"/".to_vec());
    });
    let request = Request {
        script: Some("/app.wsgi".into()),
        ..Request::get("/")
    };
    let text = daemon.connect().ask(&request).text();
    assert!(text.contains("'/nonexistent', None, []"), "{text}");
    let root = fs::read_link(format!("/proc/{}/root", daemon.pid())).unwrap();
    assert_eq!(root, jail.path());
}

#[test]
fn a_user_who_has_a_home_folder_is_in_it() {
    if !is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let daemon = Daemon::start(APP, |config| {
        let mut identity = nobody();
        identity.home = Some(home.path().as_os_str().as_bytes().to_vec());
        config.identity = Some(identity);
    });
    let text = daemon.connect().ask(&Request::get("/")).text();
    let home = home.path().display();
    assert!(text.contains(&format!("'{home}', '{home}'")), "{text}");
    assert!(
        !daemon.log().iter().any(|line| line.contains("RSGI0431")),
        "{:?}",
        daemon.log()
    );
}
