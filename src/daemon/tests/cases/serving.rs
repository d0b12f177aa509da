//! Requests and answers.

use crate::harness::{Daemon, Form, Request, until};

const APP: &str = r#"
import sys, time, os
def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/echo':
        data = environ['wsgi.input'].read()
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [data]
    if path == '/raise':
        raise RuntimeError('on purpose')
    if path == '/late':
        start_response('200 OK', [])
        def body():
            yield b'first'
            raise RuntimeError('too late')
        return body()
    if path == '/big':
        start_response('200 OK', [])
        return [b'x' * 100000, b'y' * 200000, b'', b'z' * 3]
    if path == '/stream':
        start_response('200 OK', [])
        return (b'%d,' % n for n in range(1000))
    if path == '/file':
        start_response('200 OK', [])
        return environ['wsgi.file_wrapper'](open(__file__, 'rb'))
    if path == '/log':
        print('to errors', file=environ['wsgi.errors'])
        print('to stdout')
        os.write(2, b'raw line\n')
    if path == '/fork':
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        else:
            print('the child', file=environ['wsgi.errors'])
    if path == '/first':
        environ['wsgi.input'].read(1)
    start_response('200 OK', [('Content-Type', 'text/plain'), ('X-A', '1'), ('X-A', '2')])
    return [b'Hello world!']
"#;

#[test]
fn a_request_is_answered_and_the_connection_serves_the_next_one() {
    let daemon = Daemon::start(APP, |_| {});
    let mut child = daemon.connect();
    for _ in 0..3 {
        let answer = child.ask(&Request::get("/"));
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "Hello world!")
        );
        assert_eq!(answer.content_length, Some(12));
        assert_eq!(answer.headers.len(), 3);
        assert!(answer.is_ended);
    }
    assert_eq!(daemon.slot().busy(), 0);
    assert_eq!(daemon.slot().requests(), 3);
}

#[test]
fn bodies_come_from_the_frame_a_file_or_the_child() {
    let daemon = Daemon::start(APP, |_| {});
    let mut child = daemon.connect();
    let long = vec![b'a'; 300_000];
    for body in [&b"short"[..], &long] {
        for form in [Form::Inline, Form::File, Form::Stream] {
            let answer = child.ask(&Request::post("/echo", body, form));
            assert!(answer.is_ended, "{form:?} {answer:?}");
            assert!(answer.body == body, "{form:?}");
            assert_eq!(answer.needs_body, form == Form::Stream);
        }
    }
}

#[test]
fn a_streamed_body_that_is_not_read_is_not_asked_for_or_dropped() {
    let daemon = Daemon::start(APP, |_| {});
    let mut child = daemon.connect();
    let answer = child.ask(&Request::post("/", b"unread", Form::Stream));
    assert!(answer.is_ended && !answer.needs_body);
    let answer = child.ask(&Request::post("/first", &vec![b'a'; 200_000], Form::Stream));
    assert!(answer.is_ended && answer.needs_body);
    let answer = child.ask(&Request::post("/echo", b"next", Form::Inline));
    assert_eq!(answer.text(), "next");
}

#[test]
fn long_answers_streams_and_files_arrive_whole() {
    let daemon = Daemon::start(APP, |_| {});
    let mut child = daemon.connect();
    let answer = child.ask(&Request::get("/big"));
    assert_eq!(answer.body.len(), 300_003);
    assert!(answer.is_ended && answer.body.ends_with(b"yzzz"));
    let answer = child.ask(&Request::get("/stream"));
    assert!(answer.is_ended && answer.text().ends_with("998,999,"));
    let answer = child.ask(&Request::get("/file"));
    assert!(answer.is_ended);
    assert_eq!(answer.text(), APP);
    assert_eq!(answer.content_length, Some(APP.len() as u64));
}

#[test]
fn a_failure_is_a_status_or_an_abort_and_the_next_request_works() {
    let daemon = Daemon::start(APP, |_| {});
    let mut child = daemon.connect();
    let answer = child.ask(&Request::get("/raise"));
    assert_eq!(answer.refused, Some(500));
    assert!(answer.log.iter().any(|line| line.contains("on purpose")));
    let answer = child.ask(&Request::get("/late"));
    assert_eq!(answer.text(), "first");
    assert!(!answer.is_ended && answer.aborted.is_some());
    assert!(child.ask(&Request::get("/")).is_ended);
}

#[test]
fn lines_of_a_request_come_as_frames_and_raw_ones_without_a_mark() {
    let daemon = Daemon::start(APP, |_| {});
    let answer = daemon.connect().ask(&Request::get("/log"));
    let text = answer.log.join("\n");
    assert!(
        text.contains("3 to errors") && text.contains("to stdout"),
        "{text}"
    );
    assert_eq!(daemon.expect_line("raw line"), "raw line");
}

#[test]
fn what_an_application_forks_off_and_lets_return_says_nothing() {
    let daemon = Daemon::start(APP, |_| {});
    let mut child = daemon.connect();
    for _ in 0..3 {
        let answer = child.ask(&Request::get("/fork"));
        assert_eq!(answer.text(), "Hello world!");
        let of_child = |line: &String| line.contains("the child");
        assert!(!answer.log.iter().any(of_child), "{:?}", answer.log);
    }
    daemon.expect_line("the child");
    assert_eq!(daemon.slot().busy(), 0);
}

/// What strace counts in the process while `count` requests are answered one after the other; none without strace.
fn calls(daemon: &Daemon, count: usize) -> Option<Vec<(String, usize)>> {
    let file = daemon.path("calls");
    let mut strace = std::process::Command::new("strace")
        .args([
            "-f",
            "-c",
            "-U",
            "calls,name",
            "-p",
            &daemon.pid().to_string(),
            "-o",
        ])
        .arg(&file)
        .stderr(std::process::Stdio::null())
        .spawn()
        .ok()?;
    let mut child = daemon.connect();
    let status = format!("/proc/{}/status", daemon.pid());
    until("strace looks", || {
        let text = std::fs::read_to_string(&status).unwrap();
        !text.contains("TracerPid:\t0") || strace.try_wait().unwrap().is_some()
    });
    // Children know the script's time.
    let time = std::fs::metadata(daemon.path("app.wsgi"))
        .unwrap()
        .modified();
    let time = time.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let request = Request {
        mtime: i64::try_from(time.as_micros()).ok(),
        ..Request::get("/")
    };
    for _ in 0..count {
        assert!(child.ask(&request).is_ended);
    }
    let pid = rustix::process::Pid::from_child(&strace);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    strace.wait().unwrap();
    let text = std::fs::read_to_string(file).ok()?;
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let calls = words.next()?.parse().ok()?;
        Some((words.next()?.to_owned(), calls))
    });
    Some(lines.collect())
}

#[test]
fn a_short_request_costs_four_calls() {
    let daemon = Daemon::start(APP, |config| {
        config.options.threads = 1;
        config.options.deadlock_timeout = 0;
    });
    assert!(daemon.connect().ask(&Request::get("/")).is_ended);
    let Some(calls) = calls(&daemon, 500) else {
        println!("no strace: nothing was tested");
        return;
    };
    let of = |name: &str| {
        calls
            .iter()
            .find(|(known, _)| known == name)
            .map_or(0, |(_, count)| *count)
    };
    for name in ["recvmsg", "sendmsg", "epoll_ctl"] {
        assert!((495..=510).contains(&of(name)), "{calls:?}");
    }
    // Beside them the monitor's beat, and waits that strace made the kernel begin again.
    assert!((1990..2500).contains(&of("total")), "{calls:?}");
}
