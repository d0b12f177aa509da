//! The line of workers that wait for a request: first come, first served.
//!
//! Its first waits in the host for a request, then for Python. What it does when it has both depends on what the process
//! is asked for. Usually it gives its place to the next, so that another thread hears the next request. Where short
//! requests come one close behind the other it keeps its place while it runs one and comes back for the next: to wake a
//! thread that would only wait for the GIL costs more than such a request. A request that then takes longer than a
//! [`TICK`] or two, or waits for something, does not hold the others up: the next in line watches, and takes the place over.
//!
//! Either way requests begin in the order in which they came. (The embedded mode, where each thread comes with a request
//! in hand, has `gate` instead.)

#![deny(unsafe_code)]

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rsgi_core::average::{Average, CLOSE, MOST, SHORT, nanos};

use crate::capi::{Whose, usage};

/// How often the watcher looks, and how long a request may keep the place.
const TICK: Duration = Duration::from_millis(1);
/// One in so many requests that keep the place is looked at closer: whether it waits.
const SAMPLE: u64 = 16;
/// What [`WAITS`] is where all wait, and where it is too much: such requests run side by side.
const ALL: u64 = 1024;
const TOO_MANY: u64 = ALL / 4;

struct Line {
    has_first: bool,
    others: VecDeque<Arc<Waiter>>,
}

struct Waiter {
    is_first: AtomicBool,
    /// It is to look after the first. Set only for the one at the front.
    is_watching: AtomicBool,
    thread: Thread,
}

static LINE: Mutex<Line> = Mutex::new(Line {
    has_first: false,
    others: VecDeque::new(),
});

/// When the first began with the request through which it keeps its place ([`now`]); 0: none, or the place is lost.
static BEGUN: AtomicU64 = AtomicU64::new(0);
/// Whether somebody looks after that.
static IS_WATCHED: AtomicBool = AtomicBool::new(false);
/// When the last request began. Written by the first only, as the two averages.
static LAST: AtomicU64 = AtomicU64::new(0);
/// Average time between the beginnings of two requests.
static GAP: Average = Average::new(MOST);
/// Average time that a request took which kept the place.
static LENGTH: Average = Average::new(0);
/// How many of those that were looked at waited for something: for a file, a socket, another thread.
static WAITS: Average = Average::new(0);
/// Requests that kept the place.
static COUNT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static WAITER: Arc<Waiter> = Arc::new(Waiter {
        is_first: AtomicBool::new(false),
        is_watching: AtomicBool::new(false),
        thread: std::thread::current(),
    });
    /// The place that the thread keeps through its request.
    static KEPT: Cell<Option<First>> = const { Cell::new(None) };
}

/// The first place of the line; given to the next when it drops.
pub(crate) struct First {
    /// What it put into [`BEGUN`]; 0 before.
    begun: u64,
    /// How often the thread had waited until then, where that is looked at.
    waits: Option<u64>,
}

impl First {
    const fn new() -> Self {
        Self {
            begun: 0,
            waits: None,
        }
    }
}

/// Waits until the calling thread, which is detached, is the first.
pub(crate) fn wait() -> First {
    end();
    if let Some(first) = KEPT.take() {
        return first;
    }
    let own = {
        let mut line = LINE.lock();
        if !line.has_first {
            line.has_first = true;
            return First::new();
        }
        let own = WAITER.with(Arc::clone);
        own.is_first.store(false, Relaxed);
        line.others.push_back(Arc::clone(&own));
        if line.others.len() == 1 && BEGUN.load(SeqCst) != 0 {
            own.watch();
        }
        own
    };
    while !own.is_first.load(Acquire) {
        if !own.is_watching.load(Acquire) {
            std::thread::park();
            continue;
        }
        std::thread::park_timeout(TICK);
        if own.take_over() {
            break;
        }
    }
    First::new()
}

impl Waiter {
    /// Makes it the watcher, under the lock.
    fn watch(&self) {
        IS_WATCHED.store(true, SeqCst);
        self.is_watching.store(true, Release);
    }

