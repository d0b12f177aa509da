//! The types of `mod_wsgi`, `mod_rsgi` and `apache` for type checkers: PEP 561 packages in express/python.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ask, silent};
use crate::harness::{Server, UnderTest, only_embedded, only_rsgi, under_test};
use crate::kit::{self, clean, run, venv};

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("express/python")
}

/// An environment with mypy, and one with what express/python installs.
fn environments(server: &Server) -> (PathBuf, PathBuf) {
    let tools = venv(&kit::system_python(), "mypy", &["mypy>=1.10"]);
    let work = server.root().join("types");
    let (copy, home) = (work.join("source"), work.join("venv"));
    std::fs::create_dir_all(&work).unwrap();
    // A build leaves files beside its sources.
    run(Command::new("cp").arg("-R").arg(sources()).arg(&copy));
    run(clean(&kit::system_python().executable())
        .args(["-m", "venv", "--without-pip"])
        .arg(&home));
    run(clean(&tools.join("bin/python"))
        .args(["-m", "pip", "--python"])
        .arg(home.join("bin/python"))
        .args(["install", "-q", "--no-input", "--disable-pip-version-check"])
        .arg(&copy));
    (tools, home)
}

/// Runs `mypy --strict` over a file; whether it is content, and what it said.
fn mypy(tools: &Path, home: &Path, file: &Path) -> (bool, String) {
    let output = clean(&tools.join("bin/mypy"))
        .args([
            "--strict",
            "--no-error-summary",
            "--cache-dir=/dev/null",
            "--python-executable",
        ])
        .arg(home.join("bin/python"))
        .arg(file)
        .current_dir(file.parent().unwrap())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

const WRONG: &str = "\
import apache, mod_wsgi
mod_wsgi.subscribe_events(1)
mod_wsgi.request_metrics()['request_count']
mod_wsgi.process_group = 'other'
apache.no_such_name
mod_wsgi.process_metrics() and mod_wsgi.process_metrics()['no_such_key']
mod_wsgi.subscribe_shutdown(print, print)
";

#[test]
fn an_example_and_the_stubs_pass_mypy_and_mistakes_do_not() {
    only_embedded!("no application runs");
    if under_test() == UnderTest::ModWsgi {
        return;
    }
    let server = silent().start();
    let (tools, home) = environments(&server);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/example.py");
    let (is_content, said) = mypy(&tools, &home, &example);
    assert!(is_content, "{said}");
    for package in ["mod_wsgi-stubs", "apache-stubs", "mod_rsgi"] {
        let (is_content, said) = mypy(&tools, &home, &sources().join(package).join("__init__.pyi"));
        assert!(is_content, "{package}: {said}");
    }
    let wrong = server.root().join("work/wrong.py");
    std::fs::write(&wrong, WRONG).unwrap();
    let (_, said) = mypy(&tools, &home, &wrong);
    for line in 2..=7 {
        assert!(
            said.contains(&format!("wrong.py:{line}: error")),
            "{line}: {said}"
        );
    }
    server.finish();
}

/// The public names that a stub defines.
fn stubbed(package: &str) -> Vec<String> {
    let text = std::fs::read_to_string(sources().join(package).join("__init__.pyi")).unwrap();
    let mut names: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with([' ', '"', '_', '@']))
        .filter_map(|line| {
            let name = line
                .strip_prefix("def ")
                .or_else(|| line.strip_prefix("class "))
                .or_else(|| Some(line.split_once(" as ")?.1))
                .or_else(|| line.contains(": Final").then_some(line))?;
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
            Some(name[..end.unwrap_or(name.len())].to_owned())
        })
        .filter(|name| !name.starts_with('_'))
        .collect();
    names.sort();
    names
}

#[test]
fn stubs_have_the_names_that_the_modules_have() {
    let server = silent().start();
    let names = |module: &str| {
        let expression = format!(
            "','.join(sorted(n for n in dir(__import__('{module}')) if not n.startswith('_') and n != 'express'))"
        );
        ask(&server, &expression)
    };
    assert_eq!(stubbed("mod_wsgi-stubs").join(","), names("mod_wsgi"));
    assert_eq!(stubbed("apache-stubs").join(","), names("apache"));
    if under_test() == UnderTest::Rsgi {
        assert_eq!(stubbed("mod_rsgi").join(","), names("mod_rsgi"));
    }
    server.finish();
}

