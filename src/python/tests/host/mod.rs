//! The side of the ABI that httpd's module has, in memory.

mod call;
pub(crate) mod child;
mod memory;
mod process;

pub(crate) use call::{Call, Reply};
pub(crate) use memory::{Accept, Memory};
pub(crate) use process::{Bench, Log, scratch_folder};
