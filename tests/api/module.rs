//! Names, kinds and argument rules; data of requests; the handler for `logging`.

use super::{APP, now, recording, says, silent};
use crate::harness::{
    Mode, Request, Server, UnderTest, mode, needs_threads, only_rsgi, under_test,
};

#[test]
fn the_module_has_all_names_of_the_original() {
    let server = silent().start();
    says(
        &server,
        "sorted(n for n in dir(mod_wsgi) if not n.startswith('__'))",
        "['FileWrapper', 'LogHandler', 'RequestTimeout', 'active_requests', 'application_group', \
         'event_callbacks', 'maximum_processes', 'process_group', 'process_metrics', 'request_data', \
         'request_metrics', 'server_metrics', 'shutdown_callbacks', 'signal_callbacks', \
         'start_recording_metrics', 'subscribe_events', 'subscribe_shutdown', 'subscribe_signals', \
         'threads_per_process', 'version']",
    );
    says(
        &server,
        "[type(getattr(mod_wsgi, name)).__name__ for name in ('active_requests', 'event_callbacks', \
         'shutdown_callbacks', 'signal_callbacks', 'LogHandler', 'version')]",
        "['dict', 'list', 'list', 'list', 'type', 'tuple']",
    );
    says(
        &server,
        "trying(getattr, mod_wsgi, 'no_such_name')",
        "AttributeError",
    );
    server.finish();
}

#[test]
fn functions_take_what_those_of_the_original_take() {
    let server = silent().start();
    for name in ["subscribe_events", "subscribe_shutdown"] {
        let call = format!("mod_wsgi.{name}");
        says(
            &server,
            &format!(
                "[trying({call}), trying({call}, print, 1), trying({call}, callback=print), {call}(len) is len]"
            ),
            "['TypeError', 'TypeError', 'TypeError', True]",
        );
    }
    for name in [
        "request_data",
        "request_metrics",
        "process_metrics",
        "server_metrics",
        "start_recording_metrics",
    ] {
        says(&server, &format!("trying(mod_wsgi.{name}, 1)"), "TypeError");
    }
    says(
        &server,
        "mod_wsgi.event_callbacks == [len], mod_wsgi.shutdown_callbacks == [len], \
         mod_wsgi.event_callbacks.clear(), mod_wsgi.shutdown_callbacks.clear()",
        "(True, True, None, None)",
    );
    server.allow_log("TypeError");
    server.allow_log("RSGI0112: ");
    server.allow_log("WSGI0112: ");
    server.allow_log("Traceback");
    server.finish();
}

#[test]
fn mod_rsgi_shares_what_is_registered() {
    only_rsgi!("there is no mod_rsgi in it");
    let server = silent().start();
    says(
        &server,
        "(lambda m: (m.event_callbacks is mod_wsgi.event_callbacks, m.active_requests is mod_wsgi.active_requests, \
         m.LogHandler is mod_wsgi.LogHandler))(__import__('mod_rsgi'))",
        "(True, True, True)",
    );
    server.finish();
}

#[test]
fn request_data_is_one_dict_for_a_request_and_its_thread() {
    let server = recording().start();
    says(
        &server,
        "(mod_wsgi.request_data().update(own=1), mod_wsgi.request_data(), \
         mod_wsgi.request_data() is of('request_started')['request_data'], elsewhere(mod_wsgi.request_data))",
        "(None, {'own': 1}, True, 'RuntimeError')",
    );
    // What one request keeps is not seen by the next, and its own events have it.
    says(
        &server,
        "(mod_wsgi.request_data(), of('request_finished')['request_data'])",
        "({}, {'own': 1})",
    );
    server.finish();
}

#[test]
fn request_data_needs_no_subscriber() {
    let server = silent().start();
    for _ in 0..2 {
        says(
            &server,
            "(mod_wsgi.request_data().setdefault('n', []).append(1), mod_wsgi.request_data())",
            "(None, {'n': [1]})",
        );
    }
    server.finish();
}

#[test]
fn active_requests_has_the_request_by_its_id() {
    let server = silent().start();
    for _ in 0..2 {
        says(
            &server,
            "(list(mod_wsgi.active_requests) == [environ['mod_wsgi.request_id']], \
             mod_wsgi.active_requests[environ['mod_wsgi.request_id']] is mod_wsgi.request_data())",
            "(True, True)",
        );
    }
    server.finish();
}

#[test]
fn active_requests_has_requests_that_began_before_it_was_asked_for() {
    needs_threads!("it needs two requests");
    let source = format!(
        "{APP}\nwaiting, go_on = threading.Event(), threading.Event()\n\
         def wait():\n    waiting.set()\n    go_on.wait(30)\n    return mod_wsgi.request_data()\n"
    );
    let server = Server::builder().one_process().serve(&source).start();
    // The script is loaded before two requests meet in it.
    assert_eq!(now(&server, "1"), "1");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| now(&server, "wait()"));
        assert_eq!(now(&server, "waiting.wait(30)"), "True");
        let noted = "(len(mod_wsgi.active_requests), [data.update(noted=True) for id, data in \
                     mod_wsgi.active_requests.items() if id != environ['mod_wsgi.request_id']])";
        assert_eq!(now(&server, noted), "(2, [None])");
        assert_eq!(now(&server, "len(mod_wsgi.active_requests)"), "2");
        assert_eq!(now(&server, "go_on.set()"), "None");
        assert_eq!(first.join().unwrap(), "{'noted': True}");
    });
    says(&server, "len(mod_wsgi.active_requests)", "1");
    server.finish();
}