/// Compares stubs with the modules that it can import, as `stubtest` does; run where those are.
const COMPARING: &str = r#"
import contextlib, io, os, sys, traceback

def compared(modules):
    os.chdir("@WORK@")
    os.environ["MYPYPATH"] = "@WORK@/stubs"
    sys.path.append("@TOOLS@")
    from mypy import stubtest
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            # PEP 800 has no place yet in what type checkers of today read.
            with open("allowed", "w") as file:
                file.write("mod_wsgi.FileWrapper\n")
            options = ["--allowlist=allowed", "--ignore-unused-allowlist"]
            code = stubtest.test_stubs(stubtest.parse_options(options + modules))
        except BaseException:
            code = traceback.format_exc()
    return f"{code}\n{said.getvalue()}"

def application(environ, start_response):
    said = compared(environ["QUERY_STRING"].split("+"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said.encode()]
"#;

#[test]
fn stubs_have_the_signatures_that_the_modules_have() {
    only_rsgi!("only our functions tell their signatures");
    let python = kit::system_python();
    let tools = venv(&python, "mypy", &["mypy>=1.10"]);
    let packages = tools.join(format!("lib/python3.{}/site-packages", python.minor));
    let server = Server::builder()
        .one_process()
        .python_home(Some(python.home()))
        // What mypy leaves behind takes its time to be destroyed.
        .conf("WSGIDestroyInterpreter Off")
        .serve(&COMPARING.replace("@TOOLS@", packages.to_str().unwrap()))
        .start();
    for (folder, module) in [
        ("mod_wsgi-stubs", "mod_wsgi"),
        ("apache-stubs", "apache"),
        ("mod_rsgi", "mod_rsgi"),
    ] {
        let place = format!("work/stubs/{module}");
        std::fs::create_dir_all(server.root().join(&place)).unwrap();
        let text = std::fs::read_to_string(sources().join(folder).join("__init__.pyi")).unwrap();
        server.write(&format!("{place}/__init__.pyi"), &text);
    }
    let said = server.get("/?mod_wsgi+apache+mod_rsgi").ok().text();
    assert!(said.starts_with("0\n"), "{said}");
    // It would have said so.
    let text = server.read("work/stubs/mod_wsgi/__init__.pyi");
    let text = text.replace(
        "def request_data() -> dict[str, Any]:",
        "def request_data(wrong: int, /) -> dict[str, Any]:",
    );
    server.write(
        "work/stubs/mod_wsgi/__init__.pyi",
        &format!("{text}\nno_such_name: int\n"),
    );
    let said = server.get("/?mod_wsgi").ok().text();
    for part in ["mod_wsgi.request_data", "mod_wsgi.no_such_name"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    server.finish();
}

/// The names of the table and the tests that it names.
fn table() -> (Vec<String>, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/python-api.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let quoted = |line: &str| line.split('"').nth(1).map(str::to_owned);
    let names = text.lines().filter(|line| line.starts_with("name = "));
    let tests = text.lines().filter(|line| line.contains(".rs::"));
    (
        names.filter_map(quoted).collect(),
        tests.filter_map(quoted).collect(),
    )
}

#[test]
fn the_table_of_the_python_api_has_every_name_and_its_tests_exist() {
    let (names, tests) = table();
    let of_modules = [("mod_wsgi", "mod_wsgi-stubs"), ("apache", "apache-stubs")];
    for (module, package) in of_modules {
        for name in stubbed(package) {
            let name = format!("{module}.{name}");
            assert!(
                names.contains(&name),
                "tests/parity/python-api.toml lacks {name}"
            );
        }
    }
    for test in tests {
        let (file, name) = test.split_once("::").unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let source = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{test}: {e}"));
        let is_there = source.split("#[test]").skip(1).any(|part| {
            let head = part.split('{').next().unwrap_or_default();
            head.contains(&format!("fn {name}("))
        });
        assert!(is_there, "{file} has no test {name}");
    }
}
