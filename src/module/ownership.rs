//! `script-user=` and `script-group=`: whose scripts a group runs.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rsgi_core::directive::Shown;
use rsgi_daemon::accounts::Accounts;

/// Who may write: the group, everybody.
const GROUP_WRITES: u32 = 0o020;
const ALL_WRITE: u32 = 0o002;

/// Whether a script may run for a group with these accounts.
///
/// # Errors
/// Why not: a 403 with this line.
pub(super) fn check(accounts: &Accounts, script: &[u8]) -> Result<(), String> {
    if accounts.script_user.is_none() && accounts.script_group.is_none() {
        return Ok(());
    }
    let path = Path::new(OsStr::from_bytes(script));
    let folder = path.parent().unwrap_or(Path::new("/"));
    for (what, path) in [("script", path), ("folder", folder)] {
        check_one(accounts, what, path)?;
    }
    Ok(())
}

fn check_one(accounts: &Accounts, what: &str, path: &Path) -> Result<(), String> {
    let shown = Shown::new(path.as_os_str().as_bytes());
    let about = fs::metadata(path).map_err(|error| {
        format!("RSGI0153: the owner of the {what} {shown} is not known: {error}")
    })?;
    if let Some(user) = accounts.script_user {
        if about.uid() != user {
            return Err(format!(
                "RSGI0154: the {what} {shown} belongs to user {}, and script-user= of the process group wants {user}",
                about.uid()
            ));
        }
        if about.mode() & (GROUP_WRITES | ALL_WRITE) != 0 {
            return Err(format!(
                "RSGI0155: others than its owner may write to the {what} {shown}, which script-user= of the process group \
                 forbids: `chmod go-w`"
            ));
        }
    }
    if let Some(group) = accounts.script_group {
        if about.gid() != group {
            return Err(format!(
                "RSGI0156: the {what} {shown} belongs to group {}, and script-group= of the process group wants {group}",
                about.gid()
            ));
        }
        if about.mode() & ALL_WRITE != 0 {
            return Err(format!(
                "RSGI0157: everybody may write to the {what} {shown}, which script-group= of the process group forbids: \
                 `chmod o-w`"
            ));
        }
    }
    Ok(())
}
