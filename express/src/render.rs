//! Renders the generated files from their templates, each value quoted for the language it lands in.
//!
//! Unknown names are errors, and nothing reaches a file unquoted: `conf` and `pattern` for Apache's
//! configuration, `regex` for its regular expressions, `sh` for the shell, `py` for Python.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::capacity::Capacity;
use crate::error::Error;
use crate::settings::Processes;

/// A module to load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Module {
    /// Its symbol, such as `rewrite_module`.
    pub(crate) name: String,
    /// Its file.
    pub(crate) path: String,
}

/// A URL and the file or directory behind it.
#[derive(Debug, Serialize)]
pub(crate) struct Alias {
    pub(crate) url: String,
    pub(crate) path: String,
    /// The directory to grant access to.
    pub(crate) directory: String,
    /// The file's name where the alias is for a single one.
    pub(crate) file: Option<String>,
}

/// The user and group to serve as.
#[derive(Debug, Serialize)]
pub(crate) struct RunAs {
    pub(crate) user: String,
    pub(crate) group: String,
}

/// Everything the templates know.
#[derive(Debug, Serialize)]
pub(crate) struct Context<'a> {
    pub(crate) version: &'static str,
    pub(crate) server_root: String,
    pub(crate) server_name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) listen: String,
    pub(crate) run_as: Option<RunAs>,
    pub(crate) modules: Vec<Module>,
    pub(crate) module: String,
    pub(crate) modules_directory: String,
    pub(crate) mime_types: String,
    pub(crate) capacity: Capacity,
    pub(crate) processes: &'a Processes,
    /// The process group that the application runs in: its name, or `%{GLOBAL}`.
    pub(crate) process_group: &'a str,
    pub(crate) application_group: &'a str,
    pub(crate) has_import: bool,
    pub(crate) python_home: String,
    pub(crate) python_path: String,
    pub(crate) is_module: bool,
    pub(crate) entry: String,
    pub(crate) callable: String,
    pub(crate) mount: String,
    pub(crate) working_directory: String,
    pub(crate) document_root: String,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) include_files: Vec<String>,
    pub(crate) reloads_script: bool,
    pub(crate) reload_on_changes: bool,
    pub(crate) python_eggs: String,
    pub(crate) error_log: String,
    pub(crate) access_log: Option<String>,
    pub(crate) log_level: String,
    pub(crate) httpd: String,
    pub(crate) locale: String,
}

/// A generated file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Template {
    /// Its name in the server root.
    pub(crate) name: &'static str,
    text: &'static str,
    /// Its permissions.
    pub(crate) mode: u32,
    /// Whether a file that is already there is the user's, to be left alone.
    pub(crate) is_users: bool,
}

macro_rules! section {
    ($name:literal) => {
        ($name, include_str!(concat!("../templates/conf/", $name)))
    };
}

/// The sections of httpd.conf, which it puts together.
const SECTIONS: [(&str, &str); 9] = [
    section!("server.conf"),
    section!("modules.conf"),
    section!("capacity.conf"),
    section!("clients.conf"),
    section!("logs.conf"),
    section!("python.conf"),
    section!("group.conf"),
    section!("application.conf"),
    section!("files.conf"),
];

/// All of them.
pub(crate) const TEMPLATES: [Template; 5] = [
    Template {
        name: "httpd.conf",
        text: include_str!("../templates/httpd.conf"),
        mode: 0o644,
        is_users: false,
    },
    Template {
        name: "apachectl",
        text: include_str!("../templates/apachectl"),
        mode: 0o755,
        is_users: false,
    },
    Template {
        name: "handler.wsgi",
        text: include_str!("../templates/handler.wsgi"),
        mode: 0o644,
        is_users: false,
    },
    Template {
        name: "envvars",
        text: include_str!("../templates/envvars"),
        mode: 0o644,
        is_users: true,
    },
    Template {
        name: "rewrite.conf",
        text: include_str!("../templates/rewrite.conf"),
        mode: 0o644,
        is_users: true,
    },
];

impl Template {
    /// Renders the file.
    ///
    /// # Errors
    /// The template names something that does not exist.
    pub(crate) fn render(&self, context: &Context<'_>) -> Result<String, Error> {
        environment()
            .and_then(|environment| {
                environment.render_named_str(self.name, self.text, Serde(context))
            })
            .map_err(|source| Error::Template {
                name: self.name,
                source,
            })
    }
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    for (name, text) in SECTIONS {
        environment.add_template(name, text)?;
    }
    environment.add_filter("conf", conf);
    environment.add_filter("word", word);
    environment.add_filter("pattern", pattern);
    environment.add_filter("regex", regex);
    environment.add_filter("sh", sh);
    environment.add_filter("py", py);
    Ok(environment)
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
