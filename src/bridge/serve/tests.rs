//! A source's table called as the layer calls it.

use std::os::fd::BorrowedFd;

use super::*;
use crate::facts::{TargetFacts, Tries};
use crate::host::{Blocks, HeadView, ReadError, SendFlags, Sent};
use crate::layer::Layer;
use crate::owned::{Description, Room};
use crate::silent;

#[derive(Debug)]
struct Hand {
    request: OwnedRequest,
    host: Sink,
}

#[derive(Debug, Default)]
struct Sink {
    lines: Vec<String>,
}

impl RequestHost for Sink {
    fn send(&mut self, _: Option<HeadView<'_>>, _: Blocks<'_>, _: SendFlags) -> Sent {
        Sent::Ok
    }
    fn send_file(
        &mut self,
        _: Option<HeadView<'_>>,
        _: BorrowedFd<'_>,
        _: u64,
        _: u64,
        _: SendFlags,
    ) -> Sent {
        Sent::Ok
    }
    fn read(&mut self, _: &mut [u8]) -> Result<usize, ReadError> {
        Ok(0)
    }
    fn log(&mut self, _: u32, text: &[u8]) {
        self.lines.push(String::from_utf8_lossy(text).into_owned());
    }
}

impl Job for Hand {
    type Host = Sink;
    fn parts(&mut self) -> (&OwnedRequest, &mut Sink) {
        (&self.request, &mut self.host)
    }
}

/// Has so many requests; each has to be finished twice where that must not wait.
struct Few {
    left: u8,
    notes: Vec<String>,
    panics: &'static str,
}

impl Few {
    fn of(left: u8) -> Self {
        Self {
            left,
            notes: Vec::new(),
            panics: "",
        }
    }
}

impl RequestSource for Few {
    type Job = Hand;

    fn next(&mut self, may_wait: bool) -> Next<Hand> {
        assert_ne!(self.panics, "next");
        if !may_wait {
            return Next::None;
        }
        let Some(left) = self.left.checked_sub(1) else {
            return Next::End;
        };
        self.left = left;
        let room = Room::from(format!("/{left}.wsgi").into_bytes());
        let request = room.fill(None, |bytes, fields| {
            Ok::<_, ()>(Description {
                target: TargetFacts {
                    script: bytes,
                    ..TargetFacts::default()
                },
                fields,
                body: b"",
                flags: 0,
                request_start: 0,
                queue_start: 0,
                daemon_start: 0,
                tries: Tries::NONE,
            })
        });
        Next::Ready(Hand {
            request: request.unwrap_or_else(|_| panic!("it is described")),
            host: Sink::default(),
        })
    }

    fn done(&mut self, job: Hand, outcome: Outcome, may_wait: bool) -> Result<(), Hand> {
        assert_ne!(self.panics, "done");
        if !may_wait {
            self.notes.push("would wait".to_owned());
            return Err(job);
        }
        let lines = job.host.lines.join(",");
        self.notes.push(format!("{lines} {outcome:?}"));
        Ok(())
    }

    fn panicked(&mut self, message: &str) {
        self.notes.push(format!("panicked: {message}"));
    }
}

/// Takes what there is, logs the script to it, and is done with it: first without waiting, then waiting.
extern "C" fn take_all(source: *const abi::Source, ctx: *mut c_void) -> c_int {
    // SAFETY: tables are constants of the program.
    let source = unsafe { &*source };
    let mut job = abi::Job {
        request: core::ptr::null(),
        host: core::ptr::null(),
        ctx: core::ptr::null_mut(),
    };
    assert_ne!((source.next)(ctx, 0, &raw mut job), abi::NEXT_READY);
    while (source.next)(ctx, abi::NEXT_WAIT, &raw mut job) == abi::NEXT_READY {
        assert_eq!((source.next)(ctx, 0, &raw mut job), abi::NEXT_NONE);
        // SAFETY: the source keeps it until it is done.
        let script = unsafe { (*job.request).target.script };
        // SAFETY: as above.
        let log = unsafe { (*job.host).log };
        log(job.ctx, 6, script);
        let mut code = (source.done)(ctx, abi::HANDLED_STALE, abi::SEND_TRY);
        if code == abi::SEND_WOULD_BLOCK {
            code = (source.done)(ctx, abi::HANDLED_STALE, 0);
        }
        if code == abi::SEND_OK {
            assert_eq!((source.done)(ctx, abi::HANDLED, 0), abi::SEND_OK);
        }
    }
    0
}

static TABLE: abi::Layer = abi::Layer {
    serve: take_all,
    ..silent::TABLE
};

#[test]
fn requests_pass_through_a_worker_one_after_the_other() {
    let mut few = Few::of(2);
    assert!(Layer::from_table(&TABLE).serve(&mut few));
    let expected = ["would wait", "/1.wsgi Stale", "would wait", "/0.wsgi Stale"];
    assert_eq!(few.notes, expected);
}

#[test]
fn a_source_that_panics_ends_its_worker_and_is_told() {
    for (panics, left) in [("next", 2), ("done", 1)] {
        let mut few = Few {
            panics,
            ..Few::of(2)
        };
        assert!(!Layer::from_table(&TABLE).serve(&mut few));
        assert_eq!((few.left, few.notes.len()), (left, 1), "{:?}", few.notes);
    }
}

#[test]
fn a_null_context_ends_the_worker() {
    let table = Serving::<Few>::TABLE;
    let mut job = core::mem::MaybeUninit::uninit();
    let code = (table.next)(core::ptr::null_mut(), 0, job.as_mut_ptr());
    assert_eq!(code, abi::NEXT_END);
    assert_eq!((table.done)(core::ptr::null_mut(), 0, 0), abi::SEND_FAILED);
}
