//! Who a process of a group is, what it holds, and who can reach it.

use super::{group, grouped};
use crate::harness::{
    Builder, Server, UnderTest, allow, is_root, is_without_gil, needs, only_rsgi, status_field,
    under_test, wait_until, web_user,
};

/// Evaluates the query.
pub(super) const EVALUATING: &str = r#"
import grp, locale, os, pwd, signal, socket, sys, threading, urllib.parse
def application(environ, start_response):
    text = repr(eval(urllib.parse.unquote(environ["QUERY_STRING"]), dict(globals(), environ=environ)))
    start_response("200 OK", [])
    return [text.encode()]
"#;

fn evaluating(options: &str) -> Builder {
    grouped(options, EVALUATING)
}

#[track_caller]
pub(super) fn value(server: &Server, expression: &str) -> String {
    let escape = |byte: u8| format!("%{byte:02X}");
    let query: String = expression.bytes().map(escape).collect();
    server.text(&format!("/?{query}"))
}

/// The id of a user or group by its name.
fn id_of(file: &str, name: &str) -> u32 {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find(|l| l.starts_with(&format!("{name}:")));
    line.unwrap().split(':').nth(2).unwrap().parse().unwrap()
}

pub(super) fn user_id(name: &str) -> u32 {
    id_of("/etc/passwd", name)
}

fn group_id(name: &str) -> u32 {
    id_of("/etc/group", name)
}

#[test]
fn a_process_is_apaches_user_by_default_and_cannot_go_back() {
    needs!(is_root(), "not root");
    let server = evaluating("processes=1 threads=2").start();
    let name = web_user();
    let (uid, gid) = (user_id(&name), group_id(&name));
    assert_eq!(
        value(&server, "os.getresuid()"),
        format!("({uid}, {uid}, {uid})")
    );
    assert_eq!(
        value(&server, "os.getresgid()"),
        format!("({gid}, {gid}, {gid})")
    );
    for call in [
        "os.setuid(0)",
        "os.seteuid(0)",
        "os.setgid(0)",
        "os.setgroups([0])",
    ] {
        let escape = |byte: u8| format!("%{byte:02X}");
        let query: String = call.bytes().map(escape).collect();
        assert_eq!(server.get(&format!("/?{query}")).status, 500, "{call}");
    }
    server.expect_error("PermissionError");
    let pid: i32 = value(&server, "os.getpid()").parse().unwrap();
    for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
        let bits = status_field(pid, set).unwrap();
        assert!(bits.chars().all(|c| c == '0'), "{set} {bits}");
    }
    server.finish();
}

#[test]
fn user_and_group_are_taken_on_with_the_groups_of_the_user_database() {
    needs!(is_root(), "not root");
    let server = evaluating("processes=1 threads=2 user=nobody group=nogroup home=/").start();
    let (uid, gid) = (user_id("nobody"), group_id("nogroup"));
    assert_eq!(
        value(&server, "os.getresuid()"),
        format!("({uid}, {uid}, {uid})")
    );
    assert_eq!(
        value(&server, "os.getresgid()"),
        format!("({gid}, {gid}, {gid})")
    );
    let groups = value(&server, "sorted(set(os.getgroups()))");
    assert_eq!(groups, format!("[{gid}]"));
    server.finish();
}

#[test]
fn supplementary_groups_are_those_that_are_given() {
    needs!(is_root(), "not root");
    let server = evaluating(
        "processes=1 threads=2 user=nobody group=nogroup supplementary-groups=daemon,#3 home=/",
    )
    .start();
    let mut expected = vec![group_id("nogroup"), group_id("daemon"), 3];
    expected.sort_unstable();
    assert_eq!(
        value(&server, "sorted(os.getgroups())"),
        format!("{expected:?}")
    );
    server.finish();
}

