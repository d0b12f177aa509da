//! What an interpreter looks like: modules, streams, arguments, paths, environ.

use std::path::Path;

use rsgi_bridge::abi;
use rsgi_bridge::facts::{ConstantsBlock, FieldList};
use rsgi_core::name::id;

use crate::host::{Bench, Call};

const SCRIPT: &str = r"
import sys, signal

def application(environ, start_response):
    start_response('200 OK', [])
    return [repr(eval(environ['PATH_INFO'][1:], {'environ': environ, 'sys': sys, 'signal': signal, 'start': start_response, 'raised': raised})).encode()]

def raised(call):
    try:
        return call()
    except BaseException as error:
        return type(error).__name__
";

pub(crate) fn run(home: &Path) {
    let folder = crate::host::scratch_folder().join("added");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("found_here.py"), "WHERE = __file__\n").unwrap();
    let pth = folder.join("through-pth");
    std::fs::create_dir_all(&pth).unwrap();
    std::fs::write(folder.join("extra.pth"), "through-pth\n").unwrap();
    let path = [folder.to_string_lossy().into_owned().into_bytes()];
    let bench = Bench::start(home, abi::START_RESTRICT_STDIN, &path);
    let script = bench.script("module.wsgi", SCRIPT);
    for group in ["", "other"] {
        modules(&bench, &script, group);
        replaced(&bench, &script, group);
        environ(&bench, &script, group);
        let added = folder.to_string_lossy().into_owned();
        let expected = format!("['{added}', '{added}/through-pth']");
        check(&bench, &script, group, "sys.path[:2]", &expected);
        check(
            &bench,
            &script,
            group,
            "__import__('found_here').WHERE.endswith('added/found_here.py')",
            "True",
        );
    }
    constants(&bench, &script);
    bench.layer.stop(std::time::Duration::from_secs(5));
}

#[track_caller]
fn check(bench: &Bench, script: &[u8], group: &str, expression: &str, expected: &str) {
    let path = format!("/{expression}");
    let reply = Call::new(script, "application")
        .group(group)
        .path(path.as_bytes())
        .run(bench);
    assert_eq!(
        reply.text(),
        expected,
        "{expression} in '{group}': {reply:?}"
    );
}

fn modules(bench: &Bench, script: &[u8], group: &str) {
    let check =
        |expression: &str, expected: &str| check(bench, script, group, expression, expected);
    check("__import__('mod_wsgi').version", "(6, 1, 1)");
    check("__import__('mod_rsgi').version", "(0, 1, 0)");
    check("__import__('mod_rsgi') is __import__('mod_wsgi')", "False");
    check(
        "(lambda a, b: sorted(set(k for k in vars(a) if k[0] != '_') ^ set(k for k in vars(b) if k[0] != '_')))(__import__('mod_wsgi'), __import__('mod_rsgi'))",
        "[]",
    );
    check(
        "__import__('mod_rsgi').FileWrapper is __import__('mod_wsgi').FileWrapper",
        "True",
    );
    check(
        "(lambda m: (m.process_group, m.maximum_processes, m.threads_per_process))(__import__('mod_wsgi'))",
        "('', 3, 8)",
    );
    check(
        "__import__('mod_wsgi').application_group",
        &format!("'{group}'"),
    );
    check(
        "__import__('mod_wsgi').RequestTimeout.__mro__[1].__name__",
        "'BaseException'",
    );
    check(
        "(lambda m: (m.version, m.maximum_processes, m.threads_per_process, m.description, m.mpm_name, m.build_date))(__import__('apache'))",
        "((2, 4, 62), 3, 8, 'Apache/2.4.62 (Test)', 'event', '2026-01-01')",
    );
    check(
        "[type(x).__module__ + '.' + type(x).__name__ for x in (environ['wsgi.input'], environ['wsgi.errors'].buffer, start.__self__)]",
        "['mod_wsgi.Input', 'mod_wsgi.Log', 'mod_wsgi.Adapter']",
    );
    check(
        "environ['wsgi.file_wrapper'] is __import__('mod_wsgi').FileWrapper",
        "True",
    );
    check("sys.argv", "['mod_wsgi']");
}

fn replaced(bench: &Bench, script: &[u8], group: &str) {
    let check =
        |expression: &str, expected: &str| check(bench, script, group, expression, expected);
    for access in [
        "sys.stdin.read()",
        "sys.stdin.fileno()",
        "sys.stdin.closed",
        "iter(sys.stdin.x)",
    ] {
        check(&format!("raised(lambda: {access})"), "'OSError'");
    }
    check("type(signal.signal).__name__", "'SignalIntercept'");
    bench.take_log();
    check("signal.signal(signal.SIGTERM, 3)", "3");
    check(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN) is signal.SIG_IGN",
        "True",
    );
    check(
        "signal.getsignal(signal.SIGTERM) == signal.SIG_DFL or signal.getsignal(signal.SIGTERM)",
        "True",
    );
    check("raised(lambda: signal.signal())", "'TypeError'");
}

fn environ(bench: &Bench, script: &[u8], group: &str) {
    let check =
        |expression: &str, expected: &str| check(bench, script, group, expression, expected);
    check("type(environ) is dict", "True");
    check(
        "[environ['wsgi.' + k] for k in ('version', 'url_scheme', 'multithread', 'multiprocess', 'run_once')]",
        "[(1, 0), 'http', True, False, False]",
    );
    check("environ['HTTP_X_TEST']", "'caf\u{e9}'");
    check("all(type(k) is str for k in environ)", "True");
    check("environ['mod_wsgi.version']", "(6, 1, 1)");
    check(
        "(environ['mod_wsgi.application_group'], environ['REQUEST_METHOD'])",
        &format!("('{group}', 'GET')"),
    );
    check("environ['SCRIPT_FILENAME'].endswith('module.wsgi')", "True");
}

fn constants(bench: &Bench, script: &[u8]) {
    let mut list = FieldList::default();
    list.push(id::SERVER_ADMIN, b"constant");
    list.push(id::SERVER_NAME, b"hidden");
    list.push_named(b"SHARED", b"v");
    let block = ConstantsBlock::new(&list);
    let expression =
        b"/[environ.pop(k) for k in ('SERVER_ADMIN', 'SERVER_NAME', 'SHARED')], environ.clear()";
    for group in ["", "other", ""] {
        let call = Call::new(script, "application")
            .group(group)
            .path(expression);
        let reply = call.constants(&block).run(bench);
        assert_eq!(
            reply.text(),
            "(['constant', 'localhost', 'v'], None)",
            "each request has a dict of its own"
        );
    }
    check(bench, script, "", "'SHARED' in environ", "False");
}
