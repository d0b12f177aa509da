//! Other servers that requests are passed on to.

use serde::Serialize;

use super::listening::host_name;
use super::text::{each, printable, url_path};
use crate::cli::ProxyArgs;
use crate::error::Error;

/// What is passed on.
#[derive(Debug, Serialize)]
pub(crate) struct Proxies {
    pub(crate) mounts: Vec<Mount>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) timeout: Option<u32>,
    /// Whether TLS is spoken to one of them.
    pub(crate) has_tls: bool,
}

/// A URL and the server behind it.
#[derive(Debug, Serialize)]
pub(crate) struct Mount {
    /// With a slash in front and none at its end; empty for all.
    pub(crate) url: String,
    /// With a slash at its end.
    pub(crate) target: String,
}

/// A host and the server behind it.
#[derive(Debug, Serialize)]
pub(crate) struct Host {
    pub(crate) name: String,
    /// With a slash at its end.
    pub(crate) target: String,
    /// Whether TLS is spoken to it.
    pub(crate) has_tls: bool,
}

impl Proxies {
    /// Resolves the options.
    ///
    /// # Errors
    /// A URL or host is none, or a time has nothing to be for.
    pub(super) fn resolve(args: &ProxyArgs) -> Result<Self, Error> {
        let mut mounts = each(args.proxy_mount_point.as_chunks::<2>().0, |[url, to]| {
            Ok(Mount {
                url: url_path("--proxy-mount-point", url)?
                    .trim_end_matches('/')
                    .to_owned(),
                target: target("--proxy-mount-point", to)?,
            })
        })?;
        mounts.sort_by(|a, b| b.url.cmp(&a.url));
        let hosts = each(args.proxy_virtual_host.as_chunks::<2>().0, |[name, to]| {
            let target = target("--proxy-virtual-host", to)?;
            Ok(Host {
                name: host_name("--proxy-virtual-host", name)?,
                has_tls: target.starts_with("https:"),
                target,
            })
        })?;
        if args.proxy_timeout.is_some() && mounts.is_empty() && hosts.is_empty() {
            return Err(Error::Usage(
                "`--proxy-timeout` needs `--proxy-mount-point` or `--proxy-virtual-host`".into(),
            ));
        }
        let targets = mounts.iter().map(|mount: &Mount| &mount.target);
        let targets = targets.chain(hosts.iter().map(|host: &Host| &host.target));
        Ok(Self {
            has_tls: targets.into_iter().any(|to| to.starts_with("https:")),
            mounts,
            hosts,
            timeout: args.proxy_timeout,
        })
    }

    /// Whether there is anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.mounts.is_empty() && self.hosts.is_empty()
    }
}

fn target(option: &str, url: &str) -> Result<String, Error> {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) || url.contains(' ') {
        return Err(Error::Usage(format!(
            "`{option}`: `{url}` is not the URL of a server, such as `http://127.0.0.1:9000/`"
        )));
    }
    printable(option, format!("{}/", url.trim_end_matches('/')))
}
