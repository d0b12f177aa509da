//! The completions in the shells that they are for: what is there after the key is pressed.

use std::process::{Command, Stdio};

use super::launcher::{program, text};
use crate::harness::{needs, only_rsgi};

/// A folder with the completions of a shell under the name that it looks for.
fn completions(shell: &str, name: &str) -> Folder {
    let path = std::env::temp_dir().join(format!("rsgi-shells-{}-{shell}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    let output = Command::new(program())
        .args(["completions", shell])
        .output();
    std::fs::write(path.join(name), output.unwrap().stdout).unwrap();
    Folder(path)
}

struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn has(shell: &str) -> bool {
    let status = Command::new(shell).arg("-c").arg("exit 0").status();
    status.is_ok_and(|status| status.success())
}

/// What a shell says to a script.
fn said(command: &mut Command) -> String {
    text(&command.stdin(Stdio::null()).output().unwrap())
}

#[test]
fn fish_completes_commands_options_and_values() {
    only_rsgi!("the completions are ours");
    needs!(has("fish"), "fish is not installed");
    let folder = completions("fish", "rsgi-express.fish");
    let ask = |line: &str| {
        let script = format!("source rsgi-express.fish; complete -C '{line}'");
        let mut fish = Command::new("fish");
        fish.args(["--no-config", "-c", &script])
            .current_dir(&folder.0);
        said(&mut fish)
    };
    let commands = ask("rsgi-express sta");
    assert!(
        commands.contains("start-server\t") && commands.contains("status\t"),
        "{commands}"
    );
    assert!(ask("rsgi-express check --queue-t").starts_with("--queue-timeout\t"));
    let levels = ask("rsgi-express start-server --log-level de");
    assert!(levels.starts_with("debug"), "{levels}");
}

/// Types into an interactive zsh in a terminal of its own, and waits for what has to come.
const TYPIST: &str = r#"
zmodload zsh/zpty
zpty z env TERM=dumb zsh -f -i
expect() { zpty -r -m z out "*$1*" && print -r -- "seen: $1" || { print -r -- "not seen: $1 in $out"; exit 1 } }
zpty -w z "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; echo REA''DY"
expect READY
zpty -w -n z $'rsgi-express check --queue-t\t'
expect queue-timeout
zpty -w -n z $'\x15rsgi-express start-server --log-level de\t'
expect debug
zpty -w -n z $'\x15rsgi-express sta\t\t'
expect 'start-server*status'
zpty -d z
"#;

#[test]
fn zsh_completes_commands_options_and_values() {
    only_rsgi!("the completions are ours");
    needs!(has("zsh"), "zsh is not installed");
    let folder = completions("zsh", "_rsgi-express");
    let script = folder.0.join("typist");
    std::fs::write(&script, TYPIST).unwrap();
    let mut zsh = Command::new("timeout");
    zsh.args(["60", "zsh", "-f"])
        .arg(&script)
        .arg(&folder.0)
        .env("HOME", &folder.0);
    let told = said(&mut zsh);
    assert_eq!(told.matches("seen: ").count(), 4, "{told}");
    assert!(!told.contains("not seen"), "{told}");
}

#[test]
fn bash_completes_commands_options_and_values() {
    only_rsgi!("the completions are ours");
    needs!(has("bash"), "bash is not installed");
    let folder = completions("bash", "rsgi-express");
    // As readline calls it: by the function that the file has registered.
    let script = r#"
source ./rsgi-express
function=$(complete -p rsgi-express | sed 's/.*-F \([^ ]*\) .*/\1/')
ask() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    # Their order is nobody's choice.
    echo "$*: $(printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd ' ')"
}
ask rsgi-express sta
ask rsgi-express check --queue-t
ask rsgi-express start-server --log-level de
"#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", script]).current_dir(&folder.0);
    let told = said(&mut bash);
    for line in [
        "rsgi-express sta: start-server status",
        "rsgi-express check --queue-t: --queue-timeout",
        "rsgi-express start-server --log-level de: debug",
    ] {
        assert!(told.contains(line), "no {line} in {told}");
    }
}
