//! Flask and Django of today, from PyPI, behind a real httpd; and the validator of the standard library around an
//! application that does what people do.

use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Request, Server, allow, is_root, wait_until, web_user};
use crate::kit::{self, clean, run, venv};
use crate::visitor::{
    Cookies, copied, files_of, form, form_token, in_environment, noise, sha256, upload,
};

/// Five lines that come one after the other, each when it is made.
fn streams_line_by_line(server: &Server) {
    let mut connection = server.connect();
    connection.send(Request::get("/stream").to_bytes());
    let head = connection.head();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("Transfer-Encoding"), Some("chunked"));
    for number in 0..5 {
        let line = format!("line {number}\n").into_bytes();
        assert_eq!(connection.chunk(), Some(line), "chunk {number}");
    }
    assert_eq!(connection.chunk(), None);
    assert_eq!(server.text("/count"), "1");
}

fn flask(group: &str) -> Server {
    let home = venv(&kit::system_python(), "flask", &["flask"]);
    let builder = in_environment(&home);
    copied(&builder, "tests/apps/flask_site", "site");
    builder
        .conf(&format!(
            "WSGIScriptAlias / @APPS@/site/app.py application-group={group}"
        ))
        .start()
}

#[test]
fn flask_serves_pages_forms_and_sessions() {
    for group in ["%{GLOBAL}", "%{RESOURCE}"] {
        let server = flask(group);
        let page = server.get("/").ok();
        assert_eq!(
            page.header("Content-Type"),
            Some("text/html; charset=utf-8")
        );
        assert!(
            page.text()
                .contains("<title>Tea &amp; &lt;biscuits&gt;</title>")
        );
        assert!(page.text().contains("<li>one</li><li>two</li>"));
        let reply = server
            .ask(&form("/form", "name=J%C3%BCrgen&city=K%C3%B6ln+1"))
            .ok();
        assert_eq!(reply.text(), "city=Köln 1, name=Jürgen");
        let mut browser = Cookies::default();
        for count in 1..4 {
            let reply = browser.ask(&server, Request::get("/count")).ok();
            assert_eq!(reply.text(), count.to_string());
        }
        let reply = server.get("/go");
        assert_eq!(
            (reply.status, reply.header("Location")),
            (302, Some("/count"))
        );
        assert_eq!(server.ask(&Request::new("HEAD", "/")).body.len(), 0);
        let reply = server.ask(&Request::new("OPTIONS", "/form"));
        assert!(reply.ok().header("Allow").unwrap().contains("POST"));
        server.finish();
    }
}

#[test]
fn flask_takes_uploads_and_streams() {
    let server = flask("%{GLOBAL}");
    for size in [0, 10, 70_000, 3 << 20] {
        let content = noise(size);
        let reply = server.ask(&upload("/upload", "a file.bin", &content)).ok();
        let text = reply.text();
        assert!(text.contains(&format!("\"size\":{size}")), "{text}");
        assert!(text.contains(&sha256(&server, &content)), "{text}");
        assert!(text.contains("\"name\":\"a file.bin\""), "{text}");
    }
    streams_line_by_line(&server);
    server.finish();
}

#[test]
fn flask_shows_its_error_pages_and_logs_exceptions() {
    let server = flask("%{GLOBAL}");
    for target in ["/missing", "/no/such/page"] {
        let reply = server.get(target);
        assert_eq!(reply.status, 404);
        assert!(reply.text().contains("<title>Not here</title>"));
    }
    assert_eq!(server.get("/form").status, 405);
    let reply = server.get("/fail");
    assert_eq!(reply.status, 500);
    assert!(reply.text().contains("Internal Server Error"));
    server.expect_log("Exception on /fail [GET]");
    server.expect_traceback("RuntimeError: a fault of the application");
    server.allow_log("^");
    server.allow_log("return self.ensure_sync");
    assert_eq!(server.get("/").ok().status, 200);
    server.finish();
}

