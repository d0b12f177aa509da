//! The bridge: what mod_rsgi and its Python layer agree on, and how the layer is found and opened.
//!
//! `abi` is the C ABI; `locate` finds the libpython of an environment by reading files; `layer` opens
//! libpython and the layer; `host`, `facts` and `start` are the safe side of the ABI for the process that owns
//! the requests. Knows neither httpd nor CPython.

pub mod abi;
pub mod facts;
pub mod fence;
pub mod host;
pub mod layer;
pub mod loaded;
pub mod locate;
pub mod readable;
pub mod start;
