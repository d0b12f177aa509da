//! Workers that take their requests from the host: a safe form of `abi::Source`.
//!
//! With [`crate::layer::Layer::handle`] a thread of the host has a request and waits for Python with it in hand. With
//! [`crate::layer::Layer::serve`] it is the layer that decides when a thread takes a request: first come, first
//! served, and several in a row while it has Python. The daemon's server uses it.

use core::ffi::{c_int, c_void};

use crate::abi;
use crate::fence::fence;
use crate::host::{Context, Outcome, RequestHost};
use crate::owned::OwnedRequest;

#[cfg(test)]
mod tests;

/// What a source has for a worker.
#[derive(Debug)]
pub enum Next<J> {
    /// A request.
    Ready(J),
    /// None now. A source that was to wait may also say so: it only costs the worker its place in the line.
    None,
    /// The worker is to leave `serve`.
    End,
}

/// A request in a worker's hands, with all that belongs to it.
pub trait Job {
    /// What does the work for the application.
    type Host: RequestHost;

    /// The request and its host.
    fn parts(&mut self) -> (&OwnedRequest, &mut Self::Host);
}

/// Where one worker's requests come from. Calls come in turn on the thread that called `serve`: `next` until there is a
/// job, then its host's functions, then `done`.
pub trait RequestSource {
    /// A request in hand.
    type Job: Job;

    /// Takes the next request. Where it `may_wait`, the worker is the first in the line: the others wait for it to come
    /// back with a request, so only complete ones may be waited for. Where not, it holds the GIL, and what is not there at
    /// once is not there.
    fn next(&mut self, may_wait: bool) -> Next<Self::Job>;

    /// A request is over: answers what has not been answered, and lets go of the connection. Where it may not wait, the
    /// worker holds the GIL.
    ///
    /// # Errors
    /// It would have to wait and nothing was done: the job is given back, and comes again with `may_wait`.
    fn done(&mut self, job: Self::Job, outcome: Outcome, may_wait: bool) -> Result<(), Self::Job>;

    /// One of the calls above panicked, with this message: to be logged. The job is lost; `serve` returns.
    fn panicked(&mut self, message: &str);
}

/// What `ctx` points to during a call of `serve`. Stays where it is.
pub(crate) struct Serving<'s, S: RequestSource> {
    source: &'s mut S,
    /// The request in hand. Not touched while `context` is set.
    job: Option<S::Job>,
    // INVARIANT: its host is `job`'s; cleared before `job` is touched again.
    context: Option<Context<'s, <S::Job as Job>::Host>>,
    is_broken: bool,
}

impl<'s, S: RequestSource> Serving<'s, S> {
    /// The table that goes with a [`Serving`] of this source.
    pub(crate) const TABLE: &'static abi::Source = &abi::Source {
        size: size_of::<abi::Source>(),
        next: next::<S>,
        done: done::<S>,
    };

    pub(crate) fn new(source: &'s mut S) -> Self {
        Self {
            source,
            job: None,
            context: None,
            is_broken: false,
        }
    }

    /// Whether a call of the source panicked.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Runs a call of the source; after a panic this and every later one gives `fallback`.
    fn call(&mut self, fallback: c_int, body: impl FnOnce(&mut Self) -> c_int) -> c_int {
        if self.is_broken {
            return fallback;
        }
        fence(|| body(self)).unwrap_or_else(|message| {
            self.is_broken = true;
            self.context = None;
            // What panics here as well has no place left to say so.
            let _ = fence(|| drop(self.job.take()));
            let _ = fence(|| self.source.panicked(&message));
            fallback
        })
    }

    fn next(&mut self, may_wait: bool, place: &mut abi::Job) -> c_int {
        if self.job.is_some() {
            // The layer never asks for a second one.
            return abi::NEXT_NONE;
        }
        match self.source.next(may_wait) {
            Next::None => abi::NEXT_NONE,
            Next::End => abi::NEXT_END,
            Next::Ready(job) => {
                let (request, host) = self.job.insert(job).parts();
                place.request = request.as_abi();
                place.host = Context::<<S::Job as Job>::Host>::TABLE;
                // SAFETY: the job stays in `self`, which stays where it is and touches it only without the context.
                let context = unsafe { Context::detached(host) };
                place.ctx = core::ptr::from_mut(self.context.insert(context)).cast();
                abi::NEXT_READY
            }
        }
    }

    fn done(&mut self, outcome: Outcome, may_wait: bool) -> c_int {
        self.context = None;
        let Some(job) = self.job.take() else {
            return abi::SEND_OK;
        };
        match self.source.done(job, outcome, may_wait) {
            Ok(()) => abi::SEND_OK,
            Err(job) if !may_wait => {
                self.job = Some(job);
                abi::SEND_WOULD_BLOCK
            }
            Err(_) => abi::SEND_FAILED,
        }
    }
}

/// What is behind `ctx`.
///
/// # Safety
/// `ctx` is null or what `Layer::serve` passed with the table of `S`, and `serve` has not returned.
unsafe fn serving<'c, 's: 'c, S: RequestSource>(
    ctx: *mut c_void,
) -> Option<&'c mut Serving<'s, S>> {
    // SAFETY: the caller vouches for it.
    unsafe { ctx.cast::<Serving<'s, S>>().as_mut() }
}

extern "C" fn next<S: RequestSource>(ctx: *mut c_void, flags: u32, job: *mut abi::Job) -> c_int {
    // SAFETY: the layer passes on what `serve` was given.
    let Some(serving) = (unsafe { serving::<S>(ctx) }) else {
        return abi::NEXT_END;
    };
    // SAFETY: null or a place of the layer's, alive during the call.
    let Some(place) = (unsafe { job.as_mut() }) else {
        return abi::NEXT_END;
    };
    serving.call(abi::NEXT_END, |serving| {
        serving.next(flags & abi::NEXT_WAIT != 0, place)
    })
}

extern "C" fn done<S: RequestSource>(ctx: *mut c_void, outcome: c_int, flags: u32) -> c_int {
    // SAFETY: the layer passes on what `serve` was given.
    let Some(serving) = (unsafe { serving::<S>(ctx) }) else {
        return abi::SEND_FAILED;
    };
    let may_wait = flags & abi::SEND_TRY == 0;
    serving.call(abi::SEND_FAILED, |serving| {
        serving.done(Outcome::from_code(outcome), may_wait)
    })
}
