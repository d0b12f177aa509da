//! Metrics: what the server tells of itself.

use rsgi_core::directive::{Kind, parse};
use serde::Serialize;

use crate::cli::MetricsArgs;
use crate::error::Error;

/// What is told, and to whom.
#[derive(Debug, Serialize)]
pub(crate) struct Metrics {
    /// Whether applications may ask what the whole server does.
    pub(crate) of_server: bool,
    pub(crate) telemetry: Option<Telemetry>,
}

/// A service that is told what happens.
#[derive(Debug, Serialize)]
pub(crate) struct Telemetry {
    /// `unix:` and the path of its socket.
    pub(crate) service: String,
    /// Seconds.
    pub(crate) interval: Option<f64>,
    /// Lines of flags.
    pub(crate) options: Vec<String>,
    /// Seconds.
    pub(crate) slow: Option<f64>,
}

impl Metrics {
    /// Resolves the options. What their directives say of the values is said here, before Apache is started.
    ///
    /// # Errors
    /// A value is none, or there is no service to tell.
    pub(super) fn resolve(args: &MetricsArgs) -> Result<Self, Error> {
        let telemetry = match &args.telemetry_service {
            Some(service) => Some(told(args, service)?),
            None => {
                needs_a_service(args)?;
                None
            }
        };
        Ok(Self {
            of_server: args.server_metrics,
            telemetry,
        })
    }
}

fn told(args: &MetricsArgs, service: &str) -> Result<Telemetry, Error> {
    let socket = service.strip_prefix("unix:");
    if !socket.is_some_and(|path| path.starts_with('/')) {
        return Err(Error::Usage(format!(
            "`--telemetry-service`: `{service}` is no socket\n`unix:` and its absolute path"
        )));
    }
    if let Some(interval) = args.telemetry_interval {
        let line = format!("unix:/socket interval={interval}");
        checked("--telemetry-interval", Kind::TelemetryService, &line)?;
    }
    for flags in &args.telemetry_options {
        checked("--telemetry-options", Kind::TelemetryOptions, flags)?;
    }
    if let Some(slow) = args.slow_requests {
        checked("--slow-requests", Kind::SlowRequests, &slow.to_string())?;
    }
    Ok(Telemetry {
        service: service.to_owned(),
        interval: args.telemetry_interval,
        options: args.telemetry_options.clone(),
        slow: args.slow_requests,
    })
}

/// Refuses what has no effect without a service.
fn needs_a_service(args: &MetricsArgs) -> Result<(), Error> {
    let given = [
        (args.telemetry_interval.is_some(), "--telemetry-interval"),
        (!args.telemetry_options.is_empty(), "--telemetry-options"),
        (args.slow_requests.is_some(), "--slow-requests"),
    ];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, option)) => Err(Error::Usage(format!(
            "`{option}` needs `--telemetry-service`\ngive the socket that is to be told"
        ))),
        None => Ok(()),
    }
}

/// Has the module's own reader look at a directive's line.
fn checked(option: &str, kind: Kind, line: &str) -> Result<(), Error> {
    match parse(kind, line.as_bytes()) {
        Ok(_) if !line.contains('\n') => Ok(()),
        Ok(_) => Err(Error::Usage(format!("`{option}`: flags are one line"))),
        Err(error) => Err(Error::Usage(format!("`{option}`: {error}"))),
    }
}
