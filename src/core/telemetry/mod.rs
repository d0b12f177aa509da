//! Telemetry: what a process tells an ingester in each interval, in mod_wsgi's datagrams (reference: runtime §15).
//!
//! `wire` has the format, `records` and `collector` what the kinds of datagrams say. Who sends them is the Python layer.

mod collector;
mod records;
#[cfg(test)]
mod tests;
mod wire;

pub use collector::{Collection, Collector, Passes};
pub use records::{Identity, Lifecycle, Sample, SlowRequest, ThreadNow};
pub use wire::{Datagram, Kind, MOST_BYTES};

/// Threads that a sample tells apart.
pub const MOST_THREADS: usize = 128;
/// Requests that still run and are told of in one interval.
pub const MOST_ACTIVE: usize = 16;
/// Interpreters whose garbage collectors are told of.
pub const MOST_INTERPRETERS: usize = 32;
/// Passes of one of them that are told of in one interval.
pub const MOST_COLLECTIONS: usize = 64;
/// Passes of one of them that are kept for the next intervals.
pub const KEPT_COLLECTIONS: usize = 256;
/// The shortest interval, in nanoseconds.
pub const SHORTEST_INTERVAL: u64 = 500_000_000;
/// The interval where none is said, in nanoseconds.
pub const USUAL_INTERVAL: u64 = 1_000_000_000;
