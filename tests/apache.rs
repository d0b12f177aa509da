//! Apache around the application: filters, error documents, rewriting, access control, logs.

use crate::harness::{ENVIRON_APP, Environ, Request, Server, only_embedded, only_rsgi};

const HELLO: &str = "def application(e, s):\n    s('200 OK', [('Content-Type', 'text/plain'), ('X-App', '1')])\n    \
                     return [b'Hello ' * 200]\n";

#[test]
fn mod_deflate_compresses_answers() {
    let server = Server::builder()
        .serve(HELLO)
        .modules(&["deflate", "filter"])
        .conf("SetOutputFilter DEFLATE")
        .start();
    let reply = server
        .ask(&Request::get("/").header("Accept-Encoding", "gzip"))
        .ok();
    assert_eq!(reply.header("Content-Encoding"), Some("gzip"));
    assert_eq!(reply.body[..2], [0x1f, 0x8b]);
    assert!(reply.body.len() < 200, "{}", reply.body.len());
    let plain = server.get("/").ok();
    assert_eq!(plain.body.len(), 1200);
    server.finish();
}

#[test]
fn filters_by_type_see_the_content_type_of_the_application() {
    let server = Server::builder()
        .serve(HELLO)
        .modules(&["deflate", "filter"])
        .conf("AddOutputFilterByType DEFLATE text/plain")
        .start();
    let reply = server
        .ask(&Request::get("/").header("Accept-Encoding", "gzip"))
        .ok();
    assert_eq!(reply.header("Content-Encoding"), Some("gzip"));
    server.finish();
}

#[test]
fn a_flushed_block_passes_the_compressor() {
    let server = Server::builder()
        .serve(
            r#"
import os, time
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first" * 100
    while not os.path.exists("@WORK@/go"):
        time.sleep(0.002)
    yield b"second"
"#,
        )
        .modules(&["deflate", "filter"])
        .conf("SetOutputFilter DEFLATE")
        .start();
    let mut connection = server.connect();
    connection.send(
        Request::get("/")
            .header("Accept-Encoding", "gzip")
            .to_bytes(),
    );
    assert_eq!(connection.head().status, 200);
    assert!(connection.chunk().is_some());
    server.write("work/go", "");
    while connection.chunk().is_some() {}
    server.finish();
}

#[test]
fn error_documents_answer_for_errors_of_the_server() {
    let server = Server::builder()
        .app(
            "bad.wsgi",
            "def application(e, s):\n    raise ValueError('broken')\n",
        )
        .app("page.wsgi", ENVIRON_APP)
        .conf(
            "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /bad @APPS@/bad.wsgi\n\
             WSGIScriptAlias /page @APPS@/page.wsgi\nErrorDocument 404 /page/missing\n\
             ErrorDocument 500 \"our own error page\"",
        )
        .start();
    let reply = server.get("/bad");
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (500, "our own error page")
    );
    server.expect_traceback("ValueError: broken");
    let reply = server.get("/nowhere?a=b");
    let e = Environ::parse(&reply.text());
    e.is("PATH_INFO", "'/missing'");
    e.is("SCRIPT_NAME", "'/page'");
    e.is("REDIRECT_STATUS", "'404'");
    e.is("REDIRECT_URL", "'/nowhere'");
    e.is("REDIRECT_QUERY_STRING", "'a=b'");
    e.is("REQUEST_METHOD", "'GET'");
    server.finish();
}

#[test]
fn rewrite_rules_map_to_applications_and_set_variables() {
    let server = Server::builder()
        .app("env.wsgi", ENVIRON_APP)
        .modules(&["rewrite"])
        .conf(
            "WSGIScriptAlias /app @APPS@/env.wsgi\nRewriteEngine On\n\
             RewriteRule ^/old/(.*)$ /app/$1 [PT,E=FROM:$1]\n\
             RewriteCond %{HTTP:Authorization} (.+)\nRewriteRule .* - [E=MY_AUTH:%1]",
        )
        .start();
    let request = Request::get("/old/page?q=1").header("Authorization", "Basic eDp5");
    let e = Environ::parse(&server.ask(&request).ok().text());
    e.is("PATH_INFO", "'/page'");
    e.is("SCRIPT_NAME", "'/app'");
    e.is("QUERY_STRING", "'q=1'");
    e.is("FROM", "'page'");
    e.is("REQUEST_URI", "'/old/page?q=1'");
    server.finish();
}

