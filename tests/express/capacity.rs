//! How many Apache serves at once, who waits how long, and what the running server says of itself.

use std::time::{Duration, Instant};

use super::Launcher;
use super::launcher::Run;
use crate::harness::{Connection, Request, descendants, only_rsgi, signal, wait_until};

/// Serves a file with these options, by single-threaded children.
fn prefork(options: &str) -> Run {
    let options: Vec<_> = options.split_whitespace().collect();
    Launcher::new()
        .file("site/x.txt", "x\n")
        .args(&["--application-type", "static", "site"])
        .args(&["--server-mpm", "prefork", "--max-clients", "8"])
        .args(&options)
        .start()
}

fn children(run: &Run) -> usize {
    descendants(run.httpd()).len()
}

#[test]
fn apache_begins_with_as_many_workers_as_it_is_told_and_keeps_as_many_idle() {
    only_rsgi!("files alone have a process group beside them");
    let run = prefork("--initial-workers 0.5 --maximum-spare-workers 1 --server-status");
    wait_until("half of the workers", || children(&run) == 4);
    let status = run.text("/server-status?auto");
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    assert_eq!(line("ServerMPM: "), Some("prefork"), "{status}");
    // One place for each client.
    assert_eq!(line("Scoreboard: ").map(str::len), Some(8), "{status}");

    let few = "--initial-workers 0 --minimum-spare-workers 0.5 --maximum-spare-workers 1";
    let run = prefork(few);
    wait_until("more workers", || children(&run) >= 4);

    let run = prefork("--initial-workers 0.75 --maximum-spare-workers 0.5");
    wait_until("fewer workers", || children(&run) == 4);
}

/// When the server hangs up on a client that sends these bytes and then one byte of `drops` every fifth of a second.
fn hangs_up(port: u16, bytes: &str, drops: usize) -> std::thread::JoinHandle<Duration> {
    let bytes = bytes.to_owned();
    std::thread::spawn(move || {
        let begun = Instant::now();
        let mut connection = Connection::open(port);
        connection.send(&bytes);
        for _ in 0..drops {
            if !connection.is_silent(Duration::from_millis(200)) || !connection.try_send("x") {
                return begun.elapsed();
            }
        }
        connection.rest();
        begun.elapsed()
    })
}

#[test]
fn slow_clients_have_the_time_that_they_earn_and_no_more() {
    let run = Launcher::new()
        .file(
            "a.py",
            "def application(environ, start_response):\n    environ['wsgi.input'].read()\n    \
             start_response('200 OK', [])\n    return []\n",
        )
        .args(&["a.py", "--header-timeout", "1", "--header-max-timeout", "4"])
        .args(&["--header-min-rate", "3", "--body-timeout", "1"])
        .args(&["--body-max-timeout", "4", "--body-min-rate", "3"])
        .start();
    run.get("/");
    let port = run.launcher.port();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
    let header = [hangs_up(port, "G", 0), hangs_up(port, "G", 70)];
    let body = [hangs_up(port, head, 0), hangs_up(port, head, 70)];
    for (name, clients) in [("header", header), ("body", body)] {
        let [silent, dripping] = clients.map(|client| client.join().unwrap());
        // A byte earns a third of a second, five of them come in one: until the end of all time is reached.
        assert!(silent >= Duration::from_millis(900), "{name}: {silent:?}");
        assert!(
            dripping > silent + Duration::from_secs(1),
            "{name}: {silent:?} {dripping:?}"
        );
        assert!(dripping < Duration::from_secs(12), "{name}: {dripping:?}");
    }
}

#[test]
fn apache_takes_times_that_no_rate_lengthens() {
    for options in [
        ["--header-min-rate", "0", "--body-min-rate", "0"],
        ["--header-timeout", "40", "--body-max-timeout", "10"],
    ] {
        let launcher = Launcher::new().arg("hello.py").args(&options);
        launcher.setup();
    }
}

#[test]
fn connections_beyond_the_backlog_are_not_taken() {
    let run = Launcher::new()
        .args(&["hello.py", "--server-backlog", "1"])
        .start();
    run.text("/");
    // httpd first: it would start more children, which take what these do not.
    let mut apache = Stopped(vec![]);
    apache.stop(&[run.httpd()]);
    apache.stop(&descendants(run.httpd()));
    // Each sends something: the kernel queues no connection that is silent.
    let mut taken = vec![];
    for _ in 0..12 {
        let connection = Connection::try_open(run.launcher.port(), Duration::from_millis(200));
        if let Ok(mut connection) = connection {
            connection.send(Request::get("/x").to_bytes());
            taken.push(connection);
        }
    }
    let queued = accept_queue(run.launcher.port());
    drop(apache);
    // As many as it says, and one more. One of them may be that of somebody who looked whether the server answers.
    assert_eq!(queued, 2, "{} were taken", taken.len());
}

/// Processes that stand still until this is dropped.
struct Stopped(Vec<i32>);

impl Stopped {
    #[track_caller]
    fn stop(&mut self, pids: &[i32]) {
        self.0.extend(pids);
        for &pid in pids {
            signal(pid, libc::SIGSTOP);
        }
        wait_until("they stop", || pids.iter().all(|&pid| has_stopped(pid)));
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for &pid in &self.0 {
            signal(pid, libc::SIGCONT);
        }
    }
}

/// How many connections wait at a port for a process that accepts them.
fn accept_queue(port: u16) -> usize {
    const LISTENS: &str = "0A";
    let suffix = format!(":{port:04X}");
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(std::fs::read_to_string);
    let lines: Vec<_> = tables.iter().flatten().flat_map(|t| t.lines()).collect();
    let queues = lines.into_iter().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&suffix) && fields.get(3) == Some(&LISTENS);
        let (_, waiting) = fields.get(4).filter(|_| listens)?.split_once(':')?;
        usize::from_str_radix(waiting, 16).ok()
    });
    queues.sum()
}

/// Whether each thread has stopped, or is gone; a signal needs a moment to get there.
fn has_stopped(pid: i32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    threads.into_iter().flatten().flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit(") ").next().unwrap_or_default();
        state.starts_with(['T', 'Z', 'X']) || state.is_empty()
    })
}

#[test]
fn what_nobody_sees_is_in_the_configuration_of_the_running_server() {
    only_rsgi!("the options of a group are its own");
    let launcher = Launcher::new().arg("hello.py");
    launcher.setup();
    let conf = std::fs::read_to_string(launcher.root().join("httpd.conf")).unwrap();
    let module = conf.lines().find(|line| line.contains("mod_alias.so"));
    let module = module.unwrap().replace("alias", "info");
    let info = format!(
        "{module}\n<Location \"/server-info\">\nRewriteEngine Off\nSetHandler server-info\n\
         Require local\n</Location>\n"
    );
    let run = launcher
        .file("info.conf", &info)
        .args(&["--include-file", "info.conf", "--daemon-backlog", "11"])
        .args(&["--socket-prefix", ".", "--enable-sendfile"])
        .args(&["--verbose-debugging"])
        .start();
    let page = run.text("/server-info?config");
    let page = page.replace("<tt>", "").replace("</tt>", "");
    let socket_prefix = format!("{}/wsgi", run.launcher.directory().display());
    for part in [
        "listen-backlog=11",
        "WSGISocketPrefix",
        &socket_prefix,
        "EnableSendfile",
        "WSGIEnableSendfile",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert_eq!(run.text("/x"), "|/x|");
}
