//! Telemetry: what processes tell a service, read by the reader of mod_wsgi-telemetry.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::harness::{Builder, Mode, Request, Server, mode, only_rsgi, signal, wait_until};
use crate::kit::{self, venv};

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

/// Binds a socket and prints what comes there: a line of kind, pid, sequence, and each field as `name=value`.
const READER: &str = r#"
import os, socket, sys
from mod_wsgi.telemetry.wire import decode
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
print("ready", flush=True)
while True:
    sample = decode(s.recv(65536))
    assert sample.version == 1
    show = lambda v: v.decode() if isinstance(v, bytes) else repr(v)
    fields = "|".join(f"{k}={show(v)}" for k, v in sample.fields.items())
    print(f"{sample.kind_name}|pid={sample.pid}|seq={sample.seq}|{fields}|", flush=True)
"#;

/// The service.
struct Service {
    child: Child,
    told: Arc<Mutex<Vec<String>>>,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn start(socket: &Path) -> Self {
        let packages = ["--no-deps", "mod_wsgi-telemetry"];
        let python = venv(&kit::system_python(), "telemetry", &packages).join("bin/python3");
        let mut child = Command::new(python)
            .args(["-c", READER])
            .arg(socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let kept = Arc::clone(&told);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        let service = Self { child, told };
        wait_until("the service listens", || !service.all("ready").is_empty());
        service
    }

    /// What was told of that kind.
    fn all(&self, kind: &str) -> Vec<String> {
        let told = self.told.lock().unwrap();
        let is_it = |line: &&String| line.split('|').next() == Some(kind);
        told.iter().filter(is_it).cloned().collect()
    }

    /// Waits for one of that kind with all of these.
    #[track_caller]
    fn wait(&self, kind: &str, parts: &[&str]) -> String {
        let mut found = None;
        wait_until(&format!("{kind} with {parts:?}"), || {
            let is_it = |line: &String| parts.iter().all(|part| line.contains(part));
            found = self.all(kind).into_iter().find(is_it);
            found.is_some()
        });
        found.unwrap()
    }
}

/// One field.
fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let start = format!("{name}=");
    line.split('|').find_map(|part| part.strip_prefix(&*start))
}

#[track_caller]
fn number(line: &str, name: &str) -> f64 {
    let text = field(line, name).unwrap_or_else(|| panic!("no {name} in {line}"));
    text.parse().unwrap_or_else(|_| panic!("{name} in {line}"))
}

fn telling(builder: Builder) -> (Builder, Service) {
    let service = Service::start(&builder.root().join("work/t.sock"));
    let builder = builder.conf("WSGITelemetryService unix:@WORK@/t.sock interval=0.5");
    (builder, service)
}

/// Ends both; the service would be a process left behind.
#[track_caller]
fn finish(server: Server, service: Service) {
    drop(service);
    server.finish();
}

#[test]
fn each_interval_tells_what_happened_in_it() {
    only_rsgi!("the oracle is mod_wsgi's own reader");
    let (builder, service) = telling(Server::builder().one_process());
    let server = builder.serve(APP).start();
    for path in ["/", "/none"] {
        server.ask(&Request::get(path));
    }
    let reply = server.ask(&Request::new("POST", "/").body(b"12345")).ok();
    // mod_wsgi: with telemetry the figures are the service's.
    assert_eq!(reply.text(), "None None 5");
    let group = if mode() == Mode::Embedded { "" } else { "e2e" };
    let group = format!("|process_group={group}|");
    let parts = [
        &*group,
        "|mod_wsgi_version=6.1.1|",
        "|python_version=3.",
        "|apache_version=2.4.",
        "|mpm_name=event|",
    ];
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
    assert_eq!(
        field(&busy, "queue_time").is_some(),
        mode() != Mode::Embedded,
        "{busy}"
    );
    let sequence: Vec<f64> = samples().iter().map(|line| number(line, "seq")).collect();
    assert!(sequence.is_sorted(), "{sequence:?}");
    finish(server, service);
}

#[test]
fn slow_requests_are_told_of_while_they_run_and_when_they_are_over() {
    only_rsgi!("the oracle is mod_wsgi's own reader");
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
    assert_eq!(number(&done, "slow_active_at_start"), 1.0, "{done}");
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
    only_rsgi!("the oracle is mod_wsgi's own reader");
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
