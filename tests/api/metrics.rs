//! `start_recording_metrics`, `request_metrics`, `process_metrics`, `server_metrics`.

use super::{APP, PHASES, ask, now, recording, says, silent};
use crate::harness::{Builder, Mode, Request, Server, mode, needs_threads, wait_until};

/// Keys of `process_metrics()`.
const OF_PROCESS: &str = "active_requests,cpu_system_time,cpu_time,cpu_user_time,current_time,memory_max_rss,\
                          memory_rss,pid,request_busy_time,request_count,request_threads,restart_time,running_time,\
                          threads";

#[test]
fn metrics_are_none_until_they_are_recorded() {
    let server = silent().start();
    says(
        &server,
        "(mod_wsgi.request_metrics(), mod_wsgi.process_metrics(), mod_wsgi.server_metrics(), \
         mod_wsgi.start_recording_metrics(), mod_wsgi.start_recording_metrics(), \
         type(mod_wsgi.process_metrics()).__name__, type(mod_wsgi.request_metrics()).__name__)",
        "(None, None, None, None, None, 'dict', 'dict')",
    );
    server.finish();
}

#[test]
fn figures_of_the_process_have_their_keys_and_add_up() {
    let server = silent().start();
    says(&server, "mod_wsgi.start_recording_metrics()", "None");
    for _ in 0..3 {
        server.get("/").ok();
    }
    says(
        &server,
        "','.join(sorted(mod_wsgi.process_metrics()))",
        OF_PROCESS,
    );
    says(
        &server,
        "(lambda m: (m['pid'] == os.getpid(), m['request_count'], m['active_requests'], m['request_busy_time'] > 0, \
         m['cpu_time'] >= m['cpu_user_time'] >= 0, m['memory_rss'] > 1000000, m['memory_max_rss'] > 1000000, \
         m['restart_time'] <= m['current_time'], type(m['running_time']).__name__, \
         m['running_time'] <= m['current_time'] - m['restart_time'] + 1, m['request_threads'] == len(m['threads']), \
         sum(t['request_count'] for t in m['threads']), sorted(m['threads'][0])))(mod_wsgi.process_metrics())",
        "(True, 5, 1, True, True, True, True, True, 'int', True, True, 6, ['request_count', 'thread_id'])",
    );
    server.finish();
}

#[test]
fn figures_of_requests_have_their_keys() {
    let server = silent().start();
    says(&server, "mod_wsgi.start_recording_metrics()", "None");
    let mut keys = vec![
        "capacity_utilization".to_owned(),
        "gil_wait_count".to_owned(),
        "input_bytes".to_owned(),
        "input_reads".to_owned(),
        "memory_max_rss".to_owned(),
        "memory_rss".to_owned(),
        "output_bytes".to_owned(),
        "output_writes".to_owned(),
        "pid".to_owned(),
        "request_count".to_owned(),
        "request_throughput".to_owned(),
        "sample_period".to_owned(),
        "start_time".to_owned(),
        "stop_time".to_owned(),
    ];
    for name in ["cpu", "cpu_system", "cpu_user"] {
        keys.extend([format!("{name}_time"), format!("{name}_utilization")]);
    }
    for class in 1..=5 {
        keys.push(format!("status_{class}xx"));
    }
    for name in [
        "active",
        "buckets",
        "busy_time",
        "completed",
        "cpu_time",
        "current_elapsed",
        "max_duration",
        "maximum",
        "started",
    ] {
        keys.push(format!("request_threads_{name}"));
    }
    for phase in PHASES {
        keys.push(phase.to_owned());
        for end in ["buckets", "max_us", "min_us"] {
            keys.push(format!("{phase}_{end}"));
        }
    }
    keys.sort();
    says(
        &server,
        "','.join(sorted(mod_wsgi.request_metrics()))",
        &keys.join(","),
    );
    server.finish();
}

/// A server that records from the first request on, and has been asked for what happened until then.
fn drained(builder: Builder) -> Server {
    let server = builder.start();
    says(&server, "mod_wsgi.start_recording_metrics()", "None");
    says(&server, "mod_wsgi.request_metrics() is None", "False");
    server
}

