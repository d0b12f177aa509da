//! Options that a client notices, many of them in one server each.

use super::Launcher;
use super::launcher::Run;
use super::trees::with_certificate;
use crate::harness::{
    Connection, Reply, Request, UnderTest, is_root, only_rsgi, under_test, wait_until,
};

/// Answers with what the path asks for.
const FACTS: &str = r#"
import os, sys, warnings
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fails":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"the application's own"]
    if path == "/file":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    start_response("200 OK", [("Content-Type", "text/html" if path == "/long" else "text/plain")])
    if path == "/long":
        return [b"a line of text that is long enough\n" * 200]
    if path == "/body":
        return [environ["wsgi.input"].read()]
    names = path[1:].split(",")
    facts = {"interval": sys.getswitchinterval(), "filter": warnings.filters[0][0], "cwd": os.getcwd(),
        "eggs": os.environ.get("PYTHON_EGG_CACHE", ""), "lang": os.environ.get("LC_ALL", "")}
    return ["|".join(str(facts.get(name, environ.get(name, "-"))) for name in names).encode("latin-1")]
"#;

/// Asks for a target by another name of the host.
fn of_host(run: &Run, host: &str, target: &str) -> Reply {
    Connection::open(run.launcher.port()).ask(&Request::get(target).header("Host", host))
}

/// A server with most of what files, handlers, errors, logs and the environ can be told.
fn site() -> Run {
    let words = "a.py --document-root one --directory-index index.html --directory-listing \
                 --allow-override FileInfo --error-document 404 /missing.html --error-override \
                 --add-handler .md md.py --with-cgi --enable-sendfile --compress-responses --server-status \
                 --setenv SHOP tea --passenv FROM_OUTSIDE --map-head-to-get off --chunked-request \
                 --switch-interval 0.25 --python-warnings error::UserWarning --python-eggs eggs --lang C.UTF-8 \
                 --keep-alive-timeout 0 --limit-request-body 100 \
                 --rewrite-rules rules.conf --envvars-script env.sh --pid-file apache.pid \
                 --access-log --access-log-format %{X-Tag}i,%>s --access-log-name seen --error-log-name wrong \
                 --log-directory logs --startup-log --error-log-format [X]%M --process-name web-of-mine \
                 --orphan-interpreter --verbose-debugging --server-backlog 99 --locale C.UTF-8 --disable-reloading";
    let mut words: Vec<_> = words.split_whitespace().collect();
    if under_test() == UnderTest::Rsgi {
        words.extend(["--document-root", "two", "--maintenance-file", "down.html"]);
    }
    let handler = "import os\ndef handle_request(environ, start_response):\n    start_response('200 OK', [])\n    \
                   return [b'md of ' + os.path.basename(environ['SCRIPT_FILENAME']).encode()]\n";
    let launcher = Launcher::new()
        .file("a.py", FACTS)
        .file("md.py", handler)
        .file("one/index.html", "the index\n")
        .file("one/page.md", "# x\n")
        .file("one/list/a.txt", "")
        .file("one/list/b.odd", "odd\n")
        .file("one/list/.htaccess", "AddType text/odd2 .txt\n")
        .file("one/both.txt", "first\n")
        .file("two/both.txt", "second\n")
        .file("two/only two.txt", "only in two\n")
        .file("one/missing.html", "no such page\n")
        .file(
            "one/run.cgi",
            "#!/bin/sh\necho 'Content-Type: text/plain'\necho\necho from cgi\n",
        )
        .file("rules.conf", "RewriteRule \"^old$\" \"/new\" [R=302,L]\n")
        .file("env.sh", "FROM_OUTSIDE=yes; export FROM_OUTSIDE\n")
        .file("types", "text/odd odd\ntext/plain txt\ntext/html html\n")
        .file("logs/x", "")
        .args(&words);
    // mod_wsgi: a relative one would be looked for in the server root.
    let types = launcher.path("types").display().to_string();
    let launcher = launcher.args(&["--mime-types", &types]);
    std::fs::create_dir(launcher.path("eggs")).unwrap();
    crate::harness::allow(&launcher.path("one/run.cgi"), 0o755);
    launcher.start_without_log()
}

