//! A request made of plain values.

use std::cell::Cell;

use super::super::{Previous, Source};

pub(crate) type Text = &'static str;

/// A request.
pub(crate) struct Fake {
    pub(crate) method: Text,
    pub(crate) is_head: bool,
    pub(crate) has_content_filter: bool,
    pub(crate) request_line: Text,
    pub(crate) uri: Text,
    pub(crate) path_info: Text,
    pub(crate) query: Option<Text>,
    pub(crate) protocol: Text,
    pub(crate) is_https: bool,
    pub(crate) server_name: Text,
    pub(crate) server_port: u16,
    pub(crate) user: Option<Text>,
    pub(crate) previous: Option<Previous<'static>>,
    pub(crate) headers: Vec<(Text, Text)>,
    pub(crate) variables: Vec<(Text, Text)>,
    pub(crate) copies: Cell<usize>,
}

pub(crate) fn fake() -> Fake {
    Fake {
        method: "GET",
        is_head: false,
        has_content_filter: false,
        request_line: "GET /app/a%20b?x=1 HTTP/1.1",
        uri: "/app/a b",
        path_info: "/a b",
        query: Some("x=1"),
        protocol: "HTTP/1.1",
        is_https: false,
        server_name: "example.org",
        server_port: 80,
        user: None,
        previous: None,
        headers: Vec::new(),
        variables: Vec::new(),
        copies: Cell::new(0),
    }
}

impl Source<'static> for Fake {
    fn method(&self) -> &'static [u8] {
        self.method.as_bytes()
    }
    fn is_head(&self) -> bool {
        self.is_head
    }
    fn has_content_filter(&self) -> bool {
        self.has_content_filter
    }
    fn request_line(&self) -> &'static [u8] {
        self.request_line.as_bytes()
    }
    fn uri(&self) -> &'static [u8] {
        self.uri.as_bytes()
    }
    fn path_info(&self) -> &'static [u8] {
        self.path_info.as_bytes()
    }
    fn query(&self) -> Option<&'static [u8]> {
        self.query.map(str::as_bytes)
    }
    fn protocol(&self) -> &'static [u8] {
        self.protocol.as_bytes()
    }
    fn scheme(&self) -> &'static [u8] {
        b"http"
    }
    fn is_https(&self) -> bool {
        self.is_https
    }
    fn filename(&self) -> &'static [u8] {
        b"/srv/app.wsgi"
    }
    fn document_root(&self) -> Option<&'static [u8]> {
        Some(b"/var/www")
    }
    fn context_prefix(&self) -> Option<&'static [u8]> {
        Some(b"")
    }
    fn context_document_root(&self) -> Option<&'static [u8]> {
        Some(b"/var/www")
    }
    fn server_name(&self) -> &'static [u8] {
        self.server_name.as_bytes()
    }
    fn server_port(&self) -> u16 {
        self.server_port
    }
    fn server_addr(&self) -> &'static [u8] {
        b"192.0.2.1"
    }
    fn remote_addr(&self) -> &'static [u8] {
        b"192.0.2.9"
    }
    fn remote_port(&self) -> u16 {
        50123
    }
    fn user(&self) -> Option<&'static [u8]> {
        self.user.map(str::as_bytes)
    }
    fn auth_type(&self) -> Option<&'static [u8]> {
        self.user.map(|_| &b"Basic"[..])
    }
    fn previous(&self) -> Option<Previous<'static>> {
        self.previous
    }
    fn listener_host(&self) -> Option<&'static [u8]> {
        None
    }
    fn listener_port(&self) -> u16 {
        8080
    }
    fn request_id(&self) -> Option<&'static [u8]> {
        Some(b"id1")
    }
    fn connection_id(&self) -> Option<&'static [u8]> {
        None
    }
    fn headers(&self) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
        pairs(&self.headers)
    }
    fn variables(&self) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
        pairs(&self.variables)
    }
    fn copy(&self, bytes: &[u8]) -> &'static [u8] {
        self.copies.set(self.copies.get() + 1);
        bytes.to_vec().leak()
    }
}

fn pairs(list: &[(Text, Text)]) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
    list.iter()
        .map(|(key, value)| (key.as_bytes(), value.as_bytes()))
}