#[test]
fn an_interval_counts_what_finished_in_it() {
    let server = drained(silent());
    server.ask(&Request::new("POST", "/").body("hello")).ok();
    server.get("/generated").ok();
    assert_eq!(server.get("/raise").status, 500);
    server.expect_traceback("ValueError: from the application");
    // The request that drained it before has finished since then.
    says(
        &server,
        "(lambda m: (m['request_count'], m['status_1xx'], m['status_2xx'], m['status_3xx'], m['status_4xx'], \
         m['status_5xx'], m['input_bytes'], m['output_bytes'], m['output_writes'], m['input_reads'] > 0, \
         m['sample_period'] > 0, m['request_throughput'] > 0, 0 <= m['capacity_utilization'] <= 1, \
         m['pid'] == os.getpid()))(mod_wsgi.request_metrics())",
        "(4, 0, 3, 0, 0, 1, 5, 41, 4, True, True, True, True, True)",
    );
    says(
        &server,
        "(lambda m: (m['request_count'], m['status_2xx']))(mod_wsgi.request_metrics())",
        "(1, 1)",
    );
    server.finish();
}

#[test]
fn times_have_bounds_means_and_buckets() {
    let server = drained(silent());
    says(&server, "time.sleep(0.1)", "None");
    for phase in PHASES {
        let is_of_groups = ["queue_time", "daemon_time"].contains(&phase);
        let is_missing = is_of_groups && mode() == Mode::Embedded;
        says(
            &server,
            &format!(
                "(lambda m: (len(m['{phase}_buckets']), set(map(type, m['{phase}_buckets'])) == {{int}}, \
                 sum(m['{phase}_buckets']) == ({} if {is_missing} else m['request_count']), \
                 m['{phase}'] is None if {is_missing} else m['{phase}_min_us'] - 1 <= m['{phase}'] * 1e6 <= \
                 m['{phase}_max_us'] + 1, [m['{phase}_min_us']] == [None] if {is_missing} else True))\
                 (mod_wsgi.request_metrics())",
                0,
                is_missing = if is_missing { "True" } else { "False" },
            ),
            "(65, True, True, True, True)",
        );
    }
    // 100 ms and a little are in the parts of the octave from 64 ms on, which begins with bucket 25.
    says(&server, "time.sleep(0.1)", "None");
    says(
        &server,
        "(lambda m: (sum(m['application_time_buckets'][25:]), m['application_time_max_us'] >= 100000, \
         m['request_time_max_us'] >= m['application_time_max_us']))(mod_wsgi.request_metrics())",
        "(1, True, True)",
    );
    server.finish();
}

#[test]
fn threads_have_their_places_in_the_lists() {
    let server = drained(silent());
    server.get("/").ok();
    let most = mode().threads(8);
    says(
        &server,
        "(lambda m: (m['request_threads_maximum'], [len(m['request_threads_' + n]) for n in \
         ('completed', 'buckets', 'busy_time', 'cpu_time', 'current_elapsed', 'max_duration')] == [m['request_threads_maximum']] * 6, \
         sum(m['request_threads_completed']), m['request_threads_completed'] == m['request_threads_buckets'], \
         1 <= m['request_threads_active'] <= m['request_threads_started'], \
         m['request_threads_current_elapsed'][environ['mod_wsgi.thread_id'] - 1] > 0, \
         max(m['request_threads_max_duration']) > 0, max(m['request_threads_busy_time']) > 0))\
         (mod_wsgi.request_metrics())",
        &format!("({most}, True, 2, True, True, True, True, True)"),
    );
    server.finish();
}

