//! What an interpreter looks like from inside: streams, arguments, signals, modules, its end.

use crate::harness::{Server, mode, only_embedded, only_rsgi};

/// Evaluates an expression for a body.
fn saying(setup: &str, expression: &str) -> String {
    format!(
        "{setup}\ndef application(environ, start_response):\n    text = repr({expression})\n    \
         start_response('200 OK', [])\n    return [text.encode('utf-8')]\n"
    )
}

const BOTH: &str = "WSGIScriptAlias /g @APPS@/app.wsgi application-group=%{GLOBAL}\n\
                    WSGIScriptAlias /n @APPS@/app.wsgi application-group=named";

#[track_caller]
fn both_say(source: &str, expected: &str) {
    let server = Server::builder().app("app.wsgi", source).conf(BOTH).start();
    assert_eq!(server.text("/g"), expected, "main interpreter");
    assert_eq!(server.text("/n"), expected, "sub-interpreter");
    server.finish();
}

#[test]
fn argv_is_the_name_of_the_module() {
    both_say(&saying("import sys", "sys.argv"), "['mod_wsgi']");
}

#[test]
fn the_module_mod_wsgi_has_the_basic_api() {
    both_say(
        &saying(
            "import mod_wsgi",
            "(len(mod_wsgi.version), mod_wsgi.process_group, mod_wsgi.maximum_processes >= 1, \
             mod_wsgi.threads_per_process, issubclass(mod_wsgi.RequestTimeout, BaseException), \
             issubclass(mod_wsgi.RequestTimeout, Exception), isinstance(mod_wsgi.FileWrapper, type))",
        ),
        &format!(
            "(3, '{}', True, {}, True, False, True)",
            mode().process_group(),
            mode().threads(8)
        ),
    );
}

#[test]
fn the_module_apache_tells_about_the_server() {
    both_say(
        &saying(
            "import apache",
            "(apache.version[:2], apache.maximum_processes >= 1, apache.threads_per_process, \
             apache.mpm_name, 'Apache' in apache.description, type(apache.build_date).__name__)",
        ),
        "((2, 4), True, 8, 'event', True, 'str')",
    );
}

#[test]
fn mod_rsgi_is_the_same_module_with_a_version_of_its_own() {
    only_rsgi!("there is no mod_rsgi in it");
    both_say(
        &saying(
            "import mod_wsgi, mod_rsgi",
            "(mod_rsgi.FileWrapper is mod_wsgi.FileWrapper, mod_wsgi.version, len(mod_rsgi.version))",
        ),
        "(True, (6, 1, 1), 3)",
    );
}

#[test]
fn installing_a_signal_handler_has_no_effect_and_is_noted() {
    let server = Server::builder()
        .app(
            "app.wsgi",
            &saying(
                "import signal\nbefore = signal.getsignal(signal.SIGUSR2)\ndef handler(*a): pass",
                "(signal.signal(signal.SIGUSR2, handler) is handler, \
                 signal.getsignal(signal.SIGUSR2) == before)",
            ),
        )
        .conf(BOTH)
        .start();
    assert_eq!(server.text("/g"), "(True, True)");
    assert_eq!(server.text("/n"), "(True, True)");
    let line = server
        .log()
        .into_iter()
        .find(|l| l.text.contains("SIGUSR2") || l.text.contains("ignal"));
    assert_eq!(line.expect("a line about the signal").level, "info");
    server.finish();
}

#[test]
fn restrict_signal_off_lets_the_main_thread_install_handlers() {
    let server = Server::builder()
        .app("app.wsgi", &saying("", "first"))
        .app(
            "start.py",
            "import signal\nbefore = signal.getsignal(signal.SIGUSR2)\n\
             signal.signal(signal.SIGUSR2, lambda *a: None)\n\
             with open('@WORK@/events', 'w') as f:\n    \
             f.write(str(signal.getsignal(signal.SIGUSR2) != before) + '\\n')\n",
        )
        .conf(
            "WSGIRestrictSignal Off\n\
             WSGIImportScript @APPS@/start.py process-group=%{GLOBAL} application-group=%{GLOBAL}",
        )
        .start();
    server.wait_for_file("work/events", "\n");
    assert_eq!(server.events(), ["True"]);
    server.finish();
}

#[test]
fn standard_input_is_there_unless_it_is_restricted() {
    both_say(&saying("import sys", "sys.stdin.read()"), "''");
}

