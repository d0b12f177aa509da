//! Daemon process groups, as far as they are decided without a system: the options of `WSGIDaemonProcess`, who may
//! use a group, and why a process ends.

mod options;
mod reason;

pub use options::{Account, DaemonOptions};
pub use reason::ShutdownReason;
