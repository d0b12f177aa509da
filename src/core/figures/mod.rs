//! Figures of requests over an interval: times as histograms, statuses, bytes, and what each thread did.
//!
//! mod_wsgi: what `mod_wsgi.request_metrics()` tells (reference: runtime §14). Who measures is elsewhere; times are whole
//! microseconds here.

mod histogram;
mod interval;

pub use histogram::{BUCKETS, Histogram, bucket};
pub use interval::{Finished, Interval, Phase, ThreadFigures};
