//! Users and groups of a process group: names from the configuration become ids, or a sentence with the cure.
//!
//! Done while httpd reads its configuration, so that `httpd -t` says what is wrong. The daemon process gets ids only.

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
mod tests {
    use super::*;

    /// root, www (33) and shop (1000, in the groups 1000 and 50); www, staff (50) and wheel (0).
    struct Fake;

    fn user(id: u32, name: &str, home: &str) -> User {
        User {
            id,
            group: id,
            name: name.as_bytes().to_vec(),
            home: home.as_bytes().to_vec(),
        }
    }

    fn users() -> [User; 4] {
        [
            user(0, "root", "/root"),
            user(0, "toor", "/root"),
            user(33, "www", ""),
            user(1000, "shop", "/home/shop"),
        ]
    }

    impl Database for Fake {
        fn user_named(&self, name: &[u8]) -> io::Result<Option<User>> {
            if name == b"broken" {
                return Err(io::Error::other("the directory is down"));
            }
            Ok(users().into_iter().find(|user| user.name == name))
        }

        fn user_numbered(&self, id: u32) -> io::Result<Option<User>> {
            Ok(users().into_iter().find(|user| user.id == id))
        }

        fn group_named(&self, name: &[u8]) -> io::Result<Option<u32>> {
            let known: [(&[u8], u32); 3] = [(b"www", 33), (b"staff", 50), (b"wheel", 0)];
            Ok(known
                .into_iter()
                .find(|(known, _)| *known == name)
                .map(|(_, id)| id))
        }

        fn groups_of(&self, name: &[u8], group: u32) -> Vec<u32> {
            if name == b"shop" {
                vec![group, 50, group]
            } else {
                vec![group]
            }
        }

        fn most_groups(&self) -> usize {
            3
        }
    }

    const WEB: WebUser = WebUser {
        user: 33,
        group: 33,
    };

    fn try_resolve(options: &str, web: Option<WebUser>) -> Result<Accounts, AccountError> {
        let line = format!("g {options}");
        let group = GroupDefinition::parse(line.as_bytes()).unwrap();
        resolve(&group, web, &Fake)
    }

    fn identity(options: &str) -> ProcessIdentity {
        let accounts = try_resolve(options, Some(WEB)).unwrap_or_else(|error| panic!("{error}"));
        accounts.identity.unwrap()
    }

    #[track_caller]
    fn refusal(options: &str, web: Option<WebUser>) -> String {
        try_resolve(options, web).unwrap_err().to_string()
    }

    #[test]
    fn without_options_it_is_apache_s_user() {
        let who = identity("");
        assert_eq!((who.user, who.group, who.groups), (33, 33, vec![33]));
        assert_eq!((who.name.as_slice(), who.home), (&b"www"[..], None));
    }

    #[test]
    fn a_user_keeps_apache_s_group_unless_one_is_named_and_has_its_own_other_groups() {
        let who = identity("user=shop");
        assert_eq!((who.user, who.group, who.groups), (1000, 33, vec![33, 50]));
        assert_eq!(who.home.as_deref(), Some(&b"/home/shop"[..]));
        let who = identity("user=#1000 group=#77");
        assert_eq!((who.group, who.groups), (77, vec![77, 50]));
    }

    #[test]
    fn named_supplementary_groups_replace_those_of_the_database() {
        let who = identity("user=shop group=www supplementary-groups=staff,#9");
        assert_eq!(who.groups, vec![33, 50, 9]);
        assert_eq!(identity("user=shop supplementary-groups=").groups, vec![33]);
    }

    #[test]
    fn names_that_mean_nothing_are_refused() {
        for (options, expected) in [
            (
                "user=nobody-here",
                "user=`nobody-here` is no user of this system: ",
            ),
            ("user=#5", "user=`#5` is no entry of the user database, "),
            ("group=none", "group=`none` is no group of this system: "),
            (
                "supplementary-groups=staff,none",
                "supplementary-groups=`none` is no group of this system: ",
            ),
            (
                "socket-user=x",
                "socket-user=`x` is no user of this system: ",
            ),
            (
                "script-user=x",
                "script-user=`x` is no user of this system: ",
            ),
            (
                "script-group=x",
                "script-group=`x` is no group of this system: ",
            ),
            (
                "user=broken",
                "the user database cannot be read for user=`broken`: the directory is down",
            ),
        ] {
            for web in [Some(WEB), None] {
                let text = refusal(options, web);
                assert!(text.starts_with(expected), "{text}");
            }
        }
    }

    #[test]
    fn root_is_blocked_whatever_its_name() {
        for name in ["root", "toor"] {
            let text = refusal(&format!("user={name}"), Some(WEB));
            let expected = format!("user=`{name}` is blocked from running applications");
            assert!(text.starts_with(&expected), "{text}");
        }
        let root = WebUser { user: 0, group: 0 };
        assert!(
            refusal("", Some(root)).starts_with("it has no user=, and Apache's own User is root")
        );
        let unknown = WebUser { user: 5, group: 5 };
        assert!(refusal("", Some(unknown)).contains("the number 5, "));
    }

    #[test]
    fn more_groups_than_the_system_takes_are_refused() {
        assert_eq!(
            identity("supplementary-groups=#1,#2").groups,
            vec![33, 1, 2]
        );
        assert_eq!(
            refusal("supplementary-groups=#1,#2,#3", Some(WEB)),
            "supplementary-groups= has 4 groups with the primary one, a process may have 3: leave some out"
        );
    }

    #[test]
    fn without_root_nobody_changes_and_chroot_is_refused() {
        let accounts = try_resolve("user=shop script-user=www", None).unwrap();
        assert_eq!(accounts.identity, None);
        assert_eq!(accounts.client_user, current_user());
        assert_eq!(accounts.script_user, Some(33));
        assert!(refusal("chroot=/jail", None).starts_with("chroot=`/jail` needs an httpd"));
        assert_eq!(
            try_resolve("chroot=/jail", Some(WEB)).unwrap().client_user,
            33
        );
    }

    #[test]
    fn owners_of_scripts_become_ids() {
        let accounts = try_resolve("script-group=wheel", Some(WEB)).unwrap();
        assert_eq!(
            (accounts.script_user, accounts.script_group),
            (None, Some(0))
        );
    }
}
