//! `wsgi.file_wrapper`: real files, files that are none, offsets and lengths.

use std::collections::BTreeSet;
use std::path::Path;

use crate::harness::{Request, Server, allow, id, only_rsgi, open_descriptors, wait_until};

/// Serves `work/data` wrapped as the query says.
const SERVING: &str = r#"
import io
from urllib.parse import parse_qs
def note(text):
    with open("@WORK@/events", "a") as f:
        f.write(text + "\n")
class NotedFile(io.FileIO):
    def close(self):
        if not self.closed:
            note("closed")
        super().close()
def application(environ, start_response):
    q = {k: v[0] for k, v in parse_qs(environ["QUERY_STRING"]).items()}
    kind = q.get("kind", "file")
    if kind == "file": f = open("@WORK@/data", "rb")
    elif kind == "noted": f = NotedFile("@WORK@/data")
    elif kind == "bytesio": f = io.BytesIO(open("@WORK@/data", "rb").read())
    elif kind == "readonly":
        inner = open("@WORK@/data", "rb")
        class Like:
            def read(self, size): return inner.read(size)
        f = Like()
    f_seek = int(q.get("seek", 0))
    if f_seek: f.seek(f_seek)
    headers = [("Content-Type", "application/octet-stream")]
    if "length" in q: headers.append(("Content-Length", q["length"]))
    write = start_response("200 OK", headers)
    if "write" in q: write(b"written first;")
    wrapper = environ["wsgi.file_wrapper"]
    return wrapper(f, int(q["block"])) if "block" in q else wrapper(f)
"#;

