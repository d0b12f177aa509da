//! What stands in the file of a folder, `.htaccess`, and may not: Apache answers 500 for everything in the folder.

use std::rc::Rc;

use rsgi_core::directive::Context;

use super::super::finding::{Finding, Level};
use super::super::line::{Line, Overrides, Section};
use super::super::model::Config;
use super::about;

/// Directives of httpd that scripts need, and their classes.
const OF_HTTPD: [(&str, &str); 9] = [
    ("SetHandler", "FileInfo"),
    ("AddHandler", "FileInfo"),
    ("SetEnv", "FileInfo"),
    ("RewriteRule", "FileInfo"),
    ("Options", "Options"),
    ("AuthType", "AuthConfig"),
    ("AuthBasicProvider", "AuthConfig"),
    ("AuthDigestProvider", "AuthConfig"),
    ("Require", "AuthConfig"),
];

/// Looks at httpd's own directives; ours come from `refused`.
pub(super) fn look(config: &Config, findings: &mut Vec<Finding>) {
    for line in &config.lines {
        let Some((section, overrides)) = line.htaccess() else {
            continue;
        };
        let class = OF_HTTPD.iter().find(|(name, _)| line.is(name));
        if let Some((_, class)) = class {
            findings.extend(refused(line, class, section, overrides));
        }
    }
}

/// What is said of one of our directives that may not stand there.
pub(super) fn misplaced(
    line: &Line,
    context: Context,
    section: &Rc<Section>,
    overrides: &Overrides,
) -> Option<Finding> {
    match context {
        Context::FileInfo => refused(line, "FileInfo", section, overrides),
        Context::AuthConfig => refused(line, "AuthConfig", section, overrides),
        Context::Anywhere => None,
        Context::ServerDirectory if overrides.lists(&line.name) => None,
        Context::ServerDirectory => {
            Some(never(line, overrides).cure("put it into a <Directory> section"))
        }
        Context::Server | Context::Global => Some(
            never(line, overrides).cure("put it into Apache's configuration, outside of sections"),
        ),
    }
}

fn never(line: &Line, overrides: &Overrides) -> Finding {
    let what = format!("{} cannot stand in the file of a folder", line.name);
    finding(line, what, overrides)
}

fn refused(
    line: &Line,
    class: &str,
    section: &Rc<Section>,
    overrides: &Overrides,
) -> Option<Finding> {
    if overrides.has(class) || overrides.lists(&line.name) {
        return None;
    }
    let what = format!("{} may not stand in the file of this folder", line.name);
    Some(
        finding(line, what, overrides)
            .also("this does not let it", section.place.clone())
            .cure(format!(
                "AllowOverride {class} there, or the line in a <Directory> section"
            )),
    )
}

fn finding(line: &Line, what: String, overrides: &Overrides) -> Finding {
    if overrides.is_passed_over {
        about(Level::Warning, "htaccess", line, what)
            .why("Apache passes over it (Nonfatal=Override)")
    } else {
        about(Level::Error, "htaccess", line, what)
            .why("Apache answers every request for the folder with 500: `not allowed here`")
    }
}
