//! What a browser gets, and the small commands.

use std::collections::BTreeSet;
use std::path::Path;

use super::Launcher;
use super::launcher::text;
use crate::harness::{module_path, only_rsgi};

#[test]
fn the_application_gets_every_url_that_is_no_file() {
    only_rsgi!("the launcher is ours");
    let run = Launcher::new()
        .file("public/robots.txt", "for robots\n")
        .file("public/folder/index.html", "not an index\n")
        .args(&["hello.py", "--document-root", "public"])
        .start();
    for path in [
        "/",
        "/a",
        "/a/",
        "/a/b/c",
        "/folder",
        "/folder/",
        "/folder/x",
        "/x.php/y",
    ] {
        assert_eq!(run.text(path), format!("|{path}|"), "{path}");
    }
    assert_eq!(run.text("/a%20b?q=1"), "|/a b|");
    assert_eq!(run.text("/robots.txt"), "for robots\n");
    assert_eq!(run.text("/folder/index.html"), "not an index\n");
}

#[test]
fn below_a_mount_point_script_name_is_the_mount_point() {
    only_rsgi!("the launcher is ours");
    let run = Launcher::new()
        .file("public/a.b/x.txt", "a file\n")
        .args(&[
            "hello.py",
            "--document-root",
            "public",
            "--mount-point",
            "/a.b/é",
        ])
        .start();
    for (path, expected) in [
        ("/a.b/%c3%a9", "/a.b/é||"),
        ("/a.b/%c3%a9/", "/a.b/é|/|"),
        ("/a.b/%c3%a9/c/d", "/a.b/é|/c/d|"),
    ] {
        assert_eq!(run.text(path), expected, "{path}");
    }
    assert_eq!(run.text("/a.b/x.txt"), "a file\n");
    for path in ["/", "/a.b", "/aXb/%c3%a9", "/a.b/%c3%a9x"] {
        assert_eq!(run.get(path).status, 404, "{path}");
    }
}

#[test]
fn aliases_win_over_the_application_and_give_out_nothing_beside() {
    only_rsgi!("the launcher is ours");
    let run = Launcher::new()
        .file("static [1]/a b.css", "css\n")
        .file("one/favicon.ico", "icon\n")
        .file("one/secret", "no\n")
        .args(&["hello.py", "--url-alias", "/static", "static [1]"])
        .args(&["--url-alias", "/favicon.ico", "one/favicon.ico"])
        .start();
    assert_eq!(run.text("/static/a%20b.css"), "css\n");
    assert_eq!(run.text("/favicon.ico"), "icon\n");
    assert_eq!(run.get("/static/nope").status, 404);
    assert_eq!(run.text("/one/../secret"), "|/secret|");
    assert_eq!(run.text("/static/../one/secret"), "|/one/secret|");
    assert_eq!(run.text("/other"), "|/other|");
}