fn data(size: u32) -> Vec<u8> {
    (0..size)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn serving(size: u32, conf: &str) -> Server {
    Server::builder()
        .serve(SERVING)
        .file("work/data", &data(size))
        .conf(conf)
        .start()
}

#[test]
fn a_file_is_sent_whole_with_its_length() {
    for conf in [
        "WSGIEnableSendfile Off",
        "WSGIEnableSendfile On\nEnableSendfile On",
        "EnableMMAP Off",
    ] {
        let server = serving(3_000_000, conf);
        let mut connection = server.connect();
        for _ in 0..3 {
            let reply = connection.ask(&Request::get("/")).ok();
            assert_eq!(reply.header("Content-Length"), Some("3000000"), "{conf}");
            assert!(reply.body == data(3_000_000), "{conf}");
        }
        server.finish();
    }
}

#[test]
fn a_file_starts_at_its_position() {
    let server = serving(100_000, "");
    let reply = server.get("/?seek=99000").ok();
    assert_eq!(reply.header("Content-Length"), Some("1000"));
    assert!(reply.body == data(100_000)[99_000..]);
    server.finish();
}

#[test]
fn a_declared_length_sends_that_much() {
    let server = serving(100_000, "");
    let mut connection = server.connect();
    let reply = connection.ask(&Request::get("/?length=500&seek=100")).ok();
    assert!(reply.body == data(100_000)[100..600]);
    let reply = connection.ask(&Request::get("/?length=0")).ok();
    assert_eq!(reply.body.len(), 0);
    server.finish();
}

#[test]
fn a_declared_length_beyond_the_end_is_seen_by_the_client() {
    only_rsgi!("pads with NUL");
    let server = serving(1000, "");
    let reply = server.get("/?length=2000");
    assert!(reply.is_cut);
    assert!(data(1000).starts_with(&reply.body), "{}", reply.body.len());
    server.expect_log("RSGI0215: The response is cut");
    server.finish();
}

#[test]
fn a_position_at_or_beyond_the_end_is_an_empty_body() {
    let server = serving(1000, "");
    let mut connection = server.connect();
    let reply = connection.ask(&Request::get("/?seek=1000")).ok();
    assert_eq!(reply.body.len(), 0);
    server.finish();
}

#[test]
fn an_empty_file_is_an_empty_body() {
    let server = serving(0, "");
    let mut connection = server.connect();
    for _ in 0..2 {
        let reply = connection.ask(&Request::get("/")).ok();
        assert_eq!(reply.body.len(), 0);
    }
    server.finish();
}

#[test]
fn objects_that_are_no_files_are_read_in_blocks() {
    let server = serving(100_000, "");
    for kind in ["bytesio", "readonly"] {
        for block in ["", "&block=777"] {
            let reply = server.get(&format!("/?kind={kind}{block}")).ok();
            assert!(reply.body == data(100_000), "{kind}{block}");
        }
    }
    let reply = server.get("/?kind=bytesio&seek=99990").ok();
    assert!(reply.body == data(100_000)[99_990..]);
    server.allow_log_of_mod_wsgi("has no attribute 'close'");
    server.allow_log_of_mod_wsgi("WSGI0174");
    server.finish();
}

#[test]
fn after_write_a_file_is_read_in_blocks() {
    let server = serving(10_000, "");
    let reply = server.get("/?write=1").ok();
    assert!(reply.body == [b"written first;".as_slice(), &data(10_000)].concat());
    server.finish();
}

#[test]
fn the_file_is_closed_once_after_it_was_sent() {
    let server = serving(1_000_000, "");
    for n in 1..=3 {
        server.get("/?kind=noted").ok();
        wait_until("the file is closed", || server.events().len() == n);
    }
    server.finish();
}

#[test]
fn the_file_is_closed_when_the_client_went_away() {
    let server = serving(20_000_000, "");
    let mut connection = server.connect();
    connection.send(Request::get("/?kind=noted").to_bytes());
    connection.head();
    connection.reset();
    wait_until("the file is closed", || server.events() == ["closed"]);
    server.allow_log_of_mod_wsgi("Connection reset by peer");
    server.allow_log_of_mod_wsgi("WSGI0174");
    server.finish();
}

#[test]
fn head_of_a_file_has_its_length() {
    let server = serving(5000, "");
    let mut connection = server.connect();
    for _ in 0..2 {
        let reply = connection.ask(&Request::new("HEAD", "/")).ok();
        assert_eq!(reply.header("Content-Length"), Some("5000"));
        let reply = connection.ask(&Request::get("/")).ok();
        assert_eq!(reply.body.len(), 5000);
    }
    server.finish();
}

#[test]
fn the_wrapper_is_a_class_with_attributes() {
    let server = Server::builder()
        .serve(
            r#"
import io, mod_wsgi
def application(environ, start_response):
    wrapper = environ["wsgi.file_wrapper"]
    f = io.BytesIO(b"abcdef")
    out = []
    w = wrapper(f, 4)
    out.append((w.filelike is f, w.blksize, list(w)))
    w.close()
    out.append((f.closed, wrapper(io.BytesIO()).blksize, wrapper is mod_wsgi.FileWrapper))
    out.append(wrapper(filelike=io.BytesIO(b"x"), blksize=2).blksize)
    for arguments in ((io.BytesIO(), -1), (), (io.BytesIO(), "x")):
        try:
            wrapper(*arguments)
            out.append("accepted")
        except Exception as error:
            out.append(type(error).__name__)
    try:
        w.blksize = 5
        out.append("changed")
    except AttributeError:
        out.append("AttributeError")
    class Bad:
        def read(self, size): return "text"
        def close(self): raise ValueError("swallowed")
    b = wrapper(Bad())
    b.close()
    try:
        next(iter(wrapper(Bad())))
    except TypeError:
        out.append("TypeError")
    class Sub(wrapper):
        pass
    out.append(list(Sub(io.BytesIO(b"sub"))))
    start_response("200 OK", [])
    return [repr(out).encode()]
"#,
        )
        .start();
    assert_eq!(
        server.text("/"),
        "[(True, 4, [b'abcd', b'ef']), (True, 8192, True), 2, 'ValueError', 'TypeError', 'TypeError', \
         'AttributeError', 'TypeError', [b'sub']]"
    );
    server.finish();
}

#[test]
fn a_subclass_may_have_arguments_of_its_own() {
    let server = Server::builder()
        .app("data", "0123456789")
        .serve(
            r#"
import mod_wsgi
class Named(mod_wsgi.FileWrapper):
    def __init__(self, folder, name, size):
        super().__init__(open(f"{folder}/{name}", "rb"), blksize=size)
def application(environ, start_response):
    wrapper = Named("@APPS@", "data", 4)
    start_response("200 OK", [("X-Size", str(wrapper.blksize))])
    return wrapper
"#,
        )
        .start();
    let reply = server.get("/").ok();
    assert_eq!(
        (reply.text().as_str(), reply.header("X-Size")),
        ("0123456789", Some("4"))
    );
    server.finish();
}

#[test]
fn a_wrapper_may_be_wrapped_again_by_middleware() {
    let server = Server::builder()
        .serve(
            r#"
def application(environ, start_response):
    start_response("200 OK", [])
    wrapped = environ["wsgi.file_wrapper"](open("@WORK@/data", "rb"), 1000)
    return (block.upper() for block in wrapped)
"#,
        )
        .file("work/data", &b"abc".repeat(2000))
        .start();
    assert_eq!(server.text("/"), "ABC".repeat(2000));
    server.finish();
}

#[test]
fn a_pipe_is_read_in_blocks() {
    let server = Server::builder()
        .serve(
            r#"
import os
def application(environ, start_response):
    r, w = os.pipe()
    os.write(w, b"through a pipe")
    os.close(w)
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](os.fdopen(r, "rb"))
"#,
        )
        .start();
    assert_eq!(server.text("/"), "through a pipe");
    server.finish();
}

