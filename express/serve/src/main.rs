//! The program that the launcher becomes. It can do nothing else.

#![forbid(unsafe_code)]

use std::env;
use std::ffi::OsString;
use std::process::ExitCode as ProcessExit;

use rsgi_serve::error::Error;
use rsgi_serve::{message, process, serving};

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
