//! Events of requests: `subscribe_events`.

use super::{APP, ask, now, recording, says, silent};
use crate::harness::{Mode, Request, Server, id, mode, needs_threads};

/// The keys of an event, sorted.
#[track_caller]
fn keys(server: &Server, name: &str, expected: &str) {
    says(server, &format!("','.join(sorted(of('{name}')))"), expected);
}

#[test]
fn events_of_a_request_come_in_order_with_their_keys() {
    let server = recording().start();
    server.get("/generated").ok();
    says(
        &server,
        "first()",
        "['request_started', 'response_started', 'request_finished']",
    );
    keys(
        &server,
        "request_started",
        "application_object,application_start,callable_object,daemon_connects,\
         daemon_restarts,daemon_start,queue_start,request_data,request_environ,request_id,\
         request_start,server_pid,thread_id",
    );
    keys(
        &server,
        "response_started",
        "exception_info,request_data,request_id,response_headers,response_status",
    );
    keys(
        &server,
        "request_finished",
        "application_finish,application_time,cpu_system_time,cpu_time,cpu_user_time,\
         daemon_start,gil_wait_count,gil_wait_time,input_length,input_reads,input_time,\
         output_length,output_time,output_writes,queue_start,request_data,request_id,\
         request_start,server_pid,status,thread_id",
    );
    server.finish();
}

#[test]
fn the_beginning_of_a_request_says_what_its_environ_says() {
    let server = recording().start();
    let is_daemon = mode() != Mode::Embedded;
    says(
        &server,
        "(lambda e: (e['request_environ'] is environ, e['request_id'] == environ['mod_wsgi.request_id'], \
         e['thread_id'] == environ['mod_wsgi.thread_id'], e['server_pid'] == int(environ['mod_wsgi.server_pid']), \
         e['callable_object'], e['application_object'] is application, \
         e['application_start'] == environ['mod_wsgi.application_start'], \
         e['queue_start'] == environ['mod_wsgi.queue_start'], \
         e['daemon_start'] == environ['mod_wsgi.daemon_start'], \
         e['request_start'] == environ['mod_wsgi.request_start'], \
         e['daemon_connects'], e['daemon_restarts']))(of('request_started'))",
        &format!(
            "(True, True, True, True, 'application', True, True, True, True, True, {}, 0)",
            i32::from(is_daemon)
        ),
    );
    says(
        &server,
        "(lambda e: (e['response_status'], e['response_headers'], e['exception_info']))(of('response_started'))",
        "('200 OK', [('Content-Type', 'text/plain'), ('X-Own', '1')], None)",
    );
    server.finish();
}

#[test]
fn a_request_says_how_many_processes_it_was_given_to_and_how_many_were_about_to_be_replaced() {
    let server = recording().start();
    let tries = "(lambda e: (e['daemon_connects'], e['daemon_restarts']))\
                 ([e for n, e in seen if n == 'request_started'][-1])";
    let expected = |in_group: &str| match mode() {
        Mode::Embedded => "(0, 0)".to_owned(),
        _ => in_group.to_owned(),
    };
    says(&server, tries, &expected("(1, 0)"));
    // The process finds that it has another script.
    let file = std::fs::File::options()
        .append(true)
        .open(server.root().join("apps/app.wsgi"));
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    file.unwrap().set_modified(time).unwrap();
    says(&server, tries, &expected("(2, 1)"));
    says(&server, tries, &expected("(1, 0)"));
    server.finish();
}

#[test]
fn the_end_of_a_request_says_what_was_read_and_sent() {
    let server = recording().start();
    let count = |path: &str, body: &str| {
        server.ask(&Request::new("POST", path).body(body)).ok();
        let expression = format!(
            "(lambda e: (e['status'], e['input_length'], e['input_reads'] > 0, e['output_length'], \
             e['output_writes'], 0 <= e['application_time'] < 60, e['cpu_time'] <= e['application_time'] * 1.001, \
             e['application_finish'] >= e['request_start'], e['gil_wait_count'] >= 0))(finished('{path}'))"
        );
        ask(&server, &expression)
    };
    let said = |input: &str, output: &str, writes: &str| {
        format!("(200, {input}, True, {output}, {writes}, True, True, True, True)")
    };
    assert_eq!(count("/", "hello"), said("5", "6", "1"));
    assert_eq!(count("/generated", ""), said("0", "30", "2"));
    assert_eq!(count("/many", "12345678"), said("8", "60000", "2"));
    assert_eq!(count("/large", "x"), said("1", "300000", "1"));
    server.finish();
}

