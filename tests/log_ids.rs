//! What ties a request's lines together: its id in the error log and the access log, and notes in the latter.

use crate::harness::{Builder, Mode, Request, Server, mode, only_rsgi, wait_until};

const APP: &str = r#"
import os, sys, time
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sleep":
        time.sleep(float(environ["QUERY_STRING"]))
    if path == "/say":
        print("by errors", file=environ["wsgi.errors"])
        print("by stdout")
        print("by stderr", file=sys.stderr)
    if path == "/raise":
        raise RuntimeError("as asked")
    body = f"{os.getpid()} {environ.get('mod_wsgi.request_id')}".encode()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]
"#;

/// A virtual host with logs of its own: of errors with the request's id first, and of accesses with this format.
fn serve(builder: Builder, format: &str) -> Builder {
    let conf = format!(
        "<VirtualHost *:@PORT@>\nServerName ids.example\n\
         ErrorLog @ROOT@/own.log\nErrorLogFormat \"id=%L %-m:%l %M\"\nLogLevel info\n\
         CustomLog @ROOT@/access.log \"{format}\"\n\
         WSGIScriptAlias / @APPS@/app.wsgi\nWSGIApplicationGroup %{{GLOBAL}}\n</VirtualHost>"
    );
    builder.app("app.wsgi", APP).conf(&conf)
}

/// The only line of the access log that ends like this.
#[track_caller]
fn access(server: &Server, end: &str) -> String {
    let mut line = None;
    wait_until(&format!("a line of the access log with {end}"), || {
        let log = server.read("access.log");
        line = log
            .lines()
            .find(|line| line.ends_with(end))
            .map(str::to_owned);
        line.is_some()
    });
    line.unwrap()
}

#[test]
fn lines_about_a_request_have_its_id() {
    let server = serve(Server::builder(), "%L %U").start();
    let text = server.ask(&Request::get("/say")).ok().text();
    let id = text.split(' ').nth(1).unwrap().to_owned();
    assert_eq!(access(&server, " /say"), format!("{id} /say"));
    assert_eq!(server.ask(&Request::get("/raise")).status, 500);
    let failed = access(&server, " /raise");
    let failed = failed.split(' ').next().unwrap();
    assert_ne!(failed, id);
    let log = server.read("own.log");
    for (id, text) in [
        (&*id, "by errors"),
        (&id, "by stdout"),
        (&id, "by stderr"),
        (failed, "RuntimeError: as asked"),
        (failed, "Traceback"),
    ] {
        let line = log.lines().find(|line| line.contains(text));
        let line = line.unwrap_or_else(|| panic!("no {text} in {log}"));
        assert!(
            line.starts_with(&format!("id={id} wsgi:error ")),
            "{line} is not of {id}"
        );
    }
    server.finish();
}

#[test]
fn what_the_module_says_of_a_request_that_it_refuses_has_its_id() {
    let server = serve(Server::builder(), "%L %U")
        .conf("<Location /none>\nWSGIProcessGroup nowhere\n</Location>")
        .start();
    assert_eq!(server.ask(&Request::get("/none")).status, 500);
    let line = access(&server, " /none");
    let id = line.split(' ').next().unwrap();
    let log = server.read("own.log");
    let told = log.lines().find(|line| line.contains("nowhere"));
    assert!(
        told.is_some_and(|line| line.starts_with(&format!("id={id} "))),
        "{id}: {log}"
    );
    server.finish();
}

#[test]
fn notes_say_where_a_request_ran_and_for_how_long() {
    only_rsgi!("the notes are ours");
    let format = "%{rsgi_pid}n %{rsgi_process_group}n %{rsgi_application_group}n %{rsgi_queue_time}n %{rsgi_run_time}n %U";
    let server = serve(Server::builder(), format).start();
    let text = server.ask(&Request::get("/sleep?0.2")).ok().text();
    let line = access(&server, " /sleep");
    let words: Vec<&str> = line.split(' ').collect();
    let [pid, process_group, application_group, queued, ran, _] = words[..] else {
        panic!("{line}");
    };
    assert_eq!(Some(pid), text.split(' ').next(), "{line}");
    assert_eq!(application_group, "%{GLOBAL}");
    let micros: u64 = ran.parse().unwrap();
    assert!((200_000..30_000_000).contains(&micros), "{line}");
    if mode() == Mode::Embedded {
        assert_eq!((process_group, queued), ("%{GLOBAL}", "-"), "{line}");
    } else {
        assert_eq!(process_group, "e2e", "{line}");
        assert!(queued.parse::<u64>().is_ok(), "{line}");
    }
    server.finish();
}

#[test]
fn the_time_in_the_queue_is_a_note_of_its_own() {
    only_rsgi!("the notes are ours");
    let builder = Server::builder().daemon("one", "processes=1 threads=1");
    let server = serve(builder, "%{rsgi_queue_time}n %{rsgi_run_time}n %U").start();
    server.ask(&Request::get("/")).ok();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.ask(&Request::get("/sleep?0.5")).ok());
        let second = scope.spawn(|| server.ask(&Request::get("/sleep?0.5")).ok());
        first.join().unwrap();
        second.join().unwrap();
    });
    let times = || {
        let log = server.read("access.log");
        let lines = log.lines().filter(|line| line.ends_with(" /sleep"));
        let mut times: Vec<u64> = lines
            .map(|line| line.split(' ').next().unwrap().parse().unwrap())
            .collect();
        times.sort_unstable();
        times
    };
    wait_until("both are in the access log", || times().len() == 2);
    let [one, other] = times()[..] else {
        unreachable!()
    };
    // One of them had a thread at once, the other half a second later.
    assert!(one + 200_000 < other, "{one} {other}");
    server.finish();
}
