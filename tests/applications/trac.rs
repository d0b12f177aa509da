//! Trac: a wiki page, a ticket with an attachment, its search and its feeds, under a mount point.

use super::{ADA, Place, give_to_web_user, passwords};
use crate::harness::{Reply, Request, Server};
use crate::kit::{clean, run, system_python, venv};
use crate::visitor::{Cookies, fields_of, form, noise, posted, upload_of};

/// As Trac's own documentation has it, with the script that `trac-admin deploy` writes.
const CONF: &str = "
Alias /projects/chrome @WORK@/deployed/htdocs
WSGIScriptAlias /projects @WORK@/deployed/cgi-bin/trac.wsgi
WSGIApplicationGroup %{GLOBAL}
<Location /projects/login>
AuthType Basic
AuthName trac
AuthUserFile @ROOT@/conf/passwords
Require valid-user
</Location>
";

fn serving(place: Place) -> Server {
    let home = venv(&system_python(), "trac", &["trac==1.6"]);
    let builder = passwords(place.server(&home)).conf(CONF);
    let work = builder.root().join("work");
    let admin = |arguments: &[&str]| {
        let project = work.join("project");
        run(clean(&home.join("bin/trac-admin"))
            .arg(&project)
            .args(arguments))
    };
    admin(&["initenv", "Käse", "sqlite:db/trac.db"]);
    admin(&["permission", "add", "ada", "TRAC_ADMIN"]);
    admin(&["deploy", &work.join("deployed").display().to_string()]);
    give_to_web_user(&work);
    builder.start()
}

/// Trac takes a form only with the token of its cookie.
fn send(browser: &mut Cookies, server: &Server, target: &str, fields: &[(&str, &str)]) -> Reply {
    let token = browser.value("trac_form_token").to_owned();
    let mut all = vec![("__FORM_TOKEN", token.as_str())];
    all.extend(fields);
    browser.ask(server, form(target, &posted(&all)))
}

fn writes_pages_and_tickets(place: Place) {
    let server = serving(place);
    assert_eq!(server.get("/projects/login").status, 401);
    let mut browser = Cookies::default();
    let login = Request::get("/projects/login").header(ADA.0, ADA.1);
    let reply = browser.ask(&server, login);
    assert_eq!(reply.status, 302, "{}", reply.text());
    let page = browser.ask(&server, Request::get("/projects/wiki")).ok();
    assert!(page.text().contains("logged in as"), "{}", page.text());

    let text = "= Über Käse =\n * ''one''\n * [wiki:Start two]\n".repeat(300);
    let fields = [
        ("text", text.as_str()),
        ("version", "0"),
        ("action", "edit"),
        ("save", "Submit"),
    ];
    let reply = send(
        &mut browser,
        &server,
        "/projects/wiki/K%C3%A4se/Sorten",
        &fields,
    );
    assert_eq!(reply.status, 303, "{}", reply.text());
    let page = server.get("/projects/wiki/K%C3%A4se/Sorten").ok();
    assert!(page.text().contains("Über Käse"), "{}", page.text());

    let page = browser
        .ask(&server, Request::get("/projects/newticket"))
        .ok();
    let mut fields = fields_of(&page.text(), "propertyform");
    fields.retain(|field| !["preview", "__FORM_TOKEN", "attachment"].contains(&field.0.as_str()));
    for (name, value) in [("field_summary", "It melts"), ("field_description", "Käse")] {
        fields.retain(|field| field.0 != name);
        fields.push((name.to_owned(), value.to_owned()));
    }
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|f| (f.0.as_str(), f.1.as_str()))
        .collect();
    let reply = send(&mut browser, &server, "/projects/newticket", &fields);
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert!(
        reply
            .header("Location")
            .unwrap()
            .ends_with("/projects/ticket/1"),
        "{reply:?}"
    );
    attaches(&mut browser, &server);
    searches(&mut browser, &server);
    server.allow_log("Trac[");
    server.finish();
}

/// What was written is found, and told by a feed.
fn searches(browser: &mut Cookies, server: &Server) {
    let found = server
        .get("/projects/search?q=melts&noquickjump=1&ticket=on")
        .ok();
    assert!(found.text().contains("It melts"));
    let feed = browser.ask(
        server,
        Request::get("/projects/timeline?ticket=on&wiki=on&format=rss&max=50&daysback=90"),
    );
    assert!(feed.ok().text().contains("It melts"));
    let style = server.get("/projects/chrome/common/css/trac.css").ok();
    assert_eq!(style.header("Content-Type"), Some("text/css"));
    assert_eq!(server.get("/projects/ticket/99").status, 404);
}

/// A file goes to a ticket and comes back.
fn attaches(browser: &mut Cookies, server: &Server) {
    let content = noise(200_000);
    let token = browser.value("trac_form_token").to_owned();
    let fields = [
        ("__FORM_TOKEN", token.as_str()),
        ("action", "new"),
        ("realm", "ticket"),
        ("id", "1"),
        ("description", "noise"),
    ];
    let target = "/projects/attachment/ticket/1/?action=new";
    let file = ("attachment", "noise.bin", content.as_slice());
    let reply = browser.ask(server, upload_of(target, &fields, file));
    assert_eq!(reply.status, 303, "{}", reply.text());
    let raw = server.get("/projects/raw-attachment/ticket/1/noise.bin");
    assert!(raw.ok().body == content);
}

#[test]
fn trac_in_apaches_children_keeps_pages_and_tickets() {
    writes_pages_and_tickets(Place::Children);
}

#[test]
fn trac_in_a_process_group_keeps_pages_and_tickets() {
    writes_pages_and_tickets(Place::Group);
}
