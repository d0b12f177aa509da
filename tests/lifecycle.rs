//! Starting, restarting and stopping httpd with applications in it, under each MPM: nothing is lost, nothing
//! grows, nothing is left behind, and Python is only where it is needed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::browser::Browser;
use crate::harness::{
    Builder, Connection, Mpm, Request, Server, comes_true, only_rsgi, open_descriptors,
    status_field, wait_until,
};

/// Names its process, echoes bodies and streams for two seconds.
const APP: &str = r#"
import os, time
def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    headers = [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))]
    if path == "/stream":
        start_response("200 OK", headers)
        return stream(query)
    if path == "/sleep":
        time.sleep(60)
    if environ["REQUEST_METHOD"] == "POST":
        body = environ["wsgi.input"].read()
    else:
        body = query.encode() * 50
    start_response("200 OK", headers)
    return [body]

def stream(query):
    for number in range(20):
        yield b"%s %d\n" % (query.encode(), number)
        time.sleep(0.1)
"#;

fn serving(mpm: Mpm) -> Builder {
    Server::builder().mpm(mpm).threads(8).serve(APP)
}

/// What a stream of [`APP`] says when it is whole.
fn whole_stream(name: &str) -> String {
    (0..20).map(|number| format!("{name} {number}\n")).collect()
}

/// The objects named so that a process has mapped.
fn mapped(pid: i32, part: &str) -> BTreeSet<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let files = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5));
    files
        .filter(|file| file.contains(part))
        .map(str::to_owned)
        .collect()
}

/// The process that answers a request of its own connection.
fn answering(server: &Server) -> i32 {
    let reply = server.get("/?pid").ok();
    reply.header("X-Pid").unwrap().parse().unwrap()
}

/// Private memory of a process in KiB.
fn private_kib(pid: i32) -> u64 {
    let field = status_field(pid, "RssAnon").expect("the process lives");
    field.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_configuration_test_is_accepted_and_leaves_nothing_behind() {
    for mpm in Mpm::ALL {
        let check = serving(mpm).check();
        check.accepted();
        assert_eq!(check.output.trim(), "Syntax OK", "{}", mpm.name());
    }
}

#[test]
fn a_single_process_serves() {
    for mpm in Mpm::ALL {
        let server = serving(mpm).argument("-X").start();
        assert_eq!(server.text("/?a"), "a".repeat(50));
        assert_eq!(answering(&server), server.pid(), "{}", mpm.name());
        assert_eq!(server.text("/?b"), "b".repeat(50));
        server.finish();
    }
}

#[test]
fn a_server_is_started_restarted_and_stopped_by_httpd_itself() {
    for mpm in Mpm::ALL {
        let mut server = serving(mpm).start();
        assert_eq!(server.text("/?a"), "a".repeat(50));
        for what in ["graceful", "restart"] {
            let before = answering(&server);
            let starts = server.starts();
            server.control(what);
            wait_until(what, || server.starts() > starts);
            wait_until("a new child answers", || answering(&server) != before);
        }
        server.control("stop");
        server.wait_until_ended();
        // Now in the background, as an init script does it.
        let starts = server.starts();
        server.control("start");
        wait_until("the start", || server.starts() > starts);
        assert_eq!(server.text("/?b"), "b".repeat(50));
        server.control("graceful");
        wait_until("the graceful restart", || server.starts() > starts + 1);
        assert_eq!(server.text("/?c"), "c".repeat(50));
        server.control("graceful-stop");
        wait_until("the end", || !server.root().join("httpd.pid").exists());
        server.finish();
    }
}

#[test]
fn long_requests_finish_across_a_graceful_restart() {
    for mpm in Mpm::ALL {
        let server = serving(mpm).start();
        let before = answering(&server);
        let mut streams: Vec<(String, Connection)> = Vec::new();
        for number in 0..4 {
            let name = format!("s{number}");
            let mut connection = server.connect();
            connection.send(Request::get(&format!("/stream?{name}")).to_bytes());
            streams.push((name, connection));
        }
        let mut begun: Vec<(String, Connection)> = Vec::new();
        for (name, mut connection) in streams {
            assert_eq!(connection.head().status, 200);
            assert_eq!(connection.chunk(), Some(format!("{name} 0\n").into_bytes()));
            begun.push((name, connection));
        }
        server.graceful();
        if mpm != Mpm::Prefork {
            wait_until("the new children serve", || answering(&server) != before);
        }
        for (name, mut connection) in begun {
            let mut text = format!("{name} 0\n").into_bytes();
            while let Some(block) = connection.chunk() {
                text.extend(block);
            }
            assert_eq!(
                String::from_utf8(text).unwrap(),
                whole_stream(&name),
                "under {}",
                mpm.name()
            );
        }
        server.finish();
    }
}

#[test]
fn a_graceful_stop_lets_running_requests_finish() {
    for mpm in Mpm::ALL {
        let mut server = serving(mpm).start();
        let mut connection = server.connect();
        connection.send(Request::get("/stream?x").to_bytes());
        let head = connection.head();
        assert_eq!(head.status, 200);
        server.control("graceful-stop");
        let mut text = Vec::new();
        while let Some(block) = connection.chunk() {
            text.extend(block);
        }
        assert_eq!(String::from_utf8(text).unwrap(), whole_stream("x"));
        server.wait_until_ended();
        server.finish();
    }
}

#[test]
fn a_stop_does_not_wait_for_a_request_that_sleeps() {
    for mpm in Mpm::ALL {
        let mut server = serving(mpm).start();
        let mut connection = server.connect();
        connection.send(Request::get("/sleep").to_bytes());
        assert!(connection.is_silent(Duration::from_millis(300)));
        let begun = Instant::now();
        server.control("stop");
        server.wait_until_ended();
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(12), "took {took:?}");
        // httpd's own impatience, and ours.
        server.allow_log("RSGI0306");
        server.allow_log("AH00045");
        server.allow_log("AH00046");
        server.finish();
    }
}

