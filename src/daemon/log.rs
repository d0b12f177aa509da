//! What a daemon process says outside of requests: marked lines on standard error, which is the supervisor's pipe.
//!
//! A line begins with [`MARK`] and its level as a letter (`a` is 0, httpd's numbers); what comes without, from C code
//! or a crash, is the supervisor's to judge. A capital letter marks what the program says itself, to which the supervisor
//! adds who it is; what applications and Python say stays as it is. A line is one write, so that lines of several threads
//! stay apart.

use std::fmt::Arguments;
use std::sync::atomic::{AtomicU32, Ordering};

use rsgi_bridge::abi::level;
use rsgi_bridge::start::ProcessLog;

/// What a marked line begins with.
pub const MARK: u8 = 1;

/// The most talkative level that is written.
static LEVEL: AtomicU32 = AtomicU32::new(level::INFO);

/// Sets the most talkative level.
pub fn set_level(level: u32) {
    LEVEL.store(level, Ordering::Relaxed);
}

/// Whether a line of this level is written.
#[must_use]
pub fn is_on(level: u32) -> bool {
    level <= LEVEL.load(Ordering::Relaxed)
}

/// Writes a line of a request that its child could not take; it asked for this level.
pub fn line(level: u8, text: &[u8]) {
    write(b'a' + level.min(15), text);
}

fn write(letter: u8, text: &[u8]) {
    let mut marked = Vec::with_capacity(text.len() + 3);
    for text in text.split(|&byte| byte == b'\n') {
        marked.extend_from_slice(&[MARK, letter]);
        marked.extend_from_slice(text);
        marked.push(b'\n');
    }
    let mut rest = &marked[..];
    while !rest.is_empty() {
        match rustix::io::write(rustix::stdio::stderr(), rest) {
            Ok(count) => rest = &rest[count..],
            Err(rustix::io::Errno::INTR) => {}
            // There is no place left to say so.
            Err(_) => return,
        }
    }
}

fn say(level: u32, text: Arguments<'_>) {
    if is_on(level) {
        let level = u8::try_from(level).unwrap_or(15).min(15);
        write(b'A' + level, text.to_string().as_bytes());
    }
}

/// The process cannot go on.
pub fn critical(text: Arguments<'_>) {
    say(level::CRIT, text);
}

/// Something failed.
pub fn error(text: Arguments<'_>) {
    say(level::ERROR, text);
}

/// Something is not as it should be.
pub fn warn(text: Arguments<'_>) {
    say(level::WARN, text);
}

/// Beginnings and ends.
pub fn info(text: Arguments<'_>) {
    say(level::INFO, text);
}

/// Details.
pub fn debug(text: Arguments<'_>) {
    say(level::DEBUG, text);
}

/// Lines of the Python layer that belong to no request.
pub struct LayerLog;

impl ProcessLog for LayerLog {
    fn log(level: u32, text: &[u8]) {
        if is_on(level) {
            line(u8::try_from(level).unwrap_or(15), text);
        }
    }

    fn enabled(level: u32) -> bool {
        is_on(level)
    }
}