#[test]
fn an_exception_is_an_event_of_its_own() {
    let server = recording().start();
    assert_eq!(server.get("/raise").status, 500);
    server.expect_traceback("ValueError: from the application");
    says(
        &server,
        "first()",
        "['request_started', 'request_exception', 'request_finished']",
    );
    keys(
        &server,
        "request_exception",
        "exception_info,request_data,request_id",
    );
    says(
        &server,
        "(lambda i: (i[0].__name__, str(i[1]), type(i[2]).__name__, len(i)))\
         (of('request_exception')['exception_info'])",
        "('ValueError', 'from the application', 'traceback', 3)",
    );
    says(&server, "of('request_finished')['status']", "500");
    server.finish();
}

#[test]
fn an_exception_while_the_response_is_sent_is_one_too() {
    let server = recording().start();
    let mut connection = server.connect();
    connection.send(Request::get("/late").to_bytes());
    assert_eq!(connection.head().status, 200);
    connection.rest();
    server.expect_traceback("KeyError: 'while it was sent'");
    says(
        &server,
        "(first(), of('request_finished')['status'], of('request_finished')['output_length'])",
        "(['request_started', 'response_started', 'request_exception', 'request_finished'], 200, 5)",
    );
    server.finish();
}

#[test]
fn an_application_that_never_starts_its_response_ends_with_500() {
    let server = recording().start();
    assert_eq!(server.get("/nothing").status, 500);
    server.expect_error("RuntimeError");
    says(
        &server,
        "(first(), of('request_finished')['status'])",
        "(['request_started', 'request_exception', 'request_finished'], 500)",
    );
    server.finish();
}

const WRAPPING: &str = r#"
def wrap(name, **event):
    if name == "request_started":
        inner = event["application_object"]
        def outer(environ, start_response):
            return [b"wrapped "] + list(inner(environ, start_response))
        return {"application_object": outer, "callable_object": "outer", "added": 1}

def look(name, **event):
    looks.append((event.get("request_id"), (name, event.get("added"), event.get("callable_object"))))
    return 5

looks = []
mod_wsgi.subscribe_events(look)
mod_wsgi.subscribe_events(wrap)
mod_wsgi.subscribe_events(look)
"#;

#[test]
fn a_callback_replaces_the_application_and_is_seen_by_those_behind_it() {
    let server = Server::builder()
        .one_process()
        .serve(&format!("{APP}{WRAPPING}"))
        .start();
    assert_eq!(server.text("/"), "wrapped read 0");
    says(
        &server,
        "[look for number, look in looks if number == looks[0][0]]",
        "wrapped [('request_started', None, 'application'), ('request_started', 1, 'outer'), \
         ('response_started', None, None), ('response_started', None, None), \
         ('request_finished', None, None), ('request_finished', None, None)]",
    );
    server.finish();
}

const BROKEN: &str = r#"
def broken(name, **event):
    raise LookupError("broken callback")
def leaving(name, **event):
    raise SystemExit(3)
mod_wsgi.subscribe_events(broken)
mod_wsgi.subscribe_events(leaving)
mod_wsgi.subscribe_events(record)
"#;

