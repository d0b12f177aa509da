//! Access control by scripts: who a user is, which groups the user has, whether a client is let in.

use crate::harness::{
    Builder, Curl, ENVIRON_APP, Environ, Request, Server, UnderTest, id, only_rsgi, under_test,
};

const SCRIPT: &str = r#"
import hashlib

def check_password(environ, user, password):
    if user == "stranger":
        return None
    if user == "renamed":
        return "andr\u00e9"
    if user == "raises":
        raise RuntimeError("this one raises")
    if user in ODD:
        return ODD[user]
    return password == "secret"

ODD = {"empty": "", "one": 1, "list": ["spy"], "nul": "root\0x", "bytes": b"spy"}

def get_realm_hash(environ, user, realm):
    if user == "stranger":
        return None
    if user == "odd":
        return 7
    digest = hashlib.md5(("%s:%s:secret" % (user, realm)).encode()).hexdigest()
    return digest.encode() if user == "bytes" else digest

GROUPS = {"spy": ["agents", b"readers"], "none": [], "odd": "agents", "number": [1], "nothing": None}

def groups_for_user(environ, user):
    return iter(GROUPS[user])if user == "spy" else GROUPS[user]

def allow_access(environ, host):
    answer = environ.get("HTTP_X_ANSWER", "None")
    return {"None": None, "True": True, "False": False, "one": 1}[answer]
"#;

/// A server whose `/locked` asks for a user.
fn locked(more: &str) -> Builder {
    Server::builder()
        .app("auth.wsgi", SCRIPT)
        .serve(ENVIRON_APP)
        .modules(&["auth_basic", "authn_core", "authz_user"])
        .conf(&format!(
            "<Location /locked>\nAuthType Basic\nAuthName place\nAuthBasicProvider wsgi\n\
             WSGIAuthUserScript @APPS@/auth.wsgi\n{more}\n</Location>"
        ))
}

