//! What applications write: wsgi.errors, sys.stdout, sys.stderr, and which log it reaches.

use crate::harness::{Request, Server, needs_threads};

const WRITING: &str = r#"
import sys
def application(environ, start_response):
    exec(environ["HTTP_X_CODE"])
    start_response("200 OK", [])
    return [b"ok"]
"#;

#[track_caller]
fn run(server: &Server, code: &str) {
    assert_eq!(
        server
            .ask(&Request::get("/").header("X-Code", code))
            .ok()
            .text(),
        "ok"
    );
}

#[test]
fn wsgi_errors_reaches_the_error_log_with_the_client() {
    let server = Server::builder().serve(WRITING).start();
    run(&server, "environ['wsgi.errors'].write('a line\\n')");
    let line = server.expect_log("a line");
    assert_eq!(line.level, "error");
    assert!(line.text.contains("[client 127.0.0.1:"), "{}", line.text);
    server.finish();
}

#[test]
fn stdout_and_stderr_reach_the_error_log_of_the_request() {
    let server = Server::builder().serve(WRITING).start();
    run(&server, "print('to stdout')");
    run(&server, "print('to stderr', file=sys.stderr)");
    for text in ["to stdout", "to stderr"] {
        let line = server.expect_log(text);
        assert_eq!(line.level, "error", "{}", line.text);
        assert!(line.text.contains("[client 127.0.0.1:"), "{}", line.text);
    }
    server.finish();
}

#[test]
fn each_line_is_a_record_and_a_partial_line_waits() {
    let server = Server::builder().serve(WRITING).start();
    run(
        &server,
        "e=environ['wsgi.errors'];e.write('one\\n');e.write('tw');e.write('o\\n');\
         e.writelines(['three','f\\n','g'])",
    );
    for text in ["one", "two", "threef", "g"] {
        let found = server
            .log()
            .into_iter()
            .filter(|l| l.message().ends_with(text))
            .count();
        assert_eq!(found, 1, "{text}");
        server.allow_log(text);
    }
    server.finish();
}

#[test]
fn flush_sends_a_partial_line() {
    let server = Server::builder().serve(WRITING).start();
    run(
        &server,
        "e=environ['wsgi.errors'];e.write('part');e.flush();e.write('rest\\n')",
    );
    server.expect_log("part");
    server.expect_log("rest");
    server.finish();
}

#[test]
fn text_that_is_not_ascii_is_utf_8_in_the_log() {
    let server = Server::builder().serve(WRITING).start();
    run(&server, "print('caf\\u00e9 \\u20ac')");
    let text = server.log_text();
    assert!(
        text.contains("caf\u{e9} \u{20ac}") || text.contains("caf\\xc3\\xa9 \\xe2\\x82\\xac"),
        "{text}"
    );
    server.allow_log("caf");
    server.finish();
}

#[test]
fn percent_signs_and_control_characters_are_harmless() {
    let server = Server::builder().serve(WRITING).start();
    run(
        &server,
        "print('%s %n %d 100%'); print('bell \\x07 esc \\x1b[31m')",
    );
    server.expect_log("%s %n %d 100%");
    server.expect_log("bell");
    assert!(
        !server.log_text().contains('\u{1b}'),
        "an escape reached the log"
    );
    server.finish();
}

#[test]
fn a_very_long_line_is_shortened_not_lost() {
    let server = Server::builder().serve(WRITING).start();
    run(&server, "print('start' + 'x' * 50000)");
    server.expect_log("startxxx");
    server.allow_log("xxxx");
    run(&server, "print('after it')");
    server.expect_log("after it");
    server.finish();
}