#[test]
fn a_rewrite_in_a_folder_reaches_the_script_in_it() {
    let server = Server::builder()
        .file("htdocs/site/app.wsgi", ENVIRON_APP.as_bytes())
        .file(
            "htdocs/site/.htaccess",
            b"RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ app.wsgi/$1 [QSA,L]\n",
        )
        .modules(&["rewrite", "mime"])
        .conf(
            "TypesConfig /dev/null\nAddHandler wsgi-script .wsgi\n<Directory @ROOT@/htdocs>\n\
             Options ExecCGI FollowSymLinks\nAllowOverride All\n</Directory>",
        )
        .start();
    let e = Environ::parse(&server.text("/site/some/page"));
    e.is("PATH_INFO", "'/some/page'");
    e.is("SCRIPT_NAME", "'/site/app.wsgi'");
    server.finish();
}

#[test]
fn require_refuses_before_the_application_runs() {
    let server = Server::builder()
        .serve("open('@WORK@/events', 'a').write('ran')\ndef application(e, s):\n    s('200 OK', [])\n    return []\n")
        .conf("<Location />\nRequire all denied\n</Location>")
        .start();
    assert_eq!(server.get("/").status, 403);
    assert!(server.events().is_empty());
    server.expect_log("AH01630");
    server.finish();
}

#[test]
fn mod_headers_changes_headers_both_ways() {
    let server = Server::builder()
        .serve(ENVIRON_APP)
        .modules(&["headers"])
        .conf(
            "Header set X-Added yes\nHeader unset Content-Type\nHeader always set X-Always yes\n\
             RequestHeader set X-For-App hello\nRequestHeader unset X-Secret",
        )
        .start();
    let reply = server.ask(&Request::get("/").header("X-Secret", "1")).ok();
    assert_eq!(reply.header("X-Added"), Some("yes"));
    assert_eq!(reply.header("X-Always"), Some("yes"));
    assert_eq!(reply.header("Content-Type"), None);
    let e = Environ::parse(&reply.text());
    e.is("HTTP_X_FOR_APP", "'hello'");
    e.lacks("HTTP_X_SECRET");
    server.finish();
}

#[test]
fn www_authenticate_of_the_application_reaches_the_client_on_401() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('401 Unauthorized', [('WWW-Authenticate', 'Basic realm=\"x\"')])\n    return [b'who']\n")
        .start();
    let reply = server.get("/");
    assert_eq!(reply.status, 401);
    assert_eq!(reply.all("WWW-Authenticate"), ["Basic realm=\"x\""]);
    assert_eq!(reply.text(), "who");
    server.finish();
}

#[test]
fn the_access_log_has_status_and_bytes_of_the_body() {
    let server = Server::builder()
        .serve(
            "def application(e, s):\n    s('201 Created', [('Content-Type', 'text/plain')])\n    \
             return [b'x' * int(e['QUERY_STRING'])]\n",
        )
        .start();
    for size in [0, 1, 5000] {
        server.get(&format!("/size?{size}"));
    }
    server.ask(&Request::new("HEAD", "/head?77"));
    for part in ["size?0", "size?1", "size?5000", "HEAD"] {
        server.wait_for_file("access.log", part);
    }
    let log = server.read("access.log");
    assert!(log.contains("GET /size?0 201 0 "), "{log}");
    assert!(log.contains("GET /size?1 201 1 "), "{log}");
    assert!(log.contains("GET /size?5000 201 5000 "), "{log}");
    assert!(log.contains("HEAD /head?77 201 0 "), "{log}");
    server.finish();
}

