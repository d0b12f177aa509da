//! Which servers may use a group (reference: directives §2 and §3).
//!
//! A group of the main server is everybody's. One that a virtual host defines is for that host and for those with the
//! same ServerName, such as the host's other port.

use thiserror::Error;

/// A server, as far as access to groups is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// What tells it from every other server of the configuration.
    pub id: usize,
    /// Whether it is a virtual host; the main server is none.
    pub is_virtual: bool,
    /// Its ServerName, where it has one.
    pub name: Option<&'a [u8]>,
}

/// Why a server may not use a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Inaccessible {
    /// The group belongs to a virtual host with another name.
    #[error(
        "is not accessible from here: it belongs to a virtual host with another ServerName; define it outside of \
         every virtual host, or in this one"
    )]
    OtherName,
    /// One of the two has no name, so that they cannot be compared.
    #[error(
        "is not matchable: it belongs to a virtual host, and one of the two servers has no ServerName; give both the \
         same, or define the group outside of every virtual host"
    )]
    NoName,
}

/// Whether `user` may use a group that `owner` defines.
///
/// # Errors
/// Why not.
pub fn may_use(owner: Host<'_>, user: Host<'_>) -> Result<(), Inaccessible> {
    if owner.id == user.id || !owner.is_virtual {
        return Ok(());
    }
    match (owner.name, user.name) {
        (Some(owner), Some(user)) if owner.eq_ignore_ascii_case(user) => Ok(()),
        (Some(_), Some(_)) => Err(Inaccessible::OtherName),
        // Two hosts without names: httpd gives both the name of their address before any request.
        (None, None) => Ok(()),
        _ => Err(Inaccessible::NoName),
    }
}
