//! `WSGIPassApacheRequest`: httpd's own structure for C extensions, and what is left of it after the request.

use crate::directives::{accepts, refuses, refuses_value};
use crate::harness::{Builder, Server, only_rsgi};

/// Looks through the capsule as a C extension would: the first line of the request is the seventh pointer.
const APP: &str = r#"
import ctypes, threading
api = ctypes.pythonapi
api.PyCapsule_GetPointer.restype = ctypes.c_void_p
api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
api.PyCapsule_GetName.restype = ctypes.c_char_p
api.PyCapsule_GetName.argtypes = [ctypes.py_object]
kept = []

def first_line(capsule, name):
    try:
        address = api.PyCapsule_GetPointer(capsule, name)
    except ValueError:
        return "refused"
    line = (ctypes.c_void_p * 7).from_address(address)[6]
    return ctypes.string_at(line).decode() if line else "nothing"

def application(environ, start_response):
    capsule = environ.get("apache.request_rec")
    if environ["QUERY_STRING"] == "earlier":
        told = ["%s, %s" % (first_line(one, None), first_line(one, api.PyCapsule_GetName(one))) for one in kept]
    elif capsule is None:
        told = ["none"]
    else:
        kept.append(capsule)
        told = [first_line(capsule, None)]
    start_response("200 OK", [])
    return [str(told).encode()]
"#;

fn server(conf: &str) -> Builder {
    Server::builder()
        .embedded()
        .app("r.wsgi", APP)
        .conf("WSGIScriptAlias / @APPS@/r.wsgi application-group=%{GLOBAL}")
        .conf(conf)
}

#[test]
fn whether_applications_get_the_request_is_said_in_servers_and_sections() {
    for value in ["On", "off"] {
        let line = format!("WSGIPassApacheRequest {value}");
        accepts(&line);
        accepts(&format!("<Location /x>\n{line}\n</Location>"));
        accepts(&format!("<VirtualHost *:@PORT@>\n{line}\n</VirtualHost>"));
    }
    refuses_value("WSGIPassApacheRequest perhaps", "perhaps");
    refuses("WSGIPassApacheRequest", &[]);
}

#[test]
fn the_request_is_passed_where_the_innermost_section_says_so() {
    let server = server(
        "<Location /on>\nWSGIPassApacheRequest On\n</Location>\n\
         <Location /on/off>\nWSGIPassApacheRequest Off\n</Location>",
    )
    .start();
    assert_eq!(server.text("/"), "['none']");
    assert_eq!(server.text("/on"), "['GET /on HTTP/1.1']");
    assert_eq!(server.text("/on/off"), "['none']");
    server.finish();
}

#[test]
fn a_kept_request_is_worth_nothing_when_it_is_over() {
    only_rsgi!("it leaves the pointer to memory that is used for something else");
    let server = server("WSGIPassApacheRequest On").start();
    assert_eq!(server.text("/a?x"), "['GET /a?x HTTP/1.1']");
    assert_eq!(server.text("/?earlier"), "['refused, nothing']");
    server.finish();
}

#[test]
fn process_groups_have_no_request_to_pass() {
    let server = Server::builder()
        .daemon("g", "threads=2")
        .app("r.wsgi", APP)
        .conf("WSGIScriptAlias / @APPS@/r.wsgi\nWSGIPassApacheRequest On")
        .start();
    assert_eq!(server.text("/"), "['none']");
    server.finish();
}

#[test]
fn scripts_that_are_asked_get_the_request_while_they_are() {
    only_rsgi!("it leaves the pointer to memory that is used for something else");
    let asked = APP.replace(
        "def application(environ, start_response):",
        "def allow_access(environ, host):\n    \
             capsule = environ.get('apache.request_rec')\n    \
             before = [first_line(one, None) for one in kept]\n    \
             print(first_line(capsule, None), before, file=environ['wsgi.errors'])\n    \
             kept.append(capsule)\n    return True\ndef application(environ, start_response):",
    );
    let server = server(
        "WSGIPassApacheRequest On\n<Location /asked>\nWSGIAccessScript @APPS@/a.py\n</Location>",
    )
    .app("a.py", &asked)
    .allow_log("GET /asked")
    .start();
    server.text("/asked/1");
    server.text("/asked/2");
    server.expect_log("GET /asked/1 HTTP/1.1 []");
    server.expect_log("GET /asked/2 HTTP/1.1 ['refused']");
    server.finish();
}
