//! Replaces `$NAME` and `${NAME}` in arguments, as mod_wsgi-express does; unknown names stay as they are.

use std::ffi::OsString;

/// Expands one argument with the variables that `lookup` knows.
pub(crate) fn expand(argument: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, length) = name(after);
        match lookup(name).filter(|_| !name.is_empty()) {
            Some(value) => result.push_str(&value),
            None => result.push_str(&rest[at..=at + length]),
        }
        rest = &after[length..];
    }
    result + rest
}

/// Expands an argument from the process's environment; one that is not UTF-8 stays as it is.
pub(crate) fn expand_from_environment(argument: OsString) -> OsString {
    match argument.into_string() {
        Ok(text) => expand(&text, |name| std::env::var(name).ok()).into(),
        Err(argument) => argument,
    }
}

/// The variable's name at the start of `text` and how many bytes it and its braces take.
fn name(text: &str) -> (&str, usize) {
    if let Some(inner) = text.strip_prefix('{') {
        return inner
            .find('}')
            .map_or(("", 0), |end| (&inner[..end], end + 2));
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    (&text[..end], end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_replaced_and_others_stay() {
        let lookup = |name: &str| (name == "HOME").then(|| "/home/x".to_owned());
        for (given, expected) in [
            ("$HOME/a", "/home/x/a"),
            ("${HOME}b", "/home/xb"),
            ("$HOMEb", "$HOMEb"),
            ("${HOME", "${HOME"),
            ("a$", "a$"),
            ("$$HOME", "$/home/x"),
            ("${}", "${}"),
            ("$é", "$é"),
        ] {
            assert_eq!(expand(given, lookup), expected, "{given}");
        }
    }
}
