//! rsgi-express from outside: what it writes, what it refuses, whom it serves as, what it leaves behind.
//!
//! The snippets of apache-conf/ are checked here too.

mod access;
mod capacity;
mod check;
mod check_config;
mod containers;
mod debugging;
mod django;
mod documentation;
mod drops;
mod effects;
pub(crate) mod launcher;
mod life;
mod messages;
mod metrics;
mod odds;
mod paper;
mod parity;
mod php;
mod privileges;
mod refusals;
mod reloading;
mod same;
mod serving;
mod shells;
mod sites;
mod snippets;
mod sources;
mod status;
mod systemd;
mod telemetry;
mod timers;
mod trees;
mod wrong;

use launcher::Launcher;
