//! rsgi-serve: stays with a server that rsgi-express has set up, for as long as it runs.
//!
//! The launcher hands over what it has found out (`serving`) and becomes the program of this crate, which starts Apache
//! and watches over it (`process`), says when it answers (`ready`, `notify`) and restarts it on changes (`watch`). What it
//! links stays in memory, so there is little of it, and nothing in it looks a name up: the program may be linked
//! statically, where the C library could only look names up by loading parts of itself.
//!
//! The launcher shares how refusals and messages look, and serves by itself where the program is not installed.

#![forbid(unsafe_code)]

pub mod error;
pub mod message;
mod notify;
pub mod process;
mod ready;
pub mod serving;
pub mod watch;