#[test]
fn restricted_streams_raise_and_name_themselves() {
    let source = saying(
        "import sys\ndef attempt(stream, name):\n    try:\n        getattr(stream, name)\n    \
         except OSError as error:\n        return str(error)\n    return None",
        "(attempt(sys.stdin, 'read'), attempt(sys.stdout, 'write'))",
    );
    let server = Server::builder()
        .app("app.wsgi", &source)
        .conf(BOTH)
        .conf("WSGIRestrictStdin On\nWSGIRestrictStdout On")
        .start();
    for path in ["/g", "/n"] {
        let text = server.text(path);
        assert!(text.contains("stdin"), "{text}");
        assert!(text.contains("stdout"), "{text}");
    }
    server.allow_log_of_mod_wsgi("Exception ignored in");
    server.allow_log_of_mod_wsgi("access restricted by mod_wsgi");
    server.finish();
}

#[test]
fn streams_have_names_and_the_attributes_of_text_files() {
    both_say(
        &saying(
            "import sys, io",
            "(sys.stdout.name, sys.stderr.name, sys.stderr.encoding.lower(), sys.stderr.errors, \
             sys.stderr.isatty(), sys.stderr.writable(), sys.stderr.readable(), sys.stderr.closed, \
             isinstance(sys.stderr, io.TextIOWrapper), sys.stderr.line_buffering)",
        ),
        "('<stdout>', '<stderr>', 'utf-8', 'replace', False, True, False, False, True, True)",
    );
}

#[test]
fn fileno_of_the_log_streams_is_an_os_error() {
    both_say(
        &saying(
            "import sys\ndef attempt(stream):\n    try:\n        stream.fileno()\n    \
             except OSError:\n        return 'OSError'",
            "(attempt(sys.stdout), attempt(sys.stderr), attempt(environ['wsgi.errors']))",
        ),
        "('OSError', 'OSError', 'OSError')",
    );
}

#[test]
fn atexit_functions_run_in_every_interpreter_when_the_server_stops() {
    let mut server = Server::builder()
        .app(
            "app.wsgi",
            "import atexit, mod_wsgi\n@atexit.register\ndef leave():\n    \
             with open('@WORK@/events', 'a') as f:\n        f.write('left %s\\n' % mod_wsgi.application_group)\n\
             def application(e, s):\n    s('200 OK', [])\n    return [b'x']\n",
        )
        .conf(BOTH)
        .start();
    server.text("/g");
    server.text("/n");
    server.stop();
    let mut events = server.events();
    events.sort();
    assert_eq!(events, ["left ", "left named"]);
    server.finish();
}

#[test]
fn destroy_interpreter_off_runs_no_atexit_functions() {
    let mut server = Server::builder()
        .app(
            "app.wsgi",
            "import atexit\n@atexit.register\ndef leave():\n    \
             open('@WORK@/events', 'a').write('left\\n')\n\
             def application(e, s):\n    s('200 OK', [])\n    return [b'x']\n",
        )
        .conf(BOTH)
        .conf("WSGIDestroyInterpreter Off")
        .start();
    server.text("/g");
    server.text("/n");
    server.stop();
    assert_eq!(server.events(), Vec::<String>::new());
    server.finish();
}

#[test]
fn threads_of_an_application_are_joined_before_the_end() {
    only_rsgi!("it does not wait for them");
    let mut server = Server::builder()
        .serve(
            "import threading, time\ndef work():\n    time.sleep(0.3)\n    \
             open('@WORK@/events', 'a').write('done\\n')\n\
             def application(e, s):\n    threading.Thread(target=work).start()\n    \
             s('200 OK', [])\n    return [b'x']\n",
        )
        .start();
    server.text("/");
    server.stop();
    assert_eq!(server.events(), ["done"]);
    server.finish();
}

#[test]
fn python_path_comes_first_and_its_pth_files_are_read() {
    let server = Server::builder()
        .app("lib/my_lib.py", "value = 'from lib'\n")
        .app("lib/more.pth", "@APPS@/extra\n")
        .app("extra/my_extra.py", "value = 'from extra'\n")
        .app("lib2/my_lib.py", "value = 'from lib2'\n")
        .app(
            "app.wsgi",
            &saying(
                "import sys, my_lib, my_extra",
                "(my_lib.value, my_extra.value, sys.path[0] == '@APPS@/lib', '@APPS@/lib2' in sys.path[:4])",
            ),
        )
        .conf(BOTH)
        .python_path("@APPS@/lib:@APPS@/lib2")
        .start();
    for path in ["/g", "/n"] {
        assert_eq!(server.text(path), "('from lib', 'from extra', True, True)");
    }
    server.finish();
}