#[test]
fn each_virtual_host_gets_its_own_lines() {
    let server = Server::builder()
        .app("app.wsgi", WRITING)
        .conf(
            "WSGIApplicationGroup %{GLOBAL}\n\
             <VirtualHost *:@PORT@>\nServerName one.example\nErrorLog @ROOT@/one.log\n\
             WSGIScriptAlias / @APPS@/app.wsgi\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName two.example\nErrorLog @ROOT@/two.log\n\
             WSGIScriptAlias / @APPS@/app.wsgi\n</VirtualHost>",
        )
        .start();
    for host in ["one", "two"] {
        for stream in ["environ['wsgi.errors']", "sys.stdout", "sys.stderr"] {
            let request = Request::get("/")
                .header("Host", &format!("{host}.example"))
                .header(
                    "X-Code",
                    &format!("print('{host} {}', file={stream})", &stream[..3]),
                );
            server.ask(&request).ok();
        }
        let request = Request::get("/").header("Host", &format!("{host}.example"));
        assert_eq!(server.ask(&request).status, 500);
    }
    for (host, other) in [("one", "two"), ("two", "one")] {
        let log = server.read(&format!("{host}.log"));
        assert_eq!(log.matches(&format!("{host} env")).count(), 1, "{log}");
        assert_eq!(log.matches(&format!("{host} sys")).count(), 2, "{log}");
        assert!(log.contains("KeyError: 'HTTP_X_CODE'"), "{log}");
        assert!(!log.contains(&format!("{other} ")), "{log}");
    }
    server.finish();
}

#[test]
fn lines_of_threads_without_a_request_reach_the_servers_log() {
    let server = Server::builder().serve(WRITING).start();
    run(
        &server,
        "import threading; t=threading.Thread(target=lambda: print('from a thread')); t.start(); t.join()",
    );
    let line = server.expect_log("from a thread");
    assert_eq!(line.level, "error");
    server.finish();
}

#[test]
fn the_logging_module_and_warnings_write_to_the_log() {
    let server = Server::builder().serve(WRITING).start();
    run(
        &server,
        "import logging; logging.warning('a warning of %s', 'mine')",
    );
    server.expect_log("WARNING:root:a warning of mine");
    run(&server, "import warnings; warnings.warn('mind this')");
    server.expect_log("UserWarning: mind this");
    server.allow_log("warnings.warn");
    server.finish();
}

#[test]
fn log_level_of_the_module_filters_its_notes() {
    let server = Server::builder()
        .serve(WRITING)
        .log_level("info wsgi:debug")
        .start();
    run(&server, "pass");
    let has = |level: &str| {
        server
            .log()
            .iter()
            .any(|l| l.module == "wsgi" && l.level == level)
    };
    assert!(has("info"), "{}", server.log_text());
    server.finish();
    let server = Server::builder()
        .serve(WRITING)
        .log_level("info wsgi:warn")
        .start();
    run(&server, "pass");
    let quiet = server.log().into_iter().all(|l| l.module != "wsgi");
    assert!(quiet, "{}", server.log_text());
    server.finish();
}

#[test]
fn loading_a_script_is_noted() {
    let server = Server::builder().serve(WRITING).start();
    run(&server, "pass");
    let line = server
        .log()
        .into_iter()
        .find(|l| l.level == "info" && l.text.contains("app.wsgi"));
    assert!(line.is_some(), "{}", server.log_text());
    server.finish();
}

#[test]
fn two_requests_at_once_do_not_mix_their_lines() {
    needs_threads!("two requests meet");
    let server = Server::builder()
        .one_process()
        .serve(
            r#"
import threading
both = threading.Barrier(2, timeout=10)
def application(environ, start_response):
    name = environ["PATH_INFO"][1:]
    errors = environ["wsgi.errors"]
    for n in range(20):
        errors.write(name)
        both.wait()
        errors.write(name + "\n")
    start_response("200 OK", [])
    return [b"ok"]
"#,
        )
        .start();
    std::thread::scope(|scope| {
        scope.spawn(|| server.text("/aaa"));
        scope.spawn(|| server.text("/bbb"));
    });
    for text in ["aaaaaa", "bbbbbb"] {
        let found = server
            .log()
            .into_iter()
            .filter(|l| l.message().ends_with(text))
            .count();
        assert_eq!(found, 20, "{text}");
        server.allow_log(text);
    }
    server.finish();
}
