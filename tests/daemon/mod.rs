//! Daemon process groups, looked at from outside: what restarts, crashes, slow clients and bad applications cost, and
//! what is left behind. Each test makes its own group, whatever the mode of the run.

mod apps;
mod bodies;
mod closing;
mod crashes;
mod ends;
mod forked;
mod groups;
mod hostile;
mod identity;
mod kill;
mod leftovers;
mod life;
mod pythons;
mod queue;
mod reach;
mod restart;
mod secrets;
mod slow;
mod sockets;
mod stopped;
mod timeouts;
mod truncated;

use std::time::{Duration, Instant};

use crate::harness::{Ask, Builder, Load, Request, Server, UnderTest, under_test};

/// Answers so that the client knows what has to come; `X-Pid` names the process.
const APP: &str = r#"
import os, time, threading
HEADERS = [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))]

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/stream":
        start_response("200 OK", HEADERS)
        return stream(query)
    if path == "/sleep":
        seconds, query = query.split(",")
        time.sleep(float(seconds))
        body = query.encode() * 50
    elif path == "/busy":
        seconds, query = query.split(",")
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            pass
        body = query.encode() * 50
    elif path == "/size":
        body = b"x" * int(query)
    elif path == "/pid":
        body = str(os.getpid()).encode()
    elif path == "/exit":
        os._exit(int(query))
    elif environ["REQUEST_METHOD"] == "POST":
        body = environ["wsgi.input"].read()
    else:
        body = query.encode() * 50
    start_response("200 OK", HEADERS + [("Content-Length", str(len(body)))])
    return [body]

def stream(query):
    for number in range(20):
        yield b"%s %d\n" % (query.encode(), number)
        time.sleep(0.1)
"#;

/// What a stream of [`APP`] says when it is whole.
fn whole_stream(name: &str) -> String {
    (0..20).map(|number| format!("{name} {number}\n")).collect()
}

/// [`APP`] in a group with these options, behind one Apache child with room for many clients.
fn group(options: &str) -> Builder {
    grouped(options, APP)
}

/// An application in the main interpreter of a group with these options.
fn grouped(options: &str, source: &str) -> Builder {
    let builder = Server::builder()
        .threads(64)
        .daemon("app", options)
        .serve(source);
    if under_test() == UnderTest::ModWsgi {
        // mod_wsgi: an Apache child starts its Python also when all applications are in daemons.
        return builder.conf("WSGIRestrictEmbedded On");
    }
    builder
}

/// The usual mix: pages on kept connections, and bodies that come back.
fn mixed(client: usize, turn: usize) -> Ask {
    let nonce = format!("c{client}n{turn}");
    if turn % 3 == 2 {
        let body = nonce.repeat(200);
        Ask::new(Request::new("POST", "/").body(&body), body)
    } else {
        Ask::new(Request::get(&format!("/?{nonce}")), nonce.repeat(50))
    }
}

/// A request that sleeps so long in the application.
fn sleeping(seconds: f64, client: usize, turn: usize) -> Ask {
    let nonce = format!("c{client}n{turn}");
    let target = format!("/sleep?{seconds},{nonce}");
    Ask::new(Request::get(&target), nonce.repeat(50))
}

/// Waits until that many processes of the group answer.
#[track_caller]
fn all_serve(server: &Server, path: &str, processes: usize) {
    crate::harness::wait_until("all processes serve", || {
        let ask = |_| {
            let target = format!("{path}?0.05,x");
            std::thread::spawn({
                let port = server.port();
                move || crate::harness::Connection::open(port).ask(&Request::get(&target))
            })
        };
        let clients: Vec<_> = (0..processes * 2).map(ask).collect();
        let pids: std::collections::BTreeSet<String> = clients
            .into_iter()
            .filter_map(|client| client.join().ok()?.header("X-Pid").map(str::to_owned))
            .collect();
        pids.len() == processes
    });
}

/// Fails unless so many requests run at the same time: none of the places is still taken by a dead one.
#[track_caller]
fn all_places_are_free(server: &Server, places: usize) {
    let round = || {
        let begun = Instant::now();
        let report = Load::on(server.port())
            .clients(places)
            .most(1)
            .run(|client, turn| sleeping(0.5, client, turn));
        report.lost_nothing();
        begun.elapsed()
    };
    // A machine that is busy makes one round slow, a place that is taken makes all slow.
    let rounds: Vec<Duration> = (0..3).map(|_| round()).collect();
    let quickest = rounds.iter().min().unwrap();
    assert!(*quickest < millis(950), "{rounds:?} for {places} at once");
}

/// The process that answers now.
#[track_caller]
fn answering(server: &Server) -> i32 {
    server.text("/pid").parse().unwrap()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
