//! Lines and options without an effect: some only mod_wsgi needs, some do not reach where applications run.

use rsgi_core::group::GroupName;

use super::super::finding::{Finding, Level};
use super::super::model::Config;
use super::about;

/// Directives that are only read, and why.
const ONLY_READ: [(&str, &str); 5] = [
    (
        "WSGISocketPrefix",
        "there are no socket files: Apache's children have connections to the processes from the start",
    ),
    (
        "WSGISocketRotation",
        "there are no socket files, and a graceful restart loses no request",
    ),
    (
        "WSGIAcceptMutex",
        "no lock is needed: a child chooses the process with the fewest requests",
    ),
    ("WSGIVerboseDebugging", "`LogLevel wsgi:debug` says more"),
    (
        "WSGIGroupAuthoritative",
        "since Apache 2.4 the Require lines decide",
    ),
];

/// Options that are only read, and why.
const ONLY_READ_OPTIONS: [(&str, &str); 2] = [
    (
        "socket-user",
        "there is no socket file that could belong to anybody",
    ),
    (
        "listen-backlog",
        "requests wait in one queue, which queue-timeout bounds",
    ),
];

/// Settings of Apache's own processes, and the option of a group that does the same.
const EMBEDDED_ONLY: [(&str, &str); 3] = [
    ("WSGIPythonPath", "python-path="),
    ("WSGIPythonEggs", "python-eggs="),
    ("WSGISwitchInterval", "switch-interval="),
];

pub(super) fn look(config: &Config, findings: &mut Vec<Finding>) {
    for (name, why) in ONLY_READ {
        for line in config.all(name) {
            findings.push(
                about(
                    Level::Note,
                    "no-effect",
                    line,
                    format!("{name} has no effect"),
                )
                .why(why)
                .cure("leave the line out"),
            );
        }
    }
    for group in &config.groups {
        for (option, why) in ONLY_READ_OPTIONS {
            if group.gives(option) {
                let what = format!(
                    "the option {option}= of the process group `{}` has no effect",
                    group.name()
                );
                findings.push(
                    about(Level::Note, "no-effect", &group.line, what)
                        .why(why)
                        .cure("leave the option out"),
                );
            }
        }
    }
    embedded_only(config, findings);
    unused_groups(config, findings);
}

fn embedded_only(config: &Config, findings: &mut Vec<Finding>) {
    let runs_embedded = |group: &GroupName| !matches!(group, GroupName::Literal(_));
    let applications = &config.applications;
    if applications.is_empty() || config.is_decided_by_requests() {
        return;
    }
    if applications
        .iter()
        .any(|application| runs_embedded(&application.process_group))
    {
        return;
    }
    for (name, option) in EMBEDDED_ONLY {
        for line in config.all(name) {
            findings.push(
                about(
                    Level::Warning,
                    "no-effect",
                    line,
                    format!("{name} does not reach process groups, where all applications run"),
                )
                .cure(format!("write {option} in the lines of WSGIDaemonProcess")),
            );
        }
    }
}

fn unused_groups(config: &Config, findings: &mut Vec<Finding>) {
    if config.is_decided_by_requests() {
        return;
    }
    for group in &config.groups {
        let name = group.name();
        let is_imported = config
            .all("WSGIImportScript")
            .any(|line| line.words().contains(&format!("process-group={name}")));
        if is_imported || config.applications_of(group).next().is_some() {
            continue;
        }
        findings.push(
            about(Level::Warning, "unused-group", &group.line, format!("no application runs in the process group `{name}`"))
                .why("defining a group sends nothing to it")
                .cure(format!("write process-group={name} behind the WSGIScriptAlias, or WSGIProcessGroup {name} in its section")),
        );
    }
}
