//! Keeps the place of a panic out of stderr and in the log line.

#![deny(unsafe_code)]

use std::cell::RefCell;

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Replaces the hook that prints to stderr: a fence logs what was stopped.
pub(crate) fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|place| format!("{}:{}", place.file(), place.line()));
        // A thread that is being torn down has no place to keep it in.
        let _ = PLACE.try_with(|slot| *slot.borrow_mut() = place);
    }));
}

/// Where the last panic of this thread was, once.
pub(crate) fn place() -> String {
    PLACE
        .try_with(|slot| slot.borrow_mut().take())
        .ok()
        .flatten()
        .map(|place| format!(" ({place})"))
        .unwrap_or_default()
}
