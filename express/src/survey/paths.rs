//! The files and folders of the application, component by component, as the user who serves sees them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{Group, Uid, User};

use super::finding::Findings;
use crate::privileges::{self, Identity};
use crate::reach::{self, Obstacle};
use crate::sources::Given;

/// Options that name what the serving user reads, and which of their values does.
const READ: [(&str, usize); 6] = [
    ("working-directory", 0),
    ("document-root", 0),
    ("python-path", 0),
    ("url-alias", 1),
    ("add-handler", 1),
    ("service-script", 1),
];
/// Options whose files Apache reads before it gives any rights away.
const INCLUDED: [&str; 3] = ["include-file", "rewrite-rules", "mime-types"];

/// Looks at each.
pub(super) fn survey(given: &Given, identity: Option<&Identity>, findings: &mut Findings) {
    let here = std::env::current_dir().unwrap_or_default();
    let kind = given.value("application-type").unwrap_or_default();
    let entry = given
        .value("entry-point")
        .or_else(|| given.value("script"))
        .filter(|_| kind != "module");
    let mut named: Vec<(String, PathBuf)> = vec![];
    named.extend(entry.map(|entry| ("application".to_owned(), here.join(entry))));
    for (option, at) in READ {
        let values = given.values(option).into_iter();
        let paths = values.filter_map(|values| values.get(at).cloned());
        named.extend(paths.map(|path| (format!("--{option}"), here.join(path))));
    }
    let user = identity.map_or_else(privileges::current_user, |who| who.user.clone());
    for (name, path) in named {
        let shown = path.display();
        match reach::first_obstacle(identity, &[&path]) {
            Ok(None) => findings.ok("path", format!("{name}: `{shown}`")),
            Ok(Some(obstacle)) => tell(&name, &obstacle, &user, findings),
            Err(error) => findings.failure("path", &error),
        }
    }
    for option in INCLUDED {
        for path in given.values(option).concat() {
            let path = here.join(path);
            match fs::File::open(&path) {
                Ok(_) => findings.ok("path", format!("--{option}: `{}`", path.display())),
                Err(error) => findings.error(
                    "path",
                    format!("--{option}: `{}` cannot be read: {error}", path.display()),
                    "name another file, or give whoever starts Apache the right to read it",
                ),
            }
        }
    }
}

fn tell(name: &str, obstacle: &Obstacle, user: &str, findings: &mut Findings) {
    let sentence = obstacle.sentence(user);
    if obstacle.is_missing {
        let component = obstacle.component.display();
        return findings.error(
            "path",
            format!("{name}: {sentence}: the way to it ends at `{component}`"),
            "correct the name, or make it",
        );
    }
    let component = &obstacle.component;
    let right = if component.is_dir() { "x" } else { "r" };
    findings.error(
        "path",
        format!("{name}: {sentence} ({})", ownership(component)),
        &format!(
            "`chmod o+{right} {}`, move it elsewhere, or serve as another user with `--user`",
            component.display()
        ),
    );
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
