//! A connection as a child of Apache has one: sends requests, collects answers.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use rsgi_core::name::id;
use rsgi_core::wire::{
    AbortReason, BodyPlan, Decoded, Entries, Hello, RequestEncoder, RequestHead, ToChild,
    decode_to_child,
};
use rsgi_daemon::sys::memory;
use rsgi_daemon::sys::socket::{
    Interest, Waiting, recv_with_fds, send_with_fds, stream_pair, wait_for,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    pub(crate) form: Form,
    pub(crate) flags: u32,
    pub(crate) script: Option<PathBuf>,
    pub(crate) mtime: Option<i64>,
}

/// How the body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Inline,
    File,
    Stream,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            body: Vec::new(),
            form: Form::Inline,
            flags: 0,
            script: None,
            mtime: None,
        }
    }

    pub(crate) fn post(path: &str, body: &[u8], form: Form) -> Self {
        Self {
            body: body.to_vec(),
            form,
            ..Self::get(path)
        }
    }
}

/// All that came for one request.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content_length: Option<u64>,
    pub(crate) body: Vec<u8>,
    pub(crate) log: Vec<String>,
    pub(crate) is_ended: bool,
    pub(crate) aborted: Option<AbortReason>,
    /// `Status`
    pub(crate) refused: Option<u16>,
    pub(crate) is_stale: bool,
    pub(crate) needs_body: bool,
    /// The connection ended: with which error, if one.
    pub(crate) closed: Option<Option<io::ErrorKind>>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn is_over(&self) -> bool {
        self.is_ended
            || self.is_stale
            || self.aborted.is_some()
            || self.refused.is_some()
            || self.closed.is_some()
    }
}

/// A connection.
pub(crate) struct Child {
    socket: OwnedFd,
    script: PathBuf,
    inbox: Vec<u8>,
    files: Vec<OwnedFd>,
}

