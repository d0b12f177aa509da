//! Options of who may come in, and whose word about clients counts.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How users say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthType {
    /// By name and password
    #[value(name = "Basic")]
    Basic,
    /// By a hash of both
    #[value(name = "Digest")]
    Digest,
}

/// Scripts that let clients in, and proxies in front of the server.
#[derive(Args, Debug)]
#[command(next_help_heading = "Access and proxies in front")]
pub(crate) struct AccessArgs {
    /// A script whose allow_access lets clients in or not
    #[arg(long, value_name = "PATH")]
    pub(crate) host_access_script: Option<PathBuf>,

    /// A script that knows users: check_password, or get_realm_hash with `--auth-type Digest`
    #[arg(long, value_name = "PATH")]
    pub(crate) auth_user_script: Option<PathBuf>,

    /// How users say who they are
    #[arg(
        long,
        value_name = "TYPE",
        value_enum,
        ignore_case = true,
        default_value = "Basic"
    )]
    pub(crate) auth_type: AuthType,

    /// A script whose groups_for_user knows the groups of users
    #[arg(long, value_name = "PATH")]
    pub(crate) auth_group_script: Option<PathBuf>,

    /// The group that users have to be in, with --auth-group-script
    #[arg(long, value_name = "NAME", default_value = "wsgi")]
    pub(crate) auth_group: String,

    /// A header by which a proxy in front tells of its client; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) trust_proxy_header: Vec<String>,

    /// The address or network of such a proxy; may be repeated [default: everybody is believed]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) trust_proxy: Vec<String>,
}
