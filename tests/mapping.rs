//! Which script a URL reaches, and the answers of requests that reach none.

use crate::harness::{ENVIRON_APP, Environ, Request, Server, allow, id, is_root, needs};

/// Says its own name, so that a test sees which script ran.
const NAMED_APP: &str = r#"
import os
def application(environ, start_response):
    text = "%s|%s|%s" % (os.path.basename(__file__), environ["SCRIPT_NAME"], environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode("latin-1")]
"#;

#[test]
fn an_alias_splits_the_url_into_script_name_and_path_info() {
    let server = Server::builder()
        .app("one.wsgi", NAMED_APP)
        .conf("WSGIScriptAlias /one @APPS@/one.wsgi")
        .start();
    assert_eq!(server.text("/one"), "one.wsgi|/one|");
    assert_eq!(server.text("/one/"), "one.wsgi|/one|/");
    assert_eq!(server.text("/one/a/b"), "one.wsgi|/one|/a/b");
    assert_eq!(server.get("/onemore").status, 404);
    assert_eq!(server.get("/ONE").status, 404);
    assert_eq!(server.get("/").status, 404);
    server.finish();
}

#[test]
fn the_first_alias_that_matches_wins() {
    let server = Server::builder()
        .app("one.wsgi", NAMED_APP)
        .app("two.wsgi", NAMED_APP)
        .conf("WSGIScriptAlias /a/b @APPS@/one.wsgi\nWSGIScriptAlias /a @APPS@/two.wsgi")
        .start();
    assert_eq!(server.text("/a/b/c"), "one.wsgi|/a/b|/c");
    assert_eq!(server.text("/a/c"), "two.wsgi|/a|/c");
    server.finish();
    let server = Server::builder()
        .app("one.wsgi", NAMED_APP)
        .app("two.wsgi", NAMED_APP)
        .conf("WSGIScriptAlias /a @APPS@/two.wsgi\nWSGIScriptAlias /a/b @APPS@/one.wsgi")
        .start();
    assert_eq!(server.text("/a/b/c"), "two.wsgi|/a|/b/c");
    server.finish();
}

#[test]
fn the_aliases_of_a_virtual_host_come_before_those_of_the_main_server() {
    let server = Server::builder()
        .app("one.wsgi", NAMED_APP)
        .app("two.wsgi", NAMED_APP)
        .conf(
            "WSGIScriptAlias /a @APPS@/one.wsgi\nWSGIScriptAlias /main @APPS@/one.wsgi\n\
             <VirtualHost *:@PORT@>\nServerName localhost\n\
             WSGIScriptAlias /a @APPS@/two.wsgi\n</VirtualHost>",
        )
        .start();
    assert_eq!(server.text("/a"), "two.wsgi|/a|");
    assert_eq!(server.text("/main"), "one.wsgi|/main|");
    server.finish();
}

#[test]
fn a_mount_at_the_root_takes_everything() {
    let server = Server::builder()
        .app("one.wsgi", NAMED_APP)
        .conf("WSGIScriptAlias / @APPS@/one.wsgi")
        .start();
    assert_eq!(server.text("/"), "one.wsgi||/");
    assert_eq!(server.text("/a/b/"), "one.wsgi||/a/b/");
    server.finish();
}

#[test]
fn an_alias_to_a_folder_names_the_script_in_the_url() {
    let server = Server::builder()
        .app("dir/one.wsgi", NAMED_APP)
        .app("dir/two.wsgi", NAMED_APP)
        .conf("WSGIScriptAlias /dir/ @APPS@/dir/")
        .start();
    assert_eq!(server.text("/dir/one.wsgi/x"), "one.wsgi|/dir/one.wsgi|/x");
    assert_eq!(server.text("/dir/two.wsgi"), "two.wsgi|/dir/two.wsgi|");
    assert_eq!(server.get("/dir/three.wsgi").status, 404);
    server.expect_log(&id("0135"));
    assert_eq!(server.get("/dir").status, 404);
    server.finish();
}

#[test]
fn an_alias_to_a_folder_itself_is_forbidden() {
    let server = Server::builder()
        .app("dir/one.wsgi", NAMED_APP)
        .conf("WSGIScriptAlias /dir @APPS@/dir")
        .start();
    assert_eq!(server.get("/dir").status, 403);
    server.expect_log(&id("0136"));
    assert_eq!(server.text("/dir/one.wsgi"), "one.wsgi|/dir/one.wsgi|");
    server.finish();
}

