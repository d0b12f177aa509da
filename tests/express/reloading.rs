//! Changes of files and what comes of them, in order: how fast is for `ci/bench --express`.

use super::Launcher;
use super::django;
use super::launcher::Run;
use crate::harness::{only_rsgi, wait_until};

/// Answers with a page and a module beside it, read when it is loaded.
const APP: &str = r#"
import os
import told
HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "pages/page.html")) as file:
    PAGE = file.read()
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [(told.TEXT + " " + PAGE).encode()]
"#;

fn launcher() -> Launcher {
    Launcher::new()
        .file("a.py", APP)
        .file("told.py", "TEXT = 'one'\n")
        .file("pages/page.html", "page")
        .file("made/x.py", "X = 1\n")
        .args(&["a.py", "--reload-on-changes", "--reload-watch", "pages"])
        .args(&["--reload-ignore", "made"])
}

fn write(run: &Run, name: &str, text: &str) {
    std::fs::write(run.launcher.path(name), text).unwrap();
}

/// How often Apache has read its configuration.
fn starts(run: &Run) -> usize {
    run.log().matches("resuming normal operations").count()
}

/// Fails unless a change is told, then Apache restarts, then it is served; and what is ignored does none of it.
#[track_caller]
fn changes_are_served_in_order(run: &Run) {
    assert_eq!(run.text("/"), "one page");
    write(run, "made/x.py", "X = 'another'\n");
    let changes = [
        (
            "told.py",
            "TEXT = 'two, and longer'\n",
            "two, and longer page",
        ),
        (
            "pages/page.html",
            "another page",
            "two, and longer another page",
        ),
    ];
    for (turn, (name, text, expected)) in changes.into_iter().enumerate() {
        let told = format!("{name}` has changed: restarting");
        assert!(!run.output().contains(&told), "{}", run.output());
        write(run, name, text);
        wait_until("the change is served", || run.text("/") == expected);
        // Both came before the answer did.
        assert!(run.output().contains(&told), "{}", run.output());
        assert_eq!(starts(run), turn + 2, "{}", run.log());
    }
    assert!(!run.output().contains("x.py"), "{}", run.output());
}

#[test]
fn a_change_is_told_then_restarts_then_is_served() {
    only_rsgi!("its processes end by themselves");
    let run = launcher().start();
    changes_are_served_in_order(&run);
    assert!(!run.output().contains("looking every"), "{}", run.output());
}

#[test]
fn where_nothing_tells_of_changes_files_are_looked_at() {
    only_rsgi!("it always looks");
    let run = launcher().env("RSGI_RELOAD_POLLING", "1").start();
    assert!(
        run.output().contains("looking every 400 ms"),
        "{}",
        run.output()
    );
    changes_are_served_in_order(&run);
}

#[test]
fn the_settings_and_the_templates_of_a_django_project_are_watched() {
    only_rsgi!("manage.py is for ours");
    let run = django::project("runrsgi")
        .file("pages/page.html", "page")
        .args(&["--reload-on-changes", "--threads", "1"])
        .start();
    run.text("/a");
    let change = |name: &str, text: &str| {
        let path = run.launcher.path(name);
        let before = starts(&run);
        let old = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, old + text).unwrap();
        wait_until("the restart", || starts(&run) > before);
        let told = format!("{name}` has changed: restarting");
        assert!(run.output().contains(&told), "{}", run.output());
    };
    change("mysite/settings.py", "\nLANGUAGE_CODE = 'de'\n");
    change("pages/page.html", "another");
    assert!(run.text("/a").starts_with("/a|"));
}
