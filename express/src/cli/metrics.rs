//! Options of metrics: what the server tells of itself, and to whom.

use clap::Args;

/// Metrics for applications and for a telemetry service.
#[derive(Args, Debug)]
#[command(next_help_heading = "Metrics")]
pub(crate) struct MetricsArgs {
    /// Let applications ask what the whole server does (mod_wsgi.server_metrics())
    #[arg(long)]
    pub(crate) server_metrics: bool,

    /// Tell a service of mod_wsgi-telemetry what happens: the socket that it reads
    #[arg(long, value_name = "unix:PATH")]
    pub(crate) telemetry_service: Option<String>,

    /// Run such a service with the server, and tell that one
    #[arg(long)]
    pub(crate) enable_telemetry: bool,

    /// The port of its page, on this machine only [default: 8888]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) telemetry_ui_port: Option<u16>,

    /// How often it is told, in seconds [default: 1]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) telemetry_interval: Option<f64>,

    /// What else it is told: CaptureUserAgent; may be repeated
    #[arg(long, value_name = "FLAGS")]
    pub(crate) telemetry_options: Vec<String>,

    /// Tell it of requests that take longer
    #[arg(long, value_name = "SECONDS")]
    pub(crate) slow_requests: Option<f64>,
}
