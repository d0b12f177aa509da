//! Settings as a command line gives them, for tests.

use clap::Parser as _;

use super::{Processes, Settings};
use crate::cli::{Command, CommandLine};

/// The settings of `start-server` with these arguments.
pub(crate) fn settings(arguments: &[&str]) -> Settings {
    let words = ["rsgi-express", "start-server", "x.py"]
        .iter()
        .chain(arguments);
    match CommandLine::parse_from(words).command {
        Command::StartServer(args) => Settings::resolve(&args).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Processes with these numbers.
pub(crate) fn processes(number: u32, threads: u32, clients: Option<u32>) -> Processes {
    let (number, threads) = (number.to_string(), threads.to_string());
    let mut arguments = vec!["--processes", &number, "--threads", &threads];
    let clients = clients.map(|clients| clients.to_string());
    if let Some(clients) = &clients {
        arguments.extend(["--max-clients", clients]);
    }
    settings(&arguments).processes
}
