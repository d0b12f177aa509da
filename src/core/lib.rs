//! What mod_rsgi decides without httpd, Python or system calls.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod name;