fn base64(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let mut bits = [0; 3];
        bits[..chunk.len()].copy_from_slice(chunk);
        let number = u32::from_be_bytes([0, bits[0], bits[1], bits[2]]);
        for place in 0..4 {
            let letter = char::from(LETTERS[(number >> (18 - 6 * place)) as usize & 63]);
            out.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    out
}

fn as_user(user: &str, password: &str) -> Request {
    let credentials = base64(&format!("{user}:{password}"));
    Request::get("/locked").header("Authorization", &format!("Basic {credentials}"))
}

fn status(server: &Server, user: &str) -> u16 {
    server.ask(&as_user(user, "secret")).status
}

#[test]
fn basic_authentication_asks_check_password() {
    let server = locked("Require valid-user").start();
    assert_eq!(server.get("/locked").status, 401);
    let e = Environ::parse(&server.ask(&as_user("spy", "secret")).ok().text());
    e.is("REMOTE_USER", "'spy'");
    e.is("AUTH_TYPE", "'Basic'");
    e.lacks("HTTP_AUTHORIZATION");
    let denied = server.ask(&as_user("spy", "wrong"));
    assert_eq!(denied.status, 401);
    assert_eq!(
        denied.header("WWW-Authenticate"),
        Some("Basic realm=\"place\"")
    );
    assert_eq!(status(&server, "stranger"), 401);
    // A name in its place, in UTF-8.
    let e = Environ::parse(&server.ask(&as_user("renamed", "any")).ok().text());
    e.is("REMOTE_USER", "'andrÃ©'");
    server.allow_log("AH01617");
    server.allow_log("AH01618");
    server.finish();
}

#[test]
fn answers_that_mean_nothing_are_errors_and_let_nobody_in() {
    let server = locked("Require valid-user").start();
    for user in ["empty", "one", "list", "bytes"] {
        assert_eq!(status(&server, user), 500, "{user}");
    }
    assert_eq!(status(&server, "raises"), 500);
    server.expect_log("this one raises");
    if under_test() == UnderTest::Rsgi {
        assert_eq!(status(&server, "nul"), 500);
        assert_eq!(server.log_text().matches("RSGI0176:").count(), 1);
        assert_eq!(server.log_text().matches("RSGI0177:").count(), 4);
        server.expect_log("RSGI0500: RuntimeError escaped from check_password of the script");
    }
    server.allow_log("");
    server.finish();
}

#[test]
fn the_next_provider_is_asked_for_users_that_a_script_does_not_know() {
    let server =
        locked("Require valid-user\nAuthBasicProvider wsgi file\nAuthUserFile @ROOT@/users")
            .modules(&["authn_file"])
            .file("users", b"stranger:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
            .start();
    assert_eq!(server.ask(&as_user("stranger", "secret")).status, 200);
    assert_eq!(server.ask(&as_user("stranger", "wrong")).status, 401);
    assert_eq!(server.ask(&as_user("spy", "wrong")).status, 401);
    server.allow_log("AH01617");
    server.finish();
}

#[test]
fn digest_authentication_asks_get_realm_hash() {
    let server = Server::builder()
        .app("auth.wsgi", SCRIPT)
        .serve(ENVIRON_APP)
        .modules(&["auth_digest", "authn_core", "authz_user"])
        .conf(
            "<Location /locked>\nAuthType Digest\nAuthName place\nAuthDigestProvider wsgi\n\
             WSGIAuthUserScript @APPS@/auth.wsgi\nRequire valid-user\n</Location>",
        )
        .start();
    let url = server.url("/locked");
    let ask = |user: &str, password: &str| {
        Curl::run(&["--digest", "-u", &format!("{user}:{password}"), &url])
    };
    for user in ["spy", "bytes"] {
        let reply = ask(user, "secret");
        assert_eq!(reply.status, 200, "{}", reply.messages);
        let e = Environ::parse(&reply.text());
        e.is("REMOTE_USER", &format!("'{user}'"));
        e.is("AUTH_TYPE", "'Digest'");
    }
    assert_eq!(ask("spy", "wrong").status, 401);
    assert_eq!(ask("stranger", "secret").status, 401);
    assert_eq!(ask("odd", "secret").status, 500);
    server.allow_log("AH017");
    server.expect_error(&id("0179"));
    server.allow_log("");
    server.finish();
}

#[test]
fn groups_are_compared_without_case() {
    let server = locked(
        "WSGIAuthGroupScript @APPS@/auth.wsgi\nWSGIGroupAuthoritative Off\n\
         Require wsgi-group \"other agents\" READERS",
    )
    .start();
    assert_eq!(server.get("/locked").status, 401);
    assert_eq!(status(&server, "spy"), 200);
    assert_eq!(status(&server, "none"), 401);
    for user in ["number", "nothing"] {
        assert_eq!(status(&server, user), 401, "{user}");
    }
    if under_test() == UnderTest::Rsgi {
        assert_eq!(status(&server, "odd"), 401);
        assert_eq!(server.log_text().matches("RSGI0050:").count(), 1);
        assert_eq!(server.log_text().matches("RSGI0051:").count(), 2);
    }
    // An exception: a KeyError.
    assert_eq!(status(&server, "nobody"), 401);
    server.expect_log("KeyError");
    server.allow_log("");
    server.finish();
}

#[test]
fn a_script_lets_clients_in_or_not() {
    let server = Server::builder()
        .app("auth.wsgi", SCRIPT)
        .serve(ENVIRON_APP)
        .conf("<Location /gate>\nWSGIAccessScript @APPS@/auth.wsgi\n</Location>")
        .start();
    for (answer, expected) in [
        ("None", 200),
        ("True", 200),
        ("False", 403),
        ("one", 403),
        ("key", 403),
    ] {
        let request = Request::get("/gate").header("X-Answer", answer);
        assert_eq!(server.ask(&request).status, expected, "{answer}");
    }
    server.expect_error(&id("0057"));
    server.expect_log("KeyError");
    server.allow_log("");
    server.finish();
}

#[test]
fn a_password_may_make_good_what_the_gate_refuses() {
    let server = locked("WSGIAccessScript @APPS@/auth.wsgi\nSatisfy Any\nRequire valid-user")
        .modules(&["access_compat"])
        .start();
    let gate = |request: Request| server.ask(&request.header("X-Answer", "False")).status;
    assert_eq!(gate(as_user("spy", "secret")), 200);
    assert_eq!(gate(Request::get("/locked")), 401);
    assert!(!server.log_text().contains(&id("0057")));
    server.finish();
}

#[test]
fn scripts_without_the_function_and_that_do_not_load_let_nobody_in() {
    let server = locked("Require valid-user")
        .app("empty.wsgi", "")
        .app("broken.wsgi", "this is no Python")
        .modules(&["auth_digest"])
        .conf(
            "<Location /locked/empty>\nWSGIAuthUserScript @APPS@/empty.wsgi\n</Location>\n\
             <Location /locked/broken>\nWSGIAuthUserScript @APPS@/broken.wsgi\n</Location>\n\
             <Location /locked/groups>\nWSGIAuthGroupScript @APPS@/empty.wsgi\nRequire wsgi-group x\n</Location>\n\
             <Location /gate/empty>\nWSGIAccessScript @APPS@/empty.wsgi\n</Location>\n\
             <Location /gate/none>\nWSGIAccessScript @APPS@/none.wsgi\n</Location>\n\
             <Location /digest>\nAuthType Digest\nAuthName place\nAuthDigestProvider wsgi\n\
             WSGIAuthUserScript @APPS@/empty.wsgi\nRequire valid-user\n</Location>",
        )
        .start();
    let ask = |path: &str| {
        let credentials = format!("Basic {}", base64("spy:secret"));
        server
            .ask(&Request::get(path).header("Authorization", &credentials))
            .status
    };
    for (path, expected, line) in [
        ("/locked/empty", 500, "0043"),
        ("/locked/broken", 500, "0106"),
        ("/locked/groups", 401, "0052"),
        ("/gate/empty", 403, "0056"),
        ("/gate/none", 403, "0105"),
    ] {
        assert_eq!(ask(path), expected, "{path}");
        if under_test() == UnderTest::Rsgi {
            server.expect_log(&id(line));
        }
    }
    let digest = Curl::run(&["--digest", "-u", "spy:secret", &server.url("/digest")]);
    assert_eq!(digest.status, 500);
    server.expect_log(&id("0046"));
    server.allow_log("");
    server.finish();
}

#[test]
fn a_provider_without_a_script_says_so() {
    only_rsgi!("its words are others");
    let server = Server::builder()
        .serve(ENVIRON_APP)
        .modules(&["auth_basic", "authn_core", "authz_user", "authn_anon"])
        .conf(
            "<Location /locked>\nAuthType Basic\nAuthName r\nAuthBasicProvider wsgi\nRequire valid-user\n</Location>\n\
             <Location /group>\nAuthType Basic\nAuthName r\nAuthBasicProvider anon\nAnonymous *\n\
             Anonymous_MustGiveEmail Off\nRequire wsgi-group g\n</Location>",
        )
        .start();
    assert_eq!(status(&server, "spy"), 500);
    server.expect_error("RSGI0041: ");
    let credentials = format!("Basic {}", base64("spy:secret"));
    let request = Request::get("/group").header("Authorization", &credentials);
    assert_eq!(server.ask(&request).status, 401);
    server.expect_error("RSGI0058: ");
    server.allow_log("AH0");
    server.finish();
}

const TELLER: &str = r#"
import os
kept = None
def allow_access(environ, host):
    global kept
    lines = ["%s=%r\n" % (key, environ[key]) for key in sorted(environ)]
    lines.append("host=%r\n" % host)
    lines.append("https=%r\n" % environ["mod_ssl.is_https"]())
    lines.append("variable=%r\n" % environ["mod_ssl.var_lookup"]("SSL_PROTOCOL"))
    lines.append("type=%s\n" % type(environ["mod_ssl.is_https"].__self__).__name__)
    if kept is not None:
        try:
            kept()
        except RuntimeError as error:
            lines.append("over=%r\n" % str(error))
    kept = environ["mod_ssl.is_https"]
    with open("@WORK@/told.new", "w") as file:
        file.writelines(lines)
    os.rename("@WORK@/told.new", "@WORK@/told")
    print("a line for the log", file=environ["wsgi.errors"])
    return True
"#;

/// What it says of a request, among other things.
const TOLD: [(&str, &str); 15] = [
    ("REQUEST_METHOD", "GET"),
    ("REQUEST_URI", "/gate/a%20b?x=1"),
    ("QUERY_STRING", "x=1"),
    ("SCRIPT_NAME", ""),
    ("PATH_INFO", "/gate/a b"),
    ("SERVER_NAME", "localhost"),
    ("SERVER_ADDR", "127.0.0.1"),
    ("SERVER_PROTOCOL", "HTTP/1.1"),
    ("SERVER_ADMIN", "me@example.org"),
    ("REMOTE_ADDR", "127.0.0.1"),
    ("HTTP_HOST", "localhost"),
    ("HTTP_X_CUSTOM", "1"),
    ("mod_wsgi.process_group", ""),
    ("mod_wsgi.application_group", "gate"),
    ("host", "127.0.0.1"),
];

#[test]
fn the_environ_of_access_control_is_a_short_one() {
    let server = Server::builder()
        .app("teller.wsgi", TELLER)
        .serve("def application(e, s):\n    s('200 OK', [])\n    return []\n")
        .modules(&["env"])
        .conf(
            "SetEnv FROM_SETENV 1\nServerAdmin me@example.org\nServerSignature On\nWSGIPassAuthorization On\n\
             <Location /gate>\nCGIPassAuth On\nWSGIAccessScript @APPS@/teller.wsgi application-group=gate\n</Location>",
        )
        .start();
    let request = Request::get("/gate/a%20b?x=1")
        .header("Host", "localhost")
        .header("Authorization", "Basic x")
        .header("Proxy-Authorization", "Basic x")
        .header("X-Custom", "1");
    server.ask(&request).ok();
    server.ask(&request).ok();
    let e = Environ::parse(&server.read("work/told"));
    for (key, value) in TOLD {
        e.is(key, &format!("'{value}'"));
    }
    for key in [
        "SERVER_PORT",
        "REMOTE_PORT",
        "DOCUMENT_ROOT",
        "SERVER_SOFTWARE",
        "SERVER_SIGNATURE",
        "wsgi.errors",
    ] {
        assert!(e.repr(key).is_some(), "{key}");
    }
    for key in [
        "HTTP_AUTHORIZATION",
        "HTTP_PROXY_AUTHORIZATION",
        "FROM_SETENV",
        "wsgi.input",
        "wsgi.url_scheme",
        "mod_wsgi.script_name",
        "REMOTE_HOST",
    ] {
        e.lacks(key);
    }
    e.is("https", "0");
    e.is("variable", "None");
    e.is("type", "Auth");
    e.is("mod_wsgi.version", "(6, 1, 1)");
    if under_test() == UnderTest::Rsgi {
        assert!(e.text("over").contains("is over"), "{}", e.text("over"));
    }
    server.expect_error("a line for the log");
    server.finish();
}

#[test]
fn the_innermost_section_names_the_script_and_a_change_of_it_counts_at_once() {
    let gate = |answer: &str| format!("def allow_access(environ, host):\n    return {answer}\n");
    let server = Server::builder()
        .app("open.wsgi", &gate("True"))
        .app("closed.wsgi", &gate("False"))
        .app("none.wsgi", &gate("None"))
        .file("htdocs/closed/file.txt", b"file")
        .file("htdocs/closed/.htaccess", b"")
        .serve(ENVIRON_APP)
        .conf(
            "<Directory @ROOT@/htdocs>\nAllowOverride AuthConfig\n</Directory>\n\
             Alias /files @ROOT@/htdocs\n\
             <Location /a>\nWSGIAccessScript @APPS@/closed.wsgi\n</Location>\n\
             <Location /a/b>\nWSGIAccessScript @APPS@/open.wsgi application-group=%{SERVER}\n</Location>",
        )
        .modules(&["alias"])
        .start();
    assert_eq!(server.get("/a").status, 403);
    assert_eq!(server.get("/a/b").status, 200);
    let path = "/files/closed/file.txt";
    assert_eq!(server.get(path).status, 200);
    let line = server.root().join("apps/closed.wsgi");
    server.write(
        "htdocs/closed/.htaccess",
        &format!("WSGIAccessScript {}", line.display()),
    );
    assert_eq!(server.get(path).status, 403);
    server.write(
        "apps/closed.wsgi",
        "\n\ndef allow_access(environ, host):\n    return True\n",
    );
    let file = std::fs::File::options().append(true).open(&line).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    file.set_modified(time).unwrap();
    assert_eq!(server.get(path).status, 200);
    assert_eq!(server.get("/a").status, 200);
    server.allow_log(&id("0057"));
    server.finish();
}

#[test]
fn scripts_are_asked_in_apache_s_children_although_applications_may_not_run_there() {
    let server = Server::builder()
        .daemon("shop", "processes=1 threads=2")
        .app(
            "pid.wsgi",
            "import os\ndef allow_access(environ, host):\n    open('@WORK@/pid', 'w').write(str(os.getpid()))\n",
        )
        .serve("import os\ndef application(e, s):\n    s('200 OK', [])\n    return [str(os.getpid()).encode()]\n")
        .conf("WSGIRestrictEmbedded On\n<Location />\nWSGIAccessScript @APPS@/pid.wsgi\n</Location>")
        .start();
    let pid: i32 = server.text("/").parse().unwrap();
    let asked: i32 = server.read("work/pid").parse().unwrap();
    assert_ne!(asked, pid);
    assert!(server.children().contains(&asked));
    server.finish();
}
