//! Who may ask a server for its status: this machine, with a secret that only the server root's owner can read.
//!
//! Two files are written at each start, both for their owner alone: the piece of configuration that Apache reads before
//! it gives any rights away, and what `status` needs to ask.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::settings::Settings;
use crate::tree::ServerRoot;

/// The URL of the status; not in the application's way.
pub(super) const PATH: &str = "/__rsgi__/status";
/// The header with the secret.
pub(super) const HEADER: &str = "X-RSGI-Token";
/// A name that nobody else has.
const HOST: &str = "rsgi-status.invalid";
/// What `status` reads.
const ACCESS: &str = "status.json";
/// What Apache reads.
const CONFIGURATION: &str = "status.conf";

/// How to ask a server.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Access {
    /// An address that it listens on.
    pub(crate) address: String,
    pub(crate) port: u16,
    /// The name of its virtual host for this, where there are several.
    pub(crate) host: Option<String>,
    /// Where a browser finds it.
    pub(crate) url: String,
    token: String,
}

impl Access {
    /// The way to a server with these settings, with a new secret.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(crate) fn of(settings: &Settings) -> Result<Self, Error> {
        let listening = &settings.listening;
        let address = match listening.host.as_deref() {
            None | Some("0.0.0.0") => "127.0.0.1",
            Some("::") => "::1",
            Some(address) => address,
        };
        // Where names choose a virtual host, the status is one of its own: no rule of another is in its way.
        let is_named = listening.name.is_some() || !settings.proxies.hosts.is_empty();
        let mut bytes = [0; 24];
        fs::File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bytes))
            .map_err(Error::system("read random numbers"))?;
        Ok(Self {
            address: address.to_owned(),
            port: listening.port,
            host: is_named.then(|| HOST.to_owned()),
            url: settings.url(),
            token: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// Writes both files.
    ///
    /// # Errors
    /// One cannot be written.
    pub(crate) fn write(&self, root: &ServerRoot) -> Result<(), Error> {
        let configuration = self.configuration();
        let access = serde_json::to_string(self).map_err(|error| Error::System {
            action: "write the access to the status",
            source: io::Error::other(error),
        })?;
        root.write_private(CONFIGURATION, &configuration)?;
        root.write_private(ACCESS, &access)
    }

    fn configuration(&self) -> String {
        let token = &self.token;
        let location = format!(
            "<Location \"{PATH}\">\n    \
                 SetHandler rsgi-status\n    \
                 RewriteEngine Off\n    \
                 <RequireAll>\n        \
                     Require local\n        \
                     Require expr \"req_novary('{HEADER}') == '{token}'\"\n    \
                 </RequireAll>\n\
             </Location>\n"
        );
        let text = match &self.host {
            Some(host) => format!(
                "<VirtualHost *:{}>\nServerName {host}\n{location}</VirtualHost>\n",
                self.port
            ),
            None => location,
        };
        format!(
            "# `rsgi-express status` asks here, with a secret that is made new at each start.\n\
             <IfModule wsgi_module>\n{text}</IfModule>\n"
        )
    }

    /// The way to the server of a root.
    ///
    /// # Errors
    /// There is none, it is somebody else's, or no file of ours.
    pub(super) fn read(root: &Path) -> Result<Self, Error> {
        let path = root.join(ACCESS);
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Usage(format!(
                "there is no server in `{}`\nname its root with `--server-root`, or its `--host` and `--port`",
                root.display()
            )),
            io::ErrorKind::PermissionDenied => Error::Usage(format!(
                "the server in `{}` belongs to somebody else\nask as the user who started it",
                root.display()
            )),
            _ => Error::file("read", &path)(error),
        })?;
        serde_json::from_str(&text).map_err(|error| {
            Error::Usage(format!(
                "`{}` is not what a start writes: {error}",
                path.display()
            ))
        })
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }
}
