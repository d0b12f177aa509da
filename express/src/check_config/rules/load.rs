//! What loads the module: the one line that changes, and lines that served the old one.

use super::super::finding::{Finding, Level};
use super::super::line::Line;
use super::super::model::Config;
use super::{Here, about};

pub(super) fn look(config: &Config, here: &Here, findings: &mut Vec<Finding>) {
    let loads: Vec<&Line> = config
        .all("LoadModule")
        .filter(|line| is_wsgi(line))
        .collect();
    for line in &loads {
        if !line.arguments.contains("mod_rsgi") {
            findings.push(change(line, here));
        }
    }
    if let [first, second, ..] = loads.as_slice() {
        findings.push(
            about(
                Level::Error,
                "loaded-twice",
                second,
                "a module for WSGI is loaded twice",
            )
            .also("the first one", first.place.clone())
            .why("Apache keeps the first, or mod_rsgi refuses to start beside mod_wsgi (RSGI0302)")
            .cure("leave one of the two lines out"),
        );
    }
    let uses_it = config.lines.iter().find(|line| {
        line.name
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("WSGI"))
    });
    if let (Some(line), true) = (uses_it, loads.is_empty()) {
        findings.push(
            about(
                Level::Note,
                "not-loaded",
                line,
                "nothing in these files loads the module",
            )
            .cure(format!("LoadModule wsgi_module {}", here.module)),
        );
    }
    for line in config.all("LoadFile") {
        if line.arguments.contains("libpython") {
            findings.push(
                about(
                    Level::Warning,
                    "libpython",
                    line,
                    "a libpython is loaded into all of Apache's processes",
                )
                .why(
                    "mod_rsgi opens the libpython of WSGIPythonHome by itself, where it is needed; \
                         one of another version in the same process is refused",
                )
                .cure("leave the line out"),
            );
        }
    }
}

/// Whether a `LoadModule` loads a module for WSGI.
fn is_wsgi(line: &Line) -> bool {
    let words = line.words();
    let file = words.get(1).map_or("", String::as_str);
    matches!(
        words.first().map(String::as_str),
        Some("wsgi_module" | "rsgi_module")
    ) || file.contains("mod_wsgi")
}

fn change(line: &Line, here: &Here) -> Finding {
    let module = if here.module.contains(' ') {
        format!("\"{}\"", here.module)
    } else {
        here.module.clone()
    };
    about(
        Level::Change,
        "load-module",
        line,
        "mod_rsgi takes the place of mod_wsgi by this line",
    )
    .instead(format!("LoadModule wsgi_module {module}"))
    .why("<IfModule mod_wsgi.c> and <IfModule wsgi_module> go on to hold")
}
