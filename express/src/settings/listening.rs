//! Addresses, names and TLS.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::text::{each, printable, url_path, usable};
use crate::cli::{ListenArgs, TlsArgs};
use crate::error::Error;

/// Where the server listens and what it is called.
#[derive(Debug, Serialize)]
pub(crate) struct Listening {
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
    /// The argument of Listen.
    pub(crate) listen: String,
    pub(crate) backlog: u32,
    pub(crate) http2: bool,
    /// The name of the site, where others are refused.
    pub(crate) name: Option<String>,
    /// Its domain without `www.`, which is redirected.
    pub(crate) parent: Option<String>,
    pub(crate) aliases: Vec<String>,
    pub(crate) allow_localhost: bool,
}

/// The https side.
#[derive(Debug, Serialize)]
pub(crate) struct Tls {
    pub(crate) port: u16,
    pub(crate) listen: String,
    /// The port in URLs, with a colon; nothing for the usual one.
    pub(crate) port_in_url: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) chain: Option<String>,
    pub(crate) client_authority: Option<String>,
    /// URLs that need a client's certificate.
    pub(crate) verified: Vec<String>,
    pub(crate) has_environment: bool,
    pub(crate) is_only: bool,
    pub(crate) hsts: Option<String>,
}

impl Listening {
    /// Resolves the options.
    ///
    /// # Errors
    /// A host or name is none.
    pub(super) fn resolve(args: &ListenArgs) -> Result<Self, Error> {
        let host = args.host.as_deref().map(checked_host).transpose()?;
        let name = args.server_name.as_deref();
        let name = name
            .map(|name| host_name("--server-name", name))
            .transpose()?;
        if name.is_none() && (!args.server_alias.is_empty() || args.allow_localhost) {
            return Err(Error::Usage(
                "`--server-alias` and `--allow-localhost` need `--server-name`".into(),
            ));
        }
        Ok(Self {
            listen: listen(host.as_deref(), args.port),
            host,
            port: args.port,
            backlog: args.server_backlog,
            http2: args.http2,
            parent: name
                .as_deref()
                .and_then(|name| name.strip_prefix("www."))
                .map(str::to_owned),
            name,
            aliases: each(&args.server_alias, |name| pattern_of_hosts(name))?,
            allow_localhost: args.allow_localhost,
        })
    }

    /// The address by name, for the default server root and the process group.
    pub(crate) fn address(&self) -> &str {
        self.host.as_deref().unwrap_or("localhost")
    }

    /// The name for ServerName: all addresses have none, and httpd takes no IPv6 there.
    pub(crate) fn server_name(&self) -> &str {
        if let Some(name) = &self.name {
            return name;
        }
        match self.address() {
            address if address == "0.0.0.0" || address.contains(':') => "localhost",
            address => address,
        }
    }

    /// A URL of the server.
    pub(super) fn url(&self, scheme: &str, port: u16, mount: &str) -> String {
        let port = match (scheme, port) {
            ("http", 80) | ("https", 443) => String::new(),
            (_, port) => format!(":{port}"),
        };
        let host = match (&self.name, self.address()) {
            (Some(name), _) => name,
            (None, "0.0.0.0" | "::") => "localhost",
            (None, host) => host,
        };
        let path = if mount.is_empty() { "/" } else { mount };
        format!("{scheme}://{}{port}{path}", bracketed(host))
    }
}

impl Tls {
    /// Resolves the options.
    ///
    /// # Errors
    /// One is given without what it needs.
    pub(super) fn resolve(
        args: &TlsArgs,
        listening: &Listening,
        here: &Path,
    ) -> Result<Option<Self>, Error> {
        let Some(port) = args.https_port else {
            return match without_port(args) {
                Some(option) => Err(needs(option, "`--https-port`")),
                None => Ok(None),
            };
        };
        if port == listening.port {
            return Err(Error::Usage(format!(
                "`--https-port`: `{port}` is also `--port`\nhttp and https need one each"
            )));
        }
        if args.https_only && listening.name.is_none() {
            return Err(needs("--https-only", "`--server-name`"));
        }
        if args.hsts_policy.is_some() && !args.https_only {
            return Err(needs("--hsts-policy", "`--https-only`"));
        }
        let has_authority = args.ssl_ca_certificate_file.is_some();
        if !has_authority && !args.ssl_verify_client.is_empty() {
            return Err(needs("--ssl-verify-client", "`--ssl-ca-certificate-file`"));
        }
        let mut verified = each(&args.ssl_verify_client, |url| {
            url_path("--ssl-verify-client", url)
        })?;
        if has_authority && verified.is_empty() {
            verified.push("/".to_owned());
        }
        let path = |option, path: &Option<PathBuf>| super::optional(option, path.as_deref(), here);
        let [certificate, key] = certificate_and_key(args, here)?;
        Ok(Some(Self {
            port,
            listen: listen(listening.host.as_deref(), port),
            port_in_url: if port == 443 {
                String::new()
            } else {
                format!(":{port}")
            },
            certificate,
            key,
            chain: path(
                "--ssl-certificate-chain-file",
                &args.ssl_certificate_chain_file,
            )?,
            client_authority: path("--ssl-ca-certificate-file", &args.ssl_ca_certificate_file)?,
            verified,
            has_environment: args.ssl_environment,
            is_only: args.https_only,
            hsts: args
                .hsts_policy
                .clone()
                .map(|policy| printable("--hsts-policy", policy))
                .transpose()?,
        }))
    }
}

