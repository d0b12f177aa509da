//! What a request says of itself, for `rsgi-core`: the source of the environ's entries and of group names.

use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt;

use rsgi_core::environ::{Previous, Source, split_path};
use rsgi_core::group::Lookup;

use crate::apr::Pool;
use crate::httpd::Request;

/// A request and what is asked of it more than once.
pub(super) struct View<'r> {
    request: Request<'r>,
    pool: Pool<'r>,
    script_name: &'r [u8],
}

impl<'r> View<'r> {
    /// Looks at a request.
    pub(super) fn new(request: Request<'r>, pool: Pool<'r>) -> Self {
        let uri = request.uri().unwrap_or_default();
        let script_name = split_path(uri, request.path_info().unwrap_or_default());
        Self {
            request,
            pool,
            script_name,
        }
    }
}

impl<'r> Source<'r> for View<'r> {
    fn method(&self) -> &'r [u8] {
        self.request.method().unwrap_or_default()
    }

    fn is_head(&self) -> bool {
        self.request.is_head()
    }

    fn has_content_filter(&self) -> bool {
        self.request.has_content_filter()
    }

    fn request_line(&self) -> &'r [u8] {
        self.request.request_line().unwrap_or_default()
    }

    fn uri(&self) -> &'r [u8] {
        self.request.uri().unwrap_or_default()
    }

    fn path_info(&self) -> &'r [u8] {
        self.request.path_info().unwrap_or_default()
    }

    fn query(&self) -> Option<&'r [u8]> {
        self.request.args()
    }

    fn protocol(&self) -> &'r [u8] {
        self.request.protocol().unwrap_or_default()
    }

    fn scheme(&self) -> &'r [u8] {
        self.request.scheme().unwrap_or(b"http")
    }

    fn is_https(&self) -> bool {
        self.request.is_https()
    }

    fn filename(&self) -> &'r [u8] {
        self.request.filename().unwrap_or_default()
    }

    fn document_root(&self) -> Option<&'r [u8]> {
        self.request.document_root()
    }

    fn context_prefix(&self) -> Option<&'r [u8]> {
        self.request.context_prefix()
    }

    fn context_document_root(&self) -> Option<&'r [u8]> {
        self.request.context_document_root()
    }

    fn server_name(&self) -> &'r [u8] {
        self.request.server_name().unwrap_or_default()
    }

    fn server_port(&self) -> u16 {
        self.request.server_port()
    }

    fn server_addr(&self) -> &'r [u8] {
        self.request.local_addr().unwrap_or_default()
    }

    fn remote_addr(&self) -> &'r [u8] {
        self.request.remote_addr().unwrap_or_default()
    }

    fn remote_port(&self) -> u16 {
        self.request.remote_port()
    }

    fn user(&self) -> Option<&'r [u8]> {
        self.request.user()
    }

    fn auth_type(&self) -> Option<&'r [u8]> {
        self.request.auth_type()
    }

    fn previous(&self) -> Option<Previous<'r>> {
        let previous = self.request.previous()?;
        let user = std::iter::successors(Some(previous), |request| request.previous())
            .find_map(Request::user);
        Some(Previous {
            url: self.request.redirect_url(),
            query: previous.args(),
            user,
        })
    }

    fn listener_host(&self) -> Option<&'r [u8]> {
        self.request.listener_host()
    }

    fn listener_port(&self) -> u16 {
        self.request.local_port()
    }

    fn request_id(&self) -> Option<&'r [u8]> {
        self.request.log_id()
    }

    fn connection_id(&self) -> Option<&'r [u8]> {
        self.request.connection_log_id()
    }

    fn headers(&self) -> impl Iterator<Item = (&'r [u8], &'r [u8])> {
        self.request
            .headers_in()
            .into_iter()
            .flat_map(|table| table.iter())
    }

    fn variables(&self) -> impl Iterator<Item = (&'r [u8], &'r [u8])> {
        self.request
            .subprocess_env()
            .into_iter()
            .flat_map(|table| table.iter())
    }

    fn copy(&self, bytes: &[u8]) -> &'r [u8] {
        self.pool.copy(bytes)
    }
}

impl Lookup for View<'_> {
    fn server_name(&self) -> &[u8] {
        // mod_wsgi: with the name that clients ask for, they could make interpreters.
        self.request.configured_name().unwrap_or_default()
    }

    fn server_port(&self) -> u16 {
        self.request.server_port()
    }

    fn host(&self) -> Option<&[u8]> {
        self.request.hostname()
    }

    fn script_name(&self) -> &[u8] {
        self.script_name
    }

    fn variable(&self, name: &CStr) -> Option<&[u8]> {
        let tables = [self.request.notes(), self.request.subprocess_env()];
        let found = tables
            .into_iter()
            .flatten()
            .find_map(|table| table.first(name))
            .map(CStr::to_bytes);
        found.or_else(|| {
            let name = name.to_str().ok()?;
            std::env::var_os(name).map(|value| self.pool.copy(value.as_bytes()))
        })
    }
}
