//! `wsgi.errors`, `sys.stderr`, `sys.stdout`.

use std::path::Path;

use rsgi_bridge::abi::level;

use crate::host::{Bench, Call, Reply};

const SCRIPT: &str = r#"
import sys, threading, warnings

def application(environ, start_response):
    start_response('200 OK', [])
    result = []
    exec(environ['PATH_INFO'][1:], {'e': environ['wsgi.errors'], 'sys': sys, 'threading': threading, 'result': result})
    return [repr(result).encode()]

def later(environ, start_response):
    start_response('200 OK', [])
    yield b'a'
    print('while iterating', end='')

class Closing(list):
    def close(self):
        print('while closing')
        self.errors.write('errors while closing\n')

def closing(environ, start_response):
    start_response('200 OK', [])
    result = Closing([b'x'])
    result.errors = environ['wsgi.errors']
    return result
"#;

pub(crate) fn run(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("log.wsgi", SCRIPT);
    for group in ["", "other"] {
        errors(&bench, &script, group);
        prints(&bench, &script, group);
        objects(&bench, &script, group);
    }
    text_for_the_buffer_is_taken_with_one_warning(&bench, &script);
    bench.layer.stop(std::time::Duration::from_secs(5));
}

#[track_caller]
fn exec(bench: &Bench, script: &[u8], group: &str, code: &str) -> Reply {
    let path = format!("/{code}");
    let reply = Call::new(script, "application")
        .group(group)
        .path(path.as_bytes())
        .run(bench);
    assert_eq!(reply.head().status, 200, "{reply:?}");
    reply
}

#[track_caller]
fn assert_lines(reply: &Reply, lines: &[&str]) {
    assert_eq!(reply.log.worse_than(level::NOTICE), lines);
    assert_eq!(
        reply.log.worse_than(level::WARN),
        reply.log.worse_than(level::ERROR)
    );
    assert_eq!(
        reply.log.worse_than(level::ERROR).len(),
        lines.len(),
        "{reply:?}"
    );
    assert!(reply.log.worse_than(level::CRIT).is_empty(), "{reply:?}");
}

fn errors(bench: &Bench, script: &[u8], group: &str) {
    let run = |code: &str| exec(bench, script, group, code);
    assert_lines(&run("e.write('one\\ntwo\\n')"), &["one", "two"]);
    assert_lines(
        &run("e.write('pa'); e.write('rt'); e.write('ial\\nrest')"),
        &["partial", "rest"],
    );
    assert_lines(&run("e.write('a'); e.flush(); e.write('b')"), &["a", "b"]);
    assert_lines(
        &run("e.write('caf\\xe9 \\u20ac \\ud800\\n')"),
        &["caf\u{e9} \u{20ac} ?"],
    );
    assert_lines(&run("e.write('a\\0b\\n')"), &["a\\x00b"]);
    assert_lines(&run("e.writelines(['a', 'b\\n', 'c'])"), &["ab", "c"]);
    assert_lines(&run("print('printed', file=e)"), &["printed"]);
    let long = run("e.write('x' * 20000 + '\\n')");
    let total = |reply: &Reply| reply.log.worse_than(level::ERROR).concat().len();
    assert_eq!(total(&long), 20_000);
    let endless = run("e.write('x' * 100000)");
    assert_eq!(total(&endless), 100_000);
}

fn prints(bench: &Bench, script: &[u8], group: &str) {
    let run = |code: &str| exec(bench, script, group, code);
    let named = |text: &str| format!("[script {}] {text}", String::from_utf8_lossy(script));
    for stream in ["sys.stdout", "sys.stderr"] {
        let reply = run(&format!("print('one\\ntwo', file={stream})"));
        assert_lines(&reply, &[&named("one"), &named("two")]);
        let reply = run(&format!("{stream}.write('partial')"));
        assert_lines(&reply, &[&named("partial")]);
    }
    let reply = Call::new(script, "later").group(group).run(bench);
    assert_lines(&reply, &[&named("while iterating")]);
    let reply = Call::new(script, "closing").group(group).run(bench);
    assert_lines(&reply, &[&named("while closing"), "errors while closing"]);
    bench.take_log();
    let code = "t = threading.Thread(target=lambda: print('from a thread', flush=True)); t.start(); t.join()";
    let reply = run(code);
    assert!(
        !reply.log.has("from a thread"),
        "a thread of the application belongs to no request: {reply:?}"
    );
    assert_eq!(bench.take_log().count("from a thread"), 1);
}

fn objects(bench: &Bench, script: &[u8], group: &str) {
    let run = |code: &str| exec(bench, script, group, code).text();
    let code = "for s in (sys.stdout, sys.stderr, e): result.append((s.encoding, s.errors, s.isatty(), s.readable(), \
                s.writable(), s.seekable(), s.closed, s.line_buffering))";
    let each = "('utf-8', 'replace', False, False, True, False, False, True)";
    assert_eq!(run(code), format!("[{each}, {each}, {each}]"));
    assert_eq!(
        run("result += [sys.stdout.name, sys.stderr.name]"),
        "['<stdout>', '<stderr>']"
    );
    assert_eq!(
        run(
            "b = e.buffer; result += [type(b).__module__, type(b).__name__, b.write(b'12345\\n'), b.writelines([b'a', b'b\\n']), b.flush(), b.close(), b.closed, b.write(bytearray(b'x')), b.write(memoryview(b'yz'))]"
        ),
        "['mod_wsgi', 'Log', 6, None, None, None, False, 1, 2]"
    );
    let code = "\ntry: sys.stdout.fileno()\nexcept OSError: result.append('OSError')\ntry: e.buffer.write(3)\n\
                except TypeError: result.append('TypeError')";
    assert_eq!(run(code), "['OSError', 'TypeError']");
}

fn text_for_the_buffer_is_taken_with_one_warning(bench: &Bench, script: &[u8]) {
    let code = "import warnings\nwith warnings.catch_warnings(record=True) as w:\n warnings.simplefilter('always')\n \
                result.append(e.buffer.write('text\\n'))\n e.buffer.write('more\\n')\nresult += [x.category.__name__ for x in w]";
    let reply = exec(bench, script, "", code);
    assert_eq!(reply.text(), "[5, 'DeprecationWarning']");
    assert_lines(&reply, &["text", "more"]);
}
