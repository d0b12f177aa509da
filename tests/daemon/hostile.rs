//! A process that has been taken over, on either side, writes garbage into whatever it shares: nobody else is harmed.

use std::time::{Duration, Instant};

use super::{APP, all_serve, millis, mixed};
use crate::harness::{Ask, Load, Request, Server, comes_true, only_rsgi, say, signal};

/// Writes garbage for a while into what it has open of the kinds that the query names.
const VANDAL: &str = r#"
import os, random, socket, stat, threading, time

def targets(kinds):
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue
        if any(target.startswith(kind) for kind in kinds):
            yield int(name), target

def garbage(size, dice):
    if dice.random() < 0.3:
        return b"\xff" * size
    if dice.random() < 0.3:
        return bytes(size)
    return dice.randbytes(size)

def vandalize(kinds, seconds):
    dice, count = random.Random(5), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for number, target in list(targets(kinds)):
            try:
                if target.startswith("/memfd"):
                    size = os.fstat(number).st_size
                    at = dice.randrange(size)
                    os.pwrite(number, garbage(min(size - at, dice.choice([1, 4, 8, 64, 4096])), dice), at)
                else:
                    with socket.socket(fileno=os.dup(number)) as other:
                        if other.family == socket.AF_UNIX:
                            other.send(garbage(dice.choice([1, 8, 24, 100, 5000]), dice), socket.MSG_DONTWAIT)
                count += 1
            except OSError:
                pass
        time.sleep(0.001)
    return count

def application(environ, start_response):
    kinds, seconds = environ["QUERY_STRING"].split(",")
    count = vandalize(kinds.split("+"), float(seconds))
    start_response("200 OK", [])
    return [str(count).encode()]
"#;

/// One group that turns bad and one that does not, a static file, and an application in Apache's children.
fn serving() -> Server {
    Server::builder()
        .processes(2)
        .threads(24)
        .daemon(
            "bad",
            "processes=2 threads=4 shutdown-timeout=1 socket-timeout=3 connect-timeout=2 queue-timeout=5",
        )
        .daemon("good", "processes=2 threads=4")
        .app("vandal.wsgi", VANDAL)
        .app("app.wsgi", APP)
        .file("htdocs/a.txt", b"text")
        .modules(&["alias"])
        .conf(
            "WSGIApplicationGroup %{GLOBAL}\nAlias /a.txt @ROOT@/htdocs/a.txt\n\
             WSGIScriptAlias /child @APPS@/vandal.wsgi process-group=%{GLOBAL}\n\
             WSGIScriptAlias /vandal @APPS@/vandal.wsgi process-group=bad\n\
             WSGIScriptAlias /bad @APPS@/app.wsgi process-group=bad\n\
             WSGIScriptAlias / @APPS@/app.wsgi process-group=good",
        )
        .log_level("notice")
        .start()
}

fn neighbours(client: usize, turn: usize) -> Ask {
    if client == 0 {
        return Ask::new(Request::get("/a.txt"), "text");
    }
    mixed(client, turn)
}

/// Fails unless it is the same supervisor as before and nothing has crashed.
#[track_caller]
fn nothing_crashed(server: &Server, supervisors: &[i32]) {
    assert_eq!(server.supervisors(), supervisors, "the supervisor ended");
    let log = server.log_text();
    let is_crash = |line: &&str| {
        ["SIGSEGV", "SIGABRT", "SIGBUS", "exit signal", "RSGI0454"]
            .iter()
            .any(|word| line.contains(word))
    };
    let crashes: Vec<&str> = log.lines().filter(is_crash).collect();
    assert!(crashes.is_empty(), "{}", crashes.join("\n"));
}

/// Nothing of httpd's crashes, and what has nothing to do with the bad group is served all the time.
#[track_caller]
fn harms_nobody(server: &Server, kinds: &str) {
    server.text("/?warm");
    let supervisors = server.supervisors();
    assert_eq!(supervisors.len(), 1);
    let load = Load::on(server.port())
        .clients(4)
        .lasting(Duration::from_secs(30));
    let report = load.during(neighbours, |running| {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut connection = server.connect();
                    connection.set_read_timeout(Duration::from_secs(20));
                    let target = format!("/vandal?{kinds},1.5");
                    connection.send(Request::get(&target).to_bytes());
                    let status = connection.reply("GET").status;
                    assert!([200, 500, 502, 503, 504].contains(&status), "{status}");
                });
            }
            let end = Instant::now() + millis(1500);
            while Instant::now() < end {
                // Whatever the answer: it comes.
                server.get("/bad/?x");
                std::thread::sleep(millis(20));
            }
        });
        running.wait_for(20);
    });
    report.say(kinds);
    report.lost_nothing();
    // Children that have nothing to do may end; httpd tells of those that crash.
    nothing_crashed(server, &supervisors);
    assert_eq!(server.text("/?x"), "x".repeat(50), "of the good group");
}

/// Everything works once the bad ones are gone and there is a new generation.
#[track_caller]
fn recovers(server: &Server) {
    for pid in server.daemons() {
        signal(pid, libc::SIGKILL);
    }
    server.graceful();
    let served = comes_true(Duration::from_secs(15), || {
        server.get("/bad/?x").status == 200 && server.get("/?x").status == 200
    });
    assert!(served, "it does not recover");
    let report = Load::on(server.port()).clients(4).most(20).run(mixed);
    report.lost_nothing();
    for text in ["RSGI", "OSError", "SIGKILL"] {
        server.allow_log(text);
    }
}

#[test]
fn a_daemon_that_writes_garbage_into_the_scoreboard_harms_nobody_else() {
    only_rsgi!("there is none");
    let server = serving();
    harms_nobody(&server, "/memfd");
    recovers(&server);
    server.finish();
}

#[test]
fn a_daemon_that_writes_garbage_into_its_sockets_harms_nobody_else() {
    only_rsgi!("there is no framing to break");
    let server = serving();
    harms_nobody(&server, "socket");
    recovers(&server);
    server.finish();
}

#[test]
fn an_apache_child_that_writes_garbage_into_what_it_shares_crashes_no_daemon() {
    only_rsgi!("there is no framing to break");
    let server = serving();
    all_serve(&server, "/bad/sleep", 2);
    all_serve(&server, "/sleep", 2);
    let (daemons, supervisors) = (server.daemons(), server.supervisors());
    for kinds in ["socket", "/memfd"] {
        let reply = server.get(&format!("/child?{kinds},1"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        say(&format!("{kinds}: {} times", reply.text()));
        if kinds == "socket" {
            let still: Vec<i32> = server.daemons();
            assert_eq!(still, daemons, "a daemon ended");
            assert_eq!(server.text("/?x"), "x".repeat(50));
        }
        // All groups' scoreboards are the child's to write to: what it has told them may keep requests away from
        // processes until these and the child are gone.
        nothing_crashed(&server, &supervisors);
    }
    recovers(&server);
    server.finish();
}
