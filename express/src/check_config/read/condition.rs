//! Whether the lines of a condition count: `<IfDefine>`, `<IfModule>`, `<IfVersion>`, `<IfFile>`, `<IfDirective>`.

use rsgi_core::directive::DIRECTIVES;

use super::super::line::words;
use super::Reader;

/// Modules that are built into httpd itself, or are one of three.
const BUILT_IN: [&str; 12] = [
    "core",
    "http",
    "so",
    "unixd",
    "log_config",
    "logio",
    "version",
    "watchdog",
    "mpm_event",
    "mpm_worker",
    "mpm_prefork",
    "access_compat",
];

/// The version that conditions are held against.
const VERSION: (u32, u32, u32) = (2, 4, 66);

impl Reader {
    /// Whether the lines of a condition count; none where the section is no condition.
    pub(super) fn condition(&self, name: &str, arguments: &str) -> Option<bool> {
        let words = words(arguments);
        let subject = words.first().map_or("", String::as_str);
        let (subject, is_negated) = match subject.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (subject, false),
        };
        let holds = match name.to_ascii_lowercase().as_str() {
            "ifdefine" => self.variables.contains_key(subject),
            "ifmodule" => self.has_module(subject),
            "ifversion" => return Some(version_fits(&words)),
            "iffile" => self.root.join(subject).exists(),
            "ifdirective" => !is_ours(subject) || knows(subject),
            "ifsection" => true,
            _ => return None,
        };
        Some(holds != is_negated)
    }

    /// Whether a module is there, by its name or that of its source file. A file without any LoadModule is a piece of a
    /// configuration whose modules are loaded elsewhere.
    fn has_module(&self, subject: &str) -> bool {
        let stem = subject
            .strip_prefix("mod_")
            .and_then(|rest| rest.strip_suffix(".c"))
            .or_else(|| subject.strip_suffix("_module"))
            .or_else(|| subject.strip_suffix(".c"))
            .unwrap_or(subject);
        let symbol = format!("{stem}_module");
        stem == "wsgi"
            || self.modules.is_empty()
            || self.modules.contains(&symbol)
            || BUILT_IN.contains(&stem)
    }
}

fn is_ours(directive: &str) -> bool {
    directive
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("WSGI"))
}

fn knows(directive: &str) -> bool {
    DIRECTIVES
        .iter()
        .any(|spec| directive.eq_ignore_ascii_case(spec.kind.name()))
}

/// `<IfVersion [!]operator version>`; what is not understood holds.
fn version_fits(words: &[String]) -> bool {
    let (operator, version) = match words {
        [version] => ("=", version.as_str()),
        [operator, version, ..] => (operator.as_str(), version.as_str()),
        [] => return true,
    };
    let (operator, is_negated) = match operator.strip_prefix('!') {
        Some(rest) => (rest, true),
        None => (operator, false),
    };
    let mut parts = version.split('.').map(|part| part.parse::<u32>());
    let (Some(Ok(major)), minor, patch) = (parts.next(), parts.next(), parts.next()) else {
        return true;
    };
    let number = |part: Option<Result<u32, _>>| part.and_then(Result::ok).unwrap_or(0);
    let wanted = (major, number(minor), number(patch));
    let holds = match operator {
        ">" => VERSION > wanted,
        ">=" => VERSION >= wanted,
        "<" => VERSION < wanted,
        "<=" => VERSION <= wanted,
        "=" | "==" => VERSION == wanted,
        _ => return true,
    };
    holds != is_negated
}
