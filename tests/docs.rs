//! The pages of docs/: each configuration and command in them is run as it stands, but for paths, users and ports.
//!
//! A comment in front of a block says what it is: `<!-- test: KIND; STEP; … -->`. Kinds: `file PATH` (written for the
//! blocks behind it), `config` (taken by `httpd -t`), `serve` (a server with it answers), `launch` (one of rsgi-express
//! does), `check` (rsgi-express finds nothing), `run CODE` (a command), `none` with the reason. Steps: `GET PATH contains
//! "text"`, `contains "text"`, `graceful`, `cwd FOLDER`, `env NAME=VALUE`, `root`.

use std::path::Path;
use std::process::Command;

use crate::express::launcher::{self, Launcher};
use crate::harness::{Builder, Server, is_root, module_path, only_rsgi, say};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");

/// A block with what is to be done with it.
#[derive(Debug)]
struct Block {
    line: usize,
    kind: String,
    steps: Vec<String>,
    text: String,
}

/// The blocks of a page.
#[track_caller]
fn blocks(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(format!("{FOLDER}/{page}")).unwrap();
    let mut blocks: Vec<Block> = vec![];
    let mut told: Option<String> = None;
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if let Some(rest) = line.strip_prefix("<!-- test: ") {
            told = Some(rest.trim_end_matches("-->").trim().to_owned());
        } else if line.starts_with("```") {
            let told = told.take().unwrap_or_else(|| {
                panic!(
                    "{page}:{}: a block without `<!-- test: … -->` in front",
                    at + 1
                )
            });
            let mut steps = told.split(';').map(|step| step.trim().to_owned());
            let content: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| !line.starts_with("```"))
                .collect();
            blocks.push(Block {
                line: at + 1,
                kind: steps.next().unwrap_or_default(),
                steps: steps.collect(),
                text: content.join("\n") + "\n",
            });
        } else if !line.trim().is_empty() {
            assert!(
                told.is_none(),
                "{page}:{}: no block behind the comment",
                at + 1
            );
        }
    }
    blocks
}

/// A file that the page has shown, by its name.
type File = (String, String);

#[track_caller]
fn run(page: &str) {
    only_rsgi!("the pages are about ours");
    let mut files: Vec<File> = vec![];
    for block in blocks(page) {
        say(&format!("{page}:{} {}", block.line, block.kind));
        let (kind, rest) = block.kind.split_once(' ').unwrap_or((&block.kind, ""));
        match kind {
            "file" => {
                files.retain(|(name, _)| name != rest);
                files.push((rest.to_owned(), block.text.clone()));
            }
            "config" => {
                let check = server(&block, &files).check();
                assert!(check.is_accepted, "{page}:{}: {}", block.line, check.output);
            }
            "serve" if block.steps.iter().any(|step| step == "root") && !is_root() => {
                say("skipped: only root can be somebody else");
            }
            "serve" => serve(&block, &files),
            "launch" => launch(&block, &files),
            "check" => check(&block, &files),
            "run" => command(&block, rest.parse().unwrap(), &files),
            "none" => assert!(!block.steps.is_empty(), "{page}:{}: no reason", block.line),
            other => panic!("{page}:{}: {other:?} is no kind of test", block.line),
        }
    }
}

/// `GET PATH contains "text"`.
fn request(step: &str) -> Option<(&str, &str)> {
    step.strip_prefix("GET ")?.split_once(" contains ")
}

#[track_caller]
fn holds(text: &str, part: &str) {
    let part = part.trim().trim_matches('"');
    assert!(text.contains(part), "no {part:?} in: {text}");
}

/// The page's paths as those of this machine.
fn adapted(text: &str) -> String {
    let module = module_path().display().to_string();
    let mut text = text
        .replace("/usr/local/lib/mod_rsgi/mod_rsgi.so", &module)
        .replace("/srv", "@APPS@")
        .replace("logs/", "@ROOT@/");
    for user in ["shop", "mysite"] {
        text = text.replace(&format!("user={user}"), "user=nobody");
    }
    text
}

/// A server in the making: the page's files, the virtual environments that it speaks of, and the configuration.
fn server(block: &Block, files: &[File]) -> Builder {
    let mut builder = Server::builder()
        .embedded()
        .module_symbol(None)
        .python_home(None)
        .modules(&["alias", "authz_host"])
        .allow_log("RSGI0431");
    for (name, text) in files {
        builder = builder.app(name, text);
    }
    let conf = builder.fill(&adapted(&block.text));
    for word in conf.split_whitespace() {
        if let Some(home) = word.strip_prefix("python-home=") {
            environment(Path::new(home));
        }
    }
    builder.conf(&conf)
}

