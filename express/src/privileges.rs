//! Whom the server runs as, and doing something as that user: everything a user owns is touched only so.
//!
//! Started as root, Apache binds its port and then serves as an unprivileged user. What that user can read and
//! whether the application loads is therefore found out in a child of ours that has become that user for good.

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::{Gid, Group, Uid, User};

use crate::error::Error;
use crate::process;

/// The first argument of the program when it is its own child: see [`become_and_run`].
pub(crate) const AS_USER: &str = "__as-user";

/// Users that distributions run their web server as, in the order they are looked for.
const WEB_USERS: [&str; 4] = ["www-data", "apache", "httpd", "nobody"];

/// An unprivileged user and group to serve as.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The user's name.
    pub(crate) user: String,
    /// The user's number, never 0.
    pub(crate) uid: Uid,
    /// The group's name, or `#` and its number.
    pub(crate) group: String,
    /// The group's number.
    pub(crate) gid: Gid,
    /// The user's home directory.
    pub(crate) home: PathBuf,
}

impl Identity {
    /// The identity to change to, or `None` where Apache stays what the launcher is.
    ///
    /// # Errors
    /// The user or group does not exist, is root, or cannot be changed to.
    pub(crate) fn resolve(user: Option<&str>, group: Option<&str>) -> Result<Option<Self>, Error> {
        Self::named(["--user", "--group"], user, group)
    }

    /// The same for other options than `--user` and `--group`.
    ///
    /// # Errors
    /// As [`Identity::resolve`].
    pub(crate) fn named(
        options: [&str; 2],
        user: Option<&str>,
        group: Option<&str>,
    ) -> Result<Option<Self>, Error> {
        let [user_option, group_option] = options;
        if !Uid::effective().is_root() {
            return unchanged(options, user, group).map(|()| None);
        }
        let account = match user {
            Some(name) => find_user(user_option, name)?,
            None => web_user()?,
        };
        if account.uid.is_root() {
            return Err(Error::Usage(format!(
                "`{user_option}`: the application must not run as root\nname another user"
            )));
        }
        let gid = match group {
            Some(name) => find_group(group_option, name)?,
            None => account.gid,
        };
        if gid.as_raw() == 0 {
            return Err(Error::Usage(format!(
                "the application must not run with root's group\n`{group_option}` names another one for `{}`",
                account.name
            )));
        }
        Ok(Some(Self {
            user: account.name,
            uid: account.uid,
            group: group_name(gid),
            gid,
            home: account.dir,
        }))
    }
}

/// The name of the current user, for messages.
pub(crate) fn current_user() -> String {
    let uid = Uid::effective();
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => format!("#{uid}"),
    }
}

/// The name of the user to serve as where none is named and root starts it.
pub(crate) fn serving_user() -> String {
    web_user().map_or_else(|_| WEB_USERS[0].to_owned(), |user| user.name)
}

/// Accepts a user and a group without root only when they change nothing.
fn unchanged(options: [&str; 2], user: Option<&str>, group: Option<&str>) -> Result<(), Error> {
    let same_user = user
        .map(|name| find_user(options[0], name))
        .transpose()?
        .is_none_or(|user| user.uid == Uid::effective());
    let same_group = group
        .map(|name| find_group(options[1], name))
        .transpose()?
        .is_none_or(|gid| gid == Gid::effective());
    let (option, value) = match (same_user, same_group) {
        (true, true) => return Ok(()),
        (false, _) => (options[0], user),
        (true, false) => (options[1], group),
    };
    Err(Error::Usage(format!(
        "`{option} {}` needs root: this is `{}`\nstart as root, or leave the option out",
        value.unwrap_or_default(),
        current_user()
    )))
}

fn find_user(option: &str, name: &str) -> Result<User, Error> {
    let found = match name.strip_prefix('#').map(str::parse) {
        Some(Ok(number)) => User::from_uid(Uid::from_raw(number)),
        _ => User::from_name(name),
    };
    found
        .map_err(Error::system("look up users"))?
        .ok_or_else(|| Error::Usage(format!("`{option}`: there is no user `{name}`\nname one of this machine, or `#` and a number that one has")))
}