#[test]
fn a_user_without_a_home_gets_the_root_folder_and_a_warning() {
    needs!(is_root(), "not root");
    only_rsgi!("its clients hang");
    // The home of nobody does not exist.
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|l| l.starts_with("nobody:")).unwrap();
    let home = line.split(':').nth(5).unwrap();
    needs!(!std::path::Path::new(home).exists(), "nobody has a home");
    let server = evaluating("processes=1 threads=2 user=nobody group=nogroup").start();
    assert_eq!(value(&server, "os.getcwd()"), "'/'");
    let line = server.expect_log(home);
    assert!(line.text.contains("RSGI"), "{}", line.text);
    server.finish();
}

#[test]
fn umask_home_and_language_are_as_configured() {
    let server =
        evaluating("processes=1 threads=2 umask=0027 home=@WORK@ lang=C.UTF-8 locale=C.UTF-8")
            .start();
    let work = server.root().join("work").display().to_string();
    assert_eq!(value(&server, "os.umask(0o27)"), "23");
    assert_eq!(value(&server, "os.getcwd()"), format!("'{work}'"));
    assert_eq!(value(&server, "sys.path[0]"), format!("'{work}'"));
    assert_eq!(value(&server, "os.environ['LANG']"), "'C.UTF-8'");
    assert_eq!(value(&server, "os.environ['LC_ALL']"), "'C.UTF-8'");
    assert_eq!(
        value(&server, "locale.setlocale(locale.LC_CTYPE)"),
        "'C.UTF-8'"
    );
    server.finish();
}

#[test]
fn home_and_user_of_the_environment_are_those_of_the_process() {
    needs!(is_root(), "not root");
    let server = evaluating("processes=1 threads=2 user=nobody group=nogroup home=/")
        .env("USER", "root")
        .start();
    if under_test() == UnderTest::Rsgi {
        assert_eq!(value(&server, "os.environ.get('USER')"), "'nobody'");
    }
    let home = value(&server, "os.environ.get('HOME')");
    assert_ne!(home, "'/root'");
    server.finish();
}

#[test]
fn the_environment_of_httpd_comes_along() {
    let server = evaluating("processes=1 threads=2")
        .env("FROM_OUTSIDE", "value")
        .start();
    assert_eq!(value(&server, "os.environ.get('FROM_OUTSIDE')"), "'value'");
    server.finish();
}

#[test]
fn a_locale_that_does_not_exist_is_named() {
    let builder = evaluating("processes=1 threads=2 locale=xx_YY.UTF-8");
    if under_test() == UnderTest::Rsgi {
        builder.check().refused_with(&["locale", "xx_YY.UTF-8"]);
        return;
    }
    let server = builder.start();
    value(&server, "1");
    server.expect_log("WSGI0079");
    server.finish();
}

fn title(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let first = bytes.split(|&b| b == 0).next().unwrap().to_vec();
    String::from_utf8(first).unwrap().trim_end().to_owned()
}

#[test]
fn display_name_is_the_title_of_the_process() {
    let server = evaluating("processes=1 threads=2 display-name=%{GROUP}").start();
    let pid: i32 = value(&server, "os.getpid()").parse().unwrap();
    assert_eq!(title(pid), "(wsgi:app)");
    server.finish();
    only_rsgi!("it is cut to the length of httpd's own");
    let long =
        "a-name-that-is-longer-than-all-the-arguments-that-httpd-was-started-with-".repeat(4);
    let server = evaluating(&format!("processes=1 threads=2 display-name={long}")).start();
    let pid: i32 = value(&server, "os.getpid()").parse().unwrap();
    assert_eq!(title(pid), long);
    server.finish();
}

#[test]
fn cpu_priority_is_set_before_the_user_is_changed() {
    needs!(is_root(), "not root");
    for priority in [5, -3] {
        let server = evaluating(&format!("processes=1 threads=2 cpu-priority={priority}")).start();
        let nice = value(&server, "os.getpriority(os.PRIO_PROCESS, 0)");
        assert_eq!(nice, priority.to_string());
        server.finish();
    }
}