#[test]
fn a_script_that_does_not_exist_is_not_found() {
    let server = Server::builder()
        .conf("WSGIScriptAlias /x @APPS@/none.wsgi")
        .start();
    let reply = server.get("/x/y");
    assert_eq!(reply.status, 404);
    let line = server.expect_log(&id("0135"));
    assert_eq!(line.level, "error");
    server.finish();
}

#[test]
fn alias_match_fills_in_groups_and_appends_the_rest() {
    let server = Server::builder()
        .app("u/alice.wsgi", NAMED_APP)
        .app("u/bob.wsgi", NAMED_APP)
        .conf("WSGIScriptAliasMatch ^/users/([a-z]+) @APPS@/u/$1.wsgi")
        .start();
    assert_eq!(server.text("/users/alice"), "alice.wsgi|/users/alice|");
    assert_eq!(server.text("/users/bob/x/y"), "bob.wsgi|/users/bob|/x/y");
    assert_eq!(server.get("/users/").status, 404);
    assert_eq!(server.get("/users/carol").status, 404);
    server.expect_log(&id("0135"));
    server.finish();
}

#[test]
fn alias_match_is_not_anchored_by_itself() {
    let server = Server::builder()
        .app("one.wsgi", NAMED_APP)
        .conf("WSGIScriptAliasMatch /mid @APPS@/one.wsgi")
        .start();
    assert_eq!(server.text("/a/mid/b"), "one.wsgi|/a/mid|/b");
    server.finish();
}

#[test]
fn alias_options_choose_callable_group_and_authorization() {
    let server = Server::builder()
        .app("env.wsgi", &format!("{ENVIRON_APP}\nother = application\n"))
        .conf(
            "WSGIScriptAlias /a @APPS@/env.wsgi application-group=named callable-object=other \
             pass-authorization=On process-group=%{GLOBAL}\n\
             WSGIScriptAlias /b @APPS@/env.wsgi application-group=%{GLOBAL}\n\
             WSGIPassAuthorization Off\nWSGIApplicationGroup elsewhere",
        )
        .start();
    let request = Request::get("/a").header("Authorization", "Basic eDp5");
    let e = Environ::parse(&server.ask(&request).ok().text());
    e.is("mod_wsgi.application_group", "'named'");
    e.is("mod_wsgi.callable_object", "'other'");
    e.is("HTTP_AUTHORIZATION", "'Basic eDp5'");
    let request = Request::get("/b").header("Authorization", "Basic eDp5");
    let e = Environ::parse(&server.ask(&request).ok().text());
    e.is("mod_wsgi.application_group", "''");
    e.is("mod_wsgi.callable_object", "'application'");
    e.lacks("HTTP_AUTHORIZATION");
    server.finish();
}

#[test]
fn accept_path_info_off_refuses_a_path_info() {
    let server = Server::builder()
        .app("one.wsgi", NAMED_APP)
        .conf(
            "WSGIScriptAlias /one @APPS@/one.wsgi\n\
             <Location /one>\nAcceptPathInfo Off\n</Location>",
        )
        .start();
    assert_eq!(server.text("/one"), "one.wsgi|/one|");
    assert_eq!(server.get("/one/more").status, 404);
    server.expect_log(&id("0137"));
    server.finish();
}

#[test]
fn a_handler_without_exec_cgi_is_forbidden() {
    let server = Server::builder()
        .file("htdocs/page.wsgi", NAMED_APP.as_bytes())
        .modules(&["mime"])
        .conf("TypesConfig /dev/null\nAddHandler wsgi-script .wsgi")
        .start();
    assert_eq!(server.get("/page.wsgi").status, 403);
    server.expect_log(&id("0134"));
    server.finish();
}

#[test]
fn a_handler_with_exec_cgi_runs_the_file_itself() {
    for handler in ["wsgi-script", "application/x-httpd-wsgi"] {
        let server = Server::builder()
            .file("htdocs/page.wsgi", NAMED_APP.as_bytes())
            .modules(&["mime"])
            .conf(&format!(
                "TypesConfig /dev/null\nAddHandler {handler} .wsgi\n\
                 <Directory @ROOT@/htdocs>\nOptions ExecCGI\n</Directory>"
            ))
            .start();
        assert_eq!(server.text("/page.wsgi/x"), "page.wsgi|/page.wsgi|/x");
        assert_eq!(server.get("/missing.wsgi").status, 404);
        server.allow_log(&id("0135"));
        server.finish();
    }
}

