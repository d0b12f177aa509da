//! Telemetry: what processes tell a service, read by the reader of mod_wsgi-telemetry.

mod collectors;
mod fields;
mod life;
mod service;

use crate::harness::{Mode, Request, Server, mode, only_rsgi, signal, wait_until};

use service::{field, finish, number, telling};

const APP: &str = r#"
import mod_wsgi, time
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sleep":
        time.sleep(float(environ["QUERY_STRING"].split("&")[0]))
    read = len(environ["wsgi.input"].read())
    body = f"{mod_wsgi.request_metrics()} {mod_wsgi.process_metrics()} {read}".encode()
    start_response("404 Not Found" if path == "/none" else "200 OK", [("Content-Type", "text/plain")])
    return [body]
"#;

#[test]
fn each_interval_tells_what_happened_in_it() {
    let (builder, service) = telling(Server::builder().one_process());
    let server = builder.serve(APP).start();
    for path in ["/", "/none"] {
        server.ask(&Request::get(path));
    }
    let reply = server.ask(&Request::new("POST", "/").body(b"12345")).ok();
    // mod_wsgi: with telemetry the figures are the service's.
    assert_eq!(reply.text(), "None None 5");
    let mut parts = vec![
        "|mod_wsgi_version=6.1.1|",
        "|python_version=3.",
        "|apache_version=Apache/2.4.",
        "|mpm_name=event|",
    ];
    if mode() != Mode::Embedded {
        parts.push("|process_group=e2e|");
    }
    service.wait("process_started", &parts);
    let samples = || service.all("request_metrics");
    let sum = |name: &str| samples().iter().map(|line| number(line, name)).sum::<f64>();
    wait_until("all requests are told of", || sum("request_count") == 3.0);
    for (name, expected) in [
        ("status_2xx_total", 2.0),
        ("status_4xx_total", 1.0),
        ("input_bytes_total", 5.0),
        ("output_writes_total", 3.0),
    ] {
        assert_eq!(sum(name), expected, "{name} in {:?}", samples());
    }
    let busy = samples()
        .into_iter()
        .find(|line| number(line, "request_count") > 0.0)
        .unwrap();
    for part in parts {
        assert!(busy.contains(part), "no {part} in {busy}");
    }
    assert_eq!(number(&busy, "telemetry_interval"), 0.5);
    assert!(
        (0.4..30.0).contains(&number(&busy, "sample_period")),
        "{busy}"
    );
    assert!(number(&busy, "memory_rss") > 1e6, "{busy}");
    assert!(number(&busy, "application_time_max") >= number(&busy, "application_time_min"));
    let buckets = field(&busy, "application_time_buckets").unwrap();
    assert_eq!(buckets.split(',').count(), 65, "{busy}");
    for name in ["queue_time", "process_group"] {
        let is_there = field(&busy, name).is_some();
        assert_eq!(is_there, mode() != Mode::Embedded, "{name} in {busy}");
    }
    let sequence: Vec<f64> = samples().iter().map(|line| number(line, "seq")).collect();
    assert!(sequence.is_sorted(), "{sequence:?}");
    finish(server, service);
}

#[test]
fn slow_requests_are_told_of_while_they_run_and_when_they_are_over() {
    let (builder, service) = telling(Server::builder());
    let server = builder
        .conf("WSGISlowRequests 0.3\nWSGITelemetryOptions +CaptureUserAgent")
        .serve(APP)
        .start();
    let request = Request::get("/sleep?1.6&secret=1").header("User-Agent", "Tester/1");
    server.ask(&request).ok();
    server.ask(&Request::get("/")).ok();
    let common = [
        "|slow_method=GET|",
        "|slow_scheme=http|",
        "|slow_path_info=/sleep|",
        "|slow_protocol=HTTP/1.1|",
        "|slow_peer_ip=127.0.0.1|",
        "|slow_user_agent=Tester/1|",
    ];
    let active = service.wait(
        "slow_request",
        &[&common[..], &["|slow_record_state=0|", "|slow_status=0|"]].concat(),
    );
    let done = service.wait(
        "slow_request",
        &[&common[..], &["|slow_record_state=1|", "|slow_status=200|"]].concat(),
    );
    assert!(
        (0.3..1.7).contains(&number(&active, "slow_duration")),
        "{active}"
    );
    assert!(number(&done, "slow_duration") >= 1.6, "{done}");
    assert!(number(&done, "slow_application_time") >= 1.6, "{done}");
    assert_eq!(field(&active, "slow_log_id"), field(&done, "slow_log_id"));
    for told in [&active, &done] {
        assert_eq!(number(told, "slow_active_at_start"), 1.0, "{told}");
    }
    assert_eq!(
        field(&active, "slow_start_stamp"),
        field(&done, "slow_start_stamp")
    );
    let without_application =
        number(&done, "slow_duration") - number(&done, "slow_application_time");
    assert!((0.0..0.1).contains(&without_application), "{done}");
    assert!(number(&active, "slow_gil_wait_count") >= 1.0, "{active}");
    let child = server.children();
    assert!(
        child.contains(&(number(&done, "slow_server_pid") as i32)),
        "{done} {child:?}"
    );
    let told = service.told.lock().unwrap().join("\n");
    assert!(!told.contains("secret"), "a query was told: {told}");
    finish(server, service);
}

