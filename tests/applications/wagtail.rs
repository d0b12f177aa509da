//! Wagtail, the large site: as `wagtail start` makes it, with Apache in front of its static files and images.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Place, give_to_web_user};
use crate::harness::{Request, Server};
use crate::kit::{self, clean, run, system_python, venv};
use crate::visitor::{Cookies, fields_of, form, form_token, posted, upload_of};

/// Beside the settings that Wagtail makes.
const SETTINGS: &str = "
STATIC_ROOT = str(BASE_DIR) + '/static'
MEDIA_ROOT = str(BASE_DIR) + '/media'
DATABASES['default']['OPTIONS'] = {'timeout': 30}
";

const CONF: &str = "
Alias /static @WORK@/site/static
Alias /media @WORK@/site/media
WSGIScriptAlias / @WORK@/site/shop/wsgi.py
WSGIApplicationGroup %{GLOBAL}
";

fn environment() -> PathBuf {
    venv(&system_python(), "wagtail", &["wagtail==8.0.1"])
}

/// The site with its tables, an administrator and a picture to upload.
fn site(home: &Path) -> PathBuf {
    kit::kept("site-wagtail-8.0.1", |folder| {
        let python = home.join("bin/python");
        run(clean(&home.join("bin/wagtail"))
            .args(["start", "shop"])
            .arg(folder));
        std::fs::write(folder.join("shop/settings/local.py"), settings()).unwrap();
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
            run(clean(&python)
                .arg("manage.py")
                .args(arguments)
                .current_dir(folder)
                .env("DJANGO_SUPERUSER_PASSWORD", "open sesame"));
        }
        run(clean(&python).current_dir(folder).args([
            "-c",
            "import os, PIL.Image as I; I.frombytes('RGB', (900, 700), os.urandom(900 * 700 * 3)).save('picture.png')",
        ]));
        run(Command::new("chmod").args(["-R", "go+rX"]).arg(folder));
    })
}

fn settings() -> String {
    format!("from .base import *\n{SETTINGS}")
}

fn serving(place: Place) -> Server {
    let home = environment();
    let made = site(&home);
    let builder = place.server_with(&home, Some("@WORK@/site")).conf(CONF);
    let work = builder.root().join("work");
    run(Command::new("cp")
        .arg("-R")
        .arg(made)
        .arg(work.join("site")));
    std::fs::create_dir(work.join("site/media")).unwrap();
    give_to_web_user(&work.join("site"));
    builder.start()
}

fn log_in(server: &Server) -> Cookies {
    let mut browser = Cookies::default();
    let target = "/admin/login/?next=/admin/";
    let page = browser.ask(server, Request::get(target)).ok();
    let token = form_token(&page);
    let fields = [
        ("csrfmiddlewaretoken", token.as_str()),
        ("username", "chief"),
        ("password", "open sesame"),
        ("next", "/admin/"),
    ];
    let reply = browser.ask(server, form(target, &posted(&fields)));
    assert_eq!(reply.status, 302, "{}", reply.text());
    browser
}

fn edits_and_uploads(place: Place) {
    let server = serving(place);
    let mut browser = log_in(&server);
    let page = browser.ask(&server, Request::get("/admin/")).ok();
    assert!(page.text().contains("wagtail"), "{}", page.text());
    publishes(&server, &mut browser);
    uploads(&server, &mut browser);
    let style = server.get("/static/wagtailadmin/css/core.css").ok();
    assert!(style.body.len() > 50_000);
    server.allow_log("Not Found: ");
    assert_eq!(server.get("/no/such/page/").status, 404);
    server.finish();
}

/// Edits the home page with the fields that the form brings, and publishes it.
fn publishes(server: &Server, browser: &mut Cookies) {
    let target = "/admin/pages/3/edit/";
    let page = browser.ask(server, Request::get(target)).ok();
    let mut fields = fields_of(&page.text(), "page-edit-form");
    fields.retain(|field| !field.0.starts_with("action-") && field.0 != "title");
    let mut fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|f| (f.0.as_str(), f.1.as_str()))
        .collect();
    fields.extend([
        ("title", "Käse & Wein"),
        ("action-publish", "action-publish"),
    ]);
    let reply = browser.ask(server, form(target, &posted(&fields)));
    assert_eq!(reply.status, 302, "{}", reply.text());
    let page = server.get("/").ok().text();
    assert!(page.contains("Käse &amp; Wein"), "{page}");
    assert!(
        browser
            .ask(server, Request::get("/admin/pages/3/history/"))
            .ok()
            .text()
            .contains("Published")
    );
}

/// Uploads a picture of two megabytes; the smaller one that Wagtail makes of it is served by Apache.
fn uploads(server: &Server, browser: &mut Cookies) {
    let target = "/admin/images/add/";
    let page = browser.ask(server, Request::get(target)).ok();
    let token = form_token(&page);
    let picture = std::fs::read(server.root().join("work/site/picture.png")).unwrap();
    let fields = [("csrfmiddlewaretoken", token.as_str()), ("title", "Noise")];
    let reply = browser.ask(
        server,
        upload_of(target, &fields, ("file", "noise.png", &picture)),
    );
    assert_eq!(reply.status, 302, "{}", reply.text());
    let page = browser
        .ask(server, Request::get("/admin/images/"))
        .ok()
        .text();
    let source = page
        .split("src=\"")
        .find(|part| part.starts_with("/media/images/noise"));
    let source = source.and_then(|part| part.split('"').next());
    let source = source.unwrap_or_else(|| panic!("no picture on {page}"));
    let small = server.get(source).ok();
    assert_eq!(small.header("Content-Type"), Some("image/png"));
    assert!(small.body.starts_with(b"\x89PNG") && small.body.len() < picture.len());
}

#[test]
fn wagtail_in_apaches_children_publishes_pages_and_takes_pictures() {
    edits_and_uploads(Place::Children);
}

#[test]
fn wagtail_in_a_process_group_publishes_pages_and_takes_pictures() {
    edits_and_uploads(Place::Group);
}
