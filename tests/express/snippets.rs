//! The snippets of apache-conf/: each is accepted by Apache as it is, but for the paths at its top.

use crate::harness::{Request, Server, module_path, only_rsgi};

/// The snippet with its variables set for this machine.
fn adapted(text: &str, root: &str) -> String {
    let modules = module_path().parent().unwrap().display().to_string();
    let file = module_path()
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let python = std::env::var("RSGI_TEST_PYTHON").unwrap_or_else(|_| "/usr".into());
    let mut lines = vec![];
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        lines.push(match words.as_slice() {
            // Where `make install` puts it; another place is not found here.
            ["Define", "RSGI_MODULES", "/usr/local/lib/mod_rsgi"] => {
                format!("Define RSGI_MODULES {modules}")
            }
            ["Define", "RSGI_VENV", _] => format!("Define RSGI_VENV {python}"),
            ["Define", "RSGI_PORT", _] => "Define RSGI_PORT @PORT@".to_owned(),
            ["Define", "RSGI_LOGS", _] => format!("Define RSGI_LOGS {root}"),
            ["Define", name, value] => {
                format!(
                    "Define {name} {}",
                    value.replace("/srv/example", &format!("{root}/apps"))
                )
            }
            _ => line.replace("mod_rsgi.so", &file),
        });
    }
    lines.join("\n")
}

/// Each snippet, a path, and what it answers.
const SNIPPETS: [(&str, &str, &str); 8] = [
    ("one-application", "/x", "application"),
    ("several-applications", "/shop/x", "application"),
    ("process-group", "/x", "application"),
    ("virtual-host", "/x", "application"),
    ("static-files", "/robots.txt", "User-agent"),
    ("users", "/blog/x", "app"),
    ("metrics", "/-/metrics", "rsgi_"),
    ("hardening", "/x", "application"),
];

/// An application under both its names.
const NAMED: &str = "def answer(text):\n    def app(environ, start_response):\n        start_response('200 OK', [])\n        \
                     return [text]\n    return app\napplication = answer(b'application')\napp = answer(b'app')\n";

#[test]
fn every_snippet_serves() {
    only_rsgi!("the snippets are for ours");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/apache-conf");
    let count = std::fs::read_dir(folder).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".conf")
    });
    assert_eq!(count.count(), SNIPPETS.len(), "snippets");
    for (name, path, expected) in SNIPPETS {
        let mut builder = Server::builder()
            .embedded()
            .module_symbol(None)
            .python_home(None)
            .modules(&[
                "alias",
                "authz_host",
                "headers",
                "dir",
                "mime",
                "reqtimeout",
            ])
            .file("apps/static/robots.txt", b"User-agent: *\n")
            .allow_log("RSGI0431");
        let root = builder.root().display().to_string();
        for app in [
            "app/wsgi.py",
            "shop/shop.wsgi",
            "shop/admin.wsgi",
            "blog/blog.wsgi",
        ] {
            builder = builder.app(app, NAMED);
        }
        let text = std::fs::read_to_string(format!("{folder}/{name}.conf")).unwrap();
        let server = builder
            .conf("TypesConfig /dev/null")
            .conf(&adapted(&text, &root))
            .start();
        // The virtual host has a name of its own; the others take any.
        let request = Request::get(path).header("Host", "www.example.org");
        let answer = server.ask(&request).ok().text();
        assert!(answer.contains(expected), "{name}: {answer}");
        server.finish();
    }
}

#[test]
fn the_snippet_for_several_applications_keeps_them_apart() {
    only_rsgi!("the snippets are for ours");
    let builder = Server::builder().module_symbol(None).python_home(None);
    let root = builder.root().display().to_string();
    let text = include_str!("../../apache-conf/several-applications.conf");
    let source = |callable: &str| {
        format!(
            "def {callable}(environ, start_response):\n    start_response('200 OK', [])\n    \
             return ['|'.join((environ['SCRIPT_NAME'], environ['mod_wsgi.application_group'])).encode()]\n"
        )
    };
    let server = builder
        .app("shop/shop.wsgi", &source("application"))
        .app("shop/admin.wsgi", &source("application"))
        .app("blog/blog.wsgi", &source("app"))
        .conf(&adapted(text, &root))
        .start();
    assert_eq!(server.text("/shop/x"), "/shop|shop");
    assert_eq!(server.text("/shop/admin/x"), "/shop/admin|shop-admin");
    assert_eq!(server.text("/blog"), "/blog|");
    server.finish();
}
