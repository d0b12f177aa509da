//! Telemetry: what a process tells an ingester in each interval, in mod_wsgi's datagrams (reference: runtime §15).
//!
//! `wire` has the format, `records` what the kinds of datagrams say. Who sends them is the Python layer.

mod records;
#[cfg(test)]
mod tests;
mod wire;

pub use records::{Identity, Lifecycle, Sample, SlowRequest, ThreadNow};
pub use wire::{Datagram, Kind, MOST_BYTES};

/// Threads that a sample tells apart.
pub const MOST_THREADS: usize = 128;
/// Requests that still run and are told of in one interval.
pub const MOST_ACTIVE: usize = 16;
/// The shortest interval, in nanoseconds.
pub const SHORTEST_INTERVAL: u64 = 500_000_000;
/// The interval where none is said, in nanoseconds.
pub const USUAL_INTERVAL: u64 = 1_000_000_000;