#[test]
fn the_access_log_keeps_the_status_of_an_application_whose_client_went_away() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [])\n    while True:\n        yield b'x' * 100000\n")
        .start();
    let mut connection = server.connect();
    connection.send(Request::get("/gone").to_bytes());
    connection.head();
    connection.reset();
    server.wait_for_file("access.log", "GET /gone 200 ");
    server.finish();
}

#[test]
fn range_headers_are_the_applications_matter() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [('Content-Length', '1200')])\n    return [b'Hello ' * 200]\n")
        .start();
    let reply = server.ask(&Request::get("/").header("Range", "bytes=0-9"));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body.len(), 1200);
    assert_eq!(reply.header("Content-Range"), None);
    server.finish();
}

#[test]
fn a_range_of_a_file_wrapper_is_not_sliced_either() {
    only_rsgi!("Apache slices files");
    let server = Server::builder()
        .serve(
            "def application(e, s):\n    s('200 OK', [])\n    return e['wsgi.file_wrapper'](open('@WORK@/data', 'rb'))\n",
        )
        .file("work/data", &[b'x'; 5000])
        .start();
    let reply = server.ask(&Request::get("/").header("Range", "bytes=0-9"));
    assert_eq!((reply.status, reply.body.len()), (200, 5000));
    server.finish();
}

#[test]
fn conditional_requests_are_the_applications_matter() {
    let server = Server::builder()
        .serve(
            "def application(e, s):\n    s('200 OK', [('ETag', '\"abc\"'), \
             ('Last-Modified', 'Mon, 01 Jan 2001 00:00:00 GMT')])\n    return [b'body']\n",
        )
        .start();
    for (name, value) in [
        ("If-None-Match", "\"abc\""),
        ("If-Modified-Since", "Tue, 01 Jan 2030 00:00:00 GMT"),
        ("If-Match", "\"other\""),
        ("If-Unmodified-Since", "Mon, 01 Jan 1990 00:00:00 GMT"),
    ] {
        let reply = server.ask(&Request::get("/").header(name, value));
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (200, "body"),
            "{name}"
        );
        assert_eq!(reply.header("ETag"), Some("\"abc\""));
        assert_eq!(
            reply.header("Last-Modified"),
            Some("Mon, 01 Jan 2001 00:00:00 GMT")
        );
    }
    server.finish();
}

#[test]
fn head_is_mapped_to_get_as_configured() {
    let app = "def application(e, s):\n    s('200 OK', [('X-Method', e['REQUEST_METHOD'])])\n    return [b'body']\n";
    let server = Server::builder()
        .app("app.wsgi", app)
        .modules(&["deflate", "filter"])
        .conf(
            "WSGIScriptAlias /auto @APPS@/app.wsgi\nWSGIScriptAlias /on @APPS@/app.wsgi\n\
             WSGIScriptAlias /off @APPS@/app.wsgi\nWSGIScriptAlias /filtered @APPS@/app.wsgi\n\
             WSGIScriptAlias /offfiltered @APPS@/app.wsgi\n\
             <Location /on>\nWSGIMapHEADToGET On\n</Location>\n\
             <Location /off>\nWSGIMapHEADToGET Off\n</Location>\n\
             <Location /offfiltered>\nWSGIMapHEADToGET Off\nSetOutputFilter DEFLATE\n</Location>\n\
             <Location /filtered>\nSetOutputFilter DEFLATE\n</Location>",
        )
        .start();
    for (path, method) in [
        ("/auto", "HEAD"),
        ("/on", "GET"),
        ("/off", "HEAD"),
        ("/filtered", "GET"),
        ("/offfiltered", "HEAD"),
    ] {
        let mut connection = server.connect();
        let reply = connection.ask(&Request::new("HEAD", path)).ok();
        assert_eq!(reply.header("X-Method"), Some(method), "{path}");
        connection.ask(&Request::get(path)).ok();
    }
    server.finish();
}

