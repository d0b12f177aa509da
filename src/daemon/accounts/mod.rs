//! Users and groups of a process group: names from the configuration become ids, or a sentence with the cure.
//!
//! Done while httpd reads its configuration, so that `httpd -t` says what is wrong. The daemon process gets ids only.

use std::ffi::CString;
use std::io;

use rsgi_core::daemon::{Account, GroupDefinition};
use rsgi_core::directive::Shown;

use crate::config::ProcessIdentity;
use crate::sys::accounts;
pub use crate::sys::accounts::User;

/// Whom Apache's children run as, where httpd was started as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebUser {
    /// `User`
    pub user: u32,
    /// `Group`
    pub group: u32,
}

/// The accounts of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// Who its processes become; none where httpd was not started as root.
    pub identity: Option<ProcessIdentity>,
    /// Whose connections they take: the user of Apache's children.
    pub client_user: u32,
    /// `script-user=`
    pub script_user: Option<u32>,
    /// `script-group=`
    pub script_group: Option<u32>,
}

/// What a user database tells.
pub trait Database {
    /// The user of that name.
    ///
    /// # Errors
    /// The database cannot be read.
    fn user_named(&self, name: &[u8]) -> io::Result<Option<User>>;
    /// The user of that number.
    ///
    /// # Errors
    /// The database cannot be read.
    fn user_numbered(&self, id: u32) -> io::Result<Option<User>>;
    /// The number of the group of that name.
    ///
    /// # Errors
    /// The database cannot be read.
    fn group_named(&self, name: &[u8]) -> io::Result<Option<u32>>;
    /// Every group of a user, with its primary one.
    fn groups_of(&self, name: &[u8], group: u32) -> Vec<u32>;
    /// Most groups of a process.
    fn most_groups(&self) -> usize;
}

/// The system's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Database for System {
    fn user_named(&self, name: &[u8]) -> io::Result<Option<User>> {
        accounts::user_named(name)
    }

    fn user_numbered(&self, id: u32) -> io::Result<Option<User>> {
        accounts::user_numbered(id)
    }

    fn group_named(&self, name: &[u8]) -> io::Result<Option<u32>> {
        accounts::group_named(name)
    }

    fn groups_of(&self, name: &[u8], group: u32) -> Vec<u32> {
        accounts::groups_of(name, group)
    }

    fn most_groups(&self) -> usize {
        accounts::most_groups()
    }
}

/// Why accounts cannot be used. Each text is one line behind `WSGIDaemonProcess` and the group's name.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are named in the texts")]
pub enum AccountError {
    /// No such user.
    #[error("{option}={value} is no user of this system: make it, or correct the name")]
    UnknownUser { option: &'static str, value: Shown },
    /// No such number in the user database.
    #[error(
        "{option}={value} is no entry of the user database, so its groups are not known: name a user that is"
    )]
    UnknownUserId { option: &'static str, value: Shown },
    /// No such group.
    #[error("{option}={value} is no group of this system: make it, or correct the name")]
    UnknownGroup { option: &'static str, value: Shown },
    /// Root by another name.
    #[error(
        "user={value} is blocked from running applications, it is root (user id 0): name a user without privileges"
    )]
    Root { value: Shown },
    /// No user is named and Apache's is root.
    #[error("it has no user=, and Apache's own User is root: name a user without privileges")]
    WebUserIsRoot,
    /// No user is named and Apache's is none.
    #[error(
        "it has no user=, and Apache's own User has the number {0}, which the user database does not know: name a user"
    )]
    WebUserUnknown(u32),
    /// Too many groups.
    #[error(
        "supplementary-groups= has {count} groups with the primary one, a process may have {most}: leave some out"
    )]
    TooManyGroups { count: usize, most: usize },
    /// chroot(2) is root's.
    #[error(
        "chroot={value} needs an httpd that is started as root, this one is not: start it as root, or leave chroot= out"
    )]
    ChrootWithoutRoot { value: Shown },
    /// The user database fails.
    #[error("the user database cannot be read for {option}={value}: {error}")]
    Database {
        option: &'static str,
        value: Shown,
        error: io::Error,
    },
}

/// The user that this process runs as.
#[must_use]
pub fn current_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether the system has a locale of that name; the empty one is that of the environment.
#[must_use]
pub fn has_locale(name: &[u8]) -> bool {
    CString::new(name).is_ok_and(|name| name.is_empty() || accounts::has_locale(&name))
}