/// The project with its tables, its static files and an administrator.
fn django(group: &str) -> (Server, PathBuf) {
    let home = venv(&kit::system_python(), "django", &["django"]);
    let builder = in_environment(&home);
    let site = copied(&builder, "tests/apps/django_site", "site");
    let data = site.join("data");
    std::fs::create_dir(&data).unwrap();
    for arguments in [
        ["migrate", "--verbosity=0"].as_slice(),
        &["collectstatic", "--noinput", "--verbosity=0"],
        &[
            "createsuperuser",
            "--noinput",
            "--username=chief",
            "--email=chief@example.org",
        ],
    ] {
        run(clean(&home.join("bin/python"))
            .arg(site.join("manage.py"))
            .args(arguments)
            .env("DJANGO_SUPERUSER_PASSWORD", "open sesame"));
    }
    run(Command::new("chmod").args(["-R", "go+rX"]).arg(&site));
    allow(&data, 0o777);
    allow(&data.join("db.sqlite3"), 0o666);
    let server = builder
        .modules(&["alias", "mime", "dir"])
        .python_path("@APPS@/site")
        .conf(&format!(
            "TypesConfig /etc/mime.types\nAlias /static @APPS@/site/static\n\
             WSGIScriptAlias / @APPS@/site/journal/wsgi.py application-group={group}"
        ))
        .start();
    (server, site)
}

fn log_in(server: &Server) -> Cookies {
    let mut browser = Cookies::default();
    let reply = browser.ask(server, Request::get("/admin/"));
    assert_eq!(reply.status, 302);
    assert_eq!(reply.header("Location"), Some("/admin/login/?next=/admin/"));
    let page = browser
        .ask(server, Request::get("/admin/login/?next=/admin/"))
        .ok();
    let token = form_token(&page);
    let fields =
        format!("csrfmiddlewaretoken={token}&username=chief&password=open+sesame&next=%2Fadmin%2F");
    let reply = browser.ask(server, form("/admin/login/?next=/admin/", &fields));
    assert_eq!(
        (reply.status, reply.header("Location")),
        (302, Some("/admin/"))
    );
    assert!(!browser.value("sessionid").is_empty());
    browser
}

#[test]
fn django_logs_in_to_its_admin_pages_and_stores_what_is_written_there() {
    for group in ["%{GLOBAL}", "%{RESOURCE}"] {
        let (server, _) = django(group);
        let mut browser = log_in(&server);
        let page = browser.ask(&server, Request::get("/admin/")).ok();
        assert!(page.text().contains("Site administration"));
        assert!(page.text().contains("<strong>chief</strong>") || page.text().contains("chief"));
        let page = browser
            .ask(&server, Request::get("/admin/notes/note/add/"))
            .ok();
        let fields = format!(
            "csrfmiddlewaretoken={}&title=Caf%C3%A9+%26+tea",
            form_token(&page)
        );
        let reply = browser.ask(&server, form("/admin/notes/note/add/", &fields));
        assert_eq!(reply.status, 302, "{}", reply.text());
        assert!(server.text("/").contains("<li>Café &amp; tea</li>"));
        // Without the token nothing is written.
        let reply = browser.ask(&server, form("/admin/notes/note/add/", "title=other"));
        assert_eq!(reply.status, 403);
        server.expect_log("Forbidden (CSRF token missing.): /admin/notes/note/add/");
        assert!(!server.text("/").contains("other"));
        server.finish();
    }
}

#[test]
fn django_has_its_static_files_served_by_apache() {
    let (server, site) = django("%{GLOBAL}");
    for (name, kind) in [
        ("admin/css/base.css", "text/css"),
        ("admin/js/core.js", "text/javascript"),
        ("admin/img/icon-yes.svg", "image/svg+xml"),
    ] {
        let reply = server.get(&format!("/static/{name}")).ok();
        assert_eq!(
            reply.body,
            std::fs::read(site.join("static").join(name)).unwrap()
        );
        let sent = reply.header("Content-Type").unwrap_or_default();
        assert!(sent.starts_with(kind), "{name}: {sent}");
        assert!(reply.header("ETag").is_some());
    }
    assert_eq!(server.get("/static/none.css").status, 404);
    server.finish();
}

#[test]
fn django_takes_an_upload_of_20_megabytes_whole() {
    let (server, _) = django("%{GLOBAL}");
    let content = noise(20 << 20);
    let expected = sha256(&server, &content);
    let request = upload("/upload", "large.bin", &content);
    for _ in 0..2 {
        let text = server.ask(&request).ok().text();
        assert!(text.contains(&expected), "{text}");
        assert!(
            text.contains(&format!("\"size\": {}", content.len())),
            "{text}"
        );
    }
    let data = server.root().join("apps/site/data");
    wait_until("its temporary files are gone", || {
        let mut names = std::fs::read_dir(&data)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        names.all(|name| name.to_string_lossy().starts_with("db."))
    });
    server.finish();
}

