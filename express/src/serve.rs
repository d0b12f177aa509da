//! rsgi-serve: stays with a server that rsgi-express has set up, for as long as it runs.
//!
//! The launcher becomes this program. It can do nothing else and is small, so that what stays needs little memory; the
//! launcher itself serves where this is not installed.

#![forbid(unsafe_code)]
#![expect(
    dead_code,
    reason = "the modules are the launcher's, which needs more of them"
)]

mod error;
mod message;
mod notify;
mod process;
mod ready;
mod serving;
mod watch;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode as ProcessExit;

use crate::error::Error;

fn main() -> ProcessExit {
    let mut args: Vec<OsString> = env::args_os().collect();
    let result = match args.get(1).and_then(|arg| arg.to_str()) {
        Some(process::TETHERED) => Err(process::run_tethered(args.drain(2..))),
        Some(serving::SERVE) => serving::Serving::inherited().and_then(serving::Serving::run),
        _ => Err(Error::Usage(
            "rsgi-serve is a part of rsgi-express\n`rsgi-express start-server`".into(),
        )),
    };
    match result {
        Ok(code) => ProcessExit::from(code),
        Err(error) => {
            message::refusal(&error);
            ProcessExit::from(error.exit_code() as u8)
        }
    }
}
