//! What mod_rsgi decides without httpd, Python or system calls.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod alias;
pub mod average;
pub mod daemon;
pub mod directive;
pub mod environ;
pub mod figures;
pub mod group;
pub mod header;
pub mod input;
pub mod json;
pub mod logline;
pub mod metrics;
pub mod micros;
pub mod name;
pub mod notes;
pub mod options;
pub mod proxy;
pub mod response;
pub mod script;
pub mod telemetry;
pub mod wire;
pub mod words;
