//! The scripts of ci/, where a shell's habit turns into a wrong answer.

use super::{place, text};

/// Every script of ci/, by its path.
fn scripts() -> Vec<String> {
    let folder = std::fs::read_dir(place("ci")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> = names
        .map(|name| format!("ci/{name}"))
        .filter(|name| place(name).is_file())
        .collect();
    found.push(".ci/run".into());
    found
}

/// `grep -q` ends at the first match; what writes into it then dies of SIGPIPE, and `pipefail` makes that the answer.
#[test]
fn no_script_asks_through_a_pipe_that_its_reader_leaves_early() {
    let scripts = scripts();
    assert!(scripts.len() > 10, "{scripts:?}");
    for name in scripts {
        for (number, line) in text(&name).lines().enumerate() {
            let has_early_end = line.split('|').skip(1).any(|part| {
                let mut words = part.split_whitespace();
                words.next() == Some("grep")
                    && words
                        .take_while(|word| word.starts_with('-'))
                        .any(|word| word.contains('q'))
            });
            assert!(!has_early_end, "{name}:{}: {line}", number + 1);
        }
    }
}
