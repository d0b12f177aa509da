//! How the launcher speaks: plainly where nobody looks, as JSON where a program reads.

use super::Launcher;
use super::launcher::text;
use crate::harness::only_rsgi;

#[test]
fn json_lines_say_what_text_says() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().args(&["hello.py", "--log-format", "json"]);
    let output = launcher.output("setup-server");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.stdout.is_empty(), "{}", text(&output));
    let line = told.lines().next().unwrap();
    for part in [
        "{\"",
        "\"level\":\"info\"",
        "\"server_url\":\"http://localhost:",
        "\"time\":\"20",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }

    let refused = Launcher::new().args(&["gone.py", "--log-format=json"]);
    let output = refused.output("start-server");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("\"level\":\"error\""), "{told}");
    assert!(told.contains("does not exist"), "{told}");
}

#[test]
fn what_is_no_terminal_gets_no_colours() {
    only_rsgi!("the launcher is ours");
    for launcher in [
        Launcher::new().arg("gone.py"),
        Launcher::new().arg("hello.py"),
    ] {
        let output = launcher.output("setup-server");
        assert!(!text(&output).contains('\x1b'), "{}", text(&output));
    }
}

#[test]
fn a_terminal_gets_colours_unless_no_color_is_set() {
    only_rsgi!("the launcher is ours");
    let program = super::launcher::program();
    let on_a_terminal = |no_color: &str| {
        let line = format!("{} start-server /gone.py", program.display());
        let output = std::process::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env("NO_COLOR", no_color)
            .env("TERM", "xterm")
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (Some(coloured), Some(plain)) = (on_a_terminal(""), on_a_terminal("1")) else {
        return;
    };
    assert!(coloured.contains("\x1b[1;31merror"), "{coloured:?}");
    assert!(
        plain.contains("error: ") && !plain.contains('\x1b'),
        "{plain:?}"
    );
}
