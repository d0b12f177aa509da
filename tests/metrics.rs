//! `SetHandler rsgi-metrics`: what Prometheus reads, checked by its own parsers.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::harness::{
    Builder, Mode, Reply, Request, Server, mode, note_skipped, only_rsgi, signal, wait_until,
};
use crate::kit::{self, venv};

const APP: &str = r#"
import os, signal, time
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sleep":
        time.sleep(float(environ["QUERY_STRING"]))
    if path == "/die":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/raise":
        raise RuntimeError("as asked")
    if path == "/cut":
        def body():
            yield b"x" * 10
            raise RuntimeError("as asked")
        start_response("200 OK", [("Content-Length", "100")])
        return body()
    status = "404 Not Found" if path == "/none" else "200 OK"
    start_response(status, [("Content-Type", "text/plain")])
    return [b"fine"]
"#;

const METRICS: &str = "<Location /metrics>\nSetHandler rsgi-metrics\n</Location>";

/// Reads an exposition from standard input with a parser of the Prometheus client and prints the samples, one a line.
const READER: &str = r#"
import sys
if sys.argv[1] == "open":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
else:
    from prometheus_client.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.read()):
    for sample in family.samples:
        labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
        print(f"{family.type} {sample.name}{{{labels}}} {float(sample.value)}")
"#;

fn reader() -> PathBuf {
    venv(&kit::system_python(), "prometheus", &["prometheus_client"]).join("bin/python3")
}

fn serve() -> Builder {
    Server::builder().conf(METRICS).serve(APP)
}

/// What a program says that is given a text on its standard input.
#[track_caller]
fn fed(command: &mut Command, text: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    child.wait_with_output().unwrap()
}

/// The samples of an exposition, as the parser saw them.
#[track_caller]
fn parsed(which: &str, text: &str) -> Vec<String> {
    let output = fed(Command::new(reader()).args(["-c", READER, which]), text);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}\n{text}");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    told.lines().map(str::to_owned).collect()
}

#[track_caller]
fn scrape(server: &Server, accept: Option<&str>) -> Reply {
    let request = Request::get("/metrics");
    let request = match accept {
        Some(accept) => request.header("Accept", accept),
        None => request,
    };
    server.ask(&request).ok()
}

/// The group that applications of the test run in.
fn group() -> &'static str {
    if mode() == Mode::Embedded {
        "%{GLOBAL}"
    } else {
        "e2e"
    }
}

/// One value of a text, by the whole name with its labels; none where it is not there.
fn value(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(' '))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

