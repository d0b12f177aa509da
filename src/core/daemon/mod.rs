//! Daemon process groups, as far as they are decided without a system: the options of `WSGIDaemonProcess`, who may
//! use a group, and why a process ends.

mod access;
mod definition;
mod error;
mod nearest;
mod options;
mod reason;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use access::{Host, Inaccessible, may_use};
pub use definition::{DIRECTIVE, GroupDefinition};
pub use error::DefinitionError;
pub use options::{Account, DaemonOptions};
pub use reason::ShutdownReason;
pub use table::{OptionHelp, option_help};

/// A number of seconds above 0, in nanoseconds.
pub(crate) fn nanoseconds(value: &[u8]) -> Option<u64> {
    value::nanoseconds(value).ok()
}
