//! Quotes values for the language they land in.
//!
//! Nothing reaches a file unquoted: `conf`, `word` and `pattern` for Apache's configuration, `regex` for its regular
//! expressions, `sh` for the shell, `py` for Python.

use minijinja::Environment;

/// Makes the filters known to templates.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("conf", conf);
    environment.add_filter("word", word);
    environment.add_filter("pattern", pattern);
    environment.add_filter("regex", regex);
    environment.add_filter("expr", expr);
    environment.add_filter("sh", sh);
    environment.add_filter("py", py);
}

/// An argument of an Apache directive.
pub(crate) fn conf(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

/// An argument of an Apache directive, in quotes only where it needs them.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/%{}=+,@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        conf(text)
    }
}

/// A path for a directive that would take `*`, `?` and `[` as wildcards (Directory, Include).
///
/// httpd: a path without any wildcard is compared as it is, backslashes included; one with a wildcard is a
/// pattern as a whole, in which a class of one character stands for that character.
fn pattern(path: &str) -> String {
    if !path.contains(['*', '?', '[']) {
        return path.to_owned();
    }
    let mut text = String::with_capacity(path.len() + 8);
    for c in path.chars() {
        match c {
            '*' | '?' | '[' => text.extend(['[', c, ']']),
            '\\' => text.push_str(r"\\"),
            _ => text.push(c),
        }
    }
    text
}

/// Text to be found literally by a regular expression, inside the double quotes of a rewrite directive.
///
/// httpd: mod_rewrite ends at the next quote, whatever is in front of it, and takes no backslash away.
fn regex(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c == '"' {
            result.push_str(r"\x22");
            continue;
        }
        if r"\^$.|?*+()[]{}".contains(c) {
            result.push('\\');
        }
        result.push(c);
    }
    result
}

/// A string of Apache's expressions.
fn expr(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

/// A word of a shell command.
fn sh(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A Python string.
fn py(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apaches_quoting_survives_quotes_and_backslashes() {
        assert_eq!(conf("/a b/é"), "\"/a b/é\"");
        assert_eq!(conf("/a\"b\\"), r#""/a\"b\\""#);
    }

    #[test]
    fn wildcards_in_a_path_stand_for_themselves() {
        assert_eq!(pattern(r"/a\b"), r"/a\b");
        assert_eq!(pattern(r"/a[1]*\b?"), r"/a[[]1][*]\\b[?]");
    }

    #[test]
    fn the_shell_and_regular_expressions_see_literal_text() {
        assert_eq!(sh("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(regex("/a.b+(c)"), r"/a\.b\+\(c\)");
        assert_eq!(regex("/\"é"), r"/\x22é");
    }
}
