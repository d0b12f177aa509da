//! What each combination of options comes to, with a user database of our own.

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
    assert!(refusal("", Some(root)).starts_with("it has no user=, and Apache's own User is root"));
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