fn headers_are_right(run: &Run) {
    let eggs = run.launcher.path("eggs").display().to_string();
    assert_eq!(run.text("/eggs"), eggs);
    assert!(run.text("/list/").contains("b.odd"));
    assert_eq!(
        run.get("/list/b.odd").header("content-type"),
        Some("text/odd")
    );
    assert_eq!(
        run.get("/list/a.txt").header("content-type"),
        Some("text/odd2")
    );
    let missing = run.get("/fails");
    assert_eq!(
        (missing.status, missing.text()),
        (404, "no such page\n".into())
    );
    assert_eq!(
        run.get("/old")
            .header("location")
            .map(|to| to.ends_with("/new")),
        Some(true)
    );
    assert!(run.text("/server-status?auto").contains("BusyWorkers"));
    assert_eq!(run.get("/").header("connection"), Some("close"));
    let ask = |request: Request| Connection::open(run.launcher.port()).ask(&request);
    let long = ask(Request::get("/long").header("Accept-Encoding", "gzip"));
    assert_eq!(long.header("content-encoding"), Some("gzip"));
    let chunked = ask(Request::new("POST", "/body").chunked(&[b"in ", b"pieces"]));
    assert_eq!(chunked.ok().text(), "in pieces");
    assert_eq!(
        ask(Request::new("POST", "/body").body(vec![b'x'; 101])).status,
        413
    );
    ask(Request::get("/x").header("X-Tag", "tagged"));
}

#[test]
fn files_handlers_errors_and_the_environ_are_as_the_options_say() {
    let run = site();
    let is_ours = under_test() == UnderTest::Rsgi;
    let expected = [
        ("/", "the index\n"),
        ("/page.md", "md of page.md"),
        ("/both.txt", "first\n"),
        ("/only%20two.txt", "only in two\n"),
        ("/run.cgi", "from cgi\n"),
        ("/SHOP,FROM_OUTSIDE,REQUEST_METHOD", "tea|yes|GET"),
        ("/interval,filter,lang", "0.25|error|C.UTF-8"),
        ("/file", FACTS),
    ];
    for (target, body) in expected {
        if is_ours || !target.contains("two") {
            assert_eq!(run.text(target), body, "{target}");
        }
    }
    headers_are_right(&run);
    let read = |name: &str| std::fs::read_to_string(run.launcher.path(name)).unwrap_or_default();
    wait_until("the access log", || {
        read("logs/seen").contains("tagged,200")
    });
    assert!(read("logs/wrong").contains("[X]"), "{}", read("logs/wrong"));
    let pid = read("apache.pid");
    let name = std::fs::read_to_string(format!("/proc/{}/cmdline", pid.trim())).unwrap();
    // mod_wsgi: pads it for the names of its groups.
    let first = name.split('\0').next().unwrap_or_default().trim_end();
    assert_eq!(first, "web-of-mine");
    only_rsgi!("there is no maintenance");
    std::fs::write(run.launcher.path("down.html"), "back soon\n").unwrap();
    let down = run.get("/anything");
    assert_eq!((down.status, down.text()), (503, "back soon\n".into()));
    std::fs::remove_file(run.launcher.path("down.html")).unwrap();
    assert_eq!(run.text("/SHOP"), "tea");
}

/// What curl gets and says about it: the body, the status, the version and the headers.
fn by_https(run: &Run, port: &str, host: &str, path: &str, more: &[&str]) -> String {
    let output = std::process::Command::new("curl")
        .args(["-sk", "--max-time", "20"])
        .args(["-w", "|%{http_code}|%{http_version}|%{header_json}"])
        .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
        .args(more)
        .arg(format!("https://{host}:{port}{path}"))
        .current_dir(run.launcher.directory())
        .output();
    String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
}