#[test]
fn set_handler_on_a_folder_is_forbidden() {
    let server = Server::builder()
        .conf("<Directory @ROOT@/htdocs>\nOptions ExecCGI\nSetHandler wsgi-script\n</Directory>")
        .start();
    assert_eq!(server.get("/").status, 403);
    server.expect_log(&id("0136"));
    server.finish();
}

#[test]
fn static_files_beside_an_application_are_served_by_apache() {
    let server = Server::builder()
        .app("one.wsgi", NAMED_APP)
        .file("htdocs/static/a.txt", b"a file")
        .modules(&["alias"])
        .conf("Alias /static @ROOT@/htdocs/static\nWSGIScriptAlias / @APPS@/one.wsgi")
        .start();
    assert_eq!(server.text("/static/a.txt"), "a file");
    assert_eq!(server.text("/other"), "one.wsgi||/other");
    server.finish();
}

#[test]
fn slashes_in_the_url_match_a_run_of_them() {
    let server = Server::builder()
        .app("one.wsgi", NAMED_APP)
        .conf("MergeSlashes Off\nWSGIScriptAlias /a/b @APPS@/one.wsgi")
        .start();
    assert_eq!(server.text("/a//b/c"), "one.wsgi|/a/b|/c");
    server.finish();
}

#[test]
fn an_encoded_slash_is_apaches_matter() {
    let server = Server::builder()
        .app("one.wsgi", NAMED_APP)
        .conf("WSGIScriptAlias /a @APPS@/one.wsgi\nAllowEncodedSlashes NoDecode")
        .start();
    assert_eq!(server.text("/a/x%2fy"), "one.wsgi|/a|/x%2fy");
    server.finish();
}

#[test]
fn an_unknown_transfer_encoding_is_not_implemented() {
    let server = Server::builder()
        .serve(NAMED_APP)
        .conf("WSGIChunkedRequest On")
        .start();
    let mut connection = server.connect();
    connection.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n");
    let reply = connection.reply("POST");
    assert!([400, 501].contains(&reply.status), "{}", reply.status);
    server.allow_log(&id("0138"));
    server.allow_log("AH");
    server.finish();
}

#[test]
fn a_chunked_request_needs_chunked_request_on() {
    let server = Server::builder()
        .app("one.wsgi", NAMED_APP)
        .conf(
            "WSGIScriptAlias /off @APPS@/one.wsgi\nWSGIScriptAlias /on @APPS@/one.wsgi\n\
             <Location /on>\nWSGIChunkedRequest On\n</Location>",
        )
        .start();
    let reply = server.ask(&Request::new("POST", "/off").chunked(&[b"abc"]));
    assert_eq!(reply.status, 411);
    server.expect_log(&id("0139"));
    server
        .ask(&Request::new("POST", "/on").chunked(&[b"abc"]))
        .ok();
    server.finish();
}

#[test]
fn a_content_length_that_is_no_number_is_a_bad_request() {
    let server = Server::builder().serve(NAMED_APP).start();
    for value in ["abc", "-1", "12x", "99999999999999999999999"] {
        let mut connection = server.connect();
        connection.send(format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {value}\r\n\r\n"
        ));
        let reply = connection.reply("POST");
        assert!(
            [400, 413].contains(&reply.status),
            "{value}: {}",
            reply.status
        );
    }
    server.allow_log(&id("0141"));
    server.allow_log("AH");
    server.finish();
}

#[test]
fn a_body_over_the_limit_is_refused_before_the_application_runs() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    with open("@WORK@/events", "a") as f:
        f.write("ran\n")
    start_response("200 OK", [])
    return [environ["wsgi.input"].read()]
"#,
        )
        .conf("LimitRequestBody 10")
        .start();
    let reply = server.ask(&Request::new("POST", "/").body("12345678901"));
    assert_eq!(reply.status, 413);
    assert_eq!(server.events(), Vec::<String>::new());
    let reply = server.ask(&Request::new("POST", "/").body("1234567890"));
    assert_eq!(reply.ok().text(), "1234567890");
    server.allow_log(&id("0142"));
    server.allow_log("AH01587");
    server.allow_log("AH01588");
    server.finish();
}

