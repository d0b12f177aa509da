//! End-to-end tests: a real httpd with the module loaded, looked at from outside.
//!
//! One file per feature. Run them with `ci/e2e`, which builds the modules and says where they are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod harness;

mod access;
mod apache;
mod api;
mod applications;
mod bad_requests;
mod broken_input;
mod browser;
mod closing;
mod coexist;
mod configurations;
mod counted;
mod daemon;
mod directives;
mod directives_access;
mod directives_daemon;
mod directives_merged;
mod dispatch;
mod docs;
mod environ;
mod environ_headers;
mod express;
mod failures;
mod file_wrapper;
mod filters;
mod frameworks;
mod groups;
mod homes;
mod input;
mod interpreter;
mod interpreter_options;
mod kit;
mod lifecycle;
mod loading;
mod log_ids;
mod logging;
mod mapping;
mod metrics;
mod output;
mod panics;
mod parity;
mod parity_groups;
mod process_groups;
mod protocols;
mod proxies;
mod pythons;
mod request_rec;
mod soak;
mod start_response;
mod telemetry;
mod unread_input;
mod upstream;
mod validation;
mod visitor;
