//! Which group a request goes to, what its answer becomes on the way back, and where its lines are logged.

use std::collections::BTreeSet;

use super::{APP, group, grouped};
use crate::harness::{ENVIRON_APP, Environ, Request, Server, UnderTest, id, only_rsgi, under_test};

const NAMED: &str = r#"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["mod_wsgi.process_group"].encode()]
"#;

fn named() -> crate::harness::Builder {
    Server::builder()
        .daemon("one", "processes=1 threads=2")
        .daemon("two", "processes=1 threads=2")
        .app("app.wsgi", NAMED)
        .conf("WSGIApplicationGroup %{GLOBAL}")
}

#[test]
fn a_group_is_named_by_alias_section_and_variable() {
    let server = named()
        .modules(&["env", "setenvif"])
        .conf(
            "WSGIScriptAlias /alias @APPS@/app.wsgi process-group=two\n\
             WSGIScriptAlias /section @APPS@/app.wsgi\nWSGIScriptAlias /variable @APPS@/app.wsgi\n\
             WSGIScriptAlias /none @APPS@/app.wsgi\nWSGIScriptAlias /child @APPS@/app.wsgi process-group=%{GLOBAL}\n\
             <Location /section>\nWSGIProcessGroup two\n</Location>\n\
             <Location /variable>\nWSGIProcessGroup %{ENV:GROUP}\n</Location>\nSetEnvIf X-Group (.+) GROUP=$1",
        )
        .start();
    assert_eq!(server.text("/alias"), "two");
    assert_eq!(server.text("/section"), "two");
    assert_eq!(server.text("/none"), "one");
    assert_eq!(server.text("/child"), "");
    for name in ["one", "two"] {
        let request = Request::get("/variable").header("X-Group", name);
        assert_eq!(server.ask(&request).ok().text(), name);
    }
    let reply = server.ask(&Request::get("/variable").header("X-Group", "three"));
    assert_eq!(reply.status, 500);
    let line = server.expect_log("three");
    assert!(
        [id("0150"), id("0151")]
            .iter()
            .any(|i| line.text.contains(i)),
        "{}",
        line.text
    );
    server.finish();
}

#[test]
fn a_group_is_named_by_what_is_asked_for() {
    let groups = [
        "a.test:@PORT@",
        "b.test:@PORT@",
        "s.test:@PORT@",
        "s.test:@PORT@|/resource",
    ];
    let groups = groups.map(|name| format!("WSGIDaemonProcess {name} processes=1 threads=1\n"));
    let server = Server::builder()
        .embedded()
        .app("app.wsgi", NAMED)
        .conf(&format!(
            "WSGIApplicationGroup %{{GLOBAL}}\nServerName s.test\n{}\
             WSGIScriptAlias /host @APPS@/app.wsgi process-group=%{{HOST}}\n\
             WSGIScriptAlias /server @APPS@/app.wsgi process-group=%{{SERVER}}\n\
             WSGIScriptAlias /resource @APPS@/app.wsgi\n\
             <Location /resource>\nWSGIProcessGroup %{{RESOURCE}}\n</Location>",
            groups.concat()
        ))
        .start();
    let port = server.port();
    let ask = |path: &str, host: &str| {
        let host = format!("{host}:{port}");
        server.ask(&Request::get(path).header("Host", &host))
    };
    for host in ["a.test", "b.test"] {
        let named = ask("/host", host).ok().text();
        assert_eq!(named, format!("{host}:{port}"));
        // These go by what the server is called, whatever the client calls it.
        assert_eq!(ask("/server", host).ok().text(), format!("s.test:{port}"));
        let named = ask("/resource", host).ok().text();
        assert_eq!(named, format!("s.test:{port}|/resource"));
    }
    assert_eq!(ask("/host", "c.test").status, 500);
    let line = server.expect_log(&id("0150"));
    assert!(line.text.contains("c.test"), "{}", line.text);
    server.finish();
}

#[test]
fn restrict_process_and_restrict_embedded_refuse_what_they_do_not_list() {
    let server = named()
        .conf(
            "WSGIScriptAlias /one @APPS@/app.wsgi process-group=one\n\
             WSGIScriptAlias /two @APPS@/app.wsgi process-group=two\n\
             WSGIScriptAlias /child @APPS@/app.wsgi process-group=%{GLOBAL}\n\
             <Location /two>\nWSGIRestrictProcess one\n</Location>\n\
             <Location /one>\nWSGIRestrictProcess ONE\n</Location>\nWSGIRestrictEmbedded On",
        )
        .start();
    assert_eq!(server.text("/one"), "one");
    assert_eq!(server.get("/two").status, 500);
    server.expect_log(&id("0149"));
    assert_eq!(server.get("/child").status, 500);
    server.expect_log(&id("0143"));
    server.finish();
}