#[test]
fn a_text_file_is_a_type_error() {
    let server = Server::builder()
        .serve(
            r#"
import io
def application(environ, start_response):
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](io.StringIO("text"))
"#,
        )
        .start();
    assert_eq!(server.get("/").status, 500);
    server.expect_error("TypeError");
    server.finish();
}

#[test]
fn a_position_in_the_file_is_kept_for_the_application() {
    let server = Server::builder()
        .one_process()
        .serve(
            r#"
kept = open("@WORK@/data", "rb")
def application(environ, start_response):
    if environ["PATH_INFO"] == "/where":
        start_response("200 OK", [])
        import os
        return [str(os.lseek(kept.fileno(), 0, os.SEEK_CUR)).encode()]
    kept.seek(10)
    class Unclosed:
        def __init__(self, f): self.read, self.fileno, self.tell = f.read, f.fileno, f.tell
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](Unclosed(kept))
"#,
        )
        .file("work/data", &data(5000))
        .start();
    assert!(server.get("/").ok().body == data(5000)[10..]);
    let place = server.text("/where");
    assert!(["10", "5000"].contains(&place.as_str()), "{place}");
    server.allow_log_of_mod_wsgi("has no attribute 'close'");
    server.allow_log_of_mod_wsgi("WSGI0174");
    server.finish();
}

#[test]
fn nothing_leaks_descriptors_when_files_are_sent() {
    let server = serving(100_000, "WSGIEnableSendfile On\nEnableSendfile On");
    let mut connection = server.connect();
    // Apache's children and the processes of the application, where they are others.
    let open = || -> usize {
        let all: BTreeSet<i32> = server
            .children()
            .into_iter()
            .chain(server.workers())
            .collect();
        all.into_iter().filter_map(open_descriptors).sum()
    };
    let mut ask = |times: u32| {
        for _ in 0..times {
            connection.ask(&Request::get("/")).ok();
        }
        open()
    };
    let before = ask(10);
    let after = ask(200);
    assert!(after <= before + 2, "{before} descriptors became {after}");
    server.finish();
}

#[test]
fn a_data_file_that_shrinks_while_it_is_sent_does_not_kill_the_child() {
    let server = serving(8_000_000, "EnableMMAP Off");
    let path = server.root().join("work/data");
    let before = server.workers();
    let mut connection = server.connect();
    connection.send(Request::get("/").to_bytes());
    connection.head();
    server.allow_log("OSError");
    server.allow_log(&id("0174"));
    shrink(&path);
    connection.rest();
    allow(&path, 0o644);
    assert_eq!(server.workers(), before);
    assert_eq!(server.get("/").ok().body.len(), 10);
    server.allow_log("AH");
    server.finish();
}

fn shrink(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_len(10).unwrap();
}
