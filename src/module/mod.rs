//! mod_rsgi itself: its directives, its life in httpd's processes, and the way of a request through it.
//!
//! Wiring only: what can be decided without httpd is in `rsgi-core`, what knows httpd is in the room `httpd`,
//! what knows Python is behind `rsgi-bridge`.
#![forbid(unsafe_code)]

mod access;
mod asked;
mod daemon_config;
mod daemons;
mod directives;
mod dispatch;
mod embedded;
mod environ;
mod front;
mod groups;
mod handler;
mod head;
mod host;
mod intake;
mod lifecycle;
mod local;
mod mapping;
mod metrics;
mod notes;
mod ownership;
mod remote;
mod server_metrics;
mod status;
mod tally;

use rsgi_core::options::{ServerOptions, Settings};

use crate::httpd::{
    Authorized, Checked, Command, CommandContext, Module, PageForm, Phase, RealmHash, Refused,
    Request, Server, Verdict,
};

pub(crate) use directives::{COMMANDS, COUNT};

/// The module, as httpd sees it.
pub(crate) struct Rsgi;

impl Module for Rsgi {
    type ServerConfig = directives::ServerConfig;
    type DirectoryConfig = directives::DirectoryConfig;
    const COMMANDS: &'static [Command] = &COMMANDS;
    const USER_PROVIDER: &'static std::ffi::CStr = c"wsgi";
    const GROUP_PROVIDER: &'static std::ffi::CStr = c"wsgi-group";

    fn directive(context: &mut CommandContext<'_, Self>, words: &[u8]) -> Result<(), String> {
        directives::read(context, words)
    }

    fn section_end(server: &mut Self::ServerConfig) {
        server.global.interpreters.close();
    }

    fn pre_config(phase: Phase<'_>) -> Result<(), Refused> {
        lifecycle::pre_config(phase)
    }

    fn check_config(phase: Phase<'_>) -> Result<(), Refused> {
        lifecycle::check_config(phase)
    }

    fn post_config(phase: Phase<'_>) -> Result<(), Refused> {
        lifecycle::post_config(phase);
        notes::look(phase);
        Ok(())
    }

    fn serve(phase: Phase<'_>) -> Result<(), Refused> {
        let Some(main) = phase.server else {
            return Ok(());
        };
        tally::make(main);
        daemons::serve(main)
    }

    fn monitor(phase: Phase<'_>) {
        if let Some(main) = phase.server {
            daemons::monitor(main);
        }
    }

    fn process_ended(pid: i32, server: Option<Server<'_>>) {
        daemons::supervisor_ended(pid, server);
    }

    fn children_stop(pid: i32, server: Option<Server<'_>>) {
        daemons::children_stop(pid, server);
    }

    fn child_init(phase: Phase<'_>) {
        lifecycle::child_init(phase);
    }

    fn translate_name(request: Request<'_>) -> Verdict {
        mapping::translate_name(request)
    }

    fn check_access(request: Request<'_>) -> Verdict {
        access::check_access(request)
    }

    fn check_password(request: Request<'_>, user: &[u8], password: &[u8]) -> Checked {
        access::check_password(request, user, password)
    }

    fn realm_hash<'r>(request: Request<'r>, user: &[u8], realm: &[u8]) -> RealmHash<'r> {
        access::realm_hash(request, user, realm)
    }

    fn authorize(request: Request<'_>, line: &[u8]) -> Authorized {
        access::authorize(request, line)
    }

    fn status_section(request: Request<'_>, form: PageForm) -> String {
        metrics::section(request, form)
    }

    fn handler(request: Request<'_>) -> Verdict {
        handler::handle(request)
    }
}

/// The version of mod_wsgi whose behaviour is kept: applications ask for it.
const WSGI_VERSION: [u32; 3] = [6, 1, 1];

/// The settings of a directory section that made none.
static NO_SETTINGS: Settings = Settings::NONE;

/// Our version, `major.minor.patch`.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A version as numbers.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

type Options = ServerOptions<std::sync::Arc<crate::httpd::Regex>>;
