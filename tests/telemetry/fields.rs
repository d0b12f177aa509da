//! The fields of each kind of datagram that WSGITelemetryService has sent: those that mod_wsgi's have.

use super::service::{Service, finish, telling};
use crate::api::PHASES;
use crate::harness::{Mode, Request, Server, UnderTest, mode, under_test};

const APP: &str = r#"
import gc, time
def application(environ, start_response):
    time.sleep(1.2)
    gc.collect()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read()]
"#;

/// What only processes of groups tell.
const OF_GROUPS: [&str; 9] = [
    "process_group",
    "queue_time",
    "queue_time_min",
    "queue_time_max",
    "queue_time_buckets",
    "daemon_time",
    "daemon_time_min",
    "daemon_time_max",
    "daemon_time_buckets",
];

fn names(line: &str) -> Vec<&str> {
    let fields = line.split('|').filter_map(|part| part.split_once('='));
    let mut names: Vec<&str> = fields
        .map(|(name, _)| name)
        .filter(|name| !["pid", "seq"].contains(name))
        .collect();
    names.sort_unstable();
    names
}

/// Waits for a datagram of that kind with these parts, and compares its fields.
#[track_caller]
fn has(service: &Service, kind: &str, parts: &[&str], expected: &[&str]) {
    let mut parts = parts.to_vec();
    if mode() != Mode::Embedded && expected.contains(&NAMES) {
        // In mod_wsgi, Apache's own processes tell something as well.
        parts.push("|process_group=e2e|");
    }
    let line = service.wait(kind, &parts);
    let mut expected: Vec<&str> = expected
        .iter()
        .flat_map(|names| names.split_whitespace())
        .filter(|name| mode() != Mode::Embedded || !OF_GROUPS.contains(name))
        .collect();
    expected.sort_unstable();
    assert_eq!(names(&line), expected, "{line}");
}

const NAMES: &str = "hostname process_group";
const VERSIONS: &str = "mod_wsgi_version python_version apache_version mpm_name process_parent_pid";
const SAMPLE: &str = "sample_period telemetry_interval slow_requests_threshold switch_interval request_count \
    request_throughput capacity_utilization cpu_user_utilization cpu_system_utilization cpu_utilization memory_rss \
    memory_max_rss request_threads_maximum request_threads_started request_threads_active input_bytes_total \
    input_reads_total output_bytes_total output_writes_total status_1xx_total status_2xx_total status_3xx_total \
    status_4xx_total status_5xx_total request_threads_completed request_threads_busy_time request_threads_cpu_time \
    request_threads_current_elapsed request_threads_max_duration";
const SLOW: &str = "slow_record_state slow_start_stamp slow_duration slow_thread_id slow_log_id slow_server_pid \
    slow_method slow_scheme slow_hostname slow_path_info slow_protocol slow_peer_ip slow_user_agent slow_server_time \
    slow_queue_time slow_daemon_time slow_application_time slow_gil_wait_time slow_gil_wait_count slow_input_bytes \
    slow_input_reads slow_output_bytes slow_output_writes slow_input_read_time slow_output_write_time slow_status \
    slow_cpu_user_time slow_cpu_system_time slow_active_at_start slow_active_at_completion";
const COLLECTOR: &str = "gc_count0 gc_count1 gc_count2 gc_threshold0 gc_threshold1 gc_threshold2 gc_collections0 \
    gc_collections1 gc_collections2 gc_collected0 gc_collected1 gc_collected2 gc_uncollectable0 gc_uncollectable1 \
    gc_uncollectable2 gc_is_enabled gc_freeze_count gc_dropped_events";
const COLLECTION: &str = "gc_event_start_stamp gc_event_duration gc_event_generation gc_event_collected \
    gc_event_uncollectable";

/// Compares the fields of a sample with a request and of one without.
#[track_caller]
fn samples_have(service: &Service) {
    let mut phases = Vec::new();
    for phase in PHASES {
        phases.push(phase.to_owned());
        phases.extend(["min", "max", "buckets"].map(|of| format!("{phase}_{of}")));
    }
    let phases = phases.join(" ");
    let sample = [NAMES, VERSIONS, SAMPLE];
    let busy = [&sample[..], &[&phases]].concat();
    has(service, "request_metrics", &["|request_count=1|"], &busy);
    // Where nothing happened there are no bounds, and nothing that only some requests have.
    let idle: Vec<String> = PHASES
        .iter()
        .filter(|phase| !OF_GROUPS.contains(phase))
        .map(|phase| format!("{phase} {phase}_buckets"))
        .collect();
    let idle = idle.join(" ");
    let idle = [&sample[..], &[&idle]].concat();
    has(service, "request_metrics", &["|request_count=0|"], &idle);
}

#[test]
fn each_kind_of_datagram_has_the_fields_that_mod_wsgi_s_have() {
    let (builder, service) = telling(Server::builder().one_process());
    let mut server = builder
        .conf("WSGISlowRequests 0.3\nWSGITelemetryOptions +CaptureUserAgent")
        .serve(APP)
        .start();
    has(
        &service,
        "process_started",
        &[],
        &[NAMES, VERSIONS, "switch_interval"],
    );
    let request = Request::new("POST", "/x?secret=1").header("User-Agent", "Tester/1");
    assert_eq!(server.ask(&request.body("abc")).ok().text(), "abc");
    has(
        &service,
        "slow_request",
        &["|slow_record_state=0|"],
        &[SLOW],
    );
    has(
        &service,
        "slow_request",
        &["|slow_record_state=1|"],
        &[SLOW],
    );
    samples_have(&service);
    has(&service, "gc_snapshot", &[], &[COLLECTOR]);
    has(
        &service,
        "gc_event",
        &["|gc_event_generation=2|"],
        &[COLLECTION],
    );
    if under_test() == UnderTest::ModWsgi && mode() == Mode::Embedded {
        // Its children do not tell of their end when httpd is stopped quickly.
        server.signal(libc::SIGUSR1);
    }
    server.stop();
    let reason = if mode() == Mode::Embedded {
        ""
    } else {
        "shutdown_reason"
    };
    let life = "process_uptime lifetime_request_count active_requests_at_exit graceful_drain";
    has(
        &service,
        "process_stopping",
        &[],
        &[NAMES, reason, "active_requests_at_decision"],
    );
    has(&service, "process_stopped", &[], &[NAMES, reason, life]);
    finish(server, service);
}
