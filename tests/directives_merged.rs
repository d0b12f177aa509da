//! How directives of several levels are merged: server, virtual host, section.

use crate::harness::Server;

#[test]
fn a_section_beats_the_virtual_host_which_beats_the_main_server() {
    let app = r#"
def answer(text):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [text]
    return app
application = answer(b"default")
main = answer(b"main")
host = answer(b"host")
section = answer(b"section")
inner = answer(b"inner")
"#;
    let server = Server::builder()
        .app("app.wsgi", app)
        .conf(
            "WSGIScriptAlias / @APPS@/app.wsgi\nWSGICallableObject main\n\
             <Location /section>\nWSGICallableObject section\n</Location>\n\
             <Location /section/inner>\nWSGICallableObject inner\n</Location>\n\
             <Location /section/other>\nWSGIScriptReloading Off\n</Location>\n\
             <VirtualHost *:@PORT@>\nServerName plain.example\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName own.example\nWSGICallableObject host\n\
             <Location /mine>\nWSGICallableObject inner\n</Location>\n</VirtualHost>",
        )
        .start();
    let ask = |host: &str, path: &str| {
        let request = crate::harness::Request::get(path).header("Host", host);
        server.ask(&request).ok().text()
    };
    assert_eq!(ask("plain.example", "/"), "main");
    assert_eq!(ask("plain.example", "/section"), "section");
    assert_eq!(ask("plain.example", "/section/inner"), "inner");
    assert_eq!(ask("plain.example", "/section/other"), "section");
    assert_eq!(ask("own.example", "/"), "host");
    assert_eq!(ask("own.example", "/section"), "section");
    assert_eq!(ask("own.example", "/mine"), "inner");
    server.finish();
}

/// A probe for each setting of requests: what it does shows in the answer.
const PROBE: &str = r#"
import os
loads = 0
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s|%s|%s" % (environ["REQUEST_METHOD"], environ.get("HTTP_AUTHORIZATION", "-"),
                           environ["mod_wsgi.application_group"])).encode()]
"#;

#[test]
fn flags_are_merged_from_server_to_host_to_section() {
    let server = Server::builder()
        .app("app.wsgi", PROBE)
        .conf(
            "WSGIScriptAlias / @APPS@/app.wsgi\nWSGIPassAuthorization On\nWSGIChunkedRequest On\n\
             WSGIApplicationGroup main\n\
             <VirtualHost *:@PORT@>\nServerName inherits.example\n\
             <Location /off>\nWSGIPassAuthorization Off\nWSGIChunkedRequest Off\n\
             WSGIApplicationGroup section\n</Location>\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName changes.example\nWSGIPassAuthorization Off\n\
             WSGIChunkedRequest Off\nWSGIApplicationGroup host\n\
             <Location /on>\nWSGIPassAuthorization On\nWSGIChunkedRequest On\n</Location>\n</VirtualHost>",
        )
        .start();
    let ask = |host: &str, path: &str| {
        let request = crate::harness::Request::new("POST", path)
            .header("Host", host)
            .header("Authorization", "Basic eDp5");
        let plain = server.ask(&request.clone().body("x")).ok().text();
        let chunked = server.ask(&request.chunked(&[b"x"])).status;
        format!("{plain} {chunked}")
    };
    assert_eq!(ask("inherits.example", "/"), "POST|Basic eDp5|main 200");
    assert_eq!(ask("inherits.example", "/off"), "POST|-|section 411");
    assert_eq!(ask("changes.example", "/"), "POST|-|host 411");
    assert_eq!(ask("changes.example", "/on"), "POST|Basic eDp5|host 200");
    server.allow_log(&crate::harness::id("0139"));
    server.finish();
}

#[test]
fn script_reloading_is_merged_too() {
    let server = Server::builder()
        .app("app.wsgi", "open('@WORK@/events', 'a').write('load\\n')\ndef application(e, s):\n    s('200 OK', [])\n    return []\n")
        .conf(
            "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptReloading Off\nWSGIScriptAlias /off @APPS@/app.wsgi\n\
             WSGIScriptAlias /on @APPS@/app.wsgi\n<Location /on>\nWSGIScriptReloading On\n</Location>",
        )
        .start();
    server.text("/off");
    let file = std::fs::File::options()
        .append(true)
        .open(server.root().join("apps/app.wsgi"))
        .unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000))
        .unwrap();
    server.text("/off");
    assert_eq!(server.events().len(), 1);
    server.text("/on");
    assert_eq!(server.events().len(), 2);
    server.finish();
}
