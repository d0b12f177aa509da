//! Turns the command line into settings: everything absolute, defaults filled in, contradictions refused.
//!
//! Looks at the environment (current directory, TMPDIR, user) but at no file: whether something exists and may
//! be read is for [`crate::check`]. Paths are kept as text because they go into Apache's configuration,
//! a shell script and a Python file, each of which quotes them in its own way ([`crate::render`]). The templates
//! know each part by the name it has here.

mod access;
mod application;
mod clients;
mod debug;
mod files;
mod listening;
mod logs;
mod metrics;
mod processes;
mod proxies;
mod python;
mod server;
mod services;
#[cfg(test)]
pub(crate) mod test_support;
mod text;

use std::env;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;
use serde::Serialize;

pub(crate) use access::Access;
pub(crate) use application::{Application, Reloading};
pub(crate) use clients::Clients;
pub(crate) use debug::Debug as Debugging;
pub(crate) use files::{Files, UrlAlias};
pub(crate) use listening::{Listening, Tls, bracketed};
pub(crate) use logs::{Log, Logs};
pub(crate) use metrics::Metrics;
pub(crate) use processes::{Processes, Workers};
pub(crate) use proxies::Proxies;
pub(crate) use python::PythonSettings;
pub(crate) use server::Tree;
pub(crate) use services::Service;
pub(crate) use text::printable;
use text::usable;

use crate::cli::{ApplicationType, ServerArgs};
use crate::error::Error;

/// Everything `start-server` was told, made definite.
#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) server_root: String,
    pub(crate) application: Application,
    pub(crate) python: PythonSettings,
    pub(crate) reloading: Reloading,
    pub(crate) listening: Listening,
    pub(crate) tls: Option<Tls>,
    pub(crate) clients: Clients,
    pub(crate) access: Access,
    pub(crate) processes: Processes,
    pub(crate) files: Files,
    pub(crate) proxies: Proxies,
    pub(crate) logs: Logs,
    pub(crate) services: Vec<Service>,
    pub(crate) metrics: Metrics,
    pub(crate) debug: Debugging,
    pub(crate) tree: Tree,
}

impl Settings {
    /// Resolves the arguments.
    ///
    /// # Errors
    /// An option has a value that cannot be used, or options contradict each other.
    pub(crate) fn resolve(args: &ServerArgs) -> Result<Self, Error> {
        let here = env::current_dir().map_err(Error::system("find the current directory"))?;
        let listening = Listening::resolve(&args.listen)?;
        let server_root = match &args.tree.server_root {
            Some(path) => here.join(path),
            None => default_server_root(listening.host.as_deref(), listening.port),
        };
        let root = usable("--server-root", &server_root)?;
        let tls = Tls::resolve(&args.tls, &listening, &here)?;
        let debug = Debugging::resolve(&args.debug, &here, &root)?;
        let application = Application::resolve(&args.application, &here, &root)?;
        let mut processes = Processes::resolve(&args.processes, &listening, debug.is_on, &here)?;
        if args.files.with_php5 {
            processes.have_no_threads();
        }
        let logs = Logs::resolve(&args.logs, &here, &root)?;
        let services = services::resolve(
            &args.services,
            &args.logs,
            args.metrics.enable_telemetry,
            &here,
            &root,
        )?;
        let metrics = Metrics::resolve(&args.metrics, &root, logs.level_number)?;
        if let Some(ui) = metrics.ui_port() {
            differs("--telemetry-ui-port", ui, &listening, tls.as_ref())?;
        }
        Ok(Self {
            reloading: Reloading::resolve(&args.reload, processes.is_embedded, &debug, &here)?,
            python: PythonSettings::resolve(
                &args.python,
                args.application.working_directory.as_deref(),
                &here,
                &root,
            )?,
            clients: Clients::resolve(&args.clients),
            access: Access::resolve(&args.access, &here)?,
            files: Files::resolve(&args.files, &application, &here, &root)?,
            proxies: Proxies::resolve(&args.proxies)?,
            logs,
            services,
            metrics,
            tree: Tree::resolve(&args.tree, &here, &root)?,
            server_root: root,
            application,
            listening,
            tls,
            processes,
            debug,
        })
    }

    /// Whether anything in this server runs Python.
    pub(crate) fn has_python(&self) -> bool {
        self.has_application()
            || !self.files.handlers.is_empty()
            || !self.services.is_empty()
            || self.access.scripts().next().is_some()
    }

    /// Whether there is an application behind the files.
    pub(crate) fn has_application(&self) -> bool {
        self.application.kind != ApplicationType::Static
    }

    /// Whether the application has a process group of its own.
    pub(crate) fn has_group(&self) -> bool {
        !self.processes.is_embedded && (self.has_application() || !self.files.handlers.is_empty())
    }

    /// The process group that the application runs in, as directives name it.
    pub(crate) fn process_group(&self) -> &str {
        if self.processes.is_embedded {
            "%{GLOBAL}"
        } else {
            &self.processes.group
        }
    }

    /// Where a browser finds the application.
    pub(crate) fn url(&self) -> String {
        self.listening
            .url("http", self.listening.port, &self.application.mount)
    }

    /// The same by TLS, where there is.
    pub(crate) fn https_url(&self) -> Option<String> {
        let tls = self.tls.as_ref()?;
        Some(
            self.listening
                .url("https", tls.port, &self.application.mount),
        )
    }
}

/// Refuses a port that the server listens on itself.
fn differs(option: &str, port: u16, listening: &Listening, tls: Option<&Tls>) -> Result<(), Error> {
    let own = [
        ("--port", Some(listening.port)),
        ("--https-port", tls.map(|tls| tls.port)),
    ];
    match own.into_iter().find(|(_, own)| *own == Some(port)) {
        Some((other, _)) => Err(Error::Usage(format!(
            "`{option}`: `{port}` is the port of `{other}`\nchoose another one"
        ))),
        None => Ok(()),
    }
}

/// Where a server is that was not told where to be.
pub(crate) fn default_server_root(host: Option<&str>, port: u16) -> PathBuf {
    let temporary = env::var_os("TMPDIR").filter(|dir| !dir.is_empty());
    let temporary = temporary.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    let host = host.unwrap_or("localhost");
    temporary.join(format!("rsgi-{host}:{port}:{}", Uid::effective()))
}

/// An optional path, made definite.
fn optional(option: &str, path: Option<&Path>, here: &Path) -> Result<Option<String>, Error> {
    path.map(|path| usable(option, &here.join(path)))
        .transpose()
}
