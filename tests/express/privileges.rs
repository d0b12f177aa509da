//! Started as root: the port is root's, the serving is not, and there is no way back. Shown from /proc.

use super::Launcher;
use crate::harness::{
    allow, is_daemon, is_root, leads_a_group, module_path, needs, only_rsgi, signal, status_field,
    wait_until, web_user,
};
use crate::kit;

/// Tries everything that would make it root again, and says how each attempt failed.
pub(super) const CLIMBER: &str = r#"
import os

def attempt(name, *arguments):
    try:
        getattr(os, name)(*arguments)
    except OSError as error:
        return name + ": " + type(error).__name__
    return name + ": DONE"

def application(environ, start_response):
    lines = [
        attempt("setuid", 0), attempt("seteuid", 0), attempt("setreuid", 0, 0), attempt("setresuid", 0, 0, 0),
        attempt("setgid", 0), attempt("setegid", 0), attempt("setresgid", 0, 0, 0), attempt("setgroups", [0]),
        attempt("open", "/etc/shadow", os.O_RDONLY), attempt("kill", os.getppid(), 0), str(os.getpid()),
    ]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\n".join(lines).encode()]
"#;

pub(super) fn ids(user: &str) -> (u32, u32, Vec<u32>) {
    let id = |what: &str| {
        let output = std::process::Command::new("id").args([what, user]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let groups = id("-G")
        .split_whitespace()
        .map(|g| g.parse().unwrap())
        .collect();
    (
        id("-u").trim().parse().unwrap(),
        id("-g").trim().parse().unwrap(),
        groups,
    )
}

/// The numbers of one field of /proc/PID/status.
pub(super) fn numbers(pid: i32, field: &str) -> Vec<u32> {
    let text = status_field(pid, field).unwrap();
    text.split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect()
}

#[test]
fn on_port_80_the_children_are_the_web_user_for_good() {
    needs!(is_root(), "only root has port 80 to give up");
    // In a network of its own port 80 would be free for sure; here it is one test's at a time.
    let is_free = std::net::TcpListener::bind(("0.0.0.0", 80)).is_ok();
    needs!(is_free, "port 80 is taken");
    let launcher = Launcher::new().file("a.py", CLIMBER);
    let run = launcher
        .args(&["a.py", "--processes", "2"])
        .on_port(80)
        .start();
    let answer = run.text("/");
    let mut lines: Vec<_> = answer.lines().collect();
    let served_by: i32 = lines.pop().unwrap().parse().unwrap();
    for line in lines {
        assert!(line.ends_with(": PermissionError"), "{line}");
    }
    let (uid, gid, groups) = ids(&web_user());
    let children = crate::harness::descendants(run.httpd());
    assert!(children.contains(&served_by));
    // The supervisor stays root, to start processes; it answers nobody.
    let serving = || {
        let mut all = crate::harness::descendants(run.httpd());
        all.retain(|&pid| is_daemon(pid) || !leads_a_group(pid));
        all
    };
    wait_until("both processes and a child of Apache serve", || {
        let daemons = serving().iter().filter(|&&pid| is_daemon(pid)).count();
        daemons == 2
            && serving().len() > 2
            && serving().iter().all(|&pid| numbers(pid, "Uid")[0] == uid)
    });
    for pid in serving() {
        assert_eq!(
            numbers(pid, "Uid"),
            [uid; 4],
            "real, effective, saved, file system"
        );
        assert_eq!(numbers(pid, "Gid"), [gid; 4]);
        assert_eq!(numbers(pid, "Groups"), groups);
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            let value = status_field(pid, set).unwrap();
            assert_eq!(u64::from_str_radix(&value, 16), Ok(0), "{set} of {pid}");
        }
    }
}

#[test]
fn user_and_group_are_the_ones_asked_for() {
    needs!(is_root(), "only root can choose");
    let launcher = Launcher::new().file("a.py", CLIMBER);
    let run = launcher
        .args(&["a.py", "--user", "nobody", "--group", "#65533"])
        .start();
    let answer = run.text("/");
    let pid: i32 = answer.lines().last().unwrap().parse().unwrap();
    assert_eq!(numbers(pid, "Uid"), [ids("nobody").0; 4]);
    assert_eq!(numbers(pid, "Gid"), [65_533; 4]);
    assert!(!numbers(pid, "Groups").contains(&0));
}

#[test]
fn the_application_is_never_loaded_as_root() {
    needs!(is_root(), "only root could");
    let source = "import os\nif os.getuid() == 0 or 0 in os.getgroups():\n    raise ValueError('I am root')\n";
    let launcher = Launcher::new().file("a.py", &format!("{source}{}", super::launcher::HELLO));
    let run = launcher.arg("a.py").start();
    assert_eq!(run.text("/x"), "|/x|");
    assert!(!run.log().contains("I am root"), "{}", run.log());
}

#[test]
fn without_root_the_server_runs_as_who_started_it() {
    only_rsgi!("the launcher is ours");
    needs!(is_root(), "takes another user to start it");
    let launcher = Launcher::new().file("a.py", CLIMBER).arg("a.py");
    let mut run = launcher.run_by(65_534).start();
    let answer = run.text("/");
    let pid: i32 = answer.lines().last().unwrap().parse().unwrap();
    assert_eq!(numbers(pid, "Uid"), [65_534; 4]);
    assert!(!run.output().contains("warning"), "{}", run.output());
    signal(run.pid(), libc::SIGINT);
    wait_until("the launcher ends", || run.has_ended());
    run.nothing_is_left();
}

#[test]
fn without_root_other_users_and_low_ports_are_refused() {
    only_rsgi!("the launcher is ours");
    needs!(is_root(), "takes another user to start it");
    let cases: [(&[&str], &str); 3] = [
        (&["--user", "root"], "`--user root` needs root"),
        (&["--group", "root"], "`--group root` needs root"),
        (&["--port", "81"], "port `81` needs root"),
    ];
    let start = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let everybody_may = start.is_ok_and(|number| number.trim() == "0");
    for (arguments, message) in cases {
        if everybody_may && arguments[0] == "--port" {
            crate::harness::say("skipped: low ports are everybody's here");
            continue;
        }
        let launcher = Launcher::new().arg("hello.py").args(arguments);
        let output = launcher.run_by(65_534).output("start-server");
        let text = super::launcher::text(&output);
        assert!(text.contains(message), "{text}");
        assert!(!output.status.success());
    }
}

#[test]
fn a_module_the_web_user_cannot_reach_is_served_from_a_copy() {
    only_rsgi!("the launcher is ours");
    needs!(is_root(), "only root serves as somebody else");
    let launcher = Launcher::new().arg("hello.py");
    let shut = launcher.path("shut");
    std::fs::create_dir(&shut).unwrap();
    let folder = module_path().parent().unwrap().to_path_buf();
    let free_threaded = kit::free_threaded().iter();
    let free_threaded = free_threaded.map(|python| format!("rsgi_python.cp3{}t.so", python.minor));
    for (from, to) in [
        (module_path(), "mod_rsgi.so".to_owned()),
        (
            folder.join("librsgi_python.so"),
            "rsgi_python.so".to_owned(),
        ),
        (folder.join("rsgi_python.so"), "rsgi_python.so".to_owned()),
        (folder.join("rsgi-daemon"), "rsgi-daemon".to_owned()),
    ]
    .into_iter()
    .chain(free_threaded.map(|name| (folder.join(&name), name)))
    {
        if from.exists() {
            std::fs::copy(from, shut.join(to)).unwrap();
        }
    }
    allow(&shut, 0o700);
    let module = shut.join("mod_rsgi.so").display().to_string();
    let run = launcher.env("RSGI_MODULE", &module).start();
    assert_eq!(run.text("/x"), "|/x|");
    let copy = run.launcher.root().join("modules/mod_rsgi.so");
    let conf = std::fs::read_to_string(run.launcher.root().join("httpd.conf")).unwrap();
    assert!(conf.contains(&copy.display().to_string()), "{conf}");
}
