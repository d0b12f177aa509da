//! Metrics: what the server tells of itself.

use rsgi_core::directive::{Kind, parse};
use serde::Serialize;

use crate::cli::{LogLevel, MetricsArgs};
use crate::error::Error;

/// The port of the page of `--enable-telemetry`.
const UI_PORT: u16 = 8888;
/// The folder of its socket, in the server root.
const FOLDER: &str = "telemetry";
/// The longest path that the address of a socket has room for.
const LONGEST_PATH: usize = 107;

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
    /// The service, where this server runs it.
    pub(crate) own: Option<OwnService>,
}

/// A service of mod_wsgi-telemetry that is started and stopped with the server.
#[derive(Debug, Serialize)]
pub(crate) struct OwnService {
    /// The folder of its socket, which is the service's to write to.
    pub(crate) folder: String,
    /// The port of its page.
    pub(crate) port: u16,
    /// The least of its messages that it logs, as Python names it.
    pub(crate) log_level: &'static str,
}

impl Metrics {
    /// Resolves the options. What their directives say of the values is said here, before Apache is started.
    ///
    /// # Errors
    /// A value is none, or there is no service to tell.
    pub(super) fn resolve(
        args: &MetricsArgs,
        root: &str,
        log_level: LogLevel,
    ) -> Result<Self, Error> {
        if args.enable_telemetry && args.telemetry_service.is_some() {
            return Err(Error::Usage(
                "`--enable-telemetry` runs a service, and `--telemetry-service` names another one\ngive one of the two".into(),
            ));
        }
        if !args.enable_telemetry && args.telemetry_ui_port.is_some() {
            return Err(Error::Usage(
                "`--telemetry-ui-port` needs `--enable-telemetry`\nit is the port of that service's page".into(),
            ));
        }
        let telemetry = if args.enable_telemetry {
            let own = OwnService {
                folder: format!("{root}/{FOLDER}"),
                port: args.telemetry_ui_port.unwrap_or(UI_PORT),
                log_level: if log_level >= LogLevel::Info {
                    "INFO"
                } else {
                    "WARNING"
                },
            };
            let socket = format!("{}/telemetry.sock", own.folder);
            if socket.len() > LONGEST_PATH {
                return Err(Error::Usage(format!(
                    "`--enable-telemetry`: the path `{socket}` is longer than the address of a socket, {LONGEST_PATH} bytes\nchoose a shorter `--server-root`"
                )));
            }
            Some(Telemetry {
                own: Some(own),
                ..told(args, &format!("unix:{socket}"))?
            })
        } else if let Some(service) = &args.telemetry_service {
            Some(told(args, service)?)
        } else {
            needs_a_service(args)?;
            None
        };
        Ok(Self {
            of_server: args.server_metrics,
            telemetry,
        })
    }

    /// The service that this server runs.
    pub(crate) fn own_service(&self) -> Option<&OwnService> {
        self.telemetry.as_ref()?.own.as_ref()
    }

    /// The port of its page.
    pub(crate) fn ui_port(&self) -> Option<u16> {
        self.own_service().map(|own| own.port)
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
        let (option, cure) = ("--telemetry-interval", "seconds, 0.5 at least");
        checked(
            [option, &interval.to_string(), cure],
            Kind::TelemetryService,
            &line,
        )?;
    }
    for flags in &args.telemetry_options {
        let cure = "one line of `CaptureUserAgent`, `None` or `All`";
        checked(
            ["--telemetry-options", flags, cure],
            Kind::TelemetryOptions,
            flags,
        )?;
    }
    if let Some(slow) = args.slow_requests {
        let slow = slow.to_string();
        let cure = "seconds, or 0 to tell of none";
        checked(["--slow-requests", &slow, cure], Kind::SlowRequests, &slow)?;
    }
    Ok(Telemetry {
        service: service.to_owned(),
        interval: args.telemetry_interval,
        options: args.telemetry_options.clone(),
        slow: args.slow_requests,
        own: None,
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
            "`{option}` needs `--telemetry-service` or `--enable-telemetry`\nname the socket that is to be told, or have a service run"
        ))),
        None => Ok(()),
    }
}

/// Has the module's own reader look at a directive's line; what it is about is an option, its value, and what that may
/// be.
fn checked([option, value, cure]: [&str; 3], kind: Kind, line: &str) -> Result<(), Error> {
    if parse(kind, line.as_bytes()).is_ok() && !line.contains('\n') {
        return Ok(());
    }
    let value = value.escape_debug();
    Err(Error::Usage(format!(
        "`{option}`: `{value}` cannot be used\n{cure}"
    )))
}
