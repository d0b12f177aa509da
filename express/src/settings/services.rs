//! Services: Python scripts that run beside the application.

use std::path::Path;

use serde::Serialize;

use super::text::usable;
use super::{Tree, logs};
use crate::cli::{LogArgs, ServiceArgs};
use crate::error::Error;
use crate::privileges::Identity;

/// One service.
#[derive(Debug, Serialize)]
pub(crate) struct Service {
    /// Its process group: `service:` and its name.
    pub(crate) group: String,
    pub(crate) script: String,
    pub(crate) user: Option<String>,
    pub(crate) user_group: Option<String>,
    pub(crate) log: Option<String>,
    /// Whether its script is one of the generated files.
    #[serde(skip)]
    pub(crate) is_generated: bool,
}

/// The name of the service of `--enable-telemetry`.
const TELEMETRY: &str = "telemetry";

impl Service {
    /// Who runs it, where root starts the server.
    ///
    /// # Errors
    /// There is no such user or group, or it is root.
    pub(crate) fn identity(&self, tree: &Tree) -> Result<Option<Identity>, Error> {
        let options = ["--service-user", "--service-group"];
        let user = self.user.as_deref().or(tree.user.as_deref());
        Identity::named(options, user, self.user_group.as_deref())
    }
}

/// Resolves the options.
///
/// # Errors
/// A name is none, is there twice or has no script.
pub(super) fn resolve(
    args: &ServiceArgs,
    log_args: &LogArgs,
    has_telemetry: bool,
    here: &Path,
    root: &str,
) -> Result<Vec<Service>, Error> {
    let mut services: Vec<Service> = vec![];
    for [name, path] in args.service_script.as_chunks::<2>().0 {
        let group = format!("service:{}", checked(name)?);
        if services.iter().any(|service| service.group == group) {
            return Err(Error::Usage(format!(
                "`--service-script`: there are two services `{name}`\ngive one of them another name"
            )));
        }
        if has_telemetry && name == TELEMETRY {
            return Err(Error::Usage(format!(
                "`--service-script`: `{TELEMETRY}` is the service of `--enable-telemetry`\ngive yours another name"
            )));
        }
        services.push(Service {
            group,
            script: usable("--service-script", &here.join(path))?,
            user: None,
            user_group: None,
            log: None,
            is_generated: false,
        });
    }
    if has_telemetry {
        services.push(Service {
            group: format!("service:{TELEMETRY}"),
            script: format!("{root}/telemetry-service.py"),
            user: None,
            user_group: None,
            log: None,
            is_generated: true,
        });
    }
    let directory = logs::directory(log_args, here, root)?;
    for [name, user] in args.service_user.as_chunks::<2>().0 {
        named(&mut services, "--service-user", name)?.user = Some(user.clone());
    }
    for [name, group] in args.service_group.as_chunks::<2>().0 {
        named(&mut services, "--service-group", name)?.user_group = Some(group.clone());
    }
    for [name, file] in args.service_log_file.as_chunks::<2>().0 {
        let file = logs::file_name("--service-log-file", file)?;
        let log = format!("{directory}/{file}");
        named(&mut services, "--service-log-file", name)?.log = Some(log);
    }
    Ok(services)
}

fn named<'s>(
    services: &'s mut [Service],
    option: &str,
    name: &str,
) -> Result<&'s mut Service, Error> {
    let group = format!("service:{name}");
    let found = services.iter_mut().find(|service| service.group == group);
    found.ok_or_else(|| {
        Error::Usage(format!(
            "`{option}`: there is no service `{name}`\ngive it a script with `--service-script`"
        ))
    })
}

fn checked(name: &str) -> Result<&str, Error> {
    let allowed = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(Error::Usage(format!(
            "`--service-script`: `{name}` cannot be the name of a service\nletters, digits, `-`, `_` and `.`"
        )));
    }
    Ok(name)
}