#[test]
fn http_1_0_gets_no_chunks_and_a_closed_connection() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [])\n    yield b'one'\n    yield b'two'\n")
        .start();
    let mut connection = server.connect();
    let reply = connection.ask(&Request::get("/").http10());
    assert_eq!(reply.header("Transfer-Encoding"), None);
    assert_eq!(reply.text(), "onetwo");
    assert!(connection.is_closed());
    server.finish();
}

#[test]
fn http_1_0_with_keep_alive_needs_a_length() {
    let server = Server::builder()
        .serve("def application(e, s):\n    s('200 OK', [('Content-Length', '3')])\n    return [b'one']\n")
        .start();
    let mut connection = server.connect();
    let request = Request::get("/")
        .http10()
        .header("Connection", "keep-alive");
    for _ in 0..3 {
        assert_eq!(connection.ask(&request).ok().text(), "one");
    }
    server.finish();
}

#[test]
fn subrequests_run_applications_inside_a_page() {
    let server = Server::builder()
        .app("part.wsgi", "def application(e, s):\n    s('200 OK', [('Content-Type', 'text/html')])\n    yield b'from '\n    yield e['PATH_INFO'].encode()\n")
        .file("htdocs/page.shtml", b"<p><!--#include virtual=\"/part/x\" --></p>")
        .modules(&["include", "mime", "filter"])
        .conf(
            "TypesConfig /dev/null\nAddType text/html .shtml\nAddOutputFilter INCLUDES .shtml\n\
             <Directory @ROOT@/htdocs>\nOptions Includes\n</Directory>\n\
             WSGIScriptAlias /part @APPS@/part.wsgi",
        )
        .start();
    assert_eq!(server.text("/page.shtml"), "<p>from /x</p>");
    server.finish();
}

#[test]
fn a_location_header_of_an_embedded_application_is_passed_through() {
    only_embedded!("a local path is an internal redirect there");
    let server = Server::builder()
        .serve(
            "def application(e, s):\n    s(e['QUERY_STRING'].replace('+', ' '), [('Location', '/elsewhere')])\n    return [b'body']\n",
        )
        .start();
    for status in ["302+Found", "201+Created", "200+OK"] {
        let reply = server.get(&format!("/?{status}"));
        assert_eq!(reply.header("Location"), Some("/elsewhere"), "{status}");
        assert_eq!(reply.text(), "body", "{status}");
    }
    server.finish();
}

#[test]
fn the_server_header_is_apaches_and_date_is_sent_once() {
    let server = Server::builder()
        .serve(HELLO)
        .conf("ServerTokens Prod")
        .start();
    let reply = server.get("/").ok();
    assert_eq!(reply.all("Server"), ["Apache"]);
    assert_eq!(reply.all("Date").len(), 1);
    server.finish();
}

#[test]
fn the_banner_names_module_and_python() {
    only_rsgi!("it says mod_wsgi");
    let server = Server::builder().serve(HELLO).start();
    let line = server.log_text();
    assert!(line.contains("mod_rsgi/"), "{line}");
    server.finish();
}

#[test]
fn settings_of_htaccess_hold_where_they_are_allowed() {
    let server = Server::builder()
        .file(
            "htdocs/app.wsgi",
            format!(
                "{ENVIRON_APP}\ndef other(e, s):\n    s('200 OK', [])\n    return [b'other']\n"
            )
            .as_bytes(),
        )
        .file("htdocs/.htaccess", b"WSGICallableObject other\n")
        .modules(&["mime"])
        .conf(
            "TypesConfig /dev/null\nAddHandler wsgi-script .wsgi\n\
             <Directory @ROOT@/htdocs>\nOptions ExecCGI\nAllowOverride FileInfo\n</Directory>",
        )
        .start();
    assert_eq!(server.text("/app.wsgi"), "other");
    server.write("htdocs/.htaccess", "WSGIApplicationGroup mine\n");
    assert_eq!(server.get("/app.wsgi").status, 500);
    server.expect_log("WSGIApplicationGroup not allowed here");
    server.finish();
}