/// Makes a virtual environment.
#[track_caller]
fn environment(home: &Path) {
    let python = std::env::var("RSGI_TEST_PYTHON").unwrap_or_else(|_| "/usr".into());
    let status = Command::new(format!("{python}/bin/python3"))
        .args(["-m", "venv", "--without-pip"])
        .arg(home)
        .status();
    assert!(status.unwrap().success(), "{}", home.display());
}

#[track_caller]
fn serve(block: &Block, files: &[File]) {
    let server = server(block, files).start();
    for step in &block.steps {
        match request(step) {
            Some((path, part)) => holds(&server.text(path), part),
            None if step == "graceful" => server.graceful(),
            None => assert_eq!(step, "root", "a step of `serve`"),
        }
    }
    server.finish();
}

/// The launcher with the page's files and the arguments of its command.
#[track_caller]
fn launcher(block: &Block, command: &str, files: &[File]) -> Launcher {
    let folder = block
        .steps
        .iter()
        .find_map(|step| Some(format!("{}/", step.strip_prefix("cwd ")?)))
        .unwrap_or_default();
    let mut launcher = Launcher::new();
    for (name, text) in files {
        if let Some(name) = name.strip_prefix(&folder) {
            launcher = launcher.file(name, text);
        }
    }
    let line = block.text.trim();
    let arguments = line
        .strip_prefix(&format!("rsgi-express {command} "))
        .unwrap_or_else(|| panic!("{line:?} does not begin with rsgi-express {command}"));
    let mut words = arguments.split_whitespace();
    while let Some(word) = words.next() {
        if word == "--port" {
            words.next();
        } else {
            launcher = launcher.arg(word);
        }
    }
    launcher
}

#[track_caller]
fn launch(block: &Block, files: &[File]) {
    let mut launcher = launcher(block, "start-server", files);
    for step in &block.steps {
        if let Some(("RSGI_PROCESSES", value)) = step
            .strip_prefix("env ")
            .and_then(|pair| pair.split_once('='))
        {
            launcher = launcher.env("RSGI_PROCESSES", value);
        }
    }
    let mut run = launcher.start();
    for step in &block.steps {
        if let Some((path, part)) = request(step) {
            holds(&run.text(path), part);
        }
    }
    assert_eq!(run.end(libc::SIGINT), Some(0), "{}", run.output());
    run.nothing_is_left();
}

#[track_caller]
fn check(block: &Block, files: &[File]) {
    let launcher = launcher(block, "check", files);
    let output = launcher
        .command("check")
        .args(["--port", &launcher.port().to_string()])
        .arg("--server-root")
        .arg(launcher.root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", launcher::text(&output));
}

#[track_caller]
fn command(block: &Block, code: i32, files: &[File]) {
    let mut launcher = Launcher::new();
    for (name, text) in files {
        launcher = launcher.file(name, text);
    }
    let program = launcher::program();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-ec", &block.text])
        .current_dir(launcher.directory())
        .env(
            "PATH",
            format!("{}:{path}", program.parent().unwrap().display()),
        )
        .output()
        .unwrap();
    let said = launcher::text(&output);
    assert_eq!(output.status.code(), Some(code), "{}: {said}", block.text);
    for step in &block.steps {
        holds(&said, step.strip_prefix("contains ").unwrap_or(step));
    }
}

/// A test for each page.
macro_rules! pages {
    ($($name:ident $page:literal)*) => {
        const PAGES: &[&str] = &[$($page),*];
        $(
            #[test]
            fn $name() {
                run($page);
            }
        )*
    };
}

pages! {
    the_page_index_works "index.md"
    the_page_quick_start_works "quick-start.md"
    the_page_existing_apache_works "existing-apache.md"
    the_page_django_works "django.md"
    the_page_flask_works "flask.md"
    the_page_virtualenvs_works "virtualenvs.md"
    the_page_several_pythons_works "several-pythons.md"
    the_page_users_works "users.md"
    the_page_restarts_works "restarts.md"
    the_page_tuning_works "tuning.md"
    the_page_metrics_works "metrics.md"
    the_page_containers_works "containers.md"
    the_page_troubleshooting_works "troubleshooting.md"
    the_page_failures_works "failures.md"
    the_page_from_mod_wsgi_works "from-mod-wsgi.md"
    the_page_from_gunicorn_works "from-gunicorn.md"
}

#[test]
fn every_page_that_is_written_by_hand_is_run() {
    for entry in std::fs::read_dir(FOLDER).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // The one is the list of pages, the other is made by the launcher.
        let is_made = ["SUMMARY.md", "express-options.md"].contains(&name.as_str());
        assert!(
            !name.ends_with(".md") || is_made || PAGES.contains(&name.as_str()),
            "tests/docs.rs does not run {name}"
        );
    }
}
