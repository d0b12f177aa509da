//! A host's table called as the layer calls it.

use core::ffi::{c_int, c_void};
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::*;
use crate::abi::{Bytes, Header};
use crate::facts::{FieldList, RequestFacts, TargetFacts, Tries};
use crate::layer::Layer;

/// Notes what it is asked for.
#[derive(Default)]
struct Recorder {
    notes: Vec<String>,
    answer: Option<Sent>,
    read: Option<Result<usize, ReadError>>,
    panics: bool,
}

impl Recorder {
    fn note_head(&mut self, head: Option<HeadView<'_>>) {
        let Some(head) = head else {
            return self.notes.push("no head".to_owned());
        };
        let line = String::from_utf8_lossy(head.line()).into_owned();
        let length = head.content_length();
        let headers: Vec<String> = head
            .headers()
            .map(|(name, value)| [name, value].map(String::from_utf8_lossy).join("="))
            .collect();
        self.notes.push(format!(
            "{} {line} {} {length:?}",
            head.status(),
            headers.join(",")
        ));
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

impl RequestHost for Recorder {
    fn send(&mut self, head: Option<HeadView<'_>>, blocks: Blocks<'_>, flags: SendFlags) -> Sent {
        if self.panics {
            std::panic::panic_any(Bomb);
        }
        self.note_head(head);
        let text: Vec<_> = blocks.iter().map(String::from_utf8_lossy).collect();
        self.notes.push(format!(
            "{} of {} in {}: {} end={} flush={} try={}",
            text.join("|"),
            blocks.total(),
            blocks.count(),
            blocks.into_iter().count(),
            flags.is_end(),
            flags.is_flush(),
            flags.is_try()
        ));
        self.answer.unwrap_or(Sent::Ok)
    }

    fn send_file(
        &mut self,
        head: Option<HeadView<'_>>,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        flags: SendFlags,
    ) -> Sent {
        assert!(file.as_raw_fd() >= 0);
        self.note_head(head);
        let may = flags.may_sendfile();
        self.notes.push(format!("file {offset}+{length} {may}"));
        self.answer.unwrap_or(Sent::Ok)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        buffer[0] = b'x';
        self.read.unwrap_or(Ok(1))
    }

    fn log(&mut self, level: u32, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        self.notes.push(format!("log {level} {text}"));
    }
}

/// Runs `layer` as the layer's `handle` against a recorder.
fn run(
    host: &mut Recorder,
    handle: extern "C" fn(*const abi::Request, *const abi::Host, *mut c_void) -> c_int,
) -> Outcome {
    let table = Box::leak(Box::new(abi::Layer {
        handle,
        ..crate::silent::TABLE
    }));
    let fields = FieldList::default();
    let facts = RequestFacts {
        target: TargetFacts::default(),
        constants: None,
        fields: &fields,
        body: b"",
        flags: 0,
        request_start: 0,
        queue_start: 0,
        daemon_start: 0,
        tries: Tries::NONE,
        apache_request: None,
    };
    Layer::from_table(table).handle(&facts, host)
}

/// The host's table during a call of `handle`.
fn table(host: *const abi::Host) -> &'static abi::Host {
    // SAFETY: tables are constants of the program.
    unsafe { &*host }
}

const BLOCKS: [Bytes; 3] = [Bytes::new(b"ab"), Bytes::EMPTY, Bytes::new(b"c")];

#[test]
fn head_and_blocks_arrive_as_they_were_sent() {
    extern "C" fn handle(
        _: *const abi::Request,
        host: *const abi::Host,
        ctx: *mut c_void,
    ) -> c_int {
        let headers = [("A", "1"), ("A", "2")].map(|(name, value)| Header {
            name: Bytes::new(name.as_bytes()),
            value: Bytes::new(value.as_bytes()),
        });
        let head = abi::Head {
            status: 404,
            line: Bytes::new(b"404 Nothing"),
            headers: headers.as_ptr(),
            count: headers.len(),
            content_length: 3,
        };
        let flags = abi::SEND_END | abi::SEND_FLUSH;
        let code = (table(host).send)(ctx, &raw const head, BLOCKS.as_ptr(), 3, flags);
        assert_eq!(code, abi::SEND_OK);
        let code = (table(host).send)(ctx, core::ptr::null(), core::ptr::null(), 0, abi::SEND_TRY);
        assert_eq!(code, abi::SEND_OK);
        (table(host).log)(ctx, 3, Bytes::new(b"line"));
        abi::HANDLED
    }
    let mut host = Recorder::default();
    assert_eq!(run(&mut host, handle), Outcome::Handled);
    assert_eq!(
        host.notes,
        [
            "404 404 Nothing A=1,A=2 Some(3)",
            "ab||c of 3 in 3: 3 end=true flush=true try=false",
            "no head",
            " of 0 in 0: 0 end=false flush=false try=true",
            "log 3 line",
        ]
    );
}

#[test]
fn files_arrive_with_offset_and_length_and_nonsense_is_refused() {
    extern "C" fn handle(
        _: *const abi::Request,
        host: *const abi::Host,
        ctx: *mut c_void,
    ) -> c_int {
        let file = File::open("/dev/null").unwrap();
        let head = abi::Head {
            status: 200,
            line: Bytes::new(b"200 OK"),
            headers: core::ptr::null(),
            count: 0,
            content_length: -1,
        };
        let send = |fd, offset, length| {
            let flags = abi::SEND_SENDFILE;
            (table(host).send_file)(ctx, &raw const head, fd, offset, length, flags)
        };
        assert_eq!(send(file.as_raw_fd(), 5, 7), abi::SEND_OK);
        assert_eq!(send(-1, 5, 7), abi::SEND_FAILED);
        assert_eq!(send(file.as_raw_fd(), -5, 7), abi::SEND_FAILED);
        assert_eq!(send(file.as_raw_fd(), 5, -7), abi::SEND_FAILED);
        abi::HANDLED
    }
    let mut host = Recorder::default();
    assert_eq!(run(&mut host, handle), Outcome::Handled);
    assert_eq!(host.notes, ["200 200 OK  None", "file 5+7 true"]);
}

extern "C" fn send_once(_: *const abi::Request, host: *const abi::Host, ctx: *mut c_void) -> c_int {
    600 + (table(host).send)(ctx, core::ptr::null(), BLOCKS.as_ptr(), 3, 0)
}

#[test]
fn every_answer_has_its_code() {
    for (answer, code) in [
        (Sent::Ok, 600),
        (Sent::WouldBlock, 601),
        (Sent::Gone, 602),
        (Sent::Failed, 603),
    ] {
        let mut host = Recorder {
            answer: Some(answer),
            ..Recorder::default()
        };
        assert_eq!(run(&mut host, send_once), Outcome::Status(code));
    }
}

extern "C" fn read_once(_: *const abi::Request, host: *const abi::Host, ctx: *mut c_void) -> c_int {
    let mut buffer = [0u8; 4];
    let read = table(host).read;
    assert_eq!(read(ctx, buffer.as_mut_ptr(), 0), abi::READ_FAILED);
    assert_eq!(read(ctx, core::ptr::null_mut(), 4), abi::READ_FAILED);
    let code = read(ctx, buffer.as_mut_ptr(), buffer.len());
    assert_eq!(buffer[0], b'x');
    600 + c_int::try_from(code).unwrap()
}

#[test]
fn every_read_has_its_code_and_more_than_the_buffer_holds_is_refused() {
    for (result, code) in [
        (Ok(0), 600),
        (Ok(4), 604),
        (Ok(5), 595),
        (Err(ReadError::Gone), 599),
        (Err(ReadError::Timeout), 598),
        (Err(ReadError::TooLarge), 597),
        (Err(ReadError::Bad), 596),
        (Err(ReadError::Failed), 595),
    ] {
        let mut host = Recorder {
            read: Some(result),
            ..Recorder::default()
        };
        assert_eq!(run(&mut host, read_once), Outcome::Status(code));
    }
}

#[test]
fn a_panic_is_logged_and_everything_after_it_refused() {
    extern "C" fn handle(
        request: *const abi::Request,
        host: *const abi::Host,
        ctx: *mut c_void,
    ) -> c_int {
        assert_eq!(send_once(request, host, ctx), 603);
        let mut buffer = [0u8; 4];
        assert_eq!(
            (table(host).read)(ctx, buffer.as_mut_ptr(), 4),
            abi::READ_FAILED
        );
        abi::HANDLED_TRUNCATED
    }
    let mut host = Recorder {
        panics: true,
        ..Recorder::default()
    };
    assert_eq!(run(&mut host, handle), Outcome::Truncated);
    assert_eq!(
        host.notes,
        [
            "log 2 RSGI0900: panic stopped in `send` of the request: a panic whose payload is not text"
        ]
    );
}

#[test]
fn a_null_context_is_refused() {
    extern "C" fn handle(
        request: *const abi::Request,
        host: *const abi::Host,
        _: *mut c_void,
    ) -> c_int {
        (table(host).log)(core::ptr::null_mut(), 3, Bytes::new(b"lost"));
        send_once(request, host, core::ptr::null_mut())
    }
    let mut host = Recorder::default();
    assert_eq!(run(&mut host, handle), Outcome::Status(603));
    assert!(host.notes.is_empty());
}

#[test]
fn every_code_of_the_layer_has_its_outcome() {
    for (code, outcome) in [
        (abi::HANDLED, Outcome::Handled),
        (abi::HANDLED_TRUNCATED, Outcome::Truncated),
        (abi::HANDLED_GONE, Outcome::Gone),
        (abi::HANDLED_PANIC, Outcome::Panicked),
        (abi::HANDLED_STALE, Outcome::Stale),
        (500, Outcome::Status(500)),
        (99, Outcome::Panicked),
        (1000, Outcome::Panicked),
        (-5, Outcome::Panicked),
    ] {
        assert_eq!(Outcome::from_code(code), outcome);
    }
}
