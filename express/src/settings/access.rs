//! Who may come in, and whose word about clients counts.

use std::path::Path;

use rsgi_core::proxy::{HeaderName, Network};
use serde::Serialize;

use super::optional;
use super::text::{each, printable};
use crate::cli::{AccessArgs, AuthType};
use crate::error::Error;

/// Scripts that let clients in, and proxies in front of the server.
#[derive(Debug, Serialize)]
pub(crate) struct Access {
    pub(crate) host_script: Option<String>,
    pub(crate) user_script: Option<String>,
    pub(crate) group_script: Option<String>,
    /// `Basic` or `Digest`.
    pub(crate) auth_type: &'static str,
    pub(crate) group: String,
    pub(crate) proxy_headers: Vec<String>,
    pub(crate) proxies: Vec<String>,
}

impl Access {
    /// Resolves the options.
    ///
    /// # Errors
    /// A path, header or address cannot be used, or groups are asked for without users.
    pub(super) fn resolve(args: &AccessArgs, here: &Path) -> Result<Self, Error> {
        if args.auth_group_script.is_some() && args.auth_user_script.is_none() {
            return Err(Error::Usage(
                "`--auth-group-script` needs `--auth-user-script`: groups are those of users"
                    .into(),
            ));
        }
        let script = |option, path: &Option<_>| optional(option, path.as_deref(), here);
        Ok(Self {
            host_script: script("--host-access-script", &args.host_access_script)?,
            user_script: script("--auth-user-script", &args.auth_user_script)?,
            group_script: script("--auth-group-script", &args.auth_group_script)?,
            auth_type: match args.auth_type {
                AuthType::Basic => "Basic",
                AuthType::Digest => "Digest",
            },
            group: group(&args.auth_group)?,
            proxy_headers: each(&args.trust_proxy_header, header)?,
            proxies: each(&args.trust_proxy, proxy)?,
        })
    }

    /// The scripts, each with its option.
    pub(crate) fn scripts(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let scripts = [
            ("--host-access-script", &self.host_script),
            ("--auth-user-script", &self.user_script),
            ("--auth-group-script", &self.group_script),
        ];
        scripts
            .into_iter()
            .filter_map(|(option, script)| Some((option, script.as_ref()?)))
    }
}

fn group(name: &str) -> Result<String, Error> {
    if name.trim().is_empty() {
        return Err(Error::Usage("`--auth-group` has no name".into()));
    }
    printable("--auth-group", name.to_owned())
}

fn header(name: &String) -> Result<String, Error> {
    match HeaderName::parse(name.as_bytes()) {
        Some(HeaderName::Known(_)) => Ok(name.clone()),
        Some(HeaderName::Other) => Err(Error::Usage(format!(
            "`--trust-proxy-header`: `{name}` is no header that says anything about clients, such as `X-Forwarded-For`"
        ))),
        None => Err(Error::Usage(format!(
            "`--trust-proxy-header`: `{name}` is not the name of a header"
        ))),
    }
}

fn proxy(word: &String) -> Result<String, Error> {
    match Network::parse(word.as_bytes()) {
        Some(_) => Ok(word.clone()),
        None => Err(Error::Usage(format!(
            "`--trust-proxy`: `{word}` is no IP address or network, such as `10.0.0.0/8`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_known_ones_and_proxies_addresses() {
        assert_eq!(
            header(&"x-forwarded-for".to_owned()).unwrap(),
            "x-forwarded-for"
        );
        assert_eq!(proxy(&"2001:db8::/32".to_owned()).unwrap(), "2001:db8::/32");
        for name in ["X-Unheard-Of", "X_Forwarded_For", "X-Host X-Scheme", ""] {
            assert!(header(&name.to_owned()).is_err(), "{name}");
        }
        for word in ["localhost", "10.0.0.0/33", "10.0.0.1 10.0.0.2", ""] {
            assert!(proxy(&word.to_owned()).is_err(), "{word}");
        }
    }
}
