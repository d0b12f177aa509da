//! Workers that take their requests from the host, first come, first served, and several while they have Python.
//!
//! A worker waits in the [`line`] for a request and for Python. Still attached it sends the answer, as far as that needs no
//! waiting, and takes the next request if one is there: the GIL is the dearest thing that a short request needs. After a
//! few, or a moment, it lets others in and stands in line again, where it may have kept the first place.

#![deny(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rsgi_bridge::abi::{self, level};

use crate::entry::{Next, SourceRef, Taken, fenced};
use crate::handler::{self, After, InHand};
use crate::interpreter::{self, At, Interp};
use crate::line::{self, First};
use crate::{meter, process};

/// Requests in a row.
const MOST: u32 = 8;
/// How long a worker goes on taking requests.
const A_MOMENT: Duration = Duration::from_millis(1);
/// After so many looks for another request that found none, only each so-manieth is taken.
const VAIN: u32 = 16;

/// Looks in a row, of all workers, that found no other request, those that were left out included.
static IN_VAIN: AtomicU32 = AtomicU32::new(0);

/// What is left when a worker detaches. The request in hand is in the [`Hand`].
enum Left {
    /// Nothing: the worker stands in line again.
    Nothing,
    /// The rest of a response.
    Finish(After),
    /// A request that is over but for its answer, which is this code of `handle`.
    Answer(i32),
    /// A request of another application group, which is to be run at once.
    Other,
    /// The source has no more.
    End,
}

/// The request that a worker is to be done with, whatever happens.
#[derive(Default)]
struct Hand(Cell<Option<Taken>>);

/// Runs what `source` has until that says that it is enough; see [`abi::Layer::serve`].
pub(crate) fn serve(source: SourceRef) {
    let hand = Hand::default();
    loop {
        let first = match hand.0.get() {
            Some(_) => None,
            None => {
                let first = line::WORKERS.wait();
                match source.next(abi::NEXT_WAIT) {
                    Next::Ready(taken) => hand.0.set(Some(taken)),
                    Next::None => continue,
                    Next::End => return,
                }
                Some(first)
            }
        };
        if !turn(source, &hand, first) {
            return;
        }
    }
}

/// Runs the request in hand and those that follow; false when the source has no more.
fn turn(source: SourceRef, hand: &Hand, first: Option<First>) -> bool {
    let Some(taken) = hand.0.get() else {
        return true;
    };
    let left = fenced(
        "serve",
        Some(taken.host),
        Left::Answer(abi::HANDLED_PANIC),
        || {
            let Some(_use) = process::enter() else {
                // About to end, and nothing of the request was run: another process does.
                return Left::Answer(abi::HANDLED_STALE);
            };
            let group = taken.view().target.application_group;
            let (interp, first) = match interpreter::known(group) {
                Some(interp) => (Ok(interp), first),
                // To make one takes long: nobody is to wait for it.
                None => {
                    drop(first);
                    (interpreter::find(group), None)
                }
            };
            match interp {
                Ok(interp) => run(source, hand, first, interp),
                Err(()) => Left::Answer(500),
            }
        },
    );
    match left {
        Left::Answer(code) | Left::Finish(After::Return(code)) => {
            if hand.0.take().is_some() {
                source.done(code, 0);
            }
        }
        Left::End => return false,
        Left::Nothing | Left::Other | Left::Finish(_) => {}
    }
    true
}

/// Attaches, takes requests, and finishes what could not be finished attached.
fn run(source: SourceRef, hand: &Hand, first: Option<First>, interp: &'static Interp) -> Left {
    let in_hand = InHand::default();
    let before = meter::before();
    // The line keeps the order before one GIL: nobody is to wait in it for another, or where there is none.
    let first = first.filter(|_| !interp.is_by_itself());
    let left = interpreter::attach(interp, |at| {
        meter::entered(before);
        if let Some(first) = first {
            first.begin();
        }
        burst(at, source, hand, &in_hand)
    });
    // Where anything is left to be done, the place is not kept through it.
    if !matches!(left, Some(Left::Nothing)) {
        line::leave();
    }
    match (left, in_hand.exchange()) {
        (Some(Left::Finish(after)), Some(exchange)) => {
            Left::Answer(handler::finish(interp, &exchange, after))
        }
        (Some(left), _) => left,
        (None, _) => {
            if let Some(taken) = hand.0.get() {
                taken.host.log(level::ERROR, handler::NO_STATE);
            }
            Left::Answer(500)
        }
    }
}

/// Runs requests of one interpreter while attached to it.
fn burst(at: At<'_>, source: SourceRef, hand: &Hand, in_hand: &InHand) -> Left {
    let begun = Instant::now();
    for count in 1.. {
        let Some(taken) = hand.0.get() else {
            break;
        };
        let after = handler::run(at, &taken.view(), taken.host, in_hand);
        let finished = match in_hand.exchange() {
            Some(exchange) => handler::try_finish(at, &exchange, after),
            None => Err(after),
        };
        let code = match finished {
            Ok(code) => code,
            Err(after) => return Left::Finish(after),
        };
        in_hand.close(at.py);
        if !source.done(code, abi::SEND_TRY) {
            return Left::Answer(code);
        }
        hand.0.set(None);
        line::end();
        if count >= MOST || begun.elapsed() >= A_MOMENT || !process::is_open() {
            break;
        }
        if !is_worth_a_look() {
            break;
        }
        match source.next(0) {
            Next::Ready(taken) => {
                IN_VAIN.store(0, Ordering::Relaxed);
                hand.0.set(Some(taken));
                if let Some(first) = line::kept() {
                    first.begin();
                }
            }
            Next::None => break,
            Next::End => return Left::End,
        }
        if let Some(taken) = hand.0.get()
            && taken.view().target.application_group != at.interp.name
        {
            return Left::Other;
        }
    }
    Left::Nothing
}

/// Whether another request may be there: a look costs a system call, which a process with little to do can spare.
fn is_worth_a_look() -> bool {
    let before = IN_VAIN.fetch_add(1, Ordering::Relaxed);
    before < VAIN || before.is_multiple_of(VAIN)
}
