//! Lines of threads, first come, first served: of workers that wait for a request, and of requests that wait for Python.
//!
//! In a process group the workers stand in line ([`WORKERS`]). The first waits in the host for a request, then for Python.
//! Usually it then gives its place to the next, so that another thread hears the next request. Where short requests come
//! one close behind the other it keeps its place while it runs one and comes back for the next: to wake a thread that
//! would only wait for the GIL costs more than such a request.
//!
//! In the embedded mode each thread comes with a request in hand, and `gate` has a line of these for each GIL. The first
//! enters Python, and where requests are short keeps its place until it leaves: so the next is woken when it can run, and
//! once.
//!
//! A request that then takes much longer than others, or waits for something, does not hold the others up: one that stands
//! in line watches, and has the place passed on. Where one in four of those that are looked at waits, places are not kept,
//! but for a try now and then. Either way requests begin in the order in which they came.

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
use crate::seat::Seat;

/// How often the watcher looks, and how long a request may keep the place at least.
const TICK: Duration = Duration::from_millis(1);
/// How many times as long as others a request may keep the place.
const PATIENCE: u64 = 3;
/// One in so many requests that keep the place is looked at closer: whether it waits.
const SAMPLE: u64 = 16;
/// Where requests do not keep the place, one in so many does, to see whether they may again.
const TRY: u64 = 512;
/// What [`Line::waits`] is where all wait, and where it is too much: such requests run side by side.
const ALL: u64 = 1024;
const TOO_MANY: u64 = ALL / 4;

/// The line of a process group's workers.
pub(crate) static WORKERS: Line = Line::new(Of::Workers, CLOSE, SHORT);

/// See the module.
pub(crate) struct Line {
    queue: Mutex<Queue>,
    /// When the first began with the request through which it keeps its place ([`now`]); 0: none, or the place is lost.
    begun: AtomicU64,
    /// Whether somebody looks after that.
    is_watched: AtomicBool,
    /// When the last request began. Written by the first only, as the averages.
    last: AtomicU64,
    /// Average time between the beginnings of two requests.
    gap: Average,
    /// Average time that a request took which kept the place.
    length: Average,
    /// How many of those that were looked at waited for something: for a file, a socket, another thread.
    waits: Average,
    /// Requests that kept the place, and that did not though they came close.
    with: Count,
    without: Count,
    /// The place is kept where requests are closer to each other than this, and shorter than that.
    close: Duration,
    short: Duration,
    of: Of,
}

/// What waits in a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// Workers, for a request. The first stays for long, and the next looks after it.
    Workers,
    /// Requests, for Python. All move on with each of them: the last looks after the first, as it waits longest, and
    /// the next wakes where the caches are warm.
    Requests,
}

/// A count that one thread at a time writes.
struct Count(AtomicU64);

impl Count {
    fn next(&self) -> u64 {
        let before = self.0.load(Relaxed);
        self.0.store(before.wrapping_add(1), Relaxed);
        before
    }
}

struct Queue {
    has_first: bool,
    others: VecDeque<Arc<Waiter>>,
}

struct Waiter {
    is_first: AtomicBool,
    /// It is to look after the first.
    is_watching: AtomicBool,
    thread: Thread,
    seat: Seat,
}

thread_local! {
    static WAITER: Arc<Waiter> = Arc::new(Waiter {
        is_first: AtomicBool::new(false),
        is_watching: AtomicBool::new(false),
        thread: std::thread::current(),
        seat: Seat::of_this_thread(),
    });
    /// The place that the thread keeps through its request.
    static KEPT: Cell<Option<First>> = const { Cell::new(None) };
}

/// The first place of a line; given to the next when it drops.
pub(crate) struct First {
    line: &'static Line,
    /// What it put into [`Line::begun`]; 0 before.
    begun: u64,
    /// How often the thread had waited until then, where that is looked at.
    waits: Option<u64>,
    /// Whether the next is to wake on this processor: a request ran through which the place was kept, and the thread did
    /// not have to wait for the processor itself.
    is_warm: bool,
    /// Whether the request keeps it only to see whether others may.
    is_try: bool,
}

impl Line {
    /// A line for requests that come closer to each other than `close` and take less than `short`.
    pub(crate) const fn new(of: Of, close: Duration, short: Duration) -> Self {
        Self {
            queue: Mutex::new(Queue {
                has_first: false,
                others: VecDeque::new(),
            }),
            begun: AtomicU64::new(0),
            is_watched: AtomicBool::new(false),
            last: AtomicU64::new(0),
            gap: Average::new(MOST),
            length: Average::new(0),
            waits: Average::new(0),
            with: Count(AtomicU64::new(0)),
            without: Count(AtomicU64::new(0)),
            close,
            short,
            of,
        }
    }

    /// Waits until the calling thread, which is detached, is the first.
    pub(crate) fn wait(&'static self) -> First {
        end();
        if let Some(first) = KEPT.take()
            && std::ptr::eq(first.line, self)
        {
            return first;
        }
        let mut first = First {
            line: self,
            begun: 0,
            waits: None,
            is_warm: self.of == Of::Requests,
            is_try: false,
        };
        let own = {
            let mut queue = self.queue.lock();
            if !queue.has_first {
                queue.has_first = true;
                return first;
            }
            let own = WAITER.with(Arc::clone);
            own.is_first.store(false, Relaxed);
            queue.others.push_back(Arc::clone(&own));
            self.appoint(&queue);
            own
        };
        while !own.is_first.load(Acquire) {
            if own.is_watching.load(Acquire) {
                std::thread::park_timeout(Duration::from_nanos(self.patience()));
                self.watch(&own);
            } else {
                std::thread::park();
            }
        }
        first.is_warm &= own.seat.taken();
        first
    }

