//! Users, groups, folders and scripts that this machine does not have.

use std::path::Path;

use nix::unistd::{Group as Accounts, User};
use rsgi_core::daemon::Account;

use super::super::finding::{Finding, Level};
use super::super::model::{Config, Group};
use super::about;

pub(super) fn look(config: &Config, findings: &mut Vec<Finding>) {
    for group in &config.groups {
        accounts(group, findings);
        folders(group, findings);
    }
    for application in &config.applications {
        let is_plain = !application.url.is_empty() && !application.target.contains(['$', '*']);
        // The script of an alias may end in slashes.
        let target = Path::new(application.target.trim_end_matches('/'));
        if is_plain && target.is_absolute() && !target.exists() {
            findings.push(
                about(
                    Level::Warning,
                    "no-script",
                    &application.line,
                    format!("there is no `{}` here", application.target),
                )
                .why("requests get 404 (RSGI0135), unless the file is for another machine")
                .cure("correct the path, or put the script there"),
            );
        }
    }
}

fn accounts(group: &Group, findings: &mut Vec<Finding>) {
    let options = &group.definition.options;
    let mut missing = |option: &str, kind: &str, name: &[u8]| {
        let name = String::from_utf8_lossy(name);
        findings.push(
            about(
                Level::Warning,
                "no-account",
                &group.line,
                format!("{option}=`{name}` is no {kind} of this machine"),
            )
            .why("Apache does not start with it (RSGI0483), unless the file is for another machine")
            .cure("make it, or correct the name"),
        );
    };
    if let Some(Account::Name(name)) = &options.user
        && !has_user(name)
    {
        missing("user", "user", name);
    }
    let all = options.group.iter().map(|one| ("group", one));
    let more = options.supplementary_groups.iter().flatten();
    for (option, one) in all.chain(more.map(|one| ("supplementary-groups", one))) {
        if let Account::Name(name) = one
            && !has_group(name)
        {
            missing(option, "group", name);
        }
    }
}

/// What cannot be looked up is there.
fn has_user(name: &[u8]) -> bool {
    std::str::from_utf8(name).map_or(true, |name| !matches!(User::from_name(name), Ok(None)))
}

fn has_group(name: &[u8]) -> bool {
    std::str::from_utf8(name).map_or(true, |name| !matches!(Accounts::from_name(name), Ok(None)))
}

fn folders(group: &Group, findings: &mut Vec<Finding>) {
    let options = &group.definition.options;
    // Below another root they cannot be looked for.
    let Some(home) = options.home.as_ref().filter(|_| options.chroot.is_none()) else {
        return;
    };
    let home = String::from_utf8_lossy(home);
    if !Path::new(&*home).is_dir() {
        findings.push(
            about(
                Level::Warning,
                "no-home",
                &group.line,
                format!("home=`{home}` is no folder of this machine"),
            )
            .why("the group's processes end before they serve: requests get 503 (RSGI0116), unless the file is for another machine")
            .cure("make it, or correct the path"),
        );
    }
}
