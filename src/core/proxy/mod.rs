//! What proxies in front of the server say about their clients, and whom that is believed.
//!
//! `WSGITrustedProxyHeaders` names headers, `WSGITrustedProxies` the addresses that may send them. [`apply`] puts what
//! trusted headers say in place of what the connection says, and takes every other header of the same meaning out of
//! the environ, so that no application believes one that a client made up. `network` has addresses, `forwarded` the
//! header of RFC 7239. Called by `environ` once a request's facts are there, and only where headers are trusted.

mod apply;
mod forwarded;
mod network;

pub(crate) use apply::apply;
pub use network::Network;

/// What a header is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Category {
    /// The client's address.
    Client,
    /// The host that the client asked for.
    Host,
    /// The name of the proxy.
    Server,
    /// The port that the client connected to.
    Port,
    /// Where the proxy mounts the application.
    ScriptName,
    /// Whether the client's connection is encrypted.
    Scheme,
}

/// How many categories there are.
pub(crate) const CATEGORIES: usize = Category::Scheme as usize + 1;

/// A header by which a proxy may say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the headers'")]
pub enum TrustedHeader {
    XForwardedFor,
    XClientIp,
    XRealIp,
    XForwardedHost,
    XHost,
    XForwardedServer,
    XForwardedPort,
    XScriptName,
    XForwardedScriptName,
    XForwardedProto,
    XForwardedScheme,
    XScheme,
    XForwardedHttps,
    XForwardedSsl,
    XHttps,
    /// RFC 7239. mod_wsgi: not known there.
    Forwarded,
}

/// Every header, in the order of [`TrustedHeader`]: its key in the environ.
const KEYS: [(TrustedHeader, &str); 16] = [
    (TrustedHeader::XForwardedFor, "HTTP_X_FORWARDED_FOR"),
    (TrustedHeader::XClientIp, "HTTP_X_CLIENT_IP"),
    (TrustedHeader::XRealIp, "HTTP_X_REAL_IP"),
    (TrustedHeader::XForwardedHost, "HTTP_X_FORWARDED_HOST"),
    (TrustedHeader::XHost, "HTTP_X_HOST"),
    (TrustedHeader::XForwardedServer, "HTTP_X_FORWARDED_SERVER"),
    (TrustedHeader::XForwardedPort, "HTTP_X_FORWARDED_PORT"),
    (TrustedHeader::XScriptName, "HTTP_X_SCRIPT_NAME"),
    (
        TrustedHeader::XForwardedScriptName,
        "HTTP_X_FORWARDED_SCRIPT_NAME",
    ),
    (TrustedHeader::XForwardedProto, "HTTP_X_FORWARDED_PROTO"),
    (TrustedHeader::XForwardedScheme, "HTTP_X_FORWARDED_SCHEME"),
    (TrustedHeader::XScheme, "HTTP_X_SCHEME"),
    (TrustedHeader::XForwardedHttps, "HTTP_X_FORWARDED_HTTPS"),
    (TrustedHeader::XForwardedSsl, "HTTP_X_FORWARDED_SSL"),
    (TrustedHeader::XHttps, "HTTP_X_HTTPS"),
    (TrustedHeader::Forwarded, "HTTP_FORWARDED"),
];

/// What a name in `WSGITrustedProxyHeaders` comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderName {
    /// A header that something is known to be said by.
    Known(TrustedHeader),
    /// Another one, which changes nothing.
    Other,
}

impl HeaderName {
    /// The header of that name, in any case; none where no header can have it.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        let mut key = Vec::with_capacity(name.len() + 5);
        if !crate::name::push_header_key(name, &mut key) {
            return None;
        }
        let known = KEYS.iter().find(|(_, known)| known.as_bytes() == key);
        Some(known.map_or(Self::Other, |&(header, _)| Self::Known(header)))
    }
}

impl TrustedHeader {
    /// Its key in the environ.
    pub(crate) const fn key(self) -> &'static str {
        KEYS[self as usize].1
    }

    /// What it is about.
    pub(crate) const fn categories(self) -> &'static [Category] {
        match self {
            Self::XForwardedFor | Self::XClientIp | Self::XRealIp => &[Category::Client],
            Self::XForwardedHost | Self::XHost => &[Category::Host],
            Self::XForwardedServer => &[Category::Server],
            Self::XForwardedPort => &[Category::Port],
            Self::XScriptName | Self::XForwardedScriptName => &[Category::ScriptName],
            Self::XForwardedProto
            | Self::XForwardedScheme
            | Self::XScheme
            | Self::XForwardedHttps
            | Self::XForwardedSsl
            | Self::XHttps => &[Category::Scheme],
            Self::Forwarded => &[
                Category::Client,
                Category::Host,
                Category::Port,
                Category::Scheme,
            ],
        }
    }
}

/// Whom a request's headers are believed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trust<'a> {
    /// `WSGITrustedProxyHeaders`, in order: of two about the same the later one wins.
    pub headers: &'a [TrustedHeader],
    /// `WSGITrustedProxies`; none believes everybody.
    pub proxies: Option<&'a [Network]>,
}

#[cfg(test)]
mod tests;
