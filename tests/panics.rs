//! A panic in any function that httpd calls is stopped: a configuration error or a 500, one line in the log, and
//! httpd goes on. The module under test here is built with the feature `fault-injection`.

use crate::harness::{Builder, Curl, Mpm, Request, Server, only_rsgi, wait_until};

const APP: &str = r#"
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served ", body]
"#;

/// A server whose module panics in `entry`, the first `times` times.
fn faulty(entry: &str, times: u32) -> Builder {
    let module = std::env::var("RSGI_TEST_FAULT_MODULE")
        .expect("ci/e2e builds it and sets RSGI_TEST_FAULT_MODULE");
    // httpd merges sections for each virtual host before it serves.
    let host = match entry {
        "merge_dir_config" => "",
        _ => {
            "<VirtualHost *:@PORT@>\nServerName other\nWSGICallableObject application\n</VirtualHost>"
        }
    };
    Server::builder()
        .module_symbol(None)
        .conf_before_module(&format!("LoadModule wsgi_module \"{module}\"\n"))
        .env("RSGI_INJECT_PANIC", &format!("{entry}*{times}"))
        .embedded()
        .serve(APP)
        .conf("<Location />\nWSGIScriptReloading On\n</Location>")
        .conf("<Location /sub>\nWSGIPassAuthorization On\n</Location>")
        .conf(host)
        .allow_log("RSGI0300: a panic was stopped")
        .allow_log("injected into")
}

#[test]
fn a_panic_while_the_configuration_is_read_is_a_configuration_error() {
    only_rsgi!("faults are injected into our own module");
    for entry in [
        "create_server_config",
        "create_dir_config",
        "merge_server_config",
        "directive",
        "pre_config",
        "check_config",
    ] {
        let check = faulty(entry, 1).check();
        check.refused_with(&[
            &format!("RSGI0300: a panic was stopped in {entry}"),
            "injected into",
        ]);
        assert_eq!(
            check.output.matches("RSGI0300").count(),
            1,
            "{}",
            check.output
        );
    }
}

#[test]
fn a_panic_before_serving_ends_the_start() {
    only_rsgi!("faults are injected into our own module");
    // `httpd -t` does not get as far as post_config.
    let check = faulty("post_config", 1).start_in_vain();
    check.refused_with(&["RSGI0300: a panic was stopped in post_config"]);
}

#[test]
fn a_panic_in_a_request_hook_is_a_500_and_the_next_request_is_served() {
    only_rsgi!("faults are injected into our own module");
    for entry in ["translate_name", "handler", "merge_dir_config", "send"] {
        let server = faulty(entry, 1).start();
        let target = if entry == "merge_dir_config" {
            "/sub"
        } else {
            "/"
        };
        let reply = server.get(target);
        assert_eq!(reply.status, 500, "{entry}");
        assert_eq!(server.get(target).ok().text(), "served ", "{entry}");
        assert_eq!(
            server.log_text().matches("injected into").count(),
            1,
            "{entry}: {}",
            server.log_text()
        );
        server.finish();
    }
}

#[test]
fn a_panic_while_access_is_checked_lets_nobody_in() {
    only_rsgi!("faults are injected into our own module");
    let script = "def allow_access(environ, host):\n    return True\n\
                  def check_password(environ, user, password):\n    return True\n\
                  def groups_for_user(environ, user):\n    return ['g']\n";
    for entry in ["check_access", "check_password", "check_authorization"] {
        let server = faulty(entry, 1)
            .modules(&["auth_basic", "authn_core"])
            .app("auth.wsgi", script)
            .conf(
                "<Location /locked>\nAuthType Basic\nAuthName r\nAuthBasicProvider wsgi\n\
                 WSGIAccessScript @APPS@/auth.wsgi\nWSGIAuthUserScript @APPS@/auth.wsgi\n\
                 WSGIAuthGroupScript @APPS@/auth.wsgi\nRequire wsgi-group g\n</Location>",
            )
            .start();
        let request = Request::get("/locked").header("Authorization", "Basic dTpw");
        assert_eq!(server.ask(&request).status, 500, "{entry}");
        assert_eq!(server.ask(&request).ok().text(), "served ", "{entry}");
        server.finish();
    }
}

#[test]
fn a_panic_while_a_hash_is_asked_for_lets_nobody_in() {
    only_rsgi!("faults are injected into our own module");
    let script = "import hashlib\ndef get_realm_hash(environ, user, realm):\n    \
                  return hashlib.md5(('%s:%s:secret' % (user, realm)).encode()).hexdigest()\n";
    let server = faulty("get_realm_hash", 1)
        .modules(&["auth_digest", "authn_core", "authz_user"])
        .app("auth.wsgi", script)
        .conf(
            "<Location /locked>\nAuthType Digest\nAuthName r\nAuthDigestProvider wsgi\n\
             WSGIAuthUserScript @APPS@/auth.wsgi\nRequire valid-user\n</Location>",
        )
        .start();
    server.allow_log("AH017");
    let url = server.url("/locked");
    let ask = |password: &str| Curl::run(&["--digest", "-u", &format!("u:{password}"), &url]);
    assert_eq!(ask("secret").status, 500);
    assert_eq!(server.log_text().matches("injected into").count(), 1);
    let reply = ask("secret");
    assert_eq!((reply.status, reply.text().as_str()), (200, "served "));
    assert_eq!(ask("wrong").status, 401);
    server.finish();
}

#[test]
fn a_section_that_could_not_be_merged_lets_nobody_at_files_either() {
    only_rsgi!("faults are injected into our own module");
    let server = faulty("merge_dir_config", 1)
        .file("htdocs/secret.txt", b"secret")
        .file("htdocs/other.txt", b"other")
        .conf("Alias /sub @ROOT@/htdocs")
        .modules(&["alias"])
        .start();
    assert_eq!(server.get("/sub/secret.txt").status, 500);
    assert_eq!(server.text("/sub/other.txt"), "other");
    server.finish();
}

#[test]
fn a_panic_while_the_body_is_read_is_an_error_that_the_application_sees() {
    only_rsgi!("faults are injected into our own module");
    let server = faulty("read", 1)
        .allow_log("mod_wsgi request data read error")
        .allow_log("")
        .start();
    let post = Request::new("POST", "/")
        .header("Expect", "100-continue")
        .body("x".repeat(100_000));
    assert_eq!(server.ask(&post).status, 500);
    assert_eq!(server.get("/").ok().text(), "served ");
    server.finish();
}

#[test]
fn a_panic_while_a_child_starts_or_ends_does_not_stop_httpd() {
    only_rsgi!("faults are injected into our own module");
    for mpm in Mpm::ALL {
        let server = faulty("child_init", 1).mpm(mpm).start();
        assert_eq!(server.get("/").ok().text(), "served ");
        server.finish();
        let server = faulty("cleanup", 1).mpm(mpm).start();
        assert_eq!(server.get("/").ok().text(), "served ");
        server.graceful();
        wait_until("the new children serve", || server.get("/").status == 200);
        server.finish();
    }
}
