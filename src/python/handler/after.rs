//! What is left of a request after its application was called: sending what it gave.

#![deny(unsafe_code)]

use std::cell::Cell;
use std::fs::File;
use std::os::fd::AsRawFd;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rsgi_bridge::abi::{self, Bytes};
use smallvec::SmallVec;

use crate::entry::Blocks;
use crate::exchange::{Exchange, Outgoing};
use crate::gate;
use crate::interpreter::{self, At, Interp};

/// Blocks of at most so many bytes in all are copied, so that nothing of Python's is held while they are sent.
const COPIED: usize = 16 * 1024;
/// Blocks of more bytes in all are released right after they were sent, others when the thread attaches again.
const HELD: usize = 256 * 1024;
/// Blocks of more bytes in all are never sent with the GIL held: the kernel takes its time to copy them.
const QUICK: usize = 128 * 1024;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The blocks of a response that is sent as one; most have one.
pub(super) type Collected<'py> = SmallVec<[Bound<'py, PyBytes>; 4]>;

/// What is to be done after the application.
pub(crate) enum After {
    /// Answer with this code of `handle`.
    Return(i32),
    /// Send a copy of all blocks; the length for the head, if it is to have one.
    Copied(Vec<u8>, Option<u64>),
    /// Send blocks whose objects the thread's scratch holds.
    Held(Blocks, Option<u64>),
    /// Send a file.
    File(FilePart),
    /// Send the end.
    End,
    /// The response cannot be completed.
    Cut,
}

/// A file to be sent.
pub(crate) struct FilePart {
    /// The file.
    pub(super) file: File,
    /// Where it is sent from.
    pub(super) offset: u64,
    /// Bytes from there to its end.
    pub(super) available: u64,
}

impl After {
    /// All blocks of a response.
    pub(super) fn blocks(at: At<'_>, exchange: &Exchange, blocks: Collected<'_>) -> Self {
        let total: usize = blocks.iter().map(|block| block.as_bytes().len()).sum();
        let known = (blocks.len() == 1).then_some(total as u64);
        if total == 0 {
            return Self::Copied(Vec::new(), known);
        }
        // The scratch is an outer request's, if there is one.
        if total <= COPIED || exchange.is_inner() {
            let mut buffer = BUFFER.take();
            buffer.clear();
            for block in &blocks {
                buffer.extend_from_slice(block.as_bytes());
            }
            return Self::Copied(buffer, known);
        }
        let addresses = blocks
            .iter()
            .map(|block| Bytes::new(block.as_bytes()))
            .filter(|block| block.len > 0)
            .collect();
        // INVARIANT: nothing releases them before this thread attaches again, and bytes never change or move.
        let held = blocks.into_iter().map(Bound::unbind).collect();
        at.slot.scratch.held.set(held);
        Self::Held(Blocks(addresses), known)
    }

    /// Does it, with these `SEND_*` flags in addition; the result of `handle`, none where it would have to wait.
    #[inline]
    fn send(&self, exchange: &Exchange, lock: Lock<'_>, flags: u32) -> Option<i32> {
        let finish = |outgoing: &Outgoing<'_>| match lock {
            Lock::Attached(py) => exchange.finish_attached(py, outgoing, flags),
            Lock::Detached => exchange.finish(outgoing, flags),
        };
        match self {
            Self::Return(code) => Some(*code),
            Self::End => finish(&Outgoing::Blocks(&[], None)),
            Self::Cut => Some(match lock {
                Lock::Attached(py) => exchange.cut_attached(py),
                Lock::Detached => exchange.cut(),
            }),
            Self::File(part) => finish(&Outgoing::File {
                fd: part.file.as_raw_fd(),
                offset: part.offset,
                available: part.available,
            }),
            Self::Copied(buffer, known) => {
                let block = [Bytes::new(buffer)];
                let blocks = &block[..usize::from(!buffer.is_empty())];
                finish(&Outgoing::Blocks(blocks, *known))
            }
            Self::Held(blocks, known) => finish(&Outgoing::Blocks(&blocks.0, *known)),
        }
    }

    #[inline]
    fn total(&self) -> usize {
        match self {
            Self::Held(blocks, _) => blocks.0.iter().map(|block| block.len).sum(),
            _ => 0,
        }
    }

    fn recycle(self) {
        if let Self::Copied(buffer, _) = self {
            BUFFER.set(buffer);
        }
    }
}

/// How the exchange may be waited for.
#[derive(Clone, Copy)]
enum Lock<'py> {
    Attached(Python<'py>),
    Detached,
}

/// Ends the response while attached.
///
/// # Errors
/// It would have to wait: what is left to do detached.
pub(crate) fn try_finish(at: At<'_>, exchange: &Exchange, after: After) -> Result<i32, After> {
    if after.total() > QUICK {
        return Err(after);
    }
    match after.send(exchange, Lock::Attached(at.py), abi::SEND_TRY) {
        Some(code) => {
            after.recycle();
            Ok(code)
        }
        None => Err(after),
    }
}

/// Ends the response now, for those who are told of the request's end; attached.
pub(super) fn settle(at: At<'_>, exchange: &Exchange, after: After) -> After {
    let after = match try_finish(at, exchange, after) {
        Ok(code) => return After::Return(code),
        Err(after) => after,
    };
    let (code, after) = gate::outside(at.py, move || {
        (after.send(exchange, Lock::Detached, 0), after)
    });
    after.recycle();
    After::Return(code.unwrap_or(abi::HANDLED_TRUNCATED))
}

/// Ends the response; the result of `handle`. Call detached.
pub(crate) fn finish(interp: &'static Interp, exchange: &Exchange, after: After) -> i32 {
    let code = after.send(exchange, Lock::Detached, 0);
    if after.total() > HELD {
        // None would mean no memory for a thread state that exists already.
        let _ = interpreter::attach(interp, |at| at.slot.scratch.release(at.py));
    }
    after.recycle();
    // Without SEND_TRY no host may say that it would wait.
    code.unwrap_or(abi::HANDLED_TRUNCATED)
}
