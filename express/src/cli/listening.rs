//! Options of addresses, names, TLS and what clients may do.

use std::path::PathBuf;

use clap::Args;

/// Where the server listens and what it is called.
#[derive(Args, Debug)]
#[command(next_help_heading = "Listening and names")]
pub(crate) struct ListenArgs {
    /// The address to listen on [default: all]
    #[arg(long, value_name = "IP")]
    pub(crate) host: Option<String>,

    /// The port to listen on
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 8000,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) port: u16,

    /// Connections that may wait to be accepted
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 500,
        value_parser = clap::value_parser!(u32).range(1..=65_535)
    )]
    pub(crate) server_backlog: u32,

    /// Speak HTTP/2 as well
    #[arg(long)]
    pub(crate) http2: bool,

    /// The name of the site: other names are refused, and `www.` is added by a redirect
    #[arg(long, value_name = "HOST")]
    pub(crate) server_name: Option<String>,

    /// Another name of the site, perhaps with `*`; may be repeated
    #[arg(long, value_name = "HOST")]
    pub(crate) server_alias: Vec<String>,

    /// Let this machine use any name in spite of --server-name
    #[arg(long)]
    pub(crate) allow_localhost: bool,
}

/// Certificates and what goes by them.
#[derive(Args, Debug)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// The port for https, which needs a certificate
    #[arg(
        long,
        alias = "ssl-port",
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) https_port: Option<u16>,

    /// The certificate and its key, by what their paths have in front of `.crt` and `.key`
    #[arg(long, value_name = "PATH")]
    pub(crate) ssl_certificate: Option<String>,

    /// The certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) ssl_certificate_file: Option<PathBuf>,

    /// The certificate's key
    #[arg(long, value_name = "FILE")]
    pub(crate) ssl_certificate_key_file: Option<PathBuf>,

    /// The certificates between the server's and the root's
    #[arg(long, value_name = "FILE")]
    pub(crate) ssl_certificate_chain_file: Option<PathBuf>,

    /// The authority of the clients' certificates, which are then asked for
    #[arg(long, value_name = "FILE")]
    pub(crate) ssl_ca_certificate_file: Option<PathBuf>,

    /// A URL that needs a client's certificate; may be repeated [default: / with --ssl-ca-certificate-file]
    #[arg(long, value_name = "URL")]
    pub(crate) ssl_verify_client: Vec<String>,

    /// Tell the application about the connection (SSL_ variables)
    #[arg(long)]
    pub(crate) ssl_environment: bool,

    /// Send clients of http to https
    #[arg(long)]
    pub(crate) https_only: bool,

    /// With --https-only: the value of Strict-Transport-Security
    #[arg(long, value_name = "PARAMS")]
    pub(crate) hsts_policy: Option<String>,
}

/// What clients may take: time and space.
#[derive(Args, Debug)]
#[command(next_help_heading = "Clients (0 for no limit)")]
pub(crate) struct ClientArgs {
    /// Seconds that a connection waits for its next request; 0 closes it after each
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    pub(crate) keep_alive_timeout: u32,

    /// Seconds for the first part of a request's header
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    pub(crate) header_timeout: u32,

    /// Seconds for all of it while it keeps coming
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) header_max_timeout: u32,

    /// Bytes of it that earn a second more
    #[arg(long, value_name = "BYTES", default_value_t = 500)]
    pub(crate) header_min_rate: u32,

    /// Seconds for the first part of a request's body
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    pub(crate) body_timeout: u32,

    /// Seconds for all of it while it keeps coming
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) body_max_timeout: u32,

    /// Bytes of it that earn a second more
    #[arg(long, value_name = "BYTES", default_value_t = 500)]
    pub(crate) body_min_rate: u32,

    /// The longest request body in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 10_485_760)]
    pub(crate) limit_request_body: u64,

    /// Compress text
    #[arg(long)]
    pub(crate) compress_responses: bool,
}
