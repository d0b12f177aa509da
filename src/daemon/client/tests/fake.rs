//! A process, a client and a group that are none, over real sockets and a real scoreboard.

use std::io::{IoSlice, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rsgi_core::daemon::DaemonOptions;
use rsgi_core::wire::*;

use crate::client::*;
use crate::scoreboard::{Layout, Scoreboard, SlotState};
use crate::sys::socket::{Waiting, message_pair, peer, recv_with_fds, send_with_fds};

/// A group of two slots whose processes are threads of the test.
pub(super) struct FakeGroup {
    pub(super) handle: Arc<GroupHandle>,
    pub(super) intakes: Vec<Option<OwnedFd>>,
}

pub(super) fn group(options: DaemonOptions) -> FakeGroup {
    let layout = Layout {
        slots: 2,
        rows: 2,
        waiters: 8,
    };
    let board = Arc::new(Scoreboard::create(layout, "test").unwrap());
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..2).map(|_| message_pair().unwrap()).unzip();
    let timeout = Duration::from_secs(5);
    let options = DaemonOptions {
        connect_timeout: 1,
        ..options
    };
    let handle = GroupHandle::new(b"web".to_vec(), options, board, ours, timeout);
    handle.join().unwrap();
    FakeGroup {
        handle: Arc::new(handle),
        intakes: theirs.into_iter().map(Some).collect(),
    }
}

impl FakeGroup {
    /// Lets a process be ready in a slot, and runs it as `life` says; its heart beats when a request is asked.
    pub(super) fn start<R: Send + 'static>(
        &mut self,
        slot: u32,
        life: impl FnOnce(&mut FakeProcess) -> R + Send + 'static,
    ) -> JoinHandle<R> {
        let intake = self.intakes[slot as usize].take().unwrap();
        self.make_ready(slot);
        let board = Arc::clone(&self.handle.board);
        thread::spawn(move || {
            let mut process = FakeProcess {
                slot,
                board,
                intake,
                connection: None,
                row: 0,
                claim: Claim::NONE,
                tries: Tries::NONE,
                received: Vec::new(),
                fds: Vec::new(),
            };
            life(&mut process)
        })
    }

    pub(super) fn make_ready(&self, slot: u32) {
        let slot = self.handle.board.slot(slot).unwrap();
        slot.begin(1);
        slot.set_pid(4711);
        slot.set_threads(4);
        slot.beat();
        slot.set_state(SlotState::Ready);
    }

    /// Sends one request with that body and relays the answer.
    pub(super) fn ask(
        &self,
        front: &mut FakeFront,
        body: BodyPlan,
        inline: &[u8],
    ) -> Result<Ending, Failure> {
        let mut frame = request(body);
        let outgoing = Outgoing {
            frame: &mut frame,
            inline,
            file: None,
        };
        let how = Relay {
            is_streamed: body == BodyPlan::Stream,
            flush_delay: Duration::from_millis(5),
            most_kept: 8 << 20,
            client_patience: Duration::from_secs(2),
            write_patience: None,
            may_ask: false,
        };
        self.handle.board.slots().for_each(|slot| slot.beat());
        let mut exchange = Exchange::start(&self.handle, outgoing, None)?;
        relay(how, &mut exchange, &mut Inbox::new(), front)
    }

    /// Sends one request and does not wait for the answer.
    pub(super) fn send_and_leave(&self) {
        let outgoing = Outgoing {
            frame: &mut request(BodyPlan::None),
            inline: &[],
            file: None,
        };
        drop(Exchange::start(&self.handle, outgoing, None).unwrap());
    }

    pub(super) fn assigned(&self, slot: u32) -> u32 {
        self.handle.board.slot(slot).unwrap().assigned()
    }
}

fn request(body: BodyPlan) -> Vec<u8> {
    let mut frame = Vec::new();
    let head = RequestHead {
        application_group: b"",
        script: b"/app.wsgi",
        callable: b"application",
        resource: b"/app.wsgi",
        mtime: None,
        target_flags: 0,
        request_flags: 0,
        request_start: 1,
        queue_start: 2,
        log_level: 7,
        constants: Entries::EMPTY,
    };
    RequestEncoder::new(&mut frame, &head).finish(body).unwrap();
    frame
}

/// A process with one thread and one connection.
pub(super) struct FakeProcess {
    pub(super) slot: u32,
    pub(super) board: Arc<Scoreboard>,
    pub(super) intake: OwnedFd,
    pub(super) connection: Option<OwnedFd>,
    row: u32,
    /// Of the last request.
    pub(super) claim: Claim,
    /// Of the last request.
    pub(super) tries: Tries,
    received: Vec<u8>,
    fds: Vec<OwnedFd>,
}

/// A frame as the fake process remembers it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    Request(Vec<u8>),
    Body(Vec<u8>),
    BodyEnd(BodyOutcome),
    Closed,
}

impl FakeProcess {
    /// Takes the next new connection.
    pub(super) fn accept(&mut self) {
        let mut message = [0; 64];
        let mut got = recv_with_fds(self.intake.as_fd(), &mut message, Waiting::Allowed).unwrap();
        let hello = Hello::decode(&message[..got.bytes]).unwrap();
        let slot = self.board.slot(self.slot).unwrap();
        assert_eq!(hello.incarnation, slot.incarnation());
        self.row = hello.row;
        let socket = got.fds.pop().unwrap();
        assert_eq!(peer(socket.as_fd()).unwrap().pid.cast_unsigned(), hello.pid);
        self.received.clear();
        self.connection = Some(socket);
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.connection.as_ref().unwrap().as_fd()
    }

