//! The bridge: what mod_rsgi and its Python layer agree on, and how the layer is found and opened.
//!
//! `abi` is the C ABI; `locate` finds the libpython of an environment by reading files; `layer` opens
//! libpython and the layer; `host` turns the ABI's callbacks into a safe trait. Knows neither httpd nor CPython.

pub mod abi;