fn find_group(option: &str, name: &str) -> Result<Gid, Error> {
    if let Some(Ok(number)) = name.strip_prefix('#').map(str::parse) {
        return Ok(Gid::from_raw(number));
    }
    Group::from_name(name)
        .map_err(Error::system("look up groups"))?
        .map(|group| group.gid)
        .ok_or_else(|| Error::Usage(format!("`{option}`: there is no group `{name}`\nname one of this machine, or `#` and its number")))
}

fn web_user() -> Result<User, Error> {
    for name in WEB_USERS {
        if let Some(user) = User::from_name(name).map_err(Error::system("look up users"))? {
            return Ok(user);
        }
    }
    Err(Error::Installation(format!(
        "none of the users {} exists\nname one to serve as with `--user`",
        WEB_USERS.join(", ")
    )))
}

fn group_name(gid: Gid) -> String {
    match Group::from_gid(gid) {
        Ok(Some(group)) => group.name,
        _ => format!("#{gid}"),
    }
}

/// A command that runs as `identity` (or unchanged): this program again, which becomes that user and executes
/// `program`. The arguments of `program` are added by the caller.
///
/// # Errors
/// This program's own file cannot be found.
pub(crate) fn command_as(
    identity: Option<&Identity>,
    program: impl AsRef<OsStr>,
) -> Result<Command, Error> {
    let own = env::current_exe().map_err(Error::system("find this program's file"))?;
    let mut command = Command::new(own);
    command.arg(AS_USER);
    match identity {
        Some(identity) => {
            command
                .arg(&identity.user)
                .arg(identity.uid.to_string())
                .arg(identity.gid.to_string())
                .env("USER", &identity.user)
                .env("LOGNAME", &identity.user)
                .env("HOME", &identity.home);
        }
        None => {
            command.args(["", "", ""]);
        }
    }
    command.arg(program);
    Ok(command)
}

/// The child's side of [`command_as`]: drops what root has, proves it is gone, and executes the program.
///
/// # Errors
/// The rights could not be dropped, or the program not executed.
pub(crate) fn become_and_run(mut args: impl Iterator<Item = OsString>) -> Result<(), Error> {
    let mut next = || {
        let text = args.next().and_then(|arg| arg.into_string().ok());
        text.ok_or_else(|| Error::Usage("a part of the identity is missing".into()))
    };
    let (user, uid, gid) = (next()?, next()?, next()?);
    if !user.is_empty() {
        let number = |text: String| {
            let malformed = |_| Error::Usage(format!("`{text}` is no id"));
            text.parse().map_err(malformed)
        };
        drop_to(
            &user,
            Uid::from_raw(number(uid)?),
            Gid::from_raw(number(gid)?),
        )?;
    }
    // Asked for last: the kernel forgets it when the user changes.
    process::end_with_parent(Signal::SIGKILL)?;
    let Some(program) = args.next() else {
        return Err(Error::Usage("no program to run".into()));
    };
    if program == crate::reach::REACH {
        return crate::reach::report(args);
    }
    let failure = Command::new(&program).args(args).exec();
    Err(Error::file("execute", Path::new(&program))(failure))
}

/// Groups, then group, then user, each result checked; then proof that there is no way back.
fn drop_to(user: &str, uid: Uid, gid: Gid) -> Result<(), Error> {
    let name = CString::new(user).map_err(Error::system("name the user"))?;
    #[cfg(not(target_vendor = "apple"))]
    nix::unistd::initgroups(&name, gid).map_err(Error::system("set the groups"))?;
    nix::unistd::setgid(gid).map_err(Error::system("change the group"))?;
    nix::unistd::setuid(uid).map_err(Error::system("change the user"))?;
    if nix::unistd::setuid(Uid::from_raw(0)).is_ok() || Uid::effective() != uid {
        return Err(Error::Usage("root's rights could not be dropped".into()));
    }
    Ok(())
}