/// One value of the server's own group.
#[track_caller]
fn told(server: &Server, name: &str, labels: &str) -> f64 {
    let text = scrape(server, None).text();
    let name = format!("{name}{{group=\"{}\"{labels}}}", group());
    value(&text, &name).unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// Waits for a value: a client may have its answer a moment before that is counted.
#[track_caller]
fn wait_told(server: &Server, name: &str, labels: &str, expected: f64) {
    wait_until(&format!("{name} {labels} is {expected}"), || {
        told(server, name, labels) == expected
    });
}

#[test]
fn both_formats_are_what_the_parsers_of_prometheus_take() {
    only_rsgi!("the handler is ours");
    let server = serve().start();
    for path in ["/", "/", "/none"] {
        server.ask(&Request::get(path));
    }
    wait_told(&server, "rsgi_request_seconds_count", "", 3.0);
    wait_told(&server, "rsgi_requests_total", ",status=\"4xx\"", 1.0);
    wait_told(&server, "rsgi_requests_total", ",status=\"2xx\"", 2.0);
    let plain = scrape(&server, None);
    assert_eq!(
        plain.header("Content-Type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(plain.header("Cache-Control"), Some("no-store"));
    let open = scrape(
        &server,
        Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
    );
    assert_eq!(
        open.header("Content-Type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    for (which, reply) in [("text", &plain), ("open", &open)] {
        expect_samples(&parsed(which, &reply.text()));
    }
    server.finish();
}

/// Prometheus's own tool (Debian: the package `prometheus`), where this machine has it.
fn promtool() -> Option<PathBuf> {
    let named = std::env::var_os("RSGI_TEST_PROMTOOL").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join("promtool"));
    named.or_else(|| candidates.find(|tool| tool.is_file()))
}

#[test]
fn promtool_finds_nothing_to_complain_of() {
    only_rsgi!("the handler is ours");
    let Some(promtool) = promtool() else {
        note_skipped("no promtool on this machine");
        return;
    };
    let server = serve().start();
    server.ask(&Request::get("/")).ok();
    let check = |text: &str| {
        let output = fed(Command::new(&promtool).args(["check", "metrics"]), text);
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let text = scrape(&server, None).text();
    assert_eq!(check(&text), (true, String::new()), "{text}");
    // It would have said so.
    let (is_content, said) = check("# TYPE rsgi_wrong counter\nrsgi_wrong 1\n");
    assert!(!is_content && said.contains("rsgi_wrong"), "{said}");
    server.finish();
}

#[track_caller]
fn expect_samples(samples: &[String]) {
    let group = group();
    for sample in [
        format!("counter rsgi_requests_total{{group={group},status=2xx}} 2.0"),
        format!("counter rsgi_requests_total{{group={group},status=4xx}} 1.0"),
        format!("histogram rsgi_request_seconds_count{{group={group}}} 3.0"),
        format!("histogram rsgi_request_seconds_bucket{{group={group},le=+Inf}} 3.0"),
        format!("counter rsgi_failures_total{{cause=died,group={group}}} 0.0"),
        "gauge rsgi_apache_children{} 1.0".to_owned(),
    ] {
        assert!(samples.contains(&sample), "no {sample} in {samples:#?}");
    }
    let mut starts = vec![" rsgi_info{mpm=event,version="];
    if mode() != Mode::Embedded {
        starts.extend([
            "histogram rsgi_queue_wait_seconds_count{group=e2e} 3.0",
            "counter rsgi_restarts_total{group=e2e,reason=signal} 0.0",
            "gauge rsgi_process_resident_bytes{group=e2e,slot=0} ",
            " rsgi_process_info{group=e2e,pid=",
        ]);
    }
    for start in starts {
        let is_there = samples.iter().any(|sample| sample.contains(start));
        assert!(is_there, "no {start} in {samples:#?}");
    }
}

#[test]
fn only_get_and_head_are_for_the_metrics() {
    only_rsgi!("the handler is ours");
    let server = serve().start();
    let reply = server.ask(&Request::new("POST", "/metrics").body(b"x"));
    assert_eq!(reply.status, 405);
    let reply = server.ask(&Request::new("HEAD", "/metrics"));
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    server.finish();
}

#[test]
fn run_times_are_in_the_buckets_of_what_they_were() {
    only_rsgi!("the handler is ours");
    let server = serve().start();
    server.ask(&Request::get("/sleep?0.3")).ok();
    wait_told(&server, "rsgi_request_seconds_bucket", ",le=\"60.0\"", 1.0);
    let below = told(&server, "rsgi_request_seconds_bucket", ",le=\"0.25\"");
    assert_eq!(below, 0.0);
    let sum = told(&server, "rsgi_request_seconds_sum", "");
    assert!((0.3..30.0).contains(&sum), "{sum}");
    server.finish();
}

#[test]
fn failures_of_the_application_are_counted_by_status_and_cause() {
    only_rsgi!("the handler is ours");
    let server = serve().start();
    assert_eq!(server.ask(&Request::get("/raise")).status, 500);
    server.allow_log("as asked");
    server.allow_log("RuntimeError");
    server.allow_log("Traceback");
    server.allow_log("RSGI");
    server.allow_log("File \"");
    server.allow_log("raise ");
    let request = Request::get("/cut");
    assert!(server.ask(&request).is_cut);
    wait_told(&server, "rsgi_requests_total", ",status=\"5xx\"", 1.0);
    wait_told(&server, "rsgi_failures_total", ",cause=\"truncated\"", 1.0);
    server.finish();
}

#[track_caller]
fn told_of_queue(server: &Server, bound: &str) -> f64 {
    let text = scrape(server, None).text();
    let name = format!("rsgi_queue_wait_seconds_bucket{{group=\"one\",le=\"{bound}\"}}");
    value(&text, &name).unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[test]
fn requests_that_wait_are_in_the_histogram_of_the_queue() {
    only_rsgi!("the handler is ours");
    let server = Server::builder()
        .conf(METRICS)
        .daemon("one", "processes=1 threads=1")
        .serve(APP)
        .start();
    // The first may wait for the process.
    server.ask(&Request::get("/")).ok();
    let at_once = told_of_queue(&server, "0.0001");
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| server.ask(&Request::get("/sleep?0.6")).status))
            .collect();
        wait_until("two requests wait", || {
            let text = scrape(&server, None).text();
            value(&text, "rsgi_queue_requests{group=\"one\"}") == Some(2.0)
                && value(&text, "rsgi_queue_oldest_seconds{group=\"one\"}")
                    .is_some_and(|age| age > 0.0)
                && value(&text, "rsgi_requests_running{group=\"one\"}") == Some(1.0)
        });
        for client in clients {
            assert_eq!(client.join().unwrap(), 200);
        }
    });
    assert_eq!(told_of_queue(&server, "0.0001"), at_once + 1.0);
    assert_eq!(told_of_queue(&server, "+Inf"), 4.0);
    assert!(told_of_queue(&server, "0.25") <= 3.0);
    server.finish();
}

#[test]
fn restarts_are_counted_by_their_reason_and_totals_outlive_them() {
    only_rsgi!("the handler is ours");
    let server = Server::builder()
        .conf(METRICS)
        .daemon("one", "processes=1 threads=2 maximum-requests=2")
        .allow_log("RSGI0146")
        .allow_log("RSGI0450")
        .serve(APP)
        .start();
    let restarts = |reason: &str| {
        let text = scrape(&server, None).text();
        let name = format!("rsgi_restarts_total{{group=\"one\",reason=\"{reason}\"}}");
        value(&text, &name).unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    for _ in 0..2 {
        server.ask(&Request::get("/")).ok();
    }
    wait_until("the process was replaced", || {
        restarts("maximum_requests") == 1.0
    });
    assert_eq!(server.ask(&Request::get("/die")).status, 502);
    wait_until("the death was seen", || restarts("signal") == 1.0);
    wait_until("the last answer is counted", || {
        let text = scrape(&server, None).text();
        value(&text, "rsgi_requests_total{group=\"one\",status=\"5xx\"}") == Some(1.0)
    });
    let text = scrape(&server, None).text();
    for (name, expected) in [
        ("rsgi_requests_total{group=\"one\",status=\"2xx\"}", 2.0),
        ("rsgi_requests_total{group=\"one\",status=\"5xx\"}", 1.0),
        ("rsgi_failures_total{group=\"one\",cause=\"died\"}", 1.0),
        ("rsgi_request_seconds_count{group=\"one\"}", 2.0),
    ] {
        assert_eq!(value(&text, name), Some(expected), "{name} in {text}");
    }
    server.finish();
}

#[test]
fn all_children_of_apache_count_for_the_same_totals() {
    only_rsgi!("the handler is ours");
    let server = serve().processes(3).start();
    wait_until("three children", || server.children().len() == 3);
    let clients = 24;
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| server.ask(&Request::get("/sleep?0.2")).ok());
        }
    });
    let count = f64::from(clients);
    wait_told(&server, "rsgi_requests_total", ",status=\"2xx\"", count);
    wait_told(&server, "rsgi_request_seconds_count", "", count);
    // A graceful restart makes new counts: to Prometheus, a reset.
    signal(server.pid(), libc::SIGUSR1);
    wait_told(&server, "rsgi_requests_total", ",status=\"2xx\"", 0.0);
    server.finish();
}

