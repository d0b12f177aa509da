//! Where applications run, and whether their process groups are made for it.

use rsgi_core::daemon::Account;
use rsgi_core::group::GroupName;

use super::super::finding::{Finding, Level};
use super::super::model::{Application, Config, Group};
use super::about;

/// More threads than that wait for Python's lock rather than for the network.
const MANY_THREADS: u32 = 32;

pub(super) fn look(config: &Config, findings: &mut Vec<Finding>) {
    for application in &config.applications {
        match &application.process_group {
            GroupName::Literal(name) if config.group_of(application).is_none() => {
                findings.push(missing(config, application, &String::from_utf8_lossy(name)));
            }
            GroupName::Global => findings.push(embedded(config, application)),
            _ => {}
        }
    }
    for group in &config.groups {
        if config.applications_of(group).next().is_some() || config.is_decided_by_requests() {
            capacity(group, findings);
            timeouts(group, findings);
            identity(group, findings);
        }
        root(group, findings);
    }
    let all_in_groups = config
        .applications
        .iter()
        .all(|application| matches!(application.process_group, GroupName::Literal(_)));
    let says_so = config.all("WSGIRestrictEmbedded").next().is_some();
    if let (Some(group), true) = (config.groups.first(), all_in_groups && !says_so)
        && !config.applications.is_empty()
    {
        findings.push(
            about(Level::Note, "embedded", &group.line, "all applications run in process groups, and nothing says so")
                .why("a request that misses its group by a mistake runs in Apache's own processes, as Apache's user")
                .cure("WSGIRestrictEmbedded On"),
        );
    }
}

fn missing(config: &Config, application: &Application, name: &str) -> Finding {
    let what = format!("there is no process group `{name}`");
    let finding = about(Level::Error, "no-group", &application.line, what)
        .why("its requests get 500 (RSGI0150)");
    let nearest = config
        .groups
        .iter()
        .map(|group| (strsim::damerau_levenshtein(&group.name(), name), group))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 2);
    match nearest {
        Some((_, group)) => finding
            .also(
                format!("`{}` is near", group.name()),
                group.line.place.clone(),
            )
            .cure(format!("write {} in both places", group.name())),
        None => finding.cure(format!(
            "define it: WSGIDaemonProcess {name} processes=2 threads=5"
        )),
    }
}

fn embedded(config: &Config, application: &Application) -> Finding {
    let line = &application.line;
    let why = "a fault in it is a fault of Apache, it has Apache's user and files, and all applications share one Python";
    match config.groups.first() {
        Some(group) => about(
            Level::Warning,
            "embedded",
            line,
            "this application runs in Apache's own processes, although process groups are defined",
        )
        .why(why)
        .cure(format!("write process-group={} behind it, or the name of another group", group.name())),
        None => about(Level::Note, "embedded", line, "this application runs in Apache's own processes")
            .why(why)
            .cure("define a process group and name it: WSGIDaemonProcess app processes=2 threads=5, and process-group=app"),
    }
}

fn capacity(group: &Group, findings: &mut Vec<Finding>) {
    let options = &group.definition.options;
    let name = group.name();
    let line = &group.line;
    if options.threads == 0 {
        findings.push(
            about(
                Level::Error,
                "no-threads",
                line,
                format!("the process group `{name}` has threads=0 and takes no requests"),
            )
            .why("its requests get 500 (RSGI0485)")
            .cure("give it threads, or send its applications to another group"),
        );
        return;
    }
    if !group.gives("processes") {
        findings.push(
            about(
                Level::Warning,
                "one-process",
                line,
                format!("the process group `{name}` has one process"),
            )
            .why("all requests share one core, and wait while a crashed process is replaced")
            .cure("processes=2, or one for each core"),
        );
    }
    if options.threads > MANY_THREADS {
        findings.push(
            about(Level::Warning, "many-threads", line, format!("the process group `{name}` has {} threads a process", options.threads))
                .why("threads of one process take turns with Python's lock: the more there are, the longer each request takes")
                .cure("threads=15 or fewer, and more processes: what waits stands in one queue, which queue-timeout bounds"),
        );
    }
}

fn timeouts(group: &Group, findings: &mut Vec<Finding>) {
    if group.definition.options.request_timeout > 0 {
        return;
    }
    let what = format!(
        "the process group `{}` has no request-timeout",
        group.name()
    );
    findings.push(
        about(Level::Warning, "no-request-timeout", &group.line, what)
            .why("a request that never ends keeps its thread for ever; when all threads are kept, nothing is served")
            .cure("request-timeout=60 queue-timeout=45: the process is replaced, and the log shows where its threads were"),
    );
}

fn identity(group: &Group, findings: &mut Vec<Finding>) {
    let name = group.name();
    if group.definition.options.user.is_none() {
        findings.push(
            about(Level::Warning, "no-user", &group.line, format!("the process group `{name}` runs as Apache's user"))
                .why("what Apache may read and write, the application may read and write, and so may every other one")
                .cure(format!("make a user for it (useradd --system {name}) and write user={name}")),
        );
    }
}

fn root(group: &Group, findings: &mut Vec<Finding>) {
    if group.definition.options.user == Some(Account::Name(b"root".to_vec())) {
        findings.push(
            about(
                Level::Error,
                "root",
                &group.line,
                format!("the process group `{}` would run as root", group.name()),
            )
            .why("Apache does not start with it (RSGI0483)")
            .cure("name a user without privileges"),
        );
    }
}