    /// The next frame; a request is taken.
    pub(super) fn frame(&mut self) -> Got {
        let got = self.look();
        if matches!(got, Got::Request(_)) {
            assert!(self.take());
        }
        got
    }

    /// Takes the last request; false where the child has it back.
    pub(super) fn take(&self) -> bool {
        self.board.take_claim(self.row, self.claim)
    }

    /// The next frame; a request is not taken.
    pub(super) fn look(&mut self) -> Got {
        loop {
            if let Decoded::Frame { frame, used } = decode_to_daemon(&self.received).unwrap() {
                let got = match frame {
                    ToDaemon::Request(request) => {
                        self.claim = request.claim;
                        self.tries = request.tries;
                        Got::Request(match request.body {
                            BodyForm::Inline(body) => body.to_vec(),
                            _ => Vec::new(),
                        })
                    }
                    ToDaemon::Body(body) => Got::Body(body.to_vec()),
                    ToDaemon::BodyEnd(outcome) => Got::BodyEnd(outcome),
                };
                self.received.drain(..used);
                return got;
            }
            let mut buffer = [0; 4096];
            let got = recv_with_fds(self.socket(), &mut buffer, Waiting::Allowed);
            match got {
                Ok(got) if got.bytes > 0 => {
                    self.received.extend_from_slice(&buffer[..got.bytes]);
                    self.fds.extend(got.fds);
                }
                _ => return Got::Closed,
            }
        }
    }

    /// Takes a connection and a request.
    pub(super) fn request(&mut self) -> Got {
        self.accept();
        self.frame()
    }

    pub(super) fn say(&self, bytes: &[u8]) {
        self.say_with(bytes, &[]);
    }

    pub(super) fn say_with(&self, mut bytes: &[u8], mut fds: &[BorrowedFd<'_>]) {
        while !bytes.is_empty() {
            let slices = [IoSlice::new(bytes)];
            match send_with_fds(self.socket(), &slices, fds, Waiting::Allowed) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(_) => return,
            }
            fds = &[];
        }
    }

    /// Answers a request with a short page.
    pub(super) fn answer(&self, text: &[u8]) {
        let mut out = page(text);
        push_end(&mut out);
        self.say(&out);
    }
}

/// Head and data.
pub(super) fn page(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let headers = [(&b"Content-Type"[..], &b"text/plain"[..])];
    push_head(&mut out, 200, b"200 OK", None, headers.into_iter()).unwrap();
    push_data(&mut out, text);
    out
}

/// A regular file with these contents.
pub(super) fn file(contents: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(contents).unwrap();
    file
}

/// A client that notes what it gets.
#[derive(Default)]
pub(super) struct FakeFront {
    /// The status.
    pub(super) head: Option<u16>,
    pub(super) got: Vec<u8>,
    pub(super) ended: bool,
    pub(super) flushes: usize,
    pub(super) files: usize,
    pub(super) logs: Vec<(u8, Vec<u8>)>,
    pub(super) drops: bool,
    /// Bytes of the request's body, piece by piece; empty is "not yet".
    pub(super) body: Vec<Vec<u8>>,
    pub(super) body_end: Option<BodyOutcome>,
    /// How the client takes bytes: none of it known where none.
    pub(super) room: Option<Box<dyn FnMut() -> usize>>,
    pub(super) socket: Option<OwnedFd>,
    /// The end was to go out at once.
    pub(super) ends_now: bool,
    pub(super) tells_end: Option<std::sync::mpsc::Sender<()>>,
    /// What became of what is passed on, where that is not taken.
    pub(super) refuses: Option<Delivery>,
}

impl FakeFront {
    /// A client that takes everything.
    pub(super) fn new() -> Self {
        Self {
            room: Some(Box::new(|| usize::MAX)),
            ..Self::default()
        }
    }

    fn pass(&mut self, passing: Passing) -> Delivery {
        assert!(!self.ended, "nothing comes behind the end");
        self.ended = passing != Passing::More;
        self.ends_now = passing == Passing::EndNow;
        if let (true, Some(told)) = (self.ended, &self.tells_end) {
            told.send(()).unwrap();
        }
        self.refuses.unwrap_or(Delivery::Taken)
    }
}

impl Front for FakeFront {
    fn head(&mut self, head: &HeadFrame<'_>) -> HeadAction {
        self.head = Some(head.status);
        if self.drops {
            HeadAction::Drop
        } else {
            HeadAction::Pass
        }
    }

    fn room(&mut self) -> Option<usize> {
        self.room.as_mut().map(|room| room())
    }

    fn send(&mut self, blocks: &[&[u8]], passing: Passing) -> Delivery {
        for block in blocks {
            self.got.extend_from_slice(block);
        }
        self.pass(passing)
    }

    fn send_file(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        passing: Passing,
    ) -> Delivery {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::from(file.try_clone_to_owned().unwrap());
        let mut part = vec![0; usize::try_from(length).unwrap()];
        file.read_exact_at(&mut part, offset).unwrap();
        self.got.extend_from_slice(&part);
        self.files += 1;
        self.pass(passing)
    }

    fn flush(&mut self) -> Delivery {
        self.flushes += 1;
        Delivery::Taken
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        self.logs.push((level, text.to_vec()));
    }

    fn read_body(&mut self, buffer: &mut [u8]) -> Result<BodyPiece, BodyOutcome> {
        if self.body.is_empty() {
            return match self.body_end {
                Some(BodyOutcome::Complete) => Ok(BodyPiece::End),
                Some(outcome) => Err(outcome),
                None => Ok(BodyPiece::NotYet),
            };
        }
        let piece = self.body.remove(0);
        if piece.is_empty() {
            return Ok(BodyPiece::NotYet);
        }
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(BodyPiece::Bytes(piece.len()))
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }
}