#[test]
fn a_group_of_a_virtual_host_serves_hosts_of_that_name_only() {
    let server = Server::builder()
        .embedded()
        .app("app.wsgi", NAMED)
        .conf(
            "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /main @APPS@/app.wsgi process-group=open\n\
             WSGIDaemonProcess open processes=1 threads=1\n\
             <VirtualHost *>\nServerName main\nWSGIScriptAlias / @APPS@/app.wsgi\nWSGIProcessGroup open\n</VirtualHost>\n\
             <VirtualHost *>\nServerName a.test\nWSGIDaemonProcess a processes=1 threads=1\n\
             WSGIScriptAlias / @APPS@/app.wsgi\nWSGIProcessGroup a\n</VirtualHost>\n\
             <VirtualHost *>\nServerName b.test\nWSGIScriptAlias / @APPS@/app.wsgi\nWSGIProcessGroup a\n</VirtualHost>",
        )
        .start();
    let ask = |host: &str| server.ask(&Request::get("/").header("Host", host));
    assert_eq!(ask("main").ok().text(), "open");
    assert_eq!(ask("a.test").ok().text(), "a");
    assert_eq!(ask("b.test").status, 500);
    server.expect_log(&id("0152"));
    server.finish();
}

#[test]
fn lines_of_a_group_of_a_virtual_host_are_in_the_log_of_that_host() {
    let source = r#"
import os, sys
def application(environ, start_response):
    print("in the request", file=environ["wsgi.errors"])
    os.write(2, b"raw from the process\n")
    start_response("200 OK", [])
    return [b"x"]
"#;
    let server = Server::builder()
        .embedded()
        .app("app.wsgi", source)
        .conf(
            "WSGIApplicationGroup %{GLOBAL}\n<VirtualHost *>\nServerName a.test\nErrorLog @ROOT@/a.log\n\
             WSGIDaemonProcess a processes=1 threads=1\nWSGIScriptAlias / @APPS@/app.wsgi\nWSGIProcessGroup a\n\
             </VirtualHost>\n<VirtualHost *>\nServerName a.test\nServerAlias b.test\nErrorLog @ROOT@/b.log\n</VirtualHost>",
        )
        .start();
    let reply = server.ask(&Request::get("/").header("Host", "a.test")).ok();
    assert_eq!(reply.text(), "x");
    server.wait_for_file("a.log", "in the request");
    server.wait_for_file("a.log", "raw from the process");
    let line = server.read("a.log");
    let line = line.lines().find(|l| l.contains("in the request")).unwrap();
    assert!(line.contains("127.0.0.1:"), "{line}");
    if under_test() == UnderTest::Rsgi {
        assert!(line.contains("[client 127.0.0.1:"), "{line}");
    }
    assert!(!server.log_text().contains("in the request"));
    server.finish();
}

/// What differs between two requests by nature, besides times: processes, objects, and what the test asks for.
const DIFFERS: [&str; 20] = [
    "mod_wsgi.process_group",
    "mod_wsgi.server_pid",
    "mod_wsgi.thread_id",
    "mod_wsgi.request_id",
    "mod_wsgi.daemon_connects",
    "mod_wsgi.daemon_restarts",
    "mod_wsgi.connection_id",
    "mod_wsgi.thread_requests",
    "mod_wsgi.total_requests",
    "mod_wsgi.script_reloading",
    "wsgi.errors",
    "wsgi.input",
    "wsgi.file_wrapper",
    "wsgi.multiprocess",
    "wsgi.multithread",
    "HTTP_HOST",
    "SERVER_NAME",
    "REMOTE_PORT",
    "UNIQUE_ID",
    "apache.request_rec",
];