/// The application with a logger that has our handler, and these further lines.
fn logging(more: &str) -> String {
    format!(
        "{APP}\nimport logging\nlog = logging.getLogger('own')\nlog.setLevel(1)\nlog.propagate = False\n\
         log.addHandler(mod_wsgi.LogHandler())\n{more}"
    )
}

#[test]
fn the_handler_for_logging_keeps_levels_and_lines() {
    let source = logging("");
    let server = Server::builder().serve(&source).start();
    says(
        &server,
        "[log.log(level, 'at %d\\nsecond', level) for level in (5, 10, 20, 29, 30, 40, 50, 60)] and \
         isinstance(log.handlers[0], logging.Handler)",
        "True",
    );
    for (number, level) in [
        ("20", "info"),
        ("29", "info"),
        ("30", "warn"),
        ("40", "error"),
        ("50", "crit"),
        ("60", "crit"),
    ] {
        let line = server.expect_log(&format!("app.wsgi] at {number}"));
        assert_eq!(line.level, level, "{number}");
    }
    let text = server.log_text();
    assert!(!text.contains("app.wsgi] at 10"), "debug is off");
    assert_eq!(text.matches("app.wsgi] second").count(), 6);
    server.allow_log("app.wsgi] second");
    // A record that cannot be formatted is logging's own affair.
    says(&server, "log.info('%d', 'no number')", "None");
    says(&server, "mod_wsgi.LogHandler(20).level", "20");
    server.allow_log("--- Logging error ---");
    server.allow_log("");
    server.finish();
}

#[test]
fn records_keep_the_place_in_the_source_and_the_level_of_their_host() {
    let source = logging("def say():\n    log.info('from a line')\n    log.debug('in detail')\n");
    let server = Server::builder()
        .conf("ErrorLogFormat \"[%t] [%m:%l] [pid %P] at %F: %M\"")
        .serve(&source)
        .conf("<Location />\nLogLevel wsgi:debug\n</Location>")
        .start();
    says(&server, "say()", "None");
    let line = server.expect_log("from a line");
    let number = source
        .lines()
        .position(|line| line.contains("'from a line'"));
    let place = format!("app.wsgi({}): ", number.unwrap() + 1);
    assert!(line.text.contains(&place), "{place:?}: {}", line.text);
    // mod_wsgi: a process of a group does not know the level of the request's place.
    if under_test() == UnderTest::Rsgi || mode() == Mode::Embedded {
        assert_eq!(server.expect_log("in detail").level, "debug");
    }
    server.finish();
}

#[test]
fn what_a_thread_logs_outside_of_a_request_has_no_script() {
    let source = logging("");
    let server = Server::builder().serve(&source).start();
    says(
        &server,
        "elsewhere(lambda: log.warning('from a thread'))",
        "None",
    );
    let line = server.expect_log("from a thread");
    assert!(!line.text.contains("[script"), "{}", line.text);
    server.finish();
}

#[test]
fn the_response_is_the_same_with_and_without_subscribers() {
    let (silent, recording) = (silent().start(), recording().start());
    // How a response that comes in pieces is framed is a matter of time.
    let in_pieces = ["Content-Type", "X-Own"];
    let whole = [
        "Content-Type",
        "X-Own",
        "Content-Length",
        "Transfer-Encoding",
    ];
    for path in ["/", "/generated", "/file", "/large", "/many"] {
        let names = if path == "/generated" {
            &in_pieces[..]
        } else {
            &whole[..]
        };
        for method in ["GET", "HEAD"] {
            let request = Request::new(method, path);
            let (plain, told) = (silent.ask(&request), recording.ask(&request));
            assert_eq!(plain.status, told.status, "{method} {path}");
            assert_eq!(plain.body, told.body, "{method} {path}");
            for name in names {
                assert_eq!(
                    plain.header(name),
                    told.header(name),
                    "{method} {path} {name}"
                );
            }
        }
    }
    silent.finish();
    recording.finish();
}

#[test]
fn figures_of_the_process_and_the_group_are_attributes() {
    let server = Server::builder().threads(8).serve(APP).start();
    says(
        &server,
        "(mod_wsgi.process_group, mod_wsgi.application_group, mod_wsgi.threads_per_process, \
         mod_wsgi.maximum_processes)",
        &format!(
            "('{}', '', {}, {})",
            mode().process_group(),
            mode().threads(8),
            match mode() {
                Mode::Daemon => 2,
                _ => 1,
            }
        ),
    );
    server.finish();
}

#[test]
fn the_object_behind_start_response_tells_about_the_connection() {
    let source = format!(
        "{APP}\nplain = application\nkept = []\n\
         def application(environ, start_response):\n    kept.append(start_response.__self__)\n    \
         return plain(environ, start_response)\n"
    );
    let server = Server::builder().one_process().serve(&source).start();
    says(
        &server,
        "(kept[-1].ssl_is_https(), kept[-1].ssl_var_lookup('SSL_PROTOCOL'), trying(kept[-1].ssl_var_lookup))",
        "(0, None, 'TypeError')",
    );
    server.finish();
}

#[test]
fn a_package_of_the_same_name_lends_its_folders_and_nothing_else() {
    only_rsgi!("it looks for the package before WSGIPythonPath counts");
    let server = Server::builder()
        .app("lib/mod_wsgi/__init__.py", "version = 'wrong'\n")
        .app("lib/mod_wsgi/extra.py", "value = 7\n")
        .python_path("@APPS@/lib")
        .serve(APP)
        .start();
    says(
        &server,
        "(__import__('mod_wsgi.extra', fromlist=['value']).value, mod_wsgi.version[0], \
         [path.endswith('lib/mod_wsgi') for path in mod_wsgi.__path__])",
        "(7, 6, [True])",
    );
    server.finish();
}
