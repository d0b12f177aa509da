//! The way of a request from an Apache child to a daemon process and back.
//!
//! `group` is what httpd's parent makes of each `WSGIDaemonProcess`. A child encodes a request (`rsgi_core::wire`),
//! starts an [`Exchange`], which finds a process and gives the request to another one where the first cannot take it,
//! and then [`relay()`]s: the client's body one way, the response the other way, both at the same time. The client is a
//! [`Front`], so that nothing here knows httpd. What went wrong is a [`Failure`], with its status and its log line.

mod connection;
mod exchange;
mod failure;
mod file;
mod group;
mod inbox;
mod pool;
mod relay;
mod running;

#[cfg(test)]
mod tests;

pub use exchange::{Exchange, Outgoing};
pub use failure::{FILTERS, Failure, Garbage};
pub use file::MemoryFile;
pub use group::GroupHandle;
pub use inbox::Inbox;
pub use relay::{BodyPiece, Delivery, Ending, Front, HeadAction, Passing, Relay, relay};
