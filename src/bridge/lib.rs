//! The bridge: what mod_rsgi and its Python layer agree on, and how the layer is found and opened.
//!
//! `abi` is the C ABI. `host`, `ask`, `facts`, `owned`, `serve` and `start` are its safe side for the process that owns the requests,
//! `fence` stops panics on either side. `locate` finds the libpython of an environment by reading files, `readable`
//! tells whether another user could; `layer` calls the layer that `place` finds and `open` opens, `loaded` what is there already. Knows
//! neither httpd nor CPython.

pub mod abi;
pub mod ask;
pub mod facts;
pub mod fence;
pub mod host;
pub mod layer;
pub mod loaded;
pub mod locate;
mod open;
pub mod owned;
mod place;
pub mod readable;
pub mod serve;
#[cfg(test)]
mod silent;
pub mod start;
