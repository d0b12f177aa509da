//! The rules: each looks at the whole configuration and says what it finds.

mod exposure;
mod groups;
mod htaccess;
mod idle;
mod load;
mod machine;
mod meant;
mod python;
mod refused;

use super::finding::{Finding, Level};
use super::line::Line;
use super::model::Config;

/// What rules know of the machine.
#[derive(Debug)]
pub(super) struct Here {
    /// The path of mod_rsgi.so.
    pub(super) module: String,
    /// Whether paths of the configuration are of this machine.
    pub(super) looks_at_files: bool,
}

/// Applies all of them.
pub(super) fn look(config: &Config, here: &Here, findings: &mut Vec<Finding>) {
    load::look(config, here, findings);
    refused::look(config, findings);
    htaccess::look(config, findings);
    meant::look(config, findings);
    if here.looks_at_files {
        machine::look(config, findings);
    }
    idle::look(config, findings);
    groups::look(config, findings);
    python::look(config, here, findings);
    exposure::look(config, findings);
}

/// A finding about a line.
fn about(level: Level, code: &'static str, line: &Line, what: impl Into<String>) -> Finding {
    Finding::new(level, code, what, Some(line.place.clone()))
}