#[test]
fn an_asterisk_is_not_mapped() {
    let server = Server::builder().serve(NAMED_APP).start();
    let reply = server.ask(&Request::new("OPTIONS", "*"));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.text(), "");
    server.finish();
}

#[test]
fn handler_script_runs_handle_request_for_any_resource() {
    let server = Server::builder()
        .app(
            "handler.py",
            &ENVIRON_APP.replace("def application", "def handle_request"),
        )
        .file("htdocs/a.txt", b"text")
        .modules(&["mime"])
        .conf(
            "TypesConfig /dev/null\nWSGIHandlerScript shout @APPS@/handler.py\n\
             AddHandler shout .txt\n<Location /virtual>\nSetHandler shout\n</Location>",
        )
        .start();
    let e = Environ::parse(&server.text("/a.txt"));
    let root = server.root().display();
    e.is("mod_wsgi.request_handler", "'shout'");
    e.is(
        "mod_wsgi.handler_script",
        &format!("'{root}/apps/handler.py'"),
    );
    e.is("mod_wsgi.callable_object", "'handle_request'");
    e.is("SCRIPT_FILENAME", &format!("'{root}/htdocs/a.txt'"));
    let e = Environ::parse(&server.text("/virtual/page"));
    e.is("mod_wsgi.request_handler", "'shout'");
    server.finish();
}

#[test]
fn handler_script_options_and_reload_required() {
    let server = Server::builder().one_process()
        .app(
            "handler.py",
            &format!(
                "{}\nloads = open('@WORK@/events', 'a')\nloads.write('load\\n')\nloads.close()\n\
                 def reload_required(path):\n    return path.endswith('fresh.txt')\n",
                ENVIRON_APP.replace("def application", "def handle_request")
            ),
        )
        .file("htdocs/a.txt", b"text")
        .file("htdocs/fresh.txt", b"text")
        .modules(&["mime"])
        .conf(
            "TypesConfig /dev/null\nAddHandler shout .txt\n\
             WSGIHandlerScript shout @APPS@/handler.py application-group=loud pass-authorization=On \
             process-group=%{GLOBAL}",
        )
        .start();
    let request = Request::get("/a.txt").header("Authorization", "Basic eDp5");
    let e = Environ::parse(&server.ask(&request).ok().text());
    e.is("mod_wsgi.application_group", "'loud'");
    e.is("HTTP_AUTHORIZATION", "'Basic eDp5'");
    server.text("/a.txt");
    assert_eq!(server.events().len(), 1);
    server.text("/fresh.txt");
    assert_eq!(server.events().len(), 2);
    server.finish();
}

#[test]
fn an_inner_handler_script_wins_by_name() {
    let handler = |text: &str| {
        format!(
            "def handle_request(environ, start_response):\n    start_response('200 OK', [])\n    \
             return [b'{text}']\n"
        )
    };
    let server = Server::builder()
        .app("outer.py", &handler("outer"))
        .app("inner.py", &handler("inner"))
        .conf(
            "WSGIHandlerScript one @APPS@/outer.py\nWSGIHandlerScript two @APPS@/outer.py\n\
             <Location /one>\nSetHandler one\n</Location>\n<Location /two>\nSetHandler two\n</Location>\n\
             <Location /one/inner>\nWSGIHandlerScript one @APPS@/inner.py\n</Location>\n\
             <Location /two/inner>\nWSGIHandlerScript one @APPS@/inner.py\n</Location>",
        )
        .start();
    assert_eq!(server.text("/one/x"), "outer");
    assert_eq!(server.text("/one/inner"), "inner");
    assert_eq!(server.text("/two/inner"), "outer");
    server.finish();
}

#[test]
fn a_script_the_web_user_cannot_read_is_an_error_with_its_name() {
    let server = Server::builder()
        .app("secret.wsgi", NAMED_APP)
        .conf("WSGIScriptAlias / @APPS@/secret.wsgi");
    needs!(is_root(), "needs root: the web user must be another");
    let path = server.root().join("apps/secret.wsgi");
    allow(&path, 0o600);
    let server = server.start();
    assert_eq!(server.get("/").status, 500);
    server.expect_log("secret.wsgi");
    server.allow_log("PermissionError");
    server.allow_log("Permission denied");
    server.allow_log(&id("0105"));
    server.allow_log("Traceback");
    server.finish();
}