#[test]
fn a_directory_with_an_odd_name_serves_as_any_other() {
    only_rsgi!("the launcher is ours");
    let run = Launcher::named(r#"it's "odd" \ é [x]* $5"#)
        .file("public [2]/f.txt", "a file\n")
        .file("more *?/g.txt", "another\n")
        .args(&["hello.py", "--document-root", "public [2]"])
        .args(&["--url-alias", "/a \"b\"", "more *?"])
        .args(&["--mount-point", "/say \"é\"+", "--reload-on-changes"])
        .start();
    assert_eq!(run.text("/f.txt"), "a file\n");
    assert_eq!(run.text("/a%20%22b%22/g.txt"), "another\n");
    assert_eq!(run.text("/say%20%22%c3%a9%22%2b/x"), "/say \"é\"+|/x|");
}

#[test]
fn rewrite_rules_of_the_user_come_first() {
    let launcher = Launcher::new().arg("hello.py");
    launcher.setup();
    let rules = "RewriteRule \"^old$\" \"/new\" [R=301,L]\nRewriteRule \"^gone$\" \"-\" [G]\n";
    std::fs::write(launcher.root().join("rewrite.conf"), rules).unwrap();
    let run = launcher.start();
    assert_eq!(run.get("/old").status, 301);
    assert_eq!(run.get("/gone").status, 410);
    assert_eq!(run.text("/new"), "|/new|");
}

#[test]
fn the_application_sees_where_it_runs() {
    only_rsgi!("the launcher is ours");
    let source = r#"
import os, sys
def application(environ, start_response):
    names = ("MOD_WSGI_EXPRESS", "RSGI_EXPRESS", "MOD_WSGI_RELOADER_ENABLED", "EXTRA", "LANG")
    facts = [os.getcwd(), sys.path[0], sys.path[1], __name__, __file__, sys.argv[0]]
    facts += [os.environ.get(name, "-") for name in names]
    facts += [environ["HTTP_AUTHORIZATION"], str(environ["wsgi.multiprocess"]), str(environ["wsgi.multithread"])]
    start_response("200 OK", [])
    return ["\n".join(facts).encode()]
"#;
    let launcher = Launcher::new()
        .file("code/a.py", source)
        .file("lib/x.py", "")
        .args(&["--entry-point", "code/a.py", "--working-directory", "code"])
        .args(&["--python-path", "lib"]);
    launcher.setup();
    std::fs::write(
        launcher.root().join("envvars"),
        "export EXTRA='of envvars'\n",
    )
    .unwrap();
    let code = launcher.path("code").display().to_string();
    let lib = launcher.path("lib").display().to_string();
    let run = launcher.start();
    let request = crate::harness::Request::get("/").header("Authorization", "Bearer x");
    let answer = crate::harness::Connection::open(run.launcher.port()).ask(&request);
    let answer = answer.ok().text();
    let script = format!("{code}/a.py");
    let expected = [
        &code,
        &code,
        &lib,
        "__wsgi__",
        &script,
        "mod_wsgi",
        "true",
        "true",
        "-",
        "of envvars",
        "C.UTF-8",
        "Bearer x",
        "False",
        "True",
    ];
    assert_eq!(answer.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn the_application_runs_in_a_process_group_unless_embedded_mode_is_asked_for() {
    only_rsgi!("the launcher is ours");
    let source = r#"
import os
def application(environ, start_response):
    start_response("200 OK", [])
    names = ("mod_wsgi.process_group", "wsgi.multiprocess", "wsgi.multithread")
    with open("/proc/self/cmdline") as file:
        command = file.read().split("\0")[0]
    facts = [str(environ[name]) for name in names] + [command, os.getcwd()]
    return ["|".join(facts).encode()]
"#;
    let answer = |arguments: &[&str]| {
        let run = Launcher::new()
            .file("a.py", source)
            .arg("a.py")
            .args(arguments)
            .start();
        let answer = run.text("/");
        let port = run.launcher.port().to_string();
        let here = run.launcher.directory().display().to_string();
        assert!(run.output().contains("Operating Mode"), "{}", run.output());
        answer.replace(&here, "HERE").replace(&port, "PORT")
    };
    let expected = "localhost:PORT|False|True|(wsgi:localhost:PORT)|HERE";
    assert_eq!(answer(&[]), expected);
    let options = [
        "--processes",
        "1",
        "--threads",
        "1",
        "--process-group",
        "shop",
    ];
    let options = [
        &options[..],
        &["--application-group", "tools", "--max-clients", "7"],
    ]
    .concat();
    assert_eq!(answer(&options), "shop|True|False|(wsgi:shop)|HERE");
    let embedded = answer(&["--embedded-mode"]);
    assert!(embedded.starts_with("|False|True|/"), "{embedded}");
}

#[test]
fn a_module_is_imported_by_its_name() {
    let source = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [__name__.encode()]\n";
    let run = Launcher::new()
        .file("shop/web.py", source)
        .args(&[
            "--application-type",
            "module",
            "shop.web",
            "--callable-object",
            "app",
        ])
        .start();
    assert_eq!(run.text("/"), "shop.web");
}

#[test]
fn module_location_and_module_config_name_the_module() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new();
    let module = module_path().canonicalize().unwrap().display().to_string();
    let output = launcher.output("module-location");
    assert_eq!(text(&output), format!("{module}\n"));

    let output = launcher.output("module-config");
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], format!("LoadModule wsgi_module \"{module}\""));
    assert!(lines[1].starts_with("WSGIPythonHome \"/"), "{said}");
}

#[test]
fn install_module_copies_the_pair_and_prints_the_new_place() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().args(&["--modules-directory", "modules"]);
    let output = launcher.output("install-module");
    assert_eq!(
        output.status.code(),
        Some(2),
        "no such directory: {}",
        text(&output)
    );

    let modules = launcher.path("modules");
    std::fs::create_dir(&modules).unwrap();
    let output = launcher.output("install-module");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains(&format!("{}/mod_rsgi.so\"", modules.display())));
    let names = |folder: &Path| -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    // Layers for free-threaded Pythons go with them, where there are any.
    let mut expected = names(module_path().parent().unwrap());
    expected.retain(|name| name.starts_with("rsgi_python.cp3"));
    expected.extend(["mod_rsgi.so", "rsgi-daemon", "rsgi_python.so"].map(str::to_owned));
    assert_eq!(names(&modules), expected);
}
