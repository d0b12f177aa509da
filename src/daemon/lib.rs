//! Daemon process groups: applications in processes of their own.
//!
//! One crate, three users. `rsgi-daemon` (main.rs) is the program of a daemon process: `identity`, `server` and
//! `monitor`. The supervisor, forked from httpd's parent by the root crate, starts those processes and buries them:
//! `supervisor`. Apache's children send requests: `admission` and `client`. What all three agree on: `board` (shared
//! memory), `config` (how a process is to be; `accounts` finds its ids), `order` (what supervisor and process say to each other), and
//! `rsgi_core::wire` (frames). System calls that are not safe by themselves are in `sys`.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod accounts;
pub mod admission;
pub mod client;
pub mod config;
pub mod identity;
pub mod log;
pub mod monitor;
mod notice;
pub mod order;
pub mod program;
pub mod python;
#[allow(unsafe_code, reason = "the room for it")]
pub mod scoreboard;
pub mod server;
pub mod supervisor;
#[allow(unsafe_code, reason = "the room for it")]
pub mod sys;
mod times;
pub mod usage;