#[test]
fn daemon_threads_of_an_application_do_not_keep_a_child_from_ending() {
    for group in ["%{GLOBAL}", "named"] {
        let mut server = Server::builder()
            .app(
                "app.wsgi",
                "import threading, time\ndef forever():\n    while True:\n        time.sleep(0.05)\n\
                 threading.Thread(target=forever, daemon=True).start()\n\
                 def application(environ, start_response):\n    start_response('200 OK', [])\n    \
                 return [b'served']\n",
            )
            .conf(&format!(
                "WSGIScriptAlias / @APPS@/app.wsgi application-group={group}"
            ))
            .start();
        assert_eq!(server.text("/"), "served");
        let begun = Instant::now();
        server.control("stop");
        server.wait_until_ended();
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(3), "{group}: took {took:?}");
        server.finish();
    }
}

#[test]
fn only_a_child_that_needs_python_maps_it_and_the_parent_never_does() {
    only_rsgi!("it is linked with libpython");
    for mpm in Mpm::ALL {
        // Nothing to run: no Python anywhere.
        let server = Server::builder()
            .mpm(mpm)
            .file("htdocs/a.txt", b"text")
            .start();
        assert_eq!(server.text("/a.txt"), "text");
        for pid in server.children() {
            assert!(
                mapped(pid, "python").is_empty(),
                "{:?}",
                mapped(pid, "python")
            );
        }
        server.finish();
        // An application: one Python in the children.
        let server = serving(mpm).start();
        let pid = answering(&server);
        assert_eq!(
            mapped(pid, "libpython").len(),
            1,
            "{:?}",
            mapped(pid, "libpython")
        );
        assert_eq!(mapped(pid, "rsgi_python").len(), 1);
        assert!(
            mapped(server.pid(), "python").is_empty(),
            "the parent has Python"
        );
        server.graceful();
        wait_until("a new child", || answering(&server) != pid);
        assert!(
            mapped(server.pid(), "python").is_empty(),
            "the parent has Python"
        );
        server.finish();
    }
}