/// An option of TLS that is given without a port for it.
fn without_port(args: &TlsArgs) -> Option<&'static str> {
    let given = [
        ("--ssl-certificate", args.ssl_certificate.is_some()),
        (
            "--ssl-certificate-file",
            args.ssl_certificate_file.is_some(),
        ),
        (
            "--ssl-certificate-key-file",
            args.ssl_certificate_key_file.is_some(),
        ),
        (
            "--ssl-certificate-chain-file",
            args.ssl_certificate_chain_file.is_some(),
        ),
        (
            "--ssl-ca-certificate-file",
            args.ssl_ca_certificate_file.is_some(),
        ),
        ("--ssl-verify-client", !args.ssl_verify_client.is_empty()),
        ("--ssl-environment", args.ssl_environment),
        ("--https-only", args.https_only),
        ("--hsts-policy", args.hsts_policy.is_some()),
    ];
    let first = given.iter().find(|(_, is_given)| *is_given);
    first.map(|(option, _)| *option)
}

/// The files of both.
fn certificate_and_key(args: &TlsArgs, here: &Path) -> Result<[String; 2], Error> {
    let certificate = ("--ssl-certificate-file", &args.ssl_certificate_file);
    let key = ("--ssl-certificate-key-file", &args.ssl_certificate_key_file);
    Ok([
        pair(args, certificate, ".crt", here)?,
        pair(args, key, ".key", here)?,
    ])
}

/// One half of a certificate and key: the file that its own option names, or the one of `--ssl-certificate`.
fn pair(
    args: &TlsArgs,
    (option, named): (&str, &Option<PathBuf>),
    extension: &str,
    here: &Path,
) -> Result<String, Error> {
    match (named, &args.ssl_certificate) {
        (Some(path), _) => usable(option, &here.join(path)),
        (None, Some(prefix)) => usable(
            "--ssl-certificate",
            &here.join(format!("{prefix}{extension}")),
        ),
        (None, None) => Err(needs(
            "--https-port",
            "`--ssl-certificate`, or `--ssl-certificate-file` and `--ssl-certificate-key-file`",
        )),
    }
}

fn needs(option: &str, what: &str) -> Error {
    Error::Usage(format!("`{option}` needs {what}"))
}

fn listen(host: Option<&str>, port: u16) -> String {
    match host {
        Some(host) => format!("{}:{port}", bracketed(host)),
        None => port.to_string(),
    }
}

/// An IPv6 address in brackets, any other host as it is.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

fn checked_host(host: &str) -> Result<String, Error> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if bare.is_empty() || !bare.chars().all(allowed) {
        return Err(Error::Usage(format!(
            "`--host`: `{host}` is neither an address nor a host name"
        )));
    }
    Ok(bare.to_owned())
}

/// The name of a host, which can be written anywhere.
pub(super) fn host_name(option: &str, name: &str) -> Result<String, Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(Error::Usage(format!(
            "`{option}`: `{name}` is not a host name"
        )));
    }
    Ok(name.to_owned())
}

fn pattern_of_hosts(name: &str) -> Result<String, Error> {
    host_name("--server-alias", &name.replace(['*', '?'], "x"))?;
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_their_brackets_and_get_them_back_in_urls() {
        assert_eq!(checked_host("[::1]").unwrap(), "::1");
        assert_eq!(bracketed("::1"), "[::1]");
        assert_eq!(bracketed("127.0.0.1"), "127.0.0.1");
        assert!(checked_host("a b").is_err());
        assert!(checked_host("").is_err());
    }
}
