//! The snippets of apache-conf/: each is accepted by Apache as it is, but for the paths at its top.

use crate::harness::{Server, module_path, only_rsgi};

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
            ["Define", "RSGI_MODULES", _] => format!("Define RSGI_MODULES {modules}"),
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

#[test]
fn every_snippet_is_accepted_by_apache() {
    only_rsgi!("the snippets are for ours");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/apache-conf");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        count += 1;
        let builder = Server::builder()
            .module_symbol(None)
            .python_home(None)
            .modules(&["alias", "headers", "dir", "mime"]);
        let root = builder.root().display().to_string();
        let mut builder = builder;
        for name in [
            "app/wsgi.py",
            "shop/shop.wsgi",
            "shop/admin.wsgi",
            "blog/blog.wsgi",
            "static/robots.txt",
        ] {
            builder = builder.app(name, "");
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let check = builder
            .conf("TypesConfig /dev/null")
            .conf(&adapted(&text, &root))
            .check();
        assert!(check.is_accepted, "{}: {}", path.display(), check.output);
    }
    assert_eq!(count, 5, "snippets");
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