#[test]
fn optimize_warnings_bytecode_and_hash_seed_reach_python() {
    let server = Server::builder()
        .app(
            "app.wsgi",
            &saying(
                "import sys",
                "(sys.flags.optimize, sys.warnoptions, sys.flags.dont_write_bytecode, \
                 sys.dont_write_bytecode, hash('some text'))",
            ),
        )
        .conf(BOTH)
        .conf(
            "WSGIPythonOptimize 2\nWSGIPythonWarnings error::SyntaxWarning\n\
             WSGIPythonWarnings ignore::DeprecationWarning\nWSGIDontWriteBytecode On\n\
             WSGIPythonHashSeed 42",
        )
        .start();
    let text = server.text("/g");
    assert!(
        text.starts_with("(2, ['error::SyntaxWarning', 'ignore::DeprecationWarning'], 1, True, "),
        "{text}"
    );
    assert_eq!(server.text("/n"), text);
    let python = std::env::var("RSGI_TEST_PYTHON").unwrap_or_default();
    let python = if python.is_empty() {
        "/usr".to_owned()
    } else {
        python
    };
    let output = std::process::Command::new(format!("{python}/bin/python3"))
        .args(["-c", "print(hash('some text'))"])
        .env("PYTHONHASHSEED", "42")
        .output()
        .unwrap();
    let expected = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(
        text.ends_with(&format!(", {expected})")),
        "{text} is not {expected}"
    );
    server.finish();
}

#[test]
fn defaults_of_the_python_settings() {
    both_say(
        &saying(
            "import sys",
            "(sys.flags.optimize, sys.warnoptions, sys.dont_write_bytecode, __debug__)",
        ),
        "(0, [], False, True)",
    );
}

#[test]
fn a_hash_seed_of_random_differs_from_process_to_process() {
    only_rsgi!("random acts like seed 0 in it");
    let run = || {
        let server = Server::builder()
            .serve(&saying("", "hash('some text')"))
            .conf("WSGIPythonHashSeed random")
            .start();
        let text = server.text("/");
        server.finish();
        text
    };
    assert_ne!(run(), run());
}

#[test]
fn case_sensitivity_off_gives_one_module_to_paths_that_differ_in_case() {
    let server = Server::builder()
        .app(
            "App.wsgi",
            &saying(
                "import hashlib",
                "__name__ == '_mod_wsgi_' + hashlib.md5(__file__.lower().encode()).hexdigest()",
            ),
        )
        .conf("WSGIScriptAlias / @APPS@/App.wsgi\nWSGICaseSensitivity Off")
        .start();
    assert_eq!(server.text("/"), "True");
    server.finish();
}

#[test]
fn prefix_and_executable_belong_to_the_python_that_runs() {
    let server = Server::builder()
        .serve(&saying(
            "import sys, os",
            "(sys.prefix, sys.base_prefix, sys.executable)",
        ))
        .start();
    let home = std::env::var("RSGI_TEST_PYTHON").unwrap_or_default();
    let home = if home.is_empty() {
        "/usr".to_owned()
    } else {
        home
    };
    let text = server.text("/");
    assert!(
        text.starts_with(&format!("('{home}', '{home}', ")),
        "{text}"
    );
    server.finish();
}

#[test]
fn the_main_interpreter_and_sub_interpreters_may_use_c_extensions_of_the_standard_library() {
    both_say(
        &saying(
            "import sqlite3, ssl, ctypes, json, zlib, decimal, datetime",
            "(sqlite3.connect(':memory:').execute('select 1+1').fetchone(), \
             ctypes.c_int(5).value, json.loads('[1]'), zlib.decompress(zlib.compress(b'z')), \
             str(decimal.Decimal('1.10')), datetime.date(2026, 1, 2).isoformat())",
        ),
        "((2,), 5, [1], b'z', '1.10', '2026-01-02')",
    );
}

#[test]
fn encodings_are_utf_8_even_in_the_c_locale() {
    only_rsgi!("an ASCII locale stays ASCII");
    let server = Server::builder()
        .serve(&saying(
            "import sys, locale",
            "(sys.getfilesystemencoding(), locale.getpreferredencoding(False).lower(), sys.flags.utf8_mode)",
        ))
        .env("LC_ALL", "C")
        .env("LANG", "C")
        .start();
    assert_eq!(server.text("/"), "('utf-8', 'utf-8', 1)");
    server.finish();
}

#[test]
fn in_single_process_mode_the_streams_of_the_terminal_stay() {
    only_embedded!("a daemon has no terminal");
    let server = Server::builder()
        .app(
            "app.wsgi",
            &saying(
                "import sys",
                "(sys.stdin.name, sys.stdout.name, sys.stderr.name)",
            ),
        )
        .conf(BOTH)
        .conf("WSGIRestrictStdin On\nWSGIRestrictStdout On")
        .argument("-X")
        .start();
    for path in ["/g", "/n"] {
        assert_eq!(server.text(path), "('<stdin>', '<stdout>', '<stderr>')");
    }
    server.finish();
}
