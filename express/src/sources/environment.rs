//! Options in the environment: `RSGI_THREADS=8` is `--threads 8`, and `PORT` is what hosting services set.

use std::ffi::OsString;

use super::option::{Kind, Opt, Options, refused};
use super::{Origin, Saying};
use crate::error::Error;
use crate::message;

const PREFIX: &str = "RSGI_";
/// Set for other ends than options: the module to load, what handlers tell applications, what one image of the
/// launcher tells the next, how files are watched, and our tests.
const OTHERS: [&str; 5] = [
    "MODULE",
    "EXPRESS",
    "EXPRESS_SERVING",
    "RELOAD_POLLING",
    "UNDER_TEST",
];
const OTHER_PREFIXES: [&str; 3] = ["TEST_", "E2E_", "BENCH_"];

/// What the environment says; an empty variable says nothing.
///
/// # Errors
/// A variable's value is not one that its option can have.
pub(super) fn read(
    options: &Options<'_>,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<Saying>, Error> {
    let mut variables: Vec<(String, OsString)> = variables
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .collect();
    // PORT counts where RSGI_PORT does not.
    variables.sort_by_key(|(name, _)| (name == "PORT", name.clone()));
    let mut sayings: Vec<Saying> = vec![];
    for (name, value) in variables {
        let Some(key) = key(&name) else { continue };
        let Some(option) = options
            .find(&key, true)
            .filter(|found| found.long != "print-config")
        else {
            unknown(options, &name, &key);
            continue;
        };
        if sayings.iter().any(|saying| saying.long == option.long) {
            continue;
        }
        let origin = Origin::Variable(name);
        let Ok(text) = value.into_string() else {
            return Err(refused(option, &origin, "the value", "is not valid UTF-8"));
        };
        sayings.push(saying(options, option, origin, &text)?);
    }
    Ok(sayings)
}

/// The name of the option that a variable is for.
fn key(variable: &str) -> Option<String> {
    if variable == "PORT" {
        return Some("port".to_owned());
    }
    let rest = variable.strip_prefix(PREFIX)?;
    let is_other =
        OTHERS.contains(&rest) || OTHER_PREFIXES.iter().any(|prefix| rest.starts_with(prefix));
    (!is_other && !rest.is_empty()).then(|| rest.to_lowercase().replace('_', "-"))
}

/// A variable that names no option is only told of: the environment is shared with the application.
fn unknown(options: &Options<'_>, variable: &str, key: &str) {
    let hint = options.nearest(key).map_or_else(String::new, |near| {
        format!(
            "\ndid you mean `{PREFIX}{}`?",
            near.to_uppercase().replace('-', "_")
        )
    });
    message::warning(&format!(
        "`{variable}` in the environment names no option{hint}"
    ));
}

fn saying(
    options: &Options<'_>,
    option: Opt<'_>,
    origin: Origin,
    text: &str,
) -> Result<Saying, Error> {
    let shown = format!("the value `{text}`");
    let values = match option.kind() {
        Kind::Flag => match text.to_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(vec![vec![]]),
            "0" | "false" | "no" | "off" => None,
            _ => return Err(refused(option, &origin, &shown, "is neither")),
        },
        _ if option.is_repeatable() || option.width() > 1 => {
            let words = words(text)
                .ok_or_else(|| refused(option, &origin, &shown, "has a quote that does not end"))?;
            if words.len() % option.width() != 0 {
                let reason = format!("is {} words", words.len());
                return Err(refused(option, &origin, &shown, &reason));
            }
            Some(words.chunks(option.width()).map(<[_]>::to_vec).collect())
        }
        _ => Some(vec![vec![text.to_owned()]]),
    };
    options.accept(option, origin, &shown, values)
}

/// The words of a list, separated and quoted as in a shell; nothing where a quote does not end.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        end if end == c => break,
                        '\\' if c == '"' => word.push(chars.next()?),
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_a_variable_is_quoted_as_in_a_shell() {
        for (given, expected) in [
            ("", vec![]),
            ("a  b\tc", vec!["a", "b", "c"]),
            ("'a b' \"c 'd\" e\\ f", vec!["a b", "c 'd", "e f"]),
            ("a'b'\"\\\"\"", vec!["ab\""]),
            ("''", vec![""]),
        ] {
            assert_eq!(words(given).unwrap(), expected, "{given}");
        }
        assert_eq!(words("'a"), None);
        assert_eq!(words("a\\"), None);
    }
}
