//! The types of `mod_wsgi`, `mod_rsgi` and `apache` for type checkers: PEP 561 packages in express/python.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ask, silent};
use crate::harness::{Server, UnderTest, only_embedded, under_test};
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
