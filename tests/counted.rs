//! Every request that begins is counted once, whatever becomes of it, and has its notes. The module under test here is
//! built with the feature `fault-injection`.

use crate::harness::{Builder, Request, Server, only_rsgi, wait_until};

const APP: &str = r#"
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served ", body]
"#;

const NOTES: &str =
    "%{rsgi_process_group}n %{rsgi_application_group}n %{rsgi_pid}n %{rsgi_run_time}n %>s %U";

/// Where requests run, and what that is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Embedded,
    Group,
}

impl Place {
    const BOTH: [Self; 2] = [Self::Embedded, Self::Group];

    const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "%{GLOBAL}",
            Self::Group => "one",
        }
    }
}

/// A server there whose module meets with a fault.
fn faulty(place: Place, (kind, fault): (&str, &str)) -> Server {
    let module = std::env::var("RSGI_TEST_FAULT_MODULE")
        .expect("ci/e2e builds it and sets RSGI_TEST_FAULT_MODULE");
    let builder = Server::builder();
    let builder: Builder = match place {
        Place::Embedded => builder.embedded(),
        Place::Group => builder.daemon("one", "processes=1 threads=2"),
    };
    builder
        .module_symbol(None)
        .conf_before_module(&format!("LoadModule wsgi_module \"{module}\"\n"))
        .env(&format!("RSGI_INJECT_{kind}"), fault)
        .modules(&["log_config"])
        .conf(&format!("CustomLog @WORK@/access.log \"{NOTES}\""))
        .conf("<Location /metrics>\nSetHandler rsgi-metrics\n</Location>")
        .serve(APP)
        .start()
}

/// One figure of the place.
#[track_caller]
fn told(server: &Server, place: Place, name: &str, labels: &str) -> f64 {
    let text = server.ask(&Request::get("/metrics")).ok().text();
    let name = format!("{name}{{group=\"{}\"{labels}}} ", place.name());
    let value = text.lines().find_map(|line| line.strip_prefix(&*name));
    let value = value.unwrap_or_else(|| panic!("no {name} in {text}"));
    value.parse().unwrap()
}

/// What was counted: answers of 2xx, of 5xx, failures for that cause, and run times.
#[track_caller]
fn counts(server: &Server, place: Place, cause: &str) -> [f64; 4] {
    [
        ("rsgi_requests_total", ",status=\"2xx\"".to_owned()),
        ("rsgi_requests_total", ",status=\"5xx\"".to_owned()),
        ("rsgi_failures_total", format!(",cause=\"{cause}\"")),
        ("rsgi_request_seconds_count", String::new()),
    ]
    .map(|(name, labels)| told(server, place, name, &labels))
}

/// The line of the access log that ends so.
#[track_caller]
fn access(server: &Server, end: &str) -> Vec<String> {
    let mut line = String::new();
    wait_until(&format!("a line with {end}"), || {
        let log = server.read("work/access.log");
        line = log
            .lines()
            .find(|line| line.ends_with(end))
            .unwrap_or_default()
            .to_owned();
        !line.is_empty()
    });
    line.split(' ').map(str::to_owned).collect()
}

/// The first request fails for that cause, the second is served; both are counted.
#[track_caller]
fn both_are_counted(server: &Server, place: Place, cause: &str) {
    assert_eq!(server.get("/first").status, 500);
    assert_eq!(server.get("/second").ok().text(), "served ");
    // What a group runs is timed by its processes, which did not get the first one.
    let timed = if place == Place::Embedded { 2.0 } else { 1.0 };
    let expected = [1.0, 1.0, 1.0, timed];
    wait_until("both requests are counted", || {
        let counted = counts(server, place, cause);
        assert!(
            counted.iter().zip(expected).all(|(got, most)| *got <= most),
            "counted twice: {counted:?}"
        );
        counted == expected
    });
    let line = access(server, " 500 /first");
    assert_eq!(line[..2], [place.name(), "%{GLOBAL}"], "{line:?}");
    if place == Place::Embedded {
        assert!(line[2].parse::<u32>().is_ok(), "{line:?}");
        assert!(line[3].parse::<u64>().is_ok(), "{line:?}");
    }
}

#[test]
fn a_request_for_which_there_is_no_memory_is_counted_and_has_its_notes() {
    only_rsgi!("faults are injected into our own module");
    for place in Place::BOTH {
        let server = faulty(place, ("WANT", "response*1"));
        both_are_counted(&server, place, "no_memory");
        server.expect_log("RSGI0301: httpd gave the request no memory");
        server.finish();
    }
}

#[test]
fn a_body_that_cannot_be_kept_is_a_503_and_not_the_clients_fault() {
    only_rsgi!("faults are injected into our own module");
    let server = faulty(Place::Group, ("WANT", "body*1"));
    let body = vec![b'x'; 200_000];
    let long = || server.ask(&Request::new("POST", "/long").body(&body));
    assert_eq!(long().status, 503);
    let line = server.expect_log("RSGI0309");
    for word in ["error", "`one`", "out of memory", "RSGIRequestBuffer"] {
        assert!(line.text.contains(word), "no {word}: {}", line.text);
    }
    assert_eq!(long().ok().text().len(), "served ".len() + body.len());
    wait_until("it is counted as what it is", || {
        counts(&server, Place::Group, "no_memory")[1..3] == [1.0, 1.0]
    });
    server.finish();
}

#[test]
fn a_request_that_panics_between_its_beginning_and_its_end_is_counted_and_has_its_notes() {
    only_rsgi!("faults are injected into our own module");
    for place in Place::BOTH {
        let server = faulty(place, ("PANIC", "run*1"));
        both_are_counted(&server, place, "panic");
        server.expect_log("RSGI0300: a panic was stopped in handler");
        server.finish();
    }
}

#[test]
fn a_request_of_a_group_whose_body_does_not_come_whole_is_counted() {
    only_rsgi!("faults are injected into our own module");
    let server = faulty(Place::Group, ("WANT", "nothing"));
    let mut connection = server.connect();
    connection.send("POST /cut HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    connection.half_close();
    wait_until("it is counted", || {
        told(
            &server,
            Place::Group,
            "rsgi_requests_total",
            ",status=\"4xx\"",
        ) == 1.0
    });
    let line = access(&server, " 400 /cut");
    assert_eq!(line[..2], ["one", "%{GLOBAL}"], "{line:?}");
    // Neither another answer nor a failure, and no process has run it.
    assert_eq!(counts(&server, Place::Group, "client_gone"), [0.0; 4]);
    server.finish();
}