#[test]
fn django_keeps_sessions_and_streams() {
    let (server, _) = django("%{GLOBAL}");
    let mut browsers = [Cookies::default(), Cookies::default()];
    for count in 1..5 {
        for browser in &mut browsers {
            let reply = browser.ask(&server, Request::get("/count")).ok();
            assert_eq!(reply.text(), count.to_string());
        }
    }
    streams_line_by_line(&server);
    server.finish();
}

#[test]
fn django_shows_its_page_for_an_exception() {
    let (server, _) = django("%{GLOBAL}");
    let reply = server.get("/fail");
    assert_eq!(reply.status, 500);
    assert_eq!(
        reply.header("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    let text = reply.text();
    for part in [
        "ZeroDivisionError at /fail",
        "notes/views.py",
        "wsgi.url_scheme",
    ] {
        assert!(text.contains(part), "no {part:?} on the page");
    }
    server.expect_log("Internal Server Error: /fail");
    server.expect_traceback("ZeroDivisionError");
    server.allow_log("^");
    server.allow_log("~");
    assert_eq!(server.get("/nothing/here").status, 404);
    server.expect_log("Not Found: /nothing/here");
    server.finish();
}

#[test]
fn several_threads_of_django_share_a_database() {
    let (server, _) = django("%{GLOBAL}");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut browser = Cookies::default();
                for count in 1..15 {
                    let reply = browser.ask(&server, Request::get("/count")).ok();
                    assert_eq!(reply.text(), count.to_string());
                }
            });
        }
    });
    server.finish();
}

/// The bundled sample behind the standard library's validator, which asserts both sides of PEP 3333.
#[test]
fn the_validator_finds_no_fault_with_the_sample_or_the_server() {
    let home = venv(&kit::system_python(), "flask", &["flask"]);
    let builder = in_environment(&home);
    copied(&builder, "express/sample", "sample");
    let server = builder
        .app(
            "valid.wsgi",
            "import sys\nsys.path.insert(0, '@APPS@/sample')\nimport wsgi\n\
             from wsgiref.validate import validator\napplication = validator(wsgi.application)\n",
        )
        .conf("WSGIScriptAlias /mounted @APPS@/valid.wsgi\nWSGIScriptAlias / @APPS@/valid.wsgi")
        .start();
    for mount in ["", "/mounted"] {
        assert!(server.text(&format!("{mount}/")).contains("It works"));
        let reply = server
            .ask(&form(&format!("{mount}/greet"), "name=Ada"))
            .ok();
        assert!(reply.text().contains("Hello, Ada!"));
        let content = noise(300_000);
        let reply = server
            .ask(&upload(&format!("{mount}/upload"), "n.bin", &content))
            .ok();
        assert!(reply.text().contains(&sha256(&server, &content)));
        let reply = server.ask(&upload(
            &format!("{mount}/upload"),
            "n.bin",
            &noise(9 << 20),
        ));
        assert_eq!(reply.status, 413);
        assert!(reply.text().contains("larger than 8 MB"));
        let reply = server.get(&format!("{mount}/static/style.css")).ok();
        assert_eq!(
            reply.body,
            std::fs::read(files_of("express/sample/static/style.css")).unwrap()
        );
        let reply = server.ask(&Request::new("HEAD", &format!("{mount}/")));
        assert_eq!((reply.status, reply.body.len()), (200, 0));
        assert_eq!(server.get(&format!("{mount}/none?q=%C3%A4")).status, 404);
    }
    let mut connection = server.connect();
    connection.send(Request::get("/stream").to_bytes());
    assert_eq!(connection.head().status, 200);
    let first = String::from_utf8(connection.chunk().unwrap()).unwrap();
    assert!(first.starts_with("line 1 of 10"), "{first}");
    drop(connection);
    let reply = server.get("/").ok();
    assert!(reply.text().contains("<dt>User id</dt>"));
    if is_root() {
        let uid = run(Command::new("id").args(["-u", &web_user()]));
        assert!(reply.text().contains(&format!("<dd>{}</dd>", uid.trim())));
    }
    server.finish();
}