/// The page of mod_status with our section.
fn with_status(extended: &str) -> Server {
    Server::builder()
        .modules(&["status"])
        .conf(&format!(
            "ExtendedStatus {extended}\n<Location /server-status>\nSetHandler server-status\n</Location>"
        ))
        .serve(APP)
        .start()
}

#[test]
fn the_page_of_mod_status_has_a_section() {
    only_rsgi!("the section is ours");
    for extended in ["On", "Off"] {
        let server = with_status(extended);
        server.ask(&Request::get("/")).ok();
        let name = if mode() == Mode::Embedded {
            "Apache's own processes"
        } else {
            "e2e"
        };
        let mut page = String::new();
        wait_until("the request is on the page", || {
            page = server.ask(&Request::get("/server-status")).ok().text();
            let row = page
                .lines()
                .find(|line| line.starts_with(&format!("<tr><td>{name}</td>")));
            row.is_some_and(|row| row.contains("<td>1</td><td>0</td><td>0</td>"))
        });
        assert!(page.contains("<h2>WSGI applications (mod_rsgi "), "{page}");
        assert!(page.trim_end().ends_with("</html>"), "{page}");
        if mode() != Mode::Embedded {
            assert!(
                page.contains("<th>Slot</th>") && page.contains("<td>ready</td>"),
                "{page}"
            );
        }
        let lines = server.ask(&Request::get("/server-status?auto")).ok().text();
        let line = if mode() == Mode::Embedded {
            "\nRsgiEmbeddedRequests: 1\n"
        } else {
            "\nRsgiGroup.e2e.Requests: 1\n"
        };
        assert!(lines.contains(line), "{lines}");
        assert!(lines.lines().all(|line| !line.contains('<')), "{lines}");
        let plain = server
            .ask(&Request::get("/server-status?notable"))
            .ok()
            .text();
        assert!(plain.contains("<pre>\nRsgiVersion: "), "{plain}");
        server.finish();
    }
}