#[test]
fn settings_of_python_reach_the_interpreter() {
    let server = evaluating(
        "processes=1 threads=2 python-eggs=@WORK@/eggs switch-interval=0.02 stack-size=1048576",
    )
    .start();
    let eggs = server.root().join("work/eggs").display().to_string();
    let egg_cache = value(&server, "os.environ['PYTHON_EGG_CACHE']");
    assert_eq!(egg_cache, format!("'{eggs}'"));
    if is_without_gil() {
        server.expect_log("RSGI0204: switch-interval=");
    } else {
        assert_eq!(value(&server, "sys.getswitchinterval()"), "0.02");
    }
    server.finish();
}

#[test]
fn limits_of_memory_are_in_force() {
    let server =
        evaluating("processes=1 threads=2 memory-limit=500000000 virtual-memory-limit=4000000000")
            .start();
    let limits = value(
        &server,
        "[__import__('resource').getrlimit(getattr(__import__('resource'), n)) for n in ('RLIMIT_DATA', 'RLIMIT_AS')]",
    );
    assert_eq!(limits, "[(500000000, 500000000), (4000000000, 4000000000)]");
    server.finish();
}

#[test]
fn a_script_of_another_user_is_refused_where_script_user_says_so() {
    needs!(is_root(), "not root");
    let server = group("processes=1 threads=2 script-user=nobody").start();
    assert_eq!(server.get("/?a").status, 403);
    let line = server.expect_log("app.wsgi");
    assert!(
        line.text.contains("owne") || line.text.contains("user"),
        "{}",
        line.text
    );
    let apps = server.root().join("apps");
    for path in [apps.clone(), apps.join("app.wsgi")] {
        std::os::unix::fs::chown(&path, Some(user_id("nobody")), None).unwrap();
    }
    assert_eq!(server.text("/?a"), "a".repeat(50));
    // Others may not be able to change it.
    allow(&apps.join("app.wsgi"), 0o666);
    assert_eq!(server.get("/?a").status, 403);
    for text in ["RSGI01", "WSGI01"] {
        server.allow_log(text);
    }
    server.finish();
}

#[test]
fn a_script_of_another_group_is_refused_where_script_group_says_so() {
    needs!(is_root(), "not root");
    let server = group("processes=1 threads=2 script-group=nogroup").start();
    assert_eq!(server.get("/?a").status, 403);
    let apps = server.root().join("apps");
    let script = apps.join("app.wsgi");
    for path in [&apps, &script] {
        std::os::unix::fs::chown(path, None, Some(group_id("nogroup"))).unwrap();
    }
    assert_eq!(server.text("/?a"), "a".repeat(50));
    // The group may change them, everybody may not.
    for (path, before) in [(&script, 0o644), (&apps, 0o755)] {
        allow(path, before | 0o020);
        assert_eq!(server.text("/?a"), "a".repeat(50));
        allow(path, before | 0o002);
        assert_eq!(server.get("/?a").status, 403, "{}", path.display());
        allow(path, before);
    }
    if under_test() == UnderTest::Rsgi {
        let log = server.log_text();
        let told = log.lines().filter(|line| line.contains("RSGI0157"));
        assert_eq!(told.count(), 2, "{log}");
    }
    assert_eq!(server.text("/?a"), "a".repeat(50));
    for text in ["RSGI01", "WSGI01"] {
        server.allow_log(text);
    }
    server.finish();
}

#[test]
fn numbers_of_processes_and_threads_are_visible_to_the_application() {
    let server = evaluating("processes=2 threads=5").start();
    assert_eq!(
        value(
            &server,
            "(environ['wsgi.multiprocess'], environ['wsgi.multithread'])"
        ),
        "(True, True)"
    );
    wait_until("two processes", || server.daemons().len() == 2);
    server.finish();
    let server = evaluating("threads=1").start();
    assert_eq!(
        value(
            &server,
            "(environ['wsgi.multiprocess'], environ['wsgi.multithread'])"
        ),
        "(False, False)"
    );
    server.finish();
    // Giving the option says that there may be more.
    let server = evaluating("processes=1 threads=1").start();
    assert_eq!(value(&server, "environ['wsgi.multiprocess']"), "True");
    server.finish();
}