#[test]
fn a_request_that_spans_intervals_is_busy_in_each_of_them_for_its_part() {
    needs_threads!("it needs another request");
    let server = drained(silent());
    let busy = "(lambda m: (max(m['request_threads_busy_time']), m['sample_period'], m['capacity_utilization'], \
                max(m['request_threads_current_elapsed']), max(m['request_threads_max_duration'])))\
                (mod_wsgi.request_metrics())";
    let figures = || -> Vec<f64> {
        let text = now(&server, busy);
        let figures = text.trim_matches(['(', ')']).split(", ");
        figures.map(|figure| figure.parse().unwrap()).collect()
    };
    std::thread::scope(|scope| {
        let long = scope.spawn(|| now(&server, "time.sleep(1.5)"));
        wait_until("it has run for a while", || {
            let elapsed = "max(mod_wsgi.request_metrics()['request_threads_current_elapsed'])";
            now(&server, elapsed).parse::<f64>().unwrap() > 0.4
        });
        let process = "mod_wsgi.process_metrics()['request_busy_time']";
        assert!(now(&server, process).parse::<f64>().unwrap() > 0.4);
        // The second of these intervals begins and ends within the long request.
        figures();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let within = figures();
        assert!((0.29..0.9).contains(&within[0]), "{within:?}");
        assert!(
            within[0] <= within[1] + 0.001,
            "busy for longer than there was time: {within:?}"
        );
        assert!(within[3] > within[0], "{within:?}");
        assert_eq!(long.join().unwrap(), "None");
    });
    settled(&server);
    let last = figures();
    assert!(last[0] <= last[1] + 0.001 && last[0] > 0.0, "{last:?}");
    assert!((0.0..=1.0).contains(&last[2]), "{last:?}");
    assert!(last[4] >= 1.5, "{last:?}");
    server.finish();
}

/// Waits until no other request runs.
#[track_caller]
fn settled(server: &Server) {
    assert_eq!(ask(server, "1"), "1");
}

#[test]
fn subscribers_and_metrics_go_together() {
    let server = drained(recording());
    server.get("/generated").ok();
    says(
        &server,
        "(names().count('request_finished') >= 3, mod_wsgi.request_metrics()['request_count'])",
        "(True, 2)",
    );
    server.finish();
}

#[test]
fn the_server_s_figures_need_their_switch() {
    let server = silent().start();
    says(&server, "mod_wsgi.server_metrics()", "None");
    server.finish();
}

/// What httpd's scoreboard says in a server with two children of four threads.
#[track_caller]
fn tells_of_every_worker(server: &Server, is_child: &str) {
    says(
        server,
        "','.join(sorted(mod_wsgi.server_metrics()))",
        "current_time,processes,restart_time,running_generation,running_time,server_limit,thread_limit",
    );
    says(
        server,
        "(lambda m: (m['server_limit'], m['thread_limit'], len(m['processes']), {len(p['workers']) for p in m['processes']}, \
         sum(1 for p in m['processes'] if p['pid']), type(m['running_time']).__name__, \
         m['restart_time'] <= m['current_time'], m['running_generation']))(mod_wsgi.server_metrics())",
        "(6, 4, 6, {4}, 2, 'int', True, 0)",
    );
    says(
        server,
        &format!(
            "(lambda p: (','.join(sorted(p)), p['quiescing'], ','.join(sorted(p['workers'][0])), \
             'W' in [w['status'] for w in p['workers']], set(type(w['start_time']).__name__ for w in p['workers'])))\
             ([p for p in mod_wsgi.server_metrics()['processes'] if {is_child}][0])"
        ),
        "('generation,pid,process_num,quiescing,workers', False, \
         'access_count,bytes_served,client,generation,last_used,request,start_time,status,stop_time,thread_num,vhost', \
         True, {'float'})",
    );
}

fn two_children() -> Builder {
    Server::builder().processes(2).threads(4)
}

#[test]
fn the_server_s_figures_have_every_worker() {
    let server = two_children()
        .embedded()
        .conf("WSGIServerMetrics On")
        .serve(APP)
        .start();
    tells_of_every_worker(&server, "p['pid'] == os.getpid()");
    server.finish();
}

#[test]
fn the_server_s_figures_are_there_in_a_group_whose_option_says_so() {
    let server = two_children()
        .daemon("told", "processes=1 threads=3 server-metrics=On")
        .conf("WSGIChunkedRequest On")
        .serve(APP)
        .start();
    tells_of_every_worker(&server, "p['pid'] == int(environ['mod_wsgi.server_pid'])");
    // Also to one that has a long body in front of it.
    let request = Request::new("POST", "/asking").chunked(&[&[b'x'; 100_000], b"y"]);
    assert_eq!(server.ask(&request).ok().text(), "dict 100001 dict");
    server.finish();
}

#[test]
fn the_switch_for_apache_s_processes_is_not_that_of_groups() {
    let server = Server::builder()
        .daemon("untold", "processes=1 threads=3")
        .conf("WSGIServerMetrics On")
        .serve(APP)
        .start();
    says(&server, "mod_wsgi.server_metrics()", "None");
    server.finish();
}