#[test]
fn a_callback_that_raises_is_logged_and_hurts_nobody() {
    let server = Server::builder()
        .one_process()
        .serve(&format!("{APP}{BROKEN}"))
        .start();
    assert_eq!(server.text("/"), "read 0");
    says(
        &server,
        "first()",
        "['request_started', 'response_started', 'request_finished']",
    );
    for (number, name) in [("0112", "LookupError"), ("0190", "SystemExit")] {
        server.expect_log(&id(number));
        // A group's process tells of what comes behind the answer by another way, which may be the shorter one.
        let log = server.log().into_iter();
        let mut lines = log.filter(|line| line.text.contains(&id(number)));
        let line = lines.find(|line| line.text.contains("'request_started'"));
        let line = line.expect("a line about the first event");
        assert!(line.text.contains(name), "{}", line.text);
        assert_eq!(line.level, "error");
    }
    server.allow_log("LookupError: broken callback");
    server.allow_log("SystemExit: 3");
    server.allow_log("Traceback");
    server.allow_log("  File ");
    server.allow_log("    raise ");
    server.finish();
}

#[test]
fn what_is_taken_out_of_the_list_is_not_called_any_more() {
    let server = recording().start();
    says(
        &server,
        "(mod_wsgi.event_callbacks.remove(record), mod_wsgi.event_callbacks, seen.clear())",
        "(None, [], None)",
    );
    server.get("/").ok();
    says(&server, "names()", "[]");
    // A callback that is put into the list itself counts as well.
    says(&server, "mod_wsgi.event_callbacks.append(record)", "None");
    server.get("/").ok();
    says(&server, "names().count('request_started')", "2");
    server.finish();
}

#[test]
fn interpreters_have_callbacks_of_their_own() {
    let server = Server::builder()
        .one_process()
        .app(
            "app.wsgi",
            &format!("{APP}\nmod_wsgi.subscribe_events(record)\n"),
        )
        .app("other.wsgi", APP)
        .conf(
            "WSGIScriptAlias /one @APPS@/app.wsgi application-group=one\n\
             WSGIScriptAlias /two @APPS@/other.wsgi application-group=two",
        )
        .start();
    let worth = |path: &str, expression: &str| {
        let request = Request::get(path).header("X-Ask", expression);
        server.ask(&request).ok().text()
    };
    server.get("/one/").ok();
    server.get("/two/").ok();
    assert_eq!(worth("/one/ask", "names().count('request_finished')"), "1");
    assert_eq!(
        worth("/two/ask", "(names(), mod_wsgi.event_callbacks)"),
        "([], [])"
    );
    server.finish();
}

#[test]
fn events_of_requests_at_the_same_time_keep_to_their_own() {
    needs_threads!("it needs two requests");
    let source = format!(
        "{APP}\nmod_wsgi.subscribe_events(record)\nmeet = threading.Barrier(2)\n\
         def note():\n    mod_wsgi.request_data()['own'] = threading.get_ident()\n    meet.wait(30)\n    \
         return mod_wsgi.request_data()['own'] == threading.get_ident()\n"
    );
    let server = Server::builder().one_process().serve(&source).start();
    assert_eq!(now(&server, "1"), "1");
    std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| assert_eq!(now(&server, "note()"), "True")));
        for one in both {
            one.join().unwrap();
        }
    });
    says(
        &server,
        "len({e['request_id'] for n, e in seen if n == 'request_finished' and e['request_data']})",
        "2",
    );
    server.finish();
}

#[test]
fn nothing_is_told_of_a_request_without_subscribers() {
    let server = silent().start();
    server.get("/").ok();
    says(&server, "(names(), mod_wsgi.event_callbacks)", "([], [])");
    says(
        &server,
        "mod_wsgi.subscribe_events(record) is record",
        "True",
    );
    server.get("/").ok();
    says(&server, "names().count('request_started')", "2");
    server.finish();
}

#[test]
fn who_subscribes_in_a_request_hears_of_the_rest_of_it() {
    let server = silent().start();
    says(
        &server,
        "mod_wsgi.subscribe_events(record) is record",
        "True",
    );
    says(
        &server,
        "(first(), of('request_finished')['status'], 'cpu_time' in of('request_finished'), \
         0 <= of('request_finished')['application_time'] < 60)",
        "(['response_started', 'request_finished'], 200, False, True)",
    );
    server.finish();
}