/// Turns the names of a group into ids.
///
/// `web` is there when httpd was started as root. Names are looked up without it too, for what they are worth: the
/// same configuration may be checked by somebody and served by root.
///
/// # Errors
/// What is wrong, with the cure.
pub fn resolve(
    group: &GroupDefinition,
    web: Option<WebUser>,
    database: &impl Database,
) -> Result<Accounts, AccountError> {
    let options = &group.options;
    let find = Find(database);
    if let (Some(folder), None) = (&options.chroot, web) {
        return Err(AccountError::ChrootWithoutRoot {
            value: Shown::new(folder),
        });
    }
    let named = options
        .user
        .as_ref()
        .map(|user| find.process_user(user))
        .transpose()?;
    let primary = options
        .group
        .as_ref()
        .map(|group| find.group("group", group))
        .transpose()?;
    let supplementary = options
        .supplementary_groups
        .as_ref()
        .map(|groups| find.groups(groups))
        .transpose()?;
    if let Some(user) = &options.socket_user {
        find.user("socket-user", user)?;
    }
    let identity = match web {
        None => None,
        Some(web) => Some(find.identity(web, named, primary, supplementary)?),
    };
    Ok(Accounts {
        identity,
        client_user: web.map_or_else(current_user, |web| web.user),
        script_user: options
            .script_user
            .as_ref()
            .map(|user| find.user("script-user", user).map(|user| user.id))
            .transpose()?,
        script_group: options
            .script_group
            .as_ref()
            .map(|group| find.group("script-group", group))
            .transpose()?,
    })
}

/// Looks names up and says what is wrong with them.
struct Find<'d, D>(&'d D);

impl<D: Database> Find<'_, D> {
    fn user(&self, option: &'static str, account: &Account) -> Result<User, AccountError> {
        let found = match account {
            Account::Name(name) => self.0.user_named(name),
            Account::Id(id) => self.0.user_numbered(*id),
        };
        let value = || shown(account);
        found
            .map_err(|error| AccountError::Database {
                option,
                value: value(),
                error,
            })?
            .ok_or_else(|| match account {
                Account::Name(_) => AccountError::UnknownUser {
                    option,
                    value: value(),
                },
                Account::Id(_) => AccountError::UnknownUserId {
                    option,
                    value: value(),
                },
            })
    }

    fn process_user(&self, account: &Account) -> Result<User, AccountError> {
        let user = self.user("user", account)?;
        if user.id == 0 {
            return Err(AccountError::Root {
                value: shown(account),
            });
        }
        Ok(user)
    }

    /// A number needs no entry in the database.
    fn group(&self, option: &'static str, account: &Account) -> Result<u32, AccountError> {
        let name = match account {
            Account::Id(id) => return Ok(*id),
            Account::Name(name) => name,
        };
        let found = self.0.group_named(name);
        found
            .map_err(|error| AccountError::Database {
                option,
                value: shown(account),
                error,
            })?
            .ok_or_else(|| AccountError::UnknownGroup {
                option,
                value: shown(account),
            })
    }

    fn groups(&self, list: &[Account]) -> Result<Vec<u32>, AccountError> {
        let most = self.0.most_groups();
        // The primary group is one of the list.
        let count = list.len() + 1;
        if count > most {
            return Err(AccountError::TooManyGroups { count, most });
        }
        list.iter()
            .map(|group| self.group("supplementary-groups", group))
            .collect()
    }

    /// Who the processes of a group become.
    fn identity(
        &self,
        web: WebUser,
        named: Option<User>,
        primary: Option<u32>,
        supplementary: Option<Vec<u32>>,
    ) -> Result<ProcessIdentity, AccountError> {
        let user = match named {
            Some(user) => user,
            None if web.user == 0 => return Err(AccountError::WebUserIsRoot),
            None => self
                .0
                .user_numbered(web.user)
                .ok()
                .flatten()
                .ok_or(AccountError::WebUserUnknown(web.user))?,
        };
        let group = primary.unwrap_or(web.group);
        let mut groups = match supplementary {
            None => self.0.groups_of(&user.name, group),
            Some(groups) => [vec![group], groups].concat(),
        };
        let mut known = std::collections::BTreeSet::new();
        groups.retain(|group| known.insert(*group));
        Ok(ProcessIdentity {
            user: user.id,
            group,
            groups,
            name: user.name,
            home: Some(user.home).filter(|home| home.starts_with(b"/")),
        })
    }
}

/// An account as the configuration spells it.
fn shown(account: &Account) -> Shown {
    match account {
        Account::Name(name) => Shown::new(name),
        Account::Id(id) => Shown::new(format!("#{id}").as_bytes()),
    }
}

#[cfg(test)]
mod tests;
