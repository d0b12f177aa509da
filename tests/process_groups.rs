//! Which process group a request gets and whether it may have it, and that Apache's children start Python only where
//! something needs it there.

use crate::harness::{Server, only_rsgi};

/// How many files with `part` in their names the children have mapped.
fn mapped(server: &Server, part: &str) -> usize {
    let children = server.children();
    let maps = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    children
        .iter()
        .map(|pid| maps(pid).lines().filter(|line| line.contains(part)).count())
        .sum()
}

#[test]
fn children_have_python_only_where_something_needs_it_there() {
    only_rsgi!("it is linked with libpython");
    let group = "WSGIDaemonProcess shop\nWSGIScriptAlias /app @APPS@/app.wsgi";
    for (lines, is_needed) in [
        ("WSGIProcessGroup shop", false),
        ("WSGIProcessGroup %{HOST}", false),
        (
            "<Directory @APPS@>\nWSGIProcessGroup shop\n</Directory>",
            false,
        ),
        ("WSGIRestrictEmbedded On", false),
        (
            "WSGIProcessGroup shop\nWSGIImportScript @APPS@/app.wsgi process-group=shop application-group=x",
            false,
        ),
        ("", true),
        ("WSGIProcessGroup %{ENV:x}", true),
        ("WSGIProcessGroup shop\nWSGIRestrictEmbedded Off", true),
        (
            "WSGIRestrictEmbedded On\n\
             WSGIImportScript @APPS@/app.wsgi process-group=%{GLOBAL} application-group=x",
            true,
        ),
        (
            "WSGIProcessGroup shop\nWSGIScriptAlias /own @APPS@/app.wsgi process-group=%{GLOBAL}",
            true,
        ),
    ] {
        let server = Server::builder()
            .app("app.wsgi", APP)
            .file("htdocs/a.txt", b"text")
            .conf(group)
            .conf(lines)
            .start();
        assert_eq!(server.text("/a.txt"), "text");
        assert_eq!(mapped(&server, "libpython") > 0, is_needed, "{lines}");
        server.finish();
    }
}

const APP: &str = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n";

#[test]
fn requests_run_only_where_they_may() {
    let server = Server::builder()
        .embedded()
        .app("app.wsgi", APP)
        .conf(
            "WSGIScriptAlias / @APPS@/app.wsgi\nWSGIApplicationGroup %{GLOBAL}\n\
             <Location /listed>\nWSGIRestrictProcess other %{GLOBAL}\n</Location>\n\
             <Location /unlisted>\nWSGIRestrictProcess other\n</Location>\n\
             <Location /unlisted/listed>\nWSGIRestrictProcess %{GLOBAL}\n</Location>\n\
             <Location /blocked>\nWSGIRestrictProcess\n</Location>\n\
             <Location /unknown>\nWSGIProcessGroup none\n</Location>",
        )
        .start();
    for path in ["/", "/listed", "/unlisted/listed"] {
        assert_eq!(server.text(path), "ok", "{path}");
    }
    for path in ["/unlisted", "/blocked", "/unknown"] {
        assert_eq!(server.get(path).status, 500, "{path}");
    }
    server.allow_log(&crate::harness::id("0149"));
    server.allow_log(&crate::harness::id("0150"));
    server.finish();
}

#[test]
fn a_group_of_another_virtual_host_is_refused_at_the_request() {
    let server = Server::builder()
        .app("app.wsgi", APP)
        .conf(
            "WSGISocketPrefix @ROOT@/wsgi\nWSGIScriptAlias / @APPS@/app.wsgi\n\
             <VirtualHost *:@PORT@>\nServerName a.example\nWSGIDaemonProcess shop\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName b.example\nWSGIProcessGroup shop\n</VirtualHost>",
        )
        .start();
    let request = crate::harness::Request::get("/").header("Host", "b.example");
    assert_eq!(server.ask(&request).status, 500);
    server.allow_log(&crate::harness::id("0152"));
    server.finish();
}

#[test]
fn a_service_process_gets_no_requests() {
    only_rsgi!("the request waits for a process that never takes it");
    let server = Server::builder()
        .app("app.wsgi", APP)
        .conf(
            "WSGIDaemonProcess service threads=0\nWSGIScriptAlias / @APPS@/app.wsgi process-group=service",
        )
        .start();
    assert_eq!(server.get("/").status, 500);
    server.allow_log(&crate::harness::id("0485"));
    server.finish();
}

#[test]
fn restricted_embedded_mode_runs_nothing_in_apache_s_children() {
    let server = Server::builder()
        .embedded()
        .app("app.wsgi", APP)
        .conf("WSGIRestrictEmbedded On\nWSGIScriptAlias / @APPS@/app.wsgi")
        .start();
    assert_eq!(server.get("/").status, 500);
    server.allow_log(&crate::harness::id("0143"));
    server.finish();
}