/// Passes one end of a connection through an intake.
pub(crate) fn pass(intake: &OwnedFd, message: &[u8], fds: &[BorrowedFd<'_>]) {
    send_with_fds(
        intake.as_fd(),
        &[IoSlice::new(message)],
        fds,
        Waiting::Never,
    )
    .unwrap();
}

impl Child {
    pub(crate) fn connect(intake: &OwnedFd, incarnation: u32, script: PathBuf) -> Self {
        let (socket, theirs) = stream_pair().unwrap();
        let hello = Hello {
            row: 0,
            incarnation,
            pid: std::process::id(),
        };
        pass(intake, &hello.encode(), &[theirs.as_fd()]);
        Self {
            socket,
            script,
            inbox: Vec::new(),
            files: Vec::new(),
        }
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The bytes of a request, its inline body among them.
    pub(crate) fn encode(&self, request: &Request) -> Vec<u8> {
        let script = request.script.as_ref().unwrap_or(&self.script);
        let script = script.as_os_str().as_bytes();
        let mut constants = Vec::new();
        rsgi_core::wire::push_entry(&mut constants, id::SERVER_NAME, b"localhost");
        rsgi_core::wire::push_entry(&mut constants, id::SERVER_PORT, b"80");
        let mut out = Vec::new();
        let head = RequestHead {
            application_group: b"",
            script,
            callable: b"application",
            resource: script,
            mtime: request.mtime,
            target_flags: rsgi_bridge::abi::TARGET_RELOADING,
            request_flags: request.flags,
            request_start: 1,
            queue_start: 2,
            log_level: 8,
            constants: Entries::new(&constants),
        };
        let mut encoder = RequestEncoder::new(&mut out, &head);
        encoder.entry(id::REQUEST_METHOD, b"POST");
        encoder.entry(id::PATH_INFO, request.path.as_bytes());
        encoder.entry(id::SCRIPT_NAME, b"");
        encoder.entry(id::QUERY_STRING, b"");
        encoder.entry(id::SERVER_PROTOCOL, b"HTTP/1.1");
        if request.form != Form::Stream && !request.body.is_empty() {
            let length = request.body.len().to_string();
            encoder.entry(id::CONTENT_LENGTH, length.as_bytes());
        }
        let plan = match request.form {
            Form::Inline if request.body.is_empty() => BodyPlan::None,
            Form::Inline => BodyPlan::Inline(request.body.len()),
            Form::File => BodyPlan::File {
                length: request.body.len() as u64,
            },
            Form::Stream => BodyPlan::Stream,
        };
        encoder.finish(plan).unwrap();
        if request.form == Form::Inline {
            out.extend_from_slice(&request.body);
        }
        out
    }

    pub(crate) fn send(&self, request: &Request) {
        let bytes = self.encode(request);
        if request.form == Form::File {
            let file = memory::sealed("body", &request.body).unwrap();
            let (first, last) = bytes.split_at(bytes.len() - 1);
            self.write(first);
            let last = [IoSlice::new(last)];
            send_with_fds(
                self.socket.as_fd(),
                &last,
                &[file.as_fd()],
                Waiting::Allowed,
            )
            .unwrap();
        } else {
            self.write(&bytes);
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        self.try_write(bytes).unwrap();
    }

    /// Sends bytes to a process that may have closed the connection already.
    pub(crate) fn try_write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let slices = [IoSlice::new(bytes)];
            let count = send_with_fds(self.socket.as_fd(), &slices, &[], Waiting::Allowed)?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Sends a request and collects the answer; a streamed body goes out when it is asked for.
    pub(crate) fn ask(&mut self, request: &Request) -> Answer {
        self.send(request);
        let mut answer = Answer::default();
        while !answer.is_over() {
            let asked = answer.needs_body;
            self.step(&mut answer);
            if answer.needs_body && !asked {
                self.send_body(&request.body);
            }
        }
        answer
    }

    pub(crate) fn send_body(&self, body: &[u8]) {
        let mut out = Vec::new();
        for piece in body.chunks(50_000) {
            out.extend_from_slice(&rsgi_core::wire::body_header(piece.len()).unwrap());
            out.extend_from_slice(piece);
        }
        rsgi_core::wire::push_body_end(&mut out, rsgi_core::wire::BodyOutcome::Complete);
        self.write(&out);
    }

    /// Collects the rest of an answer.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = Answer::default();
        while !answer.is_over() {
            self.step(&mut answer);
        }
        answer
    }

    /// Takes one more frame, or waits for more.
    pub(crate) fn step(&mut self, answer: &mut Answer) {
        let decoded = decode_to_child(&self.inbox).unwrap();
        if let Decoded::Frame { frame, used } = decoded {
            note(frame, answer, &mut self.files);
            self.inbox.drain(..used);
            return;
        }
        let is_there = wait_for(self.socket.as_fd(), Interest::Readable, PATIENCE).unwrap();
        assert!(is_there, "no answer after {answer:?}");
        let mut buffer = vec![0; 64 * 1024];
        match recv_with_fds(self.socket.as_fd(), &mut buffer, Waiting::Never) {
            Ok(received) if received.bytes == 0 => answer.closed = Some(None),
            Ok(received) => {
                self.inbox.extend_from_slice(&buffer[..received.bytes]);
                self.files.extend(received.fds);
            }
            Err(error) => answer.closed = Some(Some(error.kind())),
        }
    }
}

fn note(frame: ToChild<'_>, answer: &mut Answer, files: &mut Vec<OwnedFd>) {
    match frame {
        ToChild::NeedBody => answer.needs_body = true,
        ToChild::Head(head) => {
            answer.status = head.status;
            answer.content_length = head.content_length;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            answer.headers = head.headers().map(|(n, v)| (text(n), text(v))).collect();
        }
        ToChild::Data(data) => answer.body.extend_from_slice(data),
        ToChild::File { offset, length } => {
            let file = files.remove(0);
            let mut data = vec![0; usize::try_from(length).unwrap()];
            std::os::unix::fs::FileExt::read_exact_at(
                &std::fs::File::from(file),
                &mut data,
                offset,
            )
            .unwrap();
            answer.body.extend_from_slice(&data);
        }
        ToChild::Whole => {}
        ToChild::End => answer.is_ended = true,
        ToChild::Abort(reason) => answer.aborted = Some(reason),
        ToChild::Log { level, text } => answer
            .log
            .push(format!("{level} {}", String::from_utf8_lossy(text))),
        ToChild::LogAt {
            level,
            source,
            line,
            text,
        } => answer.log.push(format!(
            "{level} {} ({}:{line})",
            String::from_utf8_lossy(text),
            String::from_utf8_lossy(source)
        )),
        // Nobody answers: the socket is closed.
        ToChild::AskServer => drop(files.remove(0)),
        ToChild::Status(status) => answer.refused = Some(status),
        ToChild::Stale => answer.is_stale = true,
    }
}
