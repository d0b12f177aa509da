//! The current request of a thread, for those that may not know its type.
#![deny(unsafe_code)]

pub(crate) use crate::types::log_to_current;
