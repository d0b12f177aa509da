//! Who may come in, and whose word about clients counts.

use super::Launcher;
use super::launcher::Run;
use crate::harness::{Connection, Request, only_rsgi};

const AUTH: &str = r#"
def check_password(environ, user, password):
    return password == "secret"

def groups_for_user(environ, user):
    return ["wsgi"] if user == "spy" else []

def allow_access(environ, host):
    return "HTTP_X_SHUT" not in environ
"#;

const WHO: &str = r#"
import sys
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = ["REMOTE_USER", "REMOTE_ADDR", "HTTP_X_FORWARDED_FOR"]
    told = [environ.get(name, "-") for name in names]
    return ["|".join(told + [str(sys.getswitchinterval())]).encode()]
"#;

fn ask(run: &Run, headers: &[(&str, &str)]) -> (u16, String) {
    let request = headers
        .iter()
        .fold(Request::get("/"), |request, (name, value)| {
            request.header(name, value)
        });
    let reply = Connection::open(run.launcher.port()).ask(&request);
    (reply.status, reply.text())
}

#[test]
fn users_groups_and_gates_are_asked_of_scripts_and_proxies_believed() {
    for mode in [
        &["--switch-interval", "0.25"][..],
        &["--embedded-mode", "--switch-interval", "0.25"],
    ] {
        let run = Launcher::new()
            .file("who.py", WHO)
            .file("auth.py", AUTH)
            .args(&[
                "who.py",
                "--auth-user-script",
                "auth.py",
                "--auth-group-script",
                "auth.py",
            ])
            .args(&["--host-access-script", "auth.py"])
            .args(&[
                "--trust-proxy-header",
                "X-Forwarded-For",
                "--trust-proxy",
                "127.0.0.0/8",
            ])
            .args(mode)
            .start();
        assert_eq!(ask(&run, &[]).0, 401);
        // spy:secret, other:secret, spy:wrong
        let spy = ("Authorization", "Basic c3B5OnNlY3JldA==");
        assert_eq!(ask(&run, &[spy]), (200, "spy|127.0.0.1|-|0.25".to_owned()));
        assert_eq!(
            ask(&run, &[("Authorization", "Basic b3RoZXI6c2VjcmV0")]).0,
            401
        );
        assert_eq!(ask(&run, &[("Authorization", "Basic c3B5Ondyb25n")]).0, 401);
        assert_eq!(ask(&run, &[spy, ("X-Shut", "1")]).0, 403);
        let forwarded = ("X-Forwarded-For", "6.6.6.6, 1.1.1.1");
        let expected = "spy|1.1.1.1|1.1.1.1|0.25".to_owned();
        assert_eq!(ask(&run, &[spy, forwarded]), (200, expected));
    }
}

#[test]
fn digest_and_files_beside_the_application_are_locked_as_well() {
    let run = Launcher::new()
        .file("who.py", WHO)
        .file("auth.py", AUTH)
        .file("public/file.txt", "a file")
        .args(&[
            "who.py",
            "--auth-user-script",
            "auth.py",
            "--auth-type",
            "Digest",
        ])
        .args(&["--document-root", "public"])
        .start();
    let reply = run.get("/file.txt");
    assert_eq!(reply.status, 401);
    let challenge = reply.header("WWW-Authenticate").unwrap_or_default();
    assert!(challenge.starts_with("Digest "), "{challenge}");
}

#[test]
fn scripts_of_access_guard_the_whole_site_wherever_the_application_is_mounted() {
    let page = "a page";
    let run = Launcher::new()
        .file("who.py", WHO)
        .file("auth.py", AUTH)
        .file("public/file.txt", page)
        .file("static/style.css", page)
        .args(&["who.py", "--mount-point", "/app"])
        .args(&[
            "--document-root",
            "public",
            "--url-alias",
            "/static",
            "static",
        ])
        .args(&["--proxy-mount-point", "/other", "http://127.0.0.1:9/"])
        .args(&["--server-status", "--auth-user-script", "auth.py"])
        .args(&["--host-access-script", "auth.py"])
        .start();
    let ask = |url: &str, headers: &[(&str, &str)]| {
        let add = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
        let request = headers.iter().fold(Request::get(url), add);
        let reply = Connection::open(run.launcher.port()).ask(&request);
        (reply.status, reply.text())
    };
    let spy = ("Authorization", "Basic c3B5OnNlY3JldA==");
    for url in [
        "/app",
        "/static/style.css",
        "/file.txt",
        "/other/",
        "/server-status",
    ] {
        assert_eq!(ask(url, &[]).0, 401, "{url}");
        assert_eq!(ask(url, &[spy, ("X-Shut", "1")]).0, 403, "{url}");
    }
    assert_eq!(ask("/app", &[spy]).0, 200);
    for url in ["/static/style.css", "/file.txt"] {
        assert_eq!(ask(url, &[spy]), (200, page.to_owned()), "{url}");
    }
    assert_eq!(ask("/server-status", &[spy]).0, 200);
    // Nobody listens there.
    assert_eq!(ask("/other/", &[spy]).0, 503);
}

#[test]
fn a_name_that_only_this_machine_may_use_asks_for_users_as_well() {
    only_rsgi!("the original has another name for this machine");
    let run = Launcher::new()
        .file("who.py", WHO)
        .file("auth.py", AUTH)
        .args(&["who.py", "--server-name", "site.example"])
        .args(&["--allow-localhost", "--auth-user-script", "auth.py"])
        .start();
    assert_eq!(ask(&run, &[]).0, 401);
    assert_eq!(
        ask(&run, &[("Authorization", "Basic c3B5OnNlY3JldA==")]).0,
        200
    );
}
