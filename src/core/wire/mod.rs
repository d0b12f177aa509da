//! Frames between an Apache child and a daemon process: how they look, how long they may be, who sends which when.
//!
//! Knows nothing of sockets: decoding looks at a slice and borrows from it, encoding appends to a vector. Both sides
//! treat what they read as hostile: every length is checked before it is used, and a frame that breaks a rule is a
//! [`WireError`], upon which the connection is closed. Used by `rsgi-daemon` and its client in Apache's children.
//!
//! # A frame
//! Eight bytes, then the payload: u32 length of the payload, u8 kind, u8 zero, u16 zero; numbers are little-endian.
//! [`decode_to_daemon`] and [`decode_to_child`] want the beginning of a frame at the beginning of the slice and say
//! [`Decoded::Need`] with the number of bytes that the whole frame has (its header alone where not even that is there),
//! never more than [`HEADER`] and the bound of the kind: a reader may make room for it.
//!
//! # A request
//! 1. The child passes one end of a new stream socket through the slot's intake with a [`Hello`], or takes a connection
//!    that it has.
//! 2. child: [`ToDaemon::Request`]. An inline body is the rest of its payload. The descriptor of a
//!    [`BodyForm::File`] is sent with the frame's first bytes, so it is there no later than the whole frame. The daemon
//!    takes its [`Claim`] in the memory that both share before anything else is done for it; where the child has
//!    retracted that, the daemon closes the connection without a word. Whatever happens to the connection, the child
//!    knows from there whether the request can be sent to another process.
//! 3. [`BodyForm::Stream`]: daemon: [`ToChild::NeedBody`] (once) when the application reads for the first time, which
//!    may be behind the head. Only then child:
//!    [`ToDaemon::Body`]..., and exactly one [`ToDaemon::BodyEnd`], also when the answer ended before the body:
//!    then the daemon drops, between two requests, what still comes of the body up to its end.
//! 4. daemon: [`ToChild::Head`], then any number of [`ToChild::Data`] and [`ToChild::File`] (whose descriptor is sent no
//!    later than its last byte; the child takes them in order), then [`ToChild::End`] or [`ToChild::Abort`]. Where the
//!    application still runs when the body is complete, [`ToChild::Whole`] comes behind that, and only the log and the
//!    end after it. Or, where nothing was sent,
//!    [`ToChild::Status`] alone or [`ToChild::Stale`] alone. [`ToChild::Log`], [`ToChild::LogAt`] and
//!    [`ToChild::AskServer`] (with a descriptor, which is answered there) may come anywhere before the last of these.
//! 5. The connection can be used for the next request, except after `Stale`.
//!
//! # Signatures
//! ```text
//! decode_to_daemon(&[u8]) -> Result<Decoded<ToDaemon<'_>>, WireError>
//! decode_to_child(&[u8])  -> Result<Decoded<ToChild<'_>>, WireError>
//!
//! RequestEncoder::new(&mut Vec<u8>, &RequestHead<'_>) -> RequestEncoder<'_>
//!     .entry(NameId, value) .named(name, value) .finish(BodyPlan) -> Result<(), WireError>
//! set_claim(&mut [u8], Claim)  set_tries(&mut [u8], Tries)  // into an encoded request, before it is sent
//! push_entry(&mut Vec<u8>, NameId, value)   push_named(&mut Vec<u8>, name, value)   // for `RequestHead::constants`
//! body_header(usize) -> Result<[u8; 8], WireError>          // the payload goes out behind it, uncopied
//! push_body_end(&mut Vec<u8>, BodyOutcome)
//!
//! push_head(&mut Vec<u8>, status, line, Option<u64>, impl Iterator<Item = (name, value)>) -> Result<(), WireError>
//! data_header(usize) -> Result<[u8; 8], WireError>          // up to MAX_DATA
//! push_data(&mut Vec<u8>, &[u8])                            // copies, in as many frames as it needs
//! push_file(&mut Vec<u8>, offset, length)   push_log(&mut Vec<u8>, level, text)      // text is cut to MAX_LOG
//! push_log_at(&mut Vec<u8>, level, (source, line), text)
//! push_need_body / push_whole / push_end / push_stale / push_ask_server(&mut Vec<u8>)
//! push_abort(&mut Vec<u8>, AbortReason)     push_status(&mut Vec<u8>, u16)
//!
//! Hello { row, incarnation, pid }.encode() -> [u8; HELLO]   Hello::decode(&[u8]) -> Result<Hello, WireError>
//! ```
//! An encoder that fails leaves the vector as it found it.

mod entries;
mod error;
mod frame;
mod hello;
mod request;
mod to_child;
mod to_daemon;

#[cfg(test)]
mod tests;

pub use entries::{Entries, Entry, EntryIter, push_entry, push_named};
pub use error::WireError;
pub use frame::{Decoded, HEADER};
pub use hello::{HELLO, Hello, VERSION};
pub use request::{
    BodyForm, BodyPlan, Claim, IGNORE_ACTIVITY, RequestEncoder, RequestFrame, RequestHead, Tries,
    set_claim, set_tries,
};
pub use to_child::{
    AbortReason, HeadFrame, HeaderIter, MAX_DATA, MAX_HEAD, MAX_LOG, MAX_SOURCE, ToChild,
    data_header, decode_to_child, push_abort, push_ask_server, push_data, push_end, push_file,
    push_head, push_log, push_log_at, push_need_body, push_stale, push_status, push_whole,
};
pub use to_daemon::{
    BodyOutcome, MAX_BODY, MAX_REQUEST, ToDaemon, body_header, decode_to_daemon, push_body_end,
};
