//! The same options and the same requests: what both launchers answer alike, whichever of them is under test.
//!
//! Much of the other files runs on both, too; here is what those do with names or values that are only ours.

use super::Launcher;
use super::launcher::Run;
use crate::harness::{Connection, Environ, Reply, Request, is_root};

/// What a request is answered with on both: the status, and what the body is or, behind `…`, ends with.
type Answer = (&'static str, u16, &'static str);

#[track_caller]
fn answers(run: &Run, expected: &[Answer]) {
    for (target, status, body) in expected {
        let reply = run.get(target);
        assert_eq!(reply.status, *status, "{target}: {}", reply.text());
        match body.strip_prefix('…') {
            Some(end) => assert!(reply.text().ends_with(end), "{target}: {}", reply.text()),
            None => assert_eq!(reply.text(), *body, "{target}"),
        }
    }
}

fn of(run: &Run, request: &Request) -> Reply {
    Connection::open(run.launcher.port()).ask(request)
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Answers with the environ; runs as a module, too.
const TELLS: &str = r#"
import os
def application(environ, start_response):
    own = {"own.cwd": os.getcwd(), "own.pid": str(os.getpid()), "own.umask": oct(os.umask(0o77)),
        "own.lib": __import__("lib_of_mine").NAME, "own.extra": os.environ.get("EXTRA", "-"),
        "own.express": os.environ.get("MOD_WSGI_EXPRESS", "-"), "own.name": __name__}
    os.umask(int(own["own.umask"], 8))
    facts = dict(environ, **own)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["".join("%s=%r\n" % (key, facts[key]) for key in sorted(facts)).encode()]
"#;

fn telling(options: &str) -> Launcher {
    let launcher = Launcher::new()
        .file("code/a.py", TELLS)
        .file("lib/lib_of_mine.py", "NAME = 'mine'\n")
        .file("env.sh", "EXTRA='of a script'; export EXTRA\n");
    let lib = launcher.path("lib").display().to_string();
    launcher
        .args(&words(options))
        .args(&["--python-path", &lib])
}

#[test]
fn the_environ_has_the_same_keys_and_the_values_that_options_give_it() {
    let run =
        telling("code/a.py --working-directory code --setenv SHOP tea --envvars-script env.sh")
            .under(&["sh", "-c", "umask 002; exec \"$@\"", "sh"])
            .start();
    let request = Request::get("/a/b?c=d").header("Authorization", "Bearer x");
    let told = Environ::parse(&of(&run, &request).ok().text());
    let code = run.launcher.path("code").display().to_string();
    for (key, value) in [
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", "/a/b"),
        ("QUERY_STRING", "c=d"),
        ("REQUEST_URI", "/a/b?c=d"),
        ("SHOP", "tea"),
        ("HTTP_AUTHORIZATION", "Bearer x"),
        ("mod_wsgi.application_group", ""),
        ("mod_wsgi.callable_object", "handle_request"),
        ("mod_wsgi.request_handler", "wsgi-handler"),
        ("mod_wsgi.script_name", "/a"),
        ("mod_wsgi.path_info", "/b"),
        ("own.cwd", &code),
        ("own.umask", "0o2"),
        ("own.lib", "mine"),
        ("own.extra", "of a script"),
        ("own.express", "true"),
        ("own.name", "__wsgi__"),
    ] {
        assert_eq!(told.text(key), value, "{key}");
    }
    let keys: Vec<_> = told.keys().filter(|key| !key.starts_with("own.")).collect();
    let expected = "CONTEXT_DOCUMENT_ROOT CONTEXT_PREFIX DOCUMENT_ROOT HTTP_AUTHORIZATION HTTP_HOST PATH_INFO \
         QUERY_STRING REMOTE_ADDR REMOTE_PORT REQUEST_METHOD REQUEST_SCHEME REQUEST_URI SCRIPT_FILENAME SCRIPT_NAME \
         SERVER_ADDR SERVER_ADMIN SERVER_NAME SERVER_PORT SERVER_PROTOCOL SERVER_SOFTWARE SHOP apache.version \
         mod_wsgi.application_group mod_wsgi.application_start mod_wsgi.callable_object mod_wsgi.daemon_start \
         mod_wsgi.handler_script mod_wsgi.listener_host mod_wsgi.listener_port mod_wsgi.path_info \
         mod_wsgi.process_group mod_wsgi.queue_start mod_wsgi.request_handler mod_wsgi.request_id \
         mod_wsgi.request_start mod_wsgi.script_name mod_wsgi.server_pid mod_wsgi.thread_id mod_wsgi.version \
         wsgi.errors wsgi.file_wrapper wsgi.input wsgi.input_terminated wsgi.multiprocess wsgi.multithread \
         wsgi.run_once wsgi.url_scheme wsgi.version";
    assert_eq!(keys, words(expected));
}

#[test]
fn processes_and_threads_are_as_many_as_asked_for_and_told_to_the_application() {
    for (options, many, threads) in [
        ("--processes 2 --threads 1", "True", "False"),
        ("--processes 1 --threads 3", "True", "True"),
        ("--threads 2", "False", "True"),
        ("--embedded-mode --processes 1 --threads 2", "False", "True"),
    ] {
        let run = telling("code/a.py").args(&words(options)).start();
        let told = Environ::parse(&run.text("/"));
        assert_eq!(told.repr("wsgi.multiprocess"), Some(many), "{options}");
        assert_eq!(told.repr("wsgi.multithread"), Some(threads), "{options}");
        let group = told.text("mod_wsgi.process_group");
        assert_eq!(group.is_empty(), options.contains("embedded"), "{group}");
    }
}

#[test]
fn a_module_a_paste_configuration_and_files_are_served() {
    let run = telling("--application-type module shop.web --working-directory .")
        .file("shop/web.py", TELLS)
        .start();
    assert_eq!(Environ::parse(&run.text("/")).text("own.name"), "shop.web");

    let python = crate::kit::system_python();
    let home = crate::kit::venv(&python, "paste", &["PasteDeploy", "setuptools<81"]);
    let packages = home.join(format!("lib/python3.{}/site-packages", python.minor));
    let factory = "def factory(global_conf, text):\n    def application(environ, start_response):\n        \
                   start_response('200 OK', [])\n        return [text.encode()]\n    return application\n";
    let ini = "[app:main]\npaste.app_factory = shop:factory\ntext = from paste\n";
    let run = Launcher::new()
        .file("shop.py", factory)
        .file("shop.ini", ini)
        .args(&["--application-type", "paste", "shop.ini"])
        .args(&["--python-path", &packages.display().to_string()])
        .start();
    answers(&run, &[("/", 200, "from paste")]);

    let run = Launcher::new()
        .file("site/index.html", "home\n")
        .file("site/a.txt", "a\n")
        .args(&words(
            "--application-type static site --directory-index index.html",
        ))
        .start();
    let expected = [
        ("/", 200, "home\n"),
        ("/a.txt", 200, "a\n"),
        ("/b.txt", 404, "…\n"),
    ];
    answers(&run, &expected);
}

#[test]
fn files_aliases_and_the_mount_point_share_the_urls() {
    let launcher = Launcher::new()
        .file("public/robots.txt", "for robots\n")
        .file("public/shop/x.txt", "beside the shop\n")
        .file("static/deep/a.css", "css\n")
        .file("one/favicon.ico", "icon\n")
        .file("one/secret", "no\n")
        .args(&words(
            "hello.py --document-root public --url-alias /static static",
        ))
        .args(&words("--url-alias /favicon.ico one/favicon.ico"));
    let run = launcher.start();
    let expected = [
        ("/", 200, "|/|"),
        ("/a", 200, "|/a|"),
        ("/a/b/c", 200, "|/a/b/c|"),
        ("/x.php/y", 200, "|/x.php/y|"),
        ("/a%20b?q=1", 200, "|/a b|"),
        ("/robots.txt", 200, "for robots\n"),
        ("/static/deep/a.css", 200, "css\n"),
        ("/favicon.ico", 200, "icon\n"),
        ("/static/nope", 404, "…\n"),
        ("/one/secret", 200, "|/one/secret|"),
        ("/static/../one/secret", 200, "|/one/secret|"),
    ];
    answers(&run, &expected);

    let run = Launcher::new()
        .file("public/shop/x.txt", "beside the shop\n")
        .args(&words(
            "hello.py --document-root public --mount-point /shop",
        ))
        .start();
    let expected = [
        ("/shop/", 200, "/shop|/|"),
        ("/shop/c/d", 200, "/shop|/c/d|"),
        ("/shop/x.txt", 200, "beside the shop\n"),
        ("/shopping", 404, "…\n"),
    ];
    answers(&run, &expected);
}

#[test]
fn services_embedded_servers_and_users_work_together() {
    if is_root() {
        let run = telling("code/a.py --embedded-mode --user nobody --group nogroup").start();
        let told = Environ::parse(&run.text("/"));
        let pid = told.text("own.pid").parse().unwrap();
        let uid = crate::harness::status_field(pid, "Uid").unwrap();
        assert!(uid.starts_with("65534"), "{uid}");
    }
    let run = telling("code/a.py --application-group tools --process-group shop").start();
    let told = Environ::parse(&run.text("/"));
    assert_eq!(told.text("mod_wsgi.process_group"), "shop");
    assert_eq!(told.text("mod_wsgi.application_group"), "tools");
}
