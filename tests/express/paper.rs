//! Help, completions and man pages: they come from the options' definitions and name all of them.

use std::process::{Command, Stdio};

use super::launcher::{program, text};
use crate::harness::only_rsgi;

fn said(arguments: &[&str]) -> String {
    let output = Command::new(program()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

/// What a program says of a file on its standard input, if there is such a program.
fn judged(program: &str, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, input.as_bytes()).ok();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Some((output.status.success(), text(&output)))
}

#[test]
fn the_help_is_grouped_by_task_and_has_examples() {
    only_rsgi!("the launcher is ours");
    let help = said(&["--help"]);
    for part in [
        "start-server",
        "check",
        "Serve an application:",
        "Find out what is wrong",
        "rsgi-express start-server wsgi.py",
        "Environment:",
        "RSGI_MODULE",
        "RSGI_RELOAD_POLLING",
        "NO_COLOR",
        "Exit codes:",
        "5  the port cannot be had",
    ] {
        assert!(help.contains(part), "no {part:?} in {help}");
    }
    let help = said(&["start-server", "--help"]);
    for part in [
        "Processes and capacity:",
        "Configuration:",
        "Capacity:",
        "--config rsgi.toml",
    ] {
        assert!(help.contains(part), "no {part:?} in {help}");
    }
}

#[test]
fn shells_accept_their_completions_which_name_every_option() {
    only_rsgi!("the launcher is ours");
    for shell in ["bash", "zsh", "fish"] {
        let script = said(&["completions", shell]);
        for option in ["start-server", "queue-timeout", "print-config", "check"] {
            assert!(script.contains(option), "{shell} does not know {option}");
        }
        if let Some((is_fine, told)) = judged(shell, &["-n"], &script) {
            assert!(is_fine, "{shell}: {told}");
        }
    }
}

#[test]
fn the_man_pages_are_accepted_and_name_every_option() {
    only_rsgi!("the launcher is ours");
    let page = said(&["man"]);
    assert!(page.contains("start\\-server"), "{page}");
    let heading = ".SH \"ENVIRONMENT AND EXIT CODES\"\n.nf\n\\&Environment:";
    assert!(page.contains(heading), "{page}");
    assert_eq!(page.matches("RSGI_MODULE").count(), 1, "{page}");
    let page = said(&["man", "start-server"]);
    for part in ["queue\\-timeout", "print\\-config", ".SH"] {
        assert!(page.contains(part), "no {part:?}");
    }
    // The options are listed once, not in the synopsis as well.
    assert_eq!(page.matches("queue\\-timeout").count(), 1, "{page}");
    let synopsis =
        ".SH SYNOPSIS\n.nf\n\\&rsgi\\-express start\\-server [OPTIONS] [SCRIPT|MODULE]\n.fi\n";
    assert!(page.contains(synopsis), "{page}");
    assert!(page.contains(".SH EXAMPLES\n.nf\n\\&Capacity:"), "{page}");
    if let Some((is_fine, told)) = judged("groff", &["-man", "-Tutf8", "-ww"], &page) {
        assert!(is_fine && !told.contains("warning:"), "{told}");
    }
}