#[test]
fn who_a_client_says_it_is_is_only_told_where_that_is_wanted() {
    let (builder, service) = telling(Server::builder());
    let server = builder.conf("WSGISlowRequests 0.1").serve(APP).start();
    let request = Request::get("/sleep?0.2").header("User-Agent", "Tester/1");
    server.ask(&request).ok();
    let done = service.wait("slow_request", &["|slow_record_state=1|"]);
    assert_eq!(field(&done, "slow_user_agent"), None, "{done}");
    finish(server, service);
}

#[test]
fn a_process_of_a_group_tells_of_its_end_and_why() {
    only_rsgi!("the oracle is mod_wsgi's own reader");
    let (builder, service) = telling(Server::builder());
    let server = builder
        .daemon("one", "processes=1 threads=2 maximum-requests=3")
        .serve(APP)
        .start();
    for _ in 0..3 {
        server.ask(&Request::get("/")).ok();
    }
    let stopping = service.wait(
        "process_stopping",
        &["|shutdown_reason=maximum_requests|", "|process_group=one|"],
    );
    let pid = format!("|pid={}|", field(&stopping, "pid").unwrap());
    let stopped = service.wait(
        "process_stopped",
        &[&pid, "|lifetime_request_count=3|", "|graceful_drain=1|"],
    );
    assert!(
        number(&stopped, "seq") > number(&stopping, "seq"),
        "{stopped}"
    );
    let samples = service.all("request_metrics");
    let own = samples.iter().filter(|line| line.contains(&pid));
    let counted: f64 = own.map(|line| number(line, "request_count")).sum();
    assert_eq!(counted, 3.0, "the last interval is told as well");
    finish(server, service);
}

#[test]
fn a_child_of_apaches_tells_of_its_end() {
    only_rsgi!("the oracle is mod_wsgi's own reader");
    let (builder, service) = telling(Server::builder().embedded());
    let server = builder.serve(APP).start();
    server.ask(&Request::get("/")).ok();
    let child = server.children()[0];
    let pid = format!("|pid={child}|");
    service.wait("process_started", &[&pid]);
    signal(server.pid(), libc::SIGUSR1);
    service.wait("process_stopping", &[&pid]);
    service.wait("process_stopped", &[&pid, "|lifetime_request_count=1|"]);
    finish(server, service);
}

#[test]
fn a_service_that_is_not_there_is_no_matter() {
    only_rsgi!("the oracle is mod_wsgi's own reader");
    let server = Server::builder()
        .conf("WSGITelemetryService unix:@WORK@/none.sock interval=0.5\nWSGISlowRequests 0.1")
        .serve(APP)
        .start();
    server.ask(&Request::get("/sleep?0.8")).ok();
    server.finish();
}

#[test]
fn a_path_that_no_socket_can_have_is_told_and_served_without() {
    only_rsgi!("the oracle is mod_wsgi's own reader");
    let long = "x".repeat(120);
    let server = Server::builder()
        .conf(&format!("WSGITelemetryService unix:/tmp/{long}"))
        .serve(APP)
        .start();
    server.ask(&Request::get("/")).ok();
    server.expect_log("RSGI0132: nothing can be told to the telemetry service at `/tmp/xxx");
    server.finish();
}

#[test]
fn directives_of_telemetry_stand_in_the_main_server_and_the_last_one_counts() {
    for line in [
        "WSGITelemetryService unix:/run/t.sock",
        "WSGITelemetryService unix:/run/t.sock interval=2\nWSGITelemetryService unix:/run/u.sock",
        "WSGISlowRequests 0\nWSGISlowRequests 2.5",
        "WSGITelemetryOptions CaptureUserAgent\nWSGITelemetryOptions -CaptureUserAgent",
    ] {
        Server::builder().conf(line).check().accepted();
        let host = format!("<VirtualHost *:@PORT@>\n{line}\n</VirtualHost>");
        let check = Server::builder().conf(&host).check();
        check.refused_with(&["cannot occur within <VirtualHost> section"]);
    }
}

#[test]
fn directives_of_telemetry_refuse_what_means_nothing() {
    for (line, parts) in [
        ("WSGITelemetryService", ["WSGITelemetryService", "socket"]),
        (
            "WSGITelemetryService /run/t.sock",
            ["WSGITelemetryService", "unix:"],
        ),
        (
            "WSGITelemetryService unix:/t interval=0.1",
            ["WSGITelemetryService", "interval"],
        ),
        (
            "WSGITelemetryService unix:/t every=1",
            ["WSGITelemetryService", "interval="],
        ),
        ("WSGISlowRequests -1", ["WSGISlowRequests", ""]),
        ("WSGITelemetryOptions", ["WSGITelemetryOptions", ""]),
        (
            "WSGITelemetryOptions CaptureUserAgent +CaptureUserAgent",
            ["WSGITelemetryOptions", ""],
        ),
        (
            "WSGITelemetryOptions Other",
            ["WSGITelemetryOptions", "Other"],
        ),
    ] {
        Server::builder().conf(line).check().refused_with(&parts);
    }
}
