//! rsgi-express: serves a WSGI application through a throwaway Apache configuration.
//!
//! The way of a command: `cli` (what was typed) → `settings` (what is meant) → `privileges`, `apache`, `module`,
//! `python` (what there is) → `check`, `port` (whether it can work) → `context`, `render`, `tree` (the files) →
//! `serving` and `process` (Apache), with `watch` beside it.

#![forbid(unsafe_code)]

mod apache;
mod book;
mod capacity;
mod check;
mod check_config;
mod cli;
mod commands;
mod context;
mod expand;
mod locale;
mod module;
mod options;
mod php;
mod port;
mod privileges;
mod python;
mod reach;
mod render;
mod server;
mod settings;
mod sources;
mod status;
mod summary;
mod survey;
mod telemetry;
mod tree;
mod unit;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode as ProcessExit;

use clap::FromArgMatches as _;

use rsgi_serve::{error, message, process, serving, watch};

use crate::cli::{Command, CommandLine, LogFormat};
use crate::error::{Error, ExitCode};

fn main() -> ProcessExit {
    let mut args: Vec<OsString> = env::args_os().collect();
    let result = match args.get(1).and_then(|arg| arg.to_str()) {
        Some(privileges::AS_USER) => {
            privileges::become_and_run(args.drain(2..)).map(|()| ExitCode::Success as u8)
        }
        Some(process::TETHERED) => Err(process::run_tethered(args.drain(2..))),
        Some(serving::SERVE) => serving::Serving::inherited().and_then(serving::Serving::run),
        _ => run(args),
    };
    match result {
        Ok(code) => ProcessExit::from(code),
        Err(error) => {
            message::refusal(&error);
            ProcessExit::from(error.exit_code() as u8)
        }
    }
}

fn run(args: Vec<OsString>) -> Result<u8, Error> {
    let expanded = args.into_iter().enumerate().map(|(at, arg)| match at {
        0 | 1 => arg,
        _ => expand::expand_from_environment(arg),
    });
    let given = sources::read(CommandLine::grammar(), expanded.collect())?;
    let line = CommandLine::from_arg_matches(&given.matches).unwrap_or_else(|error| error.exit());
    if let Some(sources) = line.command.sources() {
        if sources.log_format == LogFormat::Json {
            message::speak_json();
        }
        if sources.print_config {
            message::output(&sources::print(CommandLine::grammar(), &given));
            return Ok(ExitCode::Success as u8);
        }
    }
    obey(line.command, &given).map_err(|error| {
        let origins = given.origins_in(&error.to_string());
        origins.iter().fold(error, |error, (long, origin)| {
            error.with_note(&format!("`--{long}` comes from {origin}"))
        })
    })
}

fn obey(command: Command, given: &sources::Given) -> Result<u8, Error> {
    match command {
        Command::StartServer(args) => return server::start(&args),
        Command::SetupServer(args) => return server::setup(&args),
        Command::Check(args) => return survey::check(*args, given),
        Command::CheckConfig(args) => return check_config::run(&args),
        Command::Status(args) => status::run(&args)?,
        Command::SystemdUnit(args) => {
            // What makes no sense is refused here rather than when the unit starts.
            unit::print(&settings::Settings::resolve(&args)?, given)?;
        }
        Command::ModuleConfig(args) => commands::module_config(&args)?,
        Command::ModuleLocation => commands::module_location()?,
        Command::Completions(args) => cli::paper::completions(CommandLine::grammar(), &args)?,
        Command::Man(args) => cli::paper::man(CommandLine::grammar(), &args)?,
        Command::InstallModule(args) => commands::install_module(&args)?,
        Command::Options { .. } => message::output(&options::markdown()),
        Command::Documentation { folder } => book::write_into(&folder)?,
    }
    Ok(ExitCode::Success as u8)
}