#[test]
fn names_https_and_client_certificates_are_as_the_options_say() {
    let https = crate::harness::Port::take();
    let port = https.number().to_string();
    let words = "a.py --server-name www.example.com --server-alias *.example.org --https-only \
                 --hsts-policy max-age=99 --ssl-certificate site --ssl-ca-certificate-file site.crt \
                 --ssl-certificate-chain-file site.crt --ssl-verify-client /secret --ssl-environment --http2";
    let words: Vec<_> = words.split_whitespace().collect();
    let launcher = Launcher::new()
        .file("a.py", FACTS)
        .args(&words)
        .args(&["--https-port", &port]);
    let run = with_certificate(launcher).start();
    let secure = format!("https://www.example.com:{port}/x?y=z");
    for name in ["www.example.com", "shop.example.org", "example.com"] {
        let reply = of_host(&run, name, "/x?y=z");
        // mod_wsgi: a browser has to ask again each time.
        assert!([301, 302].contains(&reply.status), "{name}");
        assert_eq!(reply.header("location"), Some(secure.as_str()), "{name}");
    }
    assert_eq!(of_host(&run, "evil.example.net", "/").status, 403);
    let curl = |host: &str, path: &str, more: &[&str]| by_https(&run, &port, host, path, more);
    let page = curl("www.example.com", "/SSL_PROTOCOL,wsgi.url_scheme", &[]);
    assert!(
        page.starts_with("TLSv1.") && page.contains("|https|200|2|"),
        "{page}"
    );
    assert!(page.contains("max-age=99"), "{page}");
    let moved = curl("example.com", "/x", &[]);
    assert!(
        moved.contains("|301|") && moved.contains(&format!("www.example.com:{port}/x")),
        "{moved}"
    );
    assert!(curl("evil.example.net", "/", &[]).contains("|403|"));
    let without = curl(
        "www.example.com",
        "/secret",
        &["--http1.1", "--tls-max", "1.2"],
    );
    assert!(!without.contains("|200|"), "{without}");
    let with = [
        "--http1.1",
        "--tls-max",
        "1.2",
        "--cert",
        "site.crt",
        "--key",
        "site.key",
    ];
    let with = curl("www.example.com", "/secret", &with);
    assert!(with.contains("|200|"), "{with}");
}

#[test]
fn this_machine_may_use_any_name_when_that_is_allowed() {
    let run = Launcher::new()
        .args(&[
            "hello.py",
            "--server-name",
            "shop.example",
            "--allow-localhost",
        ])
        .args(&["--http2", "--server-mpm", "worker"])
        .start();
    assert_eq!(run.text("/x"), "|/x|");
    assert_eq!(of_host(&run, "shop.example", "/x").ok().text(), "|/x|");
}

#[test]
fn other_servers_get_what_is_theirs_and_are_told_where_they_are() {
    let behind = Launcher::new().file("a.py", FACTS).args(&["a.py"]).start();
    let to = |path: &str| format!("http://127.0.0.1:{}{path}", behind.launcher.port());
    let names = "PATH_INFO,HTTP_X_FORWARDED_PREFIX,HTTP_X_FORWARDED_SCHEME,HTTP_X_FORWARDED_PORT";
    let run = Launcher::new()
        .args(&["hello.py", "--proxy-timeout", "9"])
        .args(&["--proxy-mount-point", "/api", &to("/")])
        .args(&["--proxy-url-alias", "/api/deep/", &to("/x,")])
        .args(&["--proxy-virtual-host", "other.example", &to("/")])
        .start();
    let port = run.launcher.port();
    let target = format!("/api/{names}");
    let reply = of_host(&run, &format!("localhost:{port}"), &target);
    // mod_wsgi: the scheme is not told.
    let scheme = if under_test() == UnderTest::Rsgi {
        "http"
    } else {
        "-"
    };
    assert_eq!(reply.ok().text(), format!("/{names}|/api|{scheme}|{port}"));
    let redirect = run.get("/api");
    assert_eq!(redirect.status, 302);
    assert_eq!(
        redirect.header("location").map(|to| to.ends_with("/api/")),
        Some(true)
    );
    let reply = of_host(&run, "other.example", "/PATH_INFO,HTTP_X_FORWARDED_SCHEME");
    let expected = format!("/PATH_INFO,HTTP_X_FORWARDED_SCHEME|{scheme}");
    assert_eq!(reply.ok().text(), expected);
    assert_eq!(run.text("/mine"), "|/mine|");
    assert!(run.text("/apiary").contains("/apiary"));
}

