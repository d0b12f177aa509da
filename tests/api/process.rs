//! Events of the process: its end and its signals.

use super::{APP, now, says};
use crate::harness::{Mode, Server, UnderTest, id, mode, only_rsgi, signal, under_test};

const STOPPING: &str = r#"
def note(kind):
    def told(*arguments, **event):
        with open("@WORK@/events", "a") as file:
            file.write("%s %s %s %s\n" % (mod_wsgi.application_group, kind, arguments, sorted(event.items())))
        if kind == "broken":
            raise LookupError("at the end")
    return told
def first(name, **event):
    if name == "process_stopping":
        note("event")(name, **event)
mod_wsgi.subscribe_events(first)
mod_wsgi.subscribe_shutdown(note("shutdown"))
"#;

#[test]
fn the_end_of_the_process_is_told_in_every_interpreter() {
    let mut server = Server::builder()
        .one_process()
        .app("app.wsgi", &format!("{APP}{STOPPING}"))
        .conf(
            "WSGIScriptAlias /g @APPS@/app.wsgi application-group=%{GLOBAL}\n\
             WSGIScriptAlias /n @APPS@/app.wsgi application-group=named",
        )
        .start();
    server.get("/g/").ok();
    server.get("/n/").ok();
    server.stop();
    let reason = match mode() {
        Mode::Embedded => "",
        _ => "shutdown_signal",
    };
    let expected = |group: &str, kind: &str| {
        format!("{group} {kind} ('process_stopping',) [('shutdown_reason', '{reason}')]")
    };
    let events = server.events();
    for group in ["", "named"] {
        let own: Vec<_> = events
            .iter()
            .filter(|line| line.starts_with(&format!("{group} ")))
            .cloned()
            .collect();
        assert_eq!(
            own,
            [expected(group, "event"), expected(group, "shutdown")],
            "{events:?}"
        );
    }
    assert_eq!(events.len(), 4, "{events:?}");
    server.finish();
}

#[test]
fn a_callback_that_raises_at_the_end_keeps_nothing_from_ending() {
    let source = format!(
        "{APP}{STOPPING}\nmod_wsgi.subscribe_shutdown(note('broken'))\nmod_wsgi.subscribe_shutdown(note('last'))\n"
    );
    let mut server = Server::builder().one_process().serve(&source).start();
    server.get("/").ok();
    server.stop();
    let kinds: Vec<String> = server
        .events()
        .iter()
        .map(|line| line.split(' ').nth(1).unwrap_or_default().to_owned())
        .collect();
    assert_eq!(kinds, ["event", "shutdown", "broken", "last"]);
    server.expect_log(&id("0112"));
    server.allow_log("LookupError: at the end");
    server.allow_log("Traceback");
    server.allow_log("  File ");
    server.allow_log("    raise ");
    server.finish();
}

#[test]
fn the_end_is_told_also_where_interpreters_are_not_destroyed() {
    let mut server = Server::builder()
        .one_process()
        .conf("WSGIDestroyInterpreter Off")
        .serve(&format!("{APP}{STOPPING}"))
        .start();
    server.get("/").ok();
    server.stop();
    assert_eq!(server.events().len(), 2, "{:?}", server.events());
    server.finish();
}

#[test]
fn the_end_is_told_while_a_request_still_runs() {
    if mode() == Mode::Embedded {
        // Apache's children end when their requests have.
        return;
    }
    only_rsgi!("which process is whose is looked up by our program's name");
    let source = format!(
        "{APP}{STOPPING}\ndef wait():\n    open('@WORK@/begun', 'w').close()\n    end = time.monotonic() + 20\n    \
         while time.monotonic() < end and not os.path.exists('@WORK@/events'):\n        time.sleep(0.01)\n    \
         return os.path.exists('@WORK@/events')\n"
    );
    let server = Server::builder().one_process().serve(&source).start();
    says(&server, "1", "1");
    let daemon = server.workers()[0];
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| now(&server, "wait()"));
        server.wait_for_file("work/begun", "");
        signal(daemon, libc::SIGTERM);
        assert_eq!(waiting.join().unwrap(), "True");
    });
    server.finish();
}

#[test]
fn the_reason_of_a_recycled_process_is_told() {
    let server = Server::builder()
        .daemon("recycled", "processes=1 threads=2 maximum-requests=3")
        .serve(&format!("{APP}{STOPPING}"))
        .start();
    for _ in 0..4 {
        server.get("/").ok();
    }
    server.wait_for_file(
        "work/events",
        "shutdown ('process_stopping',) [('shutdown_reason', 'maximum_requests')]",
    );
    server.finish();
}

const SIGNALLED: &str = r#"
def note(kind):
    def told(*arguments, **event):
        with open("@WORK@/events", "a") as file:
            file.write("%s %s %s\n" % (kind, arguments, sorted(event.items())))
    return told
def first(name, **event):
    if name.startswith("process_signal"):
        note("event")(name, **event)
mod_wsgi.subscribe_events(first)
own = note("signal")
returned = mod_wsgi.subscribe_signals(own)
"#;

#[test]
fn signals_are_told_in_a_process_of_a_group() {
    if mode() == Mode::Embedded {
        return;
    }
    only_rsgi!("which process is whose is looked up by our program's name");
    let server = Server::builder()
        .one_process()
        .serve(&format!("{APP}{SIGNALLED}"))
        .start();
    says(
        &server,
        "(returned is own, mod_wsgi.signal_callbacks == [own])",
        "(True, True)",
    );
    let daemon = server.workers()[0];
    signal(daemon, libc::SIGHUP);
    server.wait_for_file(
        "work/events",
        "signal ('process_signal',) [('signame', 'SIGHUP')",
    );
    signal(daemon, libc::SIGUSR2);
    server.wait_for_file(
        "work/events",
        "signal ('process_signal',) [('signame', 'SIGUSR2')",
    );
    let expected = |name: &str, number: i32| {
        ["event", "signal"].map(|kind| {
            format!("{kind} ('process_signal',) [('signame', '{name}'), ('signum', {number})]")
        })
    };
    let all = [
        expected("SIGHUP", libc::SIGHUP),
        expected("SIGUSR2", libc::SIGUSR2),
    ];
    assert_eq!(server.events(), all.concat());
    // The process lives on.
    says(&server, "1", "1");
    server.finish();
}

#[test]
fn outside_of_groups_a_callback_for_signals_is_given_back_and_dropped() {
    let server = Server::builder()
        .embedded()
        .serve(&format!("{APP}{SIGNALLED}"))
        .start();
    says(
        &server,
        "(returned is own, mod_wsgi.signal_callbacks)",
        "(True, [])",
    );
    let told = server.log().into_iter().any(|line| {
        line.level == "info"
            && line.text.contains("app.wsgi\", line")
            && line.text.contains("in <module>")
    });
    if under_test() == UnderTest::Rsgi {
        let line = server
            .log()
            .into_iter()
            .find(|line| line.text.contains("for signals"));
        assert_eq!(line.expect("a line about it").level, "info");
    }
    assert!(told, "who called is logged: {}", server.log_text());
    server.finish();
}