#[test]
fn environ_is_the_same_in_both_modes() {
    let server = Server::builder()
        .daemon("app", "processes=1 threads=8")
        .app("app.wsgi", ENVIRON_APP)
        .modules(&["env"])
        .conf(
            "WSGIApplicationGroup %{GLOBAL}\nSetEnv SOME thing\nWSGIPassAuthorization On\n\
             <VirtualHost *>\nServerName d.test\nWSGIScriptAlias /mount @APPS@/app.wsgi process-group=app\n</VirtualHost>\n\
             <VirtualHost *>\nServerName e.test\nWSGIScriptAlias /mount @APPS@/app.wsgi process-group=%{GLOBAL}\n</VirtualHost>",
        )
        .start();
    let environ = |host: &str| {
        let request = Request::new("POST", "/mount/a%20b/c?d=e&f")
            .header("Host", host)
            .header("X-Some", "\u{e9}")
            .header("Cookie", "a=b; c=d")
            .header("Cookie", "e=f")
            .header("Authorization", "Basic abc")
            .header("Content-Type", "x/y")
            .body("body");
        Environ::parse(&server.ask(&request).ok().text())
    };
    let (daemon, child) = (environ("d.test"), environ("e.test"));
    let keys = |e: &Environ| e.keys().map(str::to_owned).collect::<BTreeSet<String>>();
    let both = keys(&daemon);
    if under_test() == UnderTest::Rsgi {
        assert_eq!(both, keys(&child));
    }
    let is_same = |key: &&String| !DIFFERS.contains(&key.as_str()) && !key.ends_with("_start");
    for key in both.iter().filter(is_same) {
        assert_eq!(daemon.repr(key), child.repr(key), "{key}");
    }
    daemon.is("mod_wsgi.process_group", "'app'");
    daemon.is("wsgi.multiprocess", "True");
    let time = |key| daemon.text(key).parse::<f64>().unwrap();
    let (request, queue, start) = (
        time("mod_wsgi.request_start"),
        time("mod_wsgi.queue_start"),
        time("mod_wsgi.daemon_start"),
    );
    assert!(
        request <= queue && queue <= start,
        "{request} {queue} {start}"
    );
    assert!(start - request < 5_000_000.0, "{request} {start}");
    server.finish();
}

