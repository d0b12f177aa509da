//! The line of workers that wait for a request: first come, first served.
//!
//! Its first waits in the host for a request, then for Python, and gives its place to the next when it has both. So
//! requests are run in the order in which they came, and threads that would only wait for the GIL sleep. (The embedded
//! mode, where each thread comes with a request in hand, has `gate` instead.)

#![deny(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

use parking_lot::Mutex;

struct Line {
    has_first: bool,
    others: VecDeque<Arc<Waiter>>,
}

struct Waiter {
    is_first: AtomicBool,
    thread: Thread,
}

static LINE: Mutex<Line> = Mutex::new(Line {
    has_first: false,
    others: VecDeque::new(),
});

thread_local! {
    static WAITER: Arc<Waiter> = Arc::new(Waiter {
        is_first: AtomicBool::new(false),
        thread: std::thread::current(),
    });
}

/// The first place of the line; given to the next when it drops.
pub(crate) struct First(());

/// Waits until the calling thread, which is detached, is the first.
pub(crate) fn wait() -> First {
    let waiter = {
        let mut line = LINE.lock();
        if !line.has_first {
            line.has_first = true;
            return First(());
        }
        let own = WAITER.with(Arc::clone);
        own.is_first.store(false, Ordering::Relaxed);
        line.others.push_back(Arc::clone(&own));
        own
    };
    while !waiter.is_first.load(Ordering::Acquire) {
        std::thread::park();
    }
    First(())
}

impl Drop for First {
    fn drop(&mut self) {
        let mut line = LINE.lock();
        let next = line.others.pop_front();
        line.has_first = next.is_some();
        drop(line);
        if let Some(next) = next {
            next.is_first.store(true, Ordering::Release);
            next.thread.unpark();
        }
    }
}
