//! Configurations as they are found on machines, in files of `tests/configurations`: each is accepted, is seen by
//! `check-config` as httpd sees it, and answers its requests where it does under mod_wsgi 6.1.1.
//!
//! Lines of a file that begin with `#:` say what it needs and what it answers:
//!
//! ```text
//! #: modules NAME...           modules of httpd
//! #: script PATH               the script that says where it runs, below the server's root
//! #: file PATH CONTENT         a file of one's own; \n ends a line
//! #: folder PATH
//! #: log TEXT                  a line that the error log may hold, or the number of a message
//! #: log_of_mod_wsgi TEXT      the same, of the original alone
//! #: ask METHOD TARGET [Name=value...] [as=USER:PASSWORD] -> STATUS [key=value...]
//! ```
//!
//! `ask2` asks at `@PORT2@`, and `text=` is of the whole body.

mod case;

use std::path::{Path, PathBuf};
use std::process::Command;

use case::Case;

use crate::harness::{Connection, Environ, Port, UnderTest, httpd, under_test};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/configurations");

/// Runs httpd on a configuration that was written; its output.
fn told_by_httpd(root: &Path, arguments: &[&str]) -> String {
    let output = Command::new(httpd())
        .arg("-d")
        .arg(root)
        .arg("-f")
        .arg(root.join("conf/httpd.conf"))
        .args(arguments)
        .env("RSGI_E2E_ROOT", root)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

/// A directive as it is read: the sections round it, and its words with single blanks.
type Seen = (Vec<String>, String);

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The directives of ours that httpd has read, by mod_info.
fn seen_by_httpd(root: &Path) -> Vec<Seen> {
    let text = told_by_httpd(root, &["-t", "-D", "DUMP_CONFIG"]);
    let mut sections: Vec<String> = vec![];
    let mut seen = vec![];
    for line in text.lines().map(str::trim) {
        if line.starts_with("</") {
            sections.pop();
        } else if let Some(head) = line.strip_prefix('<') {
            sections.push(squeezed(head.trim_end_matches('>')));
        } else if line.starts_with("WSGI") {
            seen.push((sections.clone(), squeezed(line)));
        }
    }
    seen
}

/// The files that httpd has read.
fn read_by_httpd(root: &Path) -> Vec<PathBuf> {
    let text = told_by_httpd(root, &["-t", "-D", "DUMP_INCLUDES"]);
    let file = |line: &str| {
        let (at, file) = line.trim().split_once(") ")?;
        at.starts_with('(').then(|| PathBuf::from(file))
    };
    text.lines().filter_map(file).collect()
}

/// What `check-config` says: nothing is an error, and it sees the same.
#[track_caller]
fn is_checked(root: &Path) {
    let Some(program) = std::env::var_os("RSGI_TEST_EXPRESS") else {
        panic!("RSGI_TEST_EXPRESS is not set: run the end-to-end tests with ci/e2e");
    };
    let output = Command::new(program)
        .arg("check-config")
        .arg(root.join("conf/httpd.conf"))
        .arg("--server-root")
        .arg(root)
        .args(["--format", "json"])
        .env("RSGI_E2E_ROOT", root)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "check-config: {text}");
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    let is_of_folder = |file: &str| file.ends_with("/.htaccess");
    let seen: Vec<Seen> = told["directives"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| !is_of_folder(one["file"].as_str().unwrap()))
        .map(|one| {
            let sections = one["sections"].as_array().unwrap();
            let sections = sections.iter().map(|one| squeezed(one.as_str().unwrap()));
            let words = format!(
                "{} {}",
                one["name"].as_str().unwrap(),
                one["arguments"].as_str().unwrap()
            );
            (sections.collect(), squeezed(&words))
        })
        .collect();
    assert_eq!(seen, seen_by_httpd(root));
    let read = told["read"].as_array().unwrap();
    let read = read.iter().map(|file| file.as_str().unwrap());
    let read: Vec<PathBuf> = read
        .filter(|file| !is_of_folder(file))
        .map(Into::into)
        .collect();
    assert_eq!(read, read_by_httpd(root));
}

#[track_caller]
fn serves(name: &str) {
    let case = Case::read(name);
    let second = Port::take();
    let builder = case.builder(second.number());
    let root = builder.root().to_path_buf();
    let server = builder.start();
    for text in &case.logs_of_mod_wsgi {
        server.allow_log_of_mod_wsgi(text);
    }
    if under_test() == UnderTest::Rsgi {
        is_checked(&root);
    }
    let fill = |text: &str| {
        text.replace("@PORT2@", &second.number().to_string())
            .replace("@PORT@", &server.port().to_string())
            .replace("@ROOT@", &root.display().to_string())
    };
    for ask in &case.asks {
        let mut connection = if ask.is_second_port {
            Connection::open(second.number())
        } else {
            server.connect()
        };
        let reply = connection.ask(&ask.request(&fill));
        assert_eq!(reply.status, ask.status, "{}: {}", ask.line, reply.text());
        let text = reply.text();
        let told = Environ::parse(&text);
        for (key, value) in &ask.told {
            let value = fill(value);
            if key == "text" {
                assert_eq!(text, value, "{}", ask.line);
            } else {
                assert_eq!(told.repr(key), Some(value.as_str()), "{}: {key}", ask.line);
            }
        }
    }
    server.finish();
}

/// A test for each file, and one that each file has a test.
macro_rules! configurations {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                serves(stringify!($name));
            }
        )*

        #[test]
        fn each_file_has_its_test() {
            let mut files: Vec<String> = std::fs::read_dir(FOLDER)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.retain(|file| file.ends_with(".conf"));
            files.sort();
            let names: &[&str] = &[$(concat!(stringify!($name), ".conf")),*];
            assert_eq!(files, names);
        }
    };
}

configurations! {
    bugzilla_like
    cobbler
    conditions
    cpanel_htaccess
    dispatch
    django_alias_options
    django_daemon
    django_embedded
    django_users
    express_generated
    flask
    freeipa
    graphite
    handler_script
    hgweb
    horizon
    horizon_redhat
    hosting_users
    hosts_share
    hyperkitty
    includes
    keystone
    koji
    loggerhead
    macros
    mass_hosts
    moinmoin
    pagure
    pgadmin
    plone_repoze
    pyramid
    pywps
    reviewboard
    supysonic
    tower
    trac
    turbogears
    web2py
    weblate
    wims_lti
    x2gobroker
}