#[test]
fn services_run_beside_the_application_each_with_its_log_and_user() {
    let source = "import os, sys, time\nprint('runs as', os.getuid(), os.getcwd(), file=sys.stderr, flush=True)\n\
                  while True:\n    time.sleep(0.1)\n";
    let mut launcher = Launcher::new()
        .file("tick.py", source)
        .file("tock.py", source)
        .args(&["hello.py", "--service-script", "tick", "tick.py"])
        .args(&[
            "--service-script",
            "tock",
            "tock.py",
            "--service-log-file",
            "tock",
            "tock_log",
        ]);
    if is_root() {
        launcher = launcher.args(&["--service-user", "tock", "nobody"]).args(&[
            "--service-group",
            "tock",
            "nogroup",
        ]);
    }
    let mut run = launcher.start();
    let own = || std::fs::read_to_string(run.launcher.root().join("tock_log")).unwrap_or_default();
    let nobody = if is_root() {
        "runs as 65534"
    } else {
        "runs as"
    };
    wait_until("both services run", || {
        own().contains(nobody) && run.log().contains("runs as")
    });
    assert!(!own().contains("tick"), "{}", own());
    assert_eq!(run.text("/x"), "|/x|");
    assert_eq!(run.end(libc::SIGINT), Some(0), "{}", run.output());
    run.nothing_is_left();
}

#[test]
fn logs_are_rotated_in_odd_places_too() {
    only_rsgi!("the launcher is ours");
    for name in ["plain", "it's 50% \"odd\""] {
        let run = Launcher::named(name)
            .args(&[
                "hello.py",
                "--rotate-logs",
                "--max-log-size",
                "1",
                "--access-log",
            ])
            .args(&["--access-log-format", "combined", "--log-level", "info"])
            .file("x", "");
        let run = run.start_without_log();
        run.text("/seen");
        let has = |start: &str, part: &str| {
            let files = std::fs::read_dir(run.launcher.root()).unwrap().flatten();
            let mut files =
                files.filter(|file| file.file_name().to_string_lossy().starts_with(start));
            files.any(|file| {
                std::fs::read_to_string(file.path())
                    .unwrap_or_default()
                    .contains(part)
            })
        };
        wait_until("both logs", || {
            has("access_log.20", "GET /seen HTTP/1.1\" 200")
                && has("error_log.20", "resuming normal")
        });
    }
}

#[test]
fn files_alone_are_served_without_python() {
    only_rsgi!("the launcher is ours");
    let run = Launcher::new()
        .file("site/index.html", "home\n")
        .file("site/a.txt", "a\n")
        .args(&[
            "--application-type",
            "static",
            "site",
            "--directory-index",
            "index.html",
        ])
        .start();
    assert_eq!(run.text("/"), "home\n");
    assert_eq!(run.text("/a.txt"), "a\n");
    assert_eq!(run.get("/b.txt").status, 404);
    assert!(
        run.output().contains("static, event MPM"),
        "{}",
        run.output()
    );
}

#[test]
fn without_an_application_there_is_a_page_of_welcome() {
    only_rsgi!("the launcher is ours");
    let run = Launcher::new().start();
    assert!(run.text("/").contains("It works"));
}

#[test]
fn a_paste_configuration_is_loaded_by_paste() {
    only_rsgi!("the launcher is ours");
    let home = crate::kit::venv(
        &crate::kit::system_python(),
        "paste",
        &["PasteDeploy", "setuptools<81"],
    );
    let source = "def factory(global_conf, text):\n    def application(environ, start_response):\n        \
                  start_response('200 OK', [])\n        return [text.encode()]\n    return application\n";
    let run = Launcher::new()
        .file("shop.py", source)
        .file(
            "shop.ini",
            "[app:main]\npaste.app_factory = shop:factory\ntext = from paste\n",
        )
        .args(&["--application-type", "paste", "shop.ini"])
        .args(&["--python", &home.display().to_string()])
        .start();
    assert_eq!(run.text("/"), "from paste");
}
