//! What is counted and timed while requests are served, and how it is told to Prometheus.
//!
//! The counts are kept in shared memory by others (`rsgi-daemon`'s scoreboard); here are their names, the buckets of
//! their histograms, and the text.

mod accept;
mod cause;
mod exposition;
mod histogram;
mod page;
mod report;
#[cfg(test)]
mod tests;

pub use accept::{Format, choose};
pub use cause::{End, FailureCause};
pub use exposition::{Exposition, Family, Kind, Labels};
pub use histogram::{BUCKETS, Histogram, bucket};
pub use page::{html, lines};
pub use report::{Children, Group, Server, Slot, Tallied, Usage, report};
