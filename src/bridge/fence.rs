//! Stops panics where Rust is called from the other side of the bridge.
//!
//! Used by the host's trampolines; the layer has its own copy of this crate and uses the same function.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body`; a panic becomes its message. A payload that panics again when it is dropped is caught too.
///
/// # Errors
/// The panic's message, or a stand-in where its payload is not text.
pub fn fence<R>(body: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        let message = message(&*payload);
        dispose(payload);
        message
    })
}

/// The text of a panic's payload.
fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        return (*text).to_owned();
    }
    payload
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| "a panic whose payload is not text".to_owned())
}

/// Drops a payload; what its drop panics with is leaked, for there is no end to that otherwise.
fn dispose(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        core::mem::forget(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any("dropped");
        }
    }

    #[test]
    fn a_panic_becomes_its_message() {
        let number = 7;
        assert_eq!(fence(|| panic!("plain")), Err::<(), _>("plain".to_owned()));
        assert_eq!(
            fence(|| panic!("formatted {number}")),
            Err::<(), _>("formatted 7".to_owned())
        );
        assert_eq!(fence(|| 3), Ok(3));
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_caught_too() {
        let caught = fence(|| std::panic::panic_any(Bomb));
        assert!(caught.is_err());
    }
}
