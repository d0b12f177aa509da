//! Stops panics at the border to C.
//!
//! Everything that C calls runs inside [`guard`]: a panic is caught, its message and place are handed to the
//! reporter (the room `httpd` logs it), and the caller answers with a value that C understands. A payload whose
//! own `Drop` panics is caught as well. With the feature `fault-injection` each entry can be made to panic, and some
//! calls to find no memory.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Once, OnceLock};

/// What happened: the entry's name, and the message with its place in the source.
pub(crate) type Reporter = fn(entry: &str, message: &str);

static REPORTER: OnceLock<Reporter> = OnceLock::new();
static HOOK: Once = Once::new();

thread_local! {
    /// Message and place of the panic being unwound, kept by the panic hook for the guard to report.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Sets who is told of stopped panics, and keeps the standard hook from writing them to stderr as well.
pub(crate) fn install(reporter: Reporter) {
    let _ = REPORTER.set(reporter);
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|info| {
            let text = info.to_string().replace('\n', " ");
            LAST.with_borrow_mut(|last| *last = Some(text));
        }));
    });
}

/// Runs what C asked for; `None` when it panicked, which has then been reported.
pub(crate) fn guard<R>(entry: &'static str, run: impl FnOnce() -> R) -> Option<R> {
    let run = || {
        fault(entry);
        run()
    };
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(payload) => {
            report(entry, payload.as_ref());
            // The payload is foreign code's value: dropping it may panic again.
            if let Err(second) = panic::catch_unwind(AssertUnwindSafe(move || drop(payload))) {
                std::mem::forget(second);
            }
            None
        }
    }
}

/// Panics here when the feature `fault-injection` is on and `entry` was asked for; otherwise nothing.
pub(crate) fn fault(entry: &str) {
    #[cfg(feature = "fault-injection")]
    inject::panic_if_asked(entry);
    let _ = entry;
}

/// Whether this call is to find no memory: with the feature `fault-injection` where `call` was asked for, else never.
pub(crate) fn is_wanting(call: &str) -> bool {
    #[cfg(feature = "fault-injection")]
    return inject::is_wanting(call);
    #[cfg(not(feature = "fault-injection"))]
    {
        let _ = call;
        false
    }
}

fn report(entry: &str, payload: &(dyn Any + Send)) {
    let kept = LAST.try_with(|last| last.take()).ok().flatten();
    let message = kept.unwrap_or_else(|| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("a panic without a message")
            .to_owned()
    });
    if let Some(reporter) = REPORTER.get() {
        let told = panic::catch_unwind(AssertUnwindSafe(|| reporter(entry, &message)));
        if let Err(second) = told {
            std::mem::forget(second);
        }
    }
}

#[cfg(feature = "fault-injection")]
mod inject {
    //! `RSGI_INJECT_PANIC=entry[*times]` panics in the first `times` calls (default: all) of one entry;
    //! `RSGI_INJECT_WANT=call[*times]` lets as many of a call find no memory.

    use std::env;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// What a variable asks for.
    struct Fault {
        name: OnceLock<Option<String>>,
        left: AtomicI64,
    }

    impl Fault {
        const fn new() -> Self {
            Self {
                name: OnceLock::new(),
                left: AtomicI64::new(i64::MAX),
            }
        }

        /// Whether it happens now.
        fn is_due(&self, variable: &str, place: &str) -> bool {
            let name = self.name.get_or_init(|| {
                let text = env::var(variable).ok()?;
                let (name, times) = text.split_once('*').unwrap_or((&text, ""));
                let times = times.parse().unwrap_or(i64::MAX);
                self.left.store(times, Ordering::Relaxed);
                Some(name.to_owned())
            });
            name.as_deref() == Some(place) && self.left.fetch_sub(1, Ordering::Relaxed) > 0
        }
    }

    static PANIC: Fault = Fault::new();
    static WANT: Fault = Fault::new();

    pub(super) fn panic_if_asked(entry: &str) {
        if PANIC.is_due("RSGI_INJECT_PANIC", entry) {
            panic!("injected into {entry}");
        }
    }

    pub(super) fn is_wanting(call: &str) -> bool {
        WANT.is_due("RSGI_INJECT_WANT", call)
    }
}
