//! What the environ needs to know of a request, whoever holds it.

/// A request that this one continues after an internal redirect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Previous<'a> {
    /// Its URI; the whole URL where `QualifyRedirectURL` asks for that.
    pub url: Option<&'a [u8]>,
    /// Its query string.
    pub query: Option<&'a [u8]>,
    /// The user of the nearest earlier request that has one.
    pub user: Option<&'a [u8]>,
}

/// A request, as [`collect`](super::collect) asks for it. `'a` is the life of the request's memory.
pub trait Source<'a> {
    /// The method, as sent.
    fn method(&self) -> &'a [u8];
    /// Whether httpd takes the request for a HEAD.
    fn is_head(&self) -> bool;
    /// Whether the first output filter works on content, not on the protocol (type below AP_FTYPE_PROTOCOL).
    fn has_content_filter(&self) -> bool;
    /// The request line.
    fn request_line(&self) -> &'a [u8];
    /// The decoded path.
    fn uri(&self) -> &'a [u8];
    /// The path's tail beyond the script; empty if none.
    fn path_info(&self) -> &'a [u8];
    /// The query string, if there is a `?`.
    fn query(&self) -> Option<&'a [u8]>;
    /// The protocol, for instance `HTTP/1.1`.
    fn protocol(&self) -> &'a [u8];
    /// `http` or `https`, as httpd's http_scheme hook has it.
    fn scheme(&self) -> &'a [u8];
    /// Whether mod_ssl says that the connection is encrypted.
    fn is_https(&self) -> bool;
    /// The file that the URI was mapped to.
    fn filename(&self) -> &'a [u8];
    /// The document root.
    fn document_root(&self) -> Option<&'a [u8]>;
    /// The prefix of the alias or user folder that the URI was mapped by.
    fn context_prefix(&self) -> Option<&'a [u8]>;
    /// That alias's folder.
    fn context_document_root(&self) -> Option<&'a [u8]>;
    /// The server's name for URLs, by the rules of `UseCanonicalName`, not yet escaped.
    fn server_name(&self) -> &'a [u8];
    /// The server's port, by the rules of `UseCanonicalPhysicalPort`.
    fn server_port(&self) -> u16;
    /// The address that the client connected to.
    fn server_addr(&self) -> &'a [u8];
    /// The client's address; mod_remoteip may have set it.
    fn remote_addr(&self) -> &'a [u8];
    /// The port the client connected from.
    fn remote_port(&self) -> u16;
    /// The authenticated user.
    fn user(&self) -> Option<&'a [u8]>;
    /// How the user was authenticated.
    fn auth_type(&self) -> Option<&'a [u8]>;
    /// The request before an internal redirect.
    fn previous(&self) -> Option<Previous<'a>>;
    /// The host name of the listening address.
    fn listener_host(&self) -> Option<&'a [u8]>;
    /// The port of the listening address.
    fn listener_port(&self) -> u16;
    /// The request's log id.
    fn request_id(&self) -> Option<&'a [u8]>;
    /// The connection's log id, if Apache made one.
    fn connection_id(&self) -> Option<&'a [u8]>;
    /// The request headers, those with the same name already joined.
    fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])>;
    /// The request's environment (`subprocess_env`), in order.
    fn variables(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])>;
    /// Copies bytes into the request's memory.
    fn copy(&self, bytes: &[u8]) -> &'a [u8];
}