#[test]
fn a_child_without_configured_applications_gets_python_with_the_first_request_for_one() {
    only_rsgi!("it is linked with libpython");
    let server = Server::builder()
        .file("htdocs/a.txt", b"text")
        .file("htdocs/page.wsgi", APP.as_bytes())
        .conf(
            "<Directory @ROOT@/htdocs>\nOptions ExecCGI\n<Files *.wsgi>\nSetHandler wsgi-script\n\
             </Files>\n</Directory>",
        )
        .start();
    assert_eq!(server.text("/a.txt"), "text");
    let found = |server: &Server| -> usize {
        let children = server.children();
        children
            .iter()
            .map(|&pid| mapped(pid, "libpython").len())
            .sum()
    };
    assert_eq!(found(&server), 0);
    assert_eq!(server.text("/page.wsgi?x"), "x".repeat(50));
    assert_eq!(found(&server), 1);
    assert!(mapped(server.pid(), "python").is_empty());
    server.finish();
}

/// What the clients of a load saw.
#[derive(Debug, Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicUsize,
    retried: AtomicUsize,
}

impl Load {
    /// Asks until it is told to stop; each answer must be the right one and whole.
    fn run(&self, port: u16, client: usize) {
        let is_kept = client.is_multiple_of(2);
        let mut browser = Browser::new(port);
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let nonce = format!("c{client}n{number}");
            let (request, body) = if is_kept || number % 2 == 0 {
                let target = format!("/?{nonce}");
                (Request::get(&target), nonce.repeat(50))
            } else {
                let body = nonce.repeat(200);
                (Request::new("POST", "/").body(&body), body)
            };
            let request = if is_kept {
                request
            } else {
                request.header("Connection", "close")
            };
            let reply = browser.ask(&request);
            assert!(!reply.is_cut, "cut: {nonce}: {reply:?}");
            assert_eq!(reply.status, 200, "{nonce}: {}", reply.text());
            assert_eq!(reply.text(), body, "{nonce}");
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        self.retried.fetch_add(browser.retried, Ordering::Relaxed);
    }
}

fn restarts_a_hundred_times_under_load(mpm: Mpm) {
    const CLIENTS: usize = 4;
    // One child of the new generation has to do for a moment, which httpd notes.
    let server = serving(mpm)
        .log_level("notice")
        .allow_log("server reached MaxRequestWorkers")
        .start();
    let load = Load::default();
    let mut early = (0, 0);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (load, port) = (&load, server.port());
            scope.spawn(move || load.run(port, client));
        }
        let mut seen = BTreeSet::from([answering(&server)]);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for turn in 1..=100 {
                server.graceful();
                let answered = || load.answered.load(Ordering::Relaxed);
                let before = answered();
                wait_until("a child of the new generation", || {
                    seen.insert(answering(&server))
                });
                wait_until("the clients go on", || answered() > before + 10 * CLIENTS);
                if turn == 20 {
                    early = state_of_parent(&server);
                }
            }
        }));
        load.stop.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
    let late = state_of_parent(&server);
    crate::harness::say(&format!(
        "{mpm:?}: KiB, descriptors {early:?} -> {late:?}; {load:?}"
    ));
    assert_eq!(early.1, late.1, "descriptors of the parent");
    assert!(
        late.0 <= early.0 + 512,
        "KiB of the parent: {early:?} -> {late:?}"
    );
    assert!(load.answered.load(Ordering::Relaxed) > 1_000 * CLIENTS);
    // Children of earlier generations end once their requests did.
    let is_last = || server.children().len() <= if mpm == Mpm::Prefork { 8 } else { 1 };
    assert!(
        comes_true(Duration::from_secs(15), is_last),
        "{:?}",
        server.children()
    );
    assert_eq!(server.text("/?z"), "z".repeat(50));
    server.finish();
}

/// Private memory in KiB and open descriptors.
fn state_of_parent(server: &Server) -> (u64, usize) {
    let pid = server.pid();
    (private_kib(pid), open_descriptors(pid).unwrap())
}

#[test]
fn a_hundred_graceful_restarts_under_load_lose_nothing_with_event() {
    restarts_a_hundred_times_under_load(Mpm::Event);
}

#[test]
fn a_hundred_graceful_restarts_under_load_lose_nothing_with_worker() {
    restarts_a_hundred_times_under_load(Mpm::Worker);
}

#[test]
fn a_hundred_graceful_restarts_under_load_lose_nothing_with_prefork() {
    restarts_a_hundred_times_under_load(Mpm::Prefork);
}
