//! System calls that are not safe by themselves, wrapped: the only room of this crate with `unsafe`.
//!
//! What `rustix` offers safely is called where it is needed; here is what takes raw memory, raw descriptors, or
//! forks.

pub mod accounts;
pub mod descriptor;
pub mod fork;
pub mod identity;
pub mod memory;
pub mod process;
pub mod scheduling;
pub mod signal;
pub mod socket;