const ANSWERS: &str = r#"
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/target":
        body = ("%s %s %s" % (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"])).encode()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body]
    if path == "/redirect":
        start_response("200 OK", [("Location", "/target?x=y"), ("Content-Type", "text/plain")])
        return [b"not this"]
    if path == "/file":
        start_response("200 OK", [("Location", "/a.txt")])
        return [b"not this"]
    if path == "/moved":
        start_response("302 Found", [("Location", "/target")])
        return [b"moved"]
    if path == "/absolute":
        start_response("200 OK", [("Location", "http://elsewhere.test/")])
        return [b"stays"]
    if path == "/headers":
        start_response("200 OK", [("X-One", "1"), ("X-One", "2"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d"),
                                  ("Content-Type", "Text/Plain"), ("X-Long", "x" * int(environ["QUERY_STRING"] or 1))])
        return [b"headers"]
    status = path[1:].replace("_", " ")
    start_response(status, [("Content-Type", "text/x"), ("X-Kept", "yes")])
    return [b"own page"]
"#;

#[test]
fn a_local_location_of_a_200_is_an_internal_redirect() {
    let server = grouped("processes=1 threads=2", ANSWERS)
        .file("htdocs/a.txt", b"static text")
        .conf("Alias /a.txt @ROOT@/htdocs/a.txt")
        .modules(&["alias"])
        .start();
    assert_eq!(server.text("/redirect"), "GET /target x=y");
    let reply = server.ask(&Request::new("POST", "/redirect").body("abc"));
    assert_eq!(reply.ok().text(), "GET /target x=y");
    assert_eq!(server.text("/file"), "static text");
    let reply = server.get("/moved");
    assert_eq!((reply.status, reply.text().as_str()), (302, "moved"));
    let reply = server.get("/absolute");
    assert_eq!((reply.status, reply.text().as_str()), (200, "stays"));
    server.finish();
}

#[test]
fn error_override_gives_errors_to_apaches_documents() {
    let server = grouped("processes=1 threads=2", ANSWERS)
        .conf("ErrorDocument 404 \"apache's page\"\nErrorDocument 500 \"apache's 500\"")
        .conf("<Location /404_Off>\nWSGIErrorOverride Off\n</Location>\nWSGIErrorOverride On")
        .start();
    let reply = server.get("/404_Gone");
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (404, "apache's page")
    );
    let reply = server.get("/500_Bad");
    assert_eq!((reply.status, reply.text().as_str()), (500, "apache's 500"));
    let reply = server.get("/404_Off");
    assert_eq!((reply.status, reply.text().as_str()), (404, "own page"));
    let reply = server.get("/200_OK");
    assert_eq!((reply.status, reply.text().as_str()), (200, "own page"));
    server.finish();
}

#[test]
fn headers_come_through_as_the_application_sent_them() {
    let server = grouped("processes=1 threads=2", ANSWERS).start();
    let reply = server.get("/headers").ok();
    assert_eq!(reply.all("Set-Cookie"), ["a=b", "c=d"]);
    if under_test() == UnderTest::Rsgi {
        assert_eq!(reply.all("X-One"), ["1", "2"]);
    }
    // Long ones too, up to the limit of the group.
    let reply = server.get("/headers?30000").ok();
    assert_eq!(reply.header("X-Long").map(str::len), Some(30_000));
    let reply = server.get("/headers?33000");
    assert_eq!(reply.status, 500, "{}", reply.text());
    server.expect_log(&id("0144"));
    server.finish();
    let server = grouped("processes=1 threads=2 header-buffer-size=70000", ANSWERS).start();
    let reply = server.get("/headers?60000").ok();
    assert_eq!(reply.header("X-Long").map(str::len), Some(60_000));
    server.finish();
}

#[test]
fn two_groups_of_the_same_script_are_two_processes() {
    let server = Server::builder()
        .daemon("one", "processes=1 threads=2")
        .daemon("two", "processes=1 threads=2")
        .app("app.wsgi", APP)
        .conf(
            "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /one @APPS@/app.wsgi process-group=one\n\
             WSGIScriptAlias /two @APPS@/app.wsgi process-group=two",
        )
        .start();
    let pids: BTreeSet<String> = (0..6)
        .map(|n| server.text(if n % 2 == 0 { "/one/pid" } else { "/two/pid" }))
        .collect();
    assert_eq!(pids.len(), 2, "{pids:?}");
    server.finish();
}

#[test]
fn each_mpm_serves_a_group() {
    for mpm in crate::harness::Mpm::ALL {
        let server = group("processes=2 threads=3").mpm(mpm).threads(8).start();
        let report = crate::harness::Load::on(server.port())
            .clients(6)
            .most(30)
            .run(super::mixed);
        report.lost_nothing();
        server.graceful();
        let report = crate::harness::Load::on(server.port())
            .clients(6)
            .most(30)
            .run(super::mixed);
        report.lost_nothing();
        server.finish();
    }
}

#[test]
fn a_group_is_used_before_the_directive_that_defines_it_is_read() {
    only_rsgi!("the harness gives it a title");
    let server = Server::builder()
        .embedded()
        .app("app.wsgi", NAMED)
        .conf("WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias / @APPS@/app.wsgi\nWSGIProcessGroup late\nWSGIDaemonProcess late threads=2")
        .start();
    assert_eq!(server.text("/"), "late");
    server.finish();
}

#[test]
fn a_virtual_host_that_says_nothing_of_ours_has_the_main_servers_groups() {
    let server = named()
        .conf(
            "WSGIScriptAlias / @APPS@/app.wsgi process-group=two\n\
             <VirtualHost *:@PORT@>\nServerName a.example\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName b.example\nServerAdmin x@example.com\n</VirtualHost>",
        )
        .start();
    for name in ["a.example", "b.example"] {
        let reply = server.ask(&Request::get("/").header("Host", name));
        assert_eq!(reply.ok().text(), "two", "{name}");
    }
    server.finish();
}

/// Tells the size of its thread's stack and what the system gives to threads.
const STACK: &str = r#"
import ctypes, resource
def application(environ, start_response):
    libc = ctypes.CDLL(None)
    libc.pthread_self.restype = ctypes.c_ulong
    attributes, size = ctypes.create_string_buffer(256), ctypes.c_size_t()
    libc.pthread_getattr_np(ctypes.c_ulong(libc.pthread_self()), attributes)
    libc.pthread_attr_getstacksize(attributes, ctypes.byref(size))
    start_response("200 OK", [])
    return [b"%d %d" % (size.value, resource.getrlimit(resource.RLIMIT_STACK)[0])]
"#;

/// numpy inverts matrices on the stack, and crashed with less.
#[test]
fn threads_have_the_stack_that_the_system_gives_or_that_the_option_says() {
    for (option, expected) in [("", None), ("stack-size=1048576", Some(1 << 20))] {
        let server = super::grouped(option, STACK).start();
        let text = server.text("/");
        let mut numbers = text.split(' ').map(|n| n.parse::<i64>().unwrap());
        let (size, limit) = (numbers.next().unwrap(), numbers.next().unwrap());
        let least = if limit < 0 { 8 << 20 } else { limit };
        match expected {
            // The original and glibc count a guard page now and then.
            Some(expected) => assert!((size - expected).abs() <= 65_536, "{text}"),
            None => assert!(size >= least - 65_536, "{text}"),
        }
        server.finish();
    }
}
