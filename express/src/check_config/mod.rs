//! `check-config`: what becomes of a configuration written for mod_wsgi, without an Apache that reads it.
//!
//! `read` makes lines of the files, `model` understands them with the module's own table and parser of directives,
//! `rules` look at them, `print` tells what they found.

mod finding;
mod line;
mod model;
mod print;
mod read;
mod rules;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::cli::{AnswerFormat, ConfigArgs};
use crate::error::{Error, ExitCode};
use crate::message::{self, Paint};
use crate::module::ModuleFiles;
use finding::Level;
use model::Config;
use rules::Here;

/// Where `make install` has the module, where this program has none beside it.
const INSTALLED: &str = "/usr/local/lib/mod_rsgi/mod_rsgi.so";

/// Reads a configuration and prints what was found; the exit code is 1 where Apache would not start with it or
/// requests would fail.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn run(args: &ConfigArgs) -> Result<u8, Error> {
    let here = Here {
        module: ModuleFiles::find().map_or_else(
            |_| INSTALLED.to_owned(),
            |files| files.module.display().to_string(),
        ),
        looks_at_files: true,
    };
    let read = read::read(&args.file, args.server_root.as_deref(), &args.define)?;
    let files = read.files.clone();
    let directives = directives(&read.lines);
    let findings = judged(read, &here);
    let level = findings.iter().map(|finding| finding.level).max();
    if args.format == AnswerFormat::Json {
        let list: Vec<_> = findings.iter().map(finding::Finding::json).collect();
        let answer = json!({
            "level": level.map_or("ok", Level::name),
            "files": files.len(),
            "read": files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
            "directives": directives,
            "findings": list,
        });
        message::output(&format!("{answer:#}"));
    } else {
        message::output(&print::text(&findings, files.len(), Paint::of_stdout()));
    }
    let code = match level {
        Some(Level::Error) => ExitCode::Failure,
        _ => ExitCode::Success,
    };
    Ok(code as u8)
}

/// The directives of ours as they are read: conditions decided, macros and variables replaced.
fn directives(lines: &[line::Line]) -> Vec<Value> {
    let ours = |line: &&line::Line| {
        let name = line.name.trim_start_matches('<');
        name.get(..4).is_some_and(|start| {
            ["WSGI", "RSGI"]
                .iter()
                .any(|own| start.eq_ignore_ascii_case(own))
        })
    };
    let one = |line: &line::Line| {
        let mut sections: Vec<_> = line
            .sections()
            .map(|section| format!("{} {}", section.name, section.arguments))
            .collect();
        sections.reverse();
        json!({
            "file": line.place.file.display().to_string(),
            "line": line.place.line,
            "sections": sections,
            "name": line.name,
            "arguments": line.arguments,
        })
    };
    lines.iter().filter(ours).map(one).collect()
}

/// What is found in what was read, in its order.
fn judged(read: read::Read, here: &Here) -> Vec<finding::Finding> {
    let mut files: Vec<std::path::PathBuf> = vec![];
    for line in &read.lines {
        if !files.contains(&line.place.file) {
            files.push(line.place.file.to_path_buf());
        }
    }
    let config = Config::new(read.lines);
    let mut findings = read.findings;
    rules::look(&config, here, &mut findings);
    finding::in_order(findings, &files)
}