    /// How long a request may keep the place, in nanoseconds. Those much longer than `short` do not.
    fn patience(&self) -> u64 {
        let most = nanos(TICK) + nanos(self.short);
        let usual = self.length.get().saturating_mul(PATIENCE);
        usual.clamp(nanos(TICK), most)
    }

    /// Sees to it that somebody watches a first that has begun, if anybody waits.
    fn appoint(&self, queue: &Queue) {
        if self.is_watched.load(SeqCst) || self.begun.load(SeqCst) == 0 {
            return;
        }
        let watcher = match self.of {
            Of::Workers => queue.others.front(),
            Of::Requests => queue.others.back(),
        };
        if let Some(watcher) = watcher {
            self.set_watcher(watcher);
            watcher.thread.unpark();
        }
    }

    /// Makes it the watcher, under the lock.
    fn set_watcher(&self, waiter: &Waiter) {
        self.is_watched.store(true, SeqCst);
        waiter.is_watching.store(true, Release);
    }

    /// Makes it one no longer, under the lock.
    fn let_rest(&self, waiter: &Waiter) {
        if waiter.is_watching.swap(false, Relaxed) {
            self.is_watched.store(false, SeqCst);
        }
    }

    /// Gives the place to the one at the front, under the lock.
    fn pass(&self, queue: &mut Queue) -> Option<Arc<Waiter>> {
        let next = queue.others.pop_front();
        queue.has_first = next.is_some();
        if let Some(next) = &next {
            self.let_rest(next);
        }
        next
    }

    /// Takes the place from a first that is busy for too long.
    fn watch(&self, own: &Waiter) {
        let begun = self.begun.load(SeqCst);
        let now = now();
        if begun != 0 && now.saturating_sub(begun) >= self.patience() {
            // Under the lock: who passes the place on does it as a whole before, or finds it lost.
            let mut queue = self.queue.lock();
            if !own.is_watching.load(Relaxed)
                || self
                    .begun
                    .compare_exchange(begun, 0, SeqCst, SeqCst)
                    .is_err()
            {
                return;
            }
            self.length.note(now - begun);
            let next = self.pass(&mut queue);
            drop(queue);
            if let Some(next) = next {
                next.call();
            }
        } else if now.saturating_sub(self.last.load(Relaxed)) > MOST {
            let _queue = self.queue.lock();
            self.let_rest(own);
            // Either the first sees that nobody watches, or this sees what it began.
            if self.begun.load(SeqCst) != 0 {
                self.set_watcher(own);
            }
        }
    }
}

impl Waiter {
    /// It is the first from now on.
    fn call(&self) {
        self.is_first.store(true, Release);
        self.thread.unpark();
    }
}

impl First {
    /// The thread has a request, and Python: keeps the place through the request, or gives it to the next.
    pub(crate) fn begin(mut self) {
        let line = self.line;
        let now = now();
        let last = line.last.swap(now, Relaxed);
        line.gap.note(now.saturating_sub(last));
        if !line.gap.is_below(line.close) {
            self.is_warm = false;
            return;
        }
        self.is_try = !line.length.is_below(line.short) || line.waits.get() > TOO_MANY;
        if self.is_try && !line.without.next().is_multiple_of(TRY) {
            self.is_warm = false;
            return;
        }
        let is_sample =
            self.is_try || line.with.next().is_multiple_of(SAMPLE) || line.waits.get() >= SAMPLE;
        self.waits = is_sample.then(|| usage(Whose::Thread).waits);
        self.begun = now;
        line.begun.store(now, SeqCst);
        if !line.is_watched.load(SeqCst) {
            line.appoint(&line.queue.lock());
        }
        KEPT.set(Some(self));
    }

    /// Keeps the place through its request no longer; false where another thread has taken it.
    fn give_up_request(&self) -> bool {
        self.line
            .begun
            .compare_exchange(self.begun, 0, SeqCst, SeqCst)
            .is_ok()
    }

    /// The request through which it was kept is over: what is learnt from that.
    fn learn(&mut self) {
        let line = self.line;
        let length = now().saturating_sub(self.begun);
        line.length.note(length);
        let has_waited = self
            .waits
            .take()
            .map(|before| usage(Whose::Thread).waits != before);
        if let Some(has_waited) = has_waited {
            line.waits.note(if has_waited { ALL } else { 0 });
        }
        if std::mem::take(&mut self.is_try)
            && has_waited == Some(false)
            && length < nanos(line.short)
        {
            // A few like it, and all do.
            line.length.set(line.length.get() / 2);
            line.waits.set(line.waits.get() / 2);
        }
        self.begun = 0;
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
        first.learn();
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
        let mut queue = self.line.queue.lock();
        if self.begun != 0 && !self.give_up_request() {
            return;
        }
        let next = self.line.pass(&mut queue);
        drop(queue);
        if let Some(next) = next {
            if self.is_warm {
                next.seat.keep_warm();
            }
            next.call();
        }
    }
}

/// Nanoseconds since the first call; never 0.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    nanos(START.get_or_init(Instant::now).elapsed()) + 1
}