    /// Makes it one no longer, under the lock.
    fn rest(&self) {
        if self.is_watching.swap(false, Relaxed) {
            IS_WATCHED.store(false, SeqCst);
        }
    }

    /// Takes the place of a first that is busy for too long; true where it got it.
    fn take_over(&self) -> bool {
        let begun = BEGUN.load(SeqCst);
        let now = now();
        if begun != 0 && now.saturating_sub(begun) >= nanos(TICK) {
            // Under the lock: who passes the place on does it as a whole before, or finds it lost.
            let mut line = LINE.lock();
            if self.is_first.load(Relaxed)
                || BEGUN.compare_exchange(begun, 0, SeqCst, SeqCst).is_err()
            {
                return false;
            }
            LENGTH.note(now - begun);
            line.others.pop_front();
            self.rest();
            return true;
        }
        if now.saturating_sub(LAST.load(Relaxed)) > MOST {
            let _line = LINE.lock();
            if self.is_watching.load(Relaxed) {
                self.rest();
                // Either the first sees that nobody watches, or this sees what it began.
                if BEGUN.load(SeqCst) != 0 {
                    self.watch();
                }
            }
        }
        false
    }
}

impl First {
    /// The thread has a request, and Python: keeps the place through the request, or gives it to the next.
    pub(crate) fn begin(mut self) {
        let now = now();
        let last = LAST.swap(now, Relaxed);
        GAP.note(now.saturating_sub(last));
        if !GAP.is_below(CLOSE) {
            return;
        }
        if !LENGTH.is_below(SHORT) || WAITS.get() > TOO_MANY {
            // So that it is tried again.
            LENGTH.forget_some();
            WAITS.forget_some();
            return;
        }
        let count = COUNT.load(Relaxed);
        COUNT.store(count.wrapping_add(1), Relaxed);
        let is_sample = count.is_multiple_of(SAMPLE) || WAITS.get() >= SAMPLE;
        self.waits = is_sample.then(|| usage(Whose::Thread).waits);
        self.begun = now;
        BEGUN.store(now, SeqCst);
        if !IS_WATCHED.load(SeqCst) {
            let line = LINE.lock();
            if let Some(next) = line.others.front() {
                next.watch();
                next.thread.unpark();
            }
        }
        KEPT.set(Some(self));
    }

    /// Keeps the place through its request no longer; false where another thread has taken it.
    fn give_up_request(&self) -> bool {
        BEGUN
            .compare_exchange(self.begun, 0, SeqCst, SeqCst)
            .is_ok()
    }

    /// Whether the thread waited in its request.
    fn look(&mut self) {
        if let Some(before) = self.waits.take() {
            let has_waited = usage(Whose::Thread).waits != before;
            WAITS.note(if has_waited { ALL } else { 0 });
        }
    }
}

/// The thread's request is over: the place that it kept is as before.
pub(crate) fn end() {
    let Some(mut first) = KEPT.take() else {
        return;
    };
    if first.begun != 0 {
        if !first.give_up_request() {
            // Somebody else's by now.
            std::mem::forget(first);
            return;
        }
        LENGTH.note(now().saturating_sub(first.begun));
        first.look();
        first.begun = 0;
    }
    KEPT.set(Some(first));
}

/// The thread's request goes on, but waits for something: the place that it kept is the next one's.
pub(crate) fn leave() {
    drop(KEPT.take());
}

/// The place that the thread kept through its last request.
pub(crate) fn kept() -> Option<First> {
    KEPT.take()
}

impl Drop for First {
    fn drop(&mut self) {
        let mut line = LINE.lock();
        if self.begun != 0 && !self.give_up_request() {
            return;
        }
        let next = line.others.pop_front();
        line.has_first = next.is_some();
        if let Some(next) = &next {
            next.rest();
            next.is_first.store(true, Release);
        }
        drop(line);
        if let Some(next) = next {
            next.thread.unpark();
        }
    }
}

/// Nanoseconds since the first call; never 0.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    nanos(START.get_or_init(Instant::now).elapsed()) + 1
}
