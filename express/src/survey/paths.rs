//! The files and folders of the application, component by component, as the user who serves sees them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{Group, Uid, User};

use super::finding::Findings;
use crate::cli::ApplicationType;
use crate::privileges::{self, Identity};
use crate::reach::{self, Obstacle};
use crate::settings::Settings;

/// What a start does without a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// It is refused.
    Must,
    /// It is warned of: what is not there yet may be made while the server runs.
    May,
}

/// A path and what names it: an option, or `application`.
struct Named<'s> {
    by: &'s str,
    path: &'s Path,
    need: Need,
}

/// Looks at each.
pub(super) fn survey(settings: &Settings, identity: Option<&Identity>, findings: &mut Findings) {
    for named in read(settings) {
        look(&named, identity, findings);
    }
    let own = settings.services.iter().filter(|own| !own.is_generated);
    for service in own {
        // A service may have a user of its own.
        let identity = service.identity(&settings.tree);
        if let Some(identity) = findings.take("user", identity) {
            let named = named("--service-script", &service.script, Need::Must);
            look(&named, identity.as_ref(), findings);
        }
    }
    for (option, path) in included(settings) {
        match fs::File::open(path) {
            Ok(_) => findings.ok("path", format!("`{option}`: `{path}`")),
            Err(error) => findings.error(
                "path",
                format!("`{option}`: `{path}` cannot be read: {error}"),
                "name another file, or give whoever starts Apache the right to read it",
            ),
        }
    }
}

fn named<'s>(by: &'s str, path: &'s str, need: Need) -> Named<'s> {
    let path = Path::new(path);
    Named { by, path, need }
}

/// What the serving user reads, as a start looks at it.
fn read(settings: &Settings) -> Vec<Named<'_>> {
    let application = &settings.application;
    let is_file = matches!(
        application.kind,
        ApplicationType::Script | ApplicationType::Paste
    );
    let files = &settings.files;
    let mut all = vec![];
    if is_file && !application.is_welcome {
        all.push(named("application", &application.entry, Need::Must));
    }
    let mut add = |option, path, need| all.push(named(option, path, need));
    add(
        "--working-directory",
        &settings.python.working_directory,
        Need::Must,
    );
    for root in files.document_root.iter().chain(&files.more_roots) {
        add("--document-root", root, Need::Must);
    }
    for handler in &files.handlers {
        add("--add-handler", &handler.script, Need::Must);
    }
    for (option, script) in settings.access.scripts() {
        add(option, script, Need::Must);
    }
    for folder in &settings.python.path {
        add("--python-path", folder, Need::May);
    }
    for alias in &files.aliases {
        add("--url-alias", &alias.path, Need::May);
    }
    all
}

/// Files that Apache reads before it gives any rights away.
fn included(settings: &Settings) -> Vec<(&'static str, &String)> {
    let files = &settings.files;
    let mut all: Vec<_> = files
        .include_files
        .iter()
        .map(|path| ("--include-file", path))
        .collect();
    if !files.has_own_rules {
        all.push(("--rewrite-rules", &files.rewrite_rules));
    }
    all.extend(files.mime_types.iter().map(|path| ("--mime-types", path)));
    all
}

fn look(named: &Named<'_>, identity: Option<&Identity>, findings: &mut Findings) {
    let by = match named.by {
        "application" => named.by.to_owned(),
        option => format!("`{option}`"),
    };
    match reach::first_obstacle(identity, &[named.path]) {
        Ok(None) => findings.ok("path", format!("{by}: `{}`", named.path.display())),
        Ok(Some(obstacle)) => {
            let user = identity.map_or_else(privileges::current_user, |who| who.user.clone());
            let (text, cure) = told(&by, &obstacle, &user);
            match named.need {
                Need::Must => findings.error("path", text, &cure),
                Need::May => findings.warning("path", text, &cure),
            }
        }
        Err(error) => findings.failure("path", &error),
    }
}

/// What is in the way, and what mends it.
fn told(by: &str, obstacle: &Obstacle, user: &str) -> (String, String) {
    let sentence = obstacle.sentence(user);
    let component = &obstacle.component;
    if obstacle.is_missing {
        let end = component.display();
        return (
            format!("{by}: {sentence}: the way to it ends at `{end}`"),
            "correct the name, or make it".to_owned(),
        );
    }
    let right = if component.is_dir() { "x" } else { "r" };
    (
        format!("{by}: {sentence} ({})", ownership(component)),
        format!(
            "`chmod o+{right} {}`, move it elsewhere, or serve as another user with `--user`",
            component.display()
        ),
    )
}

/// Whose a component is and what others may do with it.
fn ownership(path: &Path) -> String {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return "its owner cannot be seen".to_owned();
    };
    let owner = User::from_uid(Uid::from_raw(metadata.uid())).ok().flatten();
    let owner = owner.map_or_else(|| metadata.uid().to_string(), |user| user.name);
    let group = Group::from_gid(metadata.gid().into()).ok().flatten();
    let group = group.map_or_else(|| metadata.gid().to_string(), |group| group.name);
    format!("{owner}:{group}, mode {:04o}", metadata.mode() & 0o7777)
}
