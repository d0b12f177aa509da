//! A safe view of httpd for modules: hooks, commands, configuration, servers, requests, logs.
//!
//! Wraps httpd.h, http_config.h, http_core.h, http_log.h, http_protocol.h, mod_auth.h, scoreboard.h and ap_mpm.h. A module implements
//! [`Module`] and puts [`record`] into its exported symbol; what C calls is generated here, and fenced.

mod auth;
mod body;
mod boundary;
mod command;
mod config;
mod hooks;
pub(crate) mod log;
mod mpm;
mod page;
mod phase;
mod process;
mod regex;
mod request;
mod response;
mod scoreboard;
mod server;

pub(crate) use auth::{Authorized, Checked, RealmHash};
pub(crate) use body::{Body, BodyError};
pub(crate) use command::{Command, CommandContext, Scope, command_table};
pub(crate) use config::Slot;
pub(crate) use hooks::{Module, Verdict, record, register};
pub(crate) use log::Level;
pub(crate) use mpm::{Mpm, WebIdentity, web_identity};
pub(crate) use page::PageForm;
pub(crate) use phase::{Phase, Refused};
pub(crate) use process::{close_listeners, watch};
pub(crate) use regex::Regex;
pub(crate) use request::{FileKind, Request};
pub(crate) use response::{Delivery, Response};
pub(crate) use scoreboard::{Child, Scoreboard, Worker};
pub(crate) use server::{Server, ServerFacts};
