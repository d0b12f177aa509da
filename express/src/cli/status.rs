//! Options of `status`: which server, and how it is shown.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `status`.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// The server's root [default: the one that start-server chooses for the host and port]
    #[arg(long, value_name = "DIR")]
    pub(crate) server_root: Option<PathBuf>,

    /// The address that the server was told to listen on
    #[arg(long, value_name = "IP")]
    pub(crate) host: Option<String>,

    /// The port that the server was told to listen on
    #[arg(long, value_name = "NUMBER", default_value_t = 8000)]
    pub(crate) port: u16,

    /// Show it again and again, until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,

    /// The time between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(crate) interval: f64,

    /// Print what the server says, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn interval(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("it is a number of seconds from 0.1 to 3600".into()),
    }
}
