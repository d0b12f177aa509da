//! Describes a request, runs it, and keeps the reply.

use std::collections::VecDeque;

use rsgi_bridge::abi;
use rsgi_bridge::facts::{ConstantsBlock, FieldList, RequestFacts, TargetFacts, Tries};
use rsgi_bridge::host::{Outcome, ReadError};
use rsgi_core::name::id;

use super::memory::HeadCopy;
use super::{Accept, Bench, Log, Memory};

/// A request to be made.
pub(crate) struct Call<'a> {
    script: &'a [u8],
    callable: &'a str,
    group: &'a str,
    method: &'a str,
    path: &'a [u8],
    prefix: &'a [u8],
    input: VecDeque<Result<Vec<u8>, ReadError>>,
    accept: Accept,
    flags: u32,
    mtime: Option<i64>,
    constants: Option<&'a ConstantsBlock>,
    daemon_start: i64,
    entries: &'a [(u32, &'a [u8], Vec<u8>)],
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) outcome: Outcome,
    pub(crate) head: Option<HeadCopy>,
    pub(crate) body: Vec<u8>,
    pub(crate) sends: Vec<usize>,
    pub(crate) files: Vec<(u64, u64)>,
    pub(crate) refused: usize,
    pub(crate) reads: usize,
    pub(crate) log: Log,
}

impl Reply {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The head; a test that needs one fails without.
    #[track_caller]
    pub(crate) fn head(&self) -> &HeadCopy {
        self.head
            .as_ref()
            .unwrap_or_else(|| panic!("no head: {self:?}"))
    }

    /// Fails unless the response is complete, is a 200 and has this body.
    #[track_caller]
    pub(crate) fn assert_body(&self, body: &str) {
        assert_eq!(self.outcome, Outcome::Handled, "{self:?}");
        assert_eq!(self.head().status, 200, "{self:?}");
        assert_eq!(self.text(), body, "{self:?}");
    }

    /// Fails unless nothing was sent and the host is to answer with this status.
    #[track_caller]
    pub(crate) fn assert_status(&self, status: u16) {
        assert_eq!(self.outcome, Outcome::Status(status), "{self:?}");
        assert!(self.head.is_none(), "{self:?}");
    }
}

impl<'a> Call<'a> {
    /// A GET without a body.
    pub(crate) fn new(script: &'a [u8], callable: &'a str) -> Self {
        Self {
            script,
            callable,
            group: "",
            method: "GET",
            path: b"/",
            prefix: b"",
            input: VecDeque::new(),
            accept: Accept::All,
            flags: abi::REQUEST_BODY_COMPLETE,
            mtime: None,
            constants: None,
            daemon_start: 0,
            entries: &[],
        }
    }

    /// More entries of the environ: the id of a key, or 0 and the key, and the value.
    pub(crate) fn entries(mut self, entries: &'a [(u32, &'a [u8], Vec<u8>)]) -> Self {
        self.entries = entries;
        self
    }

    /// When a daemon took it.
    pub(crate) fn daemon_start(mut self, micros: i64) -> Self {
        self.daemon_start = micros;
        self
    }

    /// The application group.
    pub(crate) fn group(mut self, group: &'a str) -> Self {
        self.group = group;
        self
    }

    /// The PATH_INFO.
    pub(crate) fn path(mut self, path: &'a [u8]) -> Self {
        self.path = path;
        self
    }

    /// Asks with HEAD.
    pub(crate) fn head(mut self) -> Self {
        self.method = "HEAD";
        self.flags |= abi::REQUEST_HEAD;
        self
    }

    /// A body that is there at once.
    pub(crate) fn body(mut self, body: &'a [u8]) -> Self {
        self.method = "POST";
        self.prefix = body;
        self
    }

    /// More of the body, which the host gives when it is asked.
    pub(crate) fn then(mut self, pieces: &[Result<&[u8], ReadError>]) -> Self {
        self.method = "POST";
        self.flags &= !abi::REQUEST_BODY_COMPLETE;
        self.input = pieces
            .iter()
            .map(|piece| piece.map(<[u8]>::to_vec))
            .collect();
        self
    }

    /// How sends are answered.
    pub(crate) fn accept(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }

    /// The script's modification time as the host saw it, with reloading on.
    pub(crate) fn mtime(mut self, mtime: Option<i64>) -> Self {
        self.mtime = mtime;
        self.flags |= 1 << 31;
        self
    }

    /// Entries that it shares with others.
    pub(crate) fn constants(mut self, constants: &'a ConstantsBlock) -> Self {
        self.constants = Some(constants);
        self
    }

    /// Runs it.
    #[track_caller]
    pub(crate) fn run(self, bench: &Bench) -> Reply {
        let length = self.prefix.len().to_string();
        let mut fields = FieldList::with_capacity(8);
        fields.push(id::REQUEST_METHOD, self.method.as_bytes());
        fields.push(id::SCRIPT_NAME, b"");
        fields.push(id::PATH_INFO, self.path);
        fields.push(id::QUERY_STRING, b"");
        fields.push(id::SERVER_NAME, b"localhost");
        fields.push(id::SERVER_PORT, b"80");
        fields.push(id::SERVER_PROTOCOL, b"HTTP/1.1");
        fields.push(id::SCRIPT_FILENAME, self.script);
        fields.push(id::MOD_WSGI_APPLICATION_GROUP, self.group.as_bytes());
        fields.push_named(b"HTTP_X_TEST", b"caf\xe9");
        if self.method == "POST" && self.flags & abi::REQUEST_BODY_COMPLETE != 0 {
            fields.push(id::CONTENT_LENGTH, length.as_bytes());
        }
        for (id, name, value) in self.entries {
            match id {
                0 => fields.push_named(name, value),
                _ => fields.push(*id, value),
            }
        }
        let is_reloading = self.flags & (1 << 31) != 0;
        let facts = RequestFacts {
            target: TargetFacts {
                application_group: self.group.as_bytes(),
                script: self.script,
                callable: self.callable.as_bytes(),
                resource: self.script,
                mtime: self.mtime,
                flags: if is_reloading {
                    abi::TARGET_RELOADING
                } else {
                    0
                },
            },
            constants: self.constants,
            fields: &fields,
            body: self.prefix,
            flags: self.flags & !(1 << 31),
            request_start: 1_700_000_000_000_000,
            queue_start: 0,
            daemon_start: self.daemon_start,
            tries: Tries::NONE,
            apache_request: None,
        };
        let mut host = Memory::new(self.accept, self.input);
        let outcome = bench.layer.handle(&facts, &mut host);
        check(outcome, &host);
        Reply {
            outcome,
            head: host.head,
            body: host.body,
            sends: host.sends,
            files: host.files,
            refused: host.refused,
            reads: host.reads,
            log: host.log,
        }
    }
}

/// What must hold whatever the application does.
#[track_caller]
fn check(outcome: Outcome, host: &Memory) {
    assert!(
        host.breaches.is_empty(),
        "{:?} by {outcome:?}: {host:?}",
        host.breaches
    );
    assert_eq!(
        host.is_ended,
        outcome == Outcome::Handled,
        "the end and the outcome differ: {outcome:?} {host:?}"
    );
    if let Outcome::Status(_) = outcome {
        assert!(host.head.is_none(), "a status after a head: {host:?}");
    }
}
