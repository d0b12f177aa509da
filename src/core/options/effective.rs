//! The settings that hold for one request.

use std::sync::Arc;

use super::{AskedScript, HandlerScript, Settings};
use crate::alias::{Alias, ScriptOptions};
use crate::environ::HeadMapping;
use crate::group::{DEFAULT_CALLABLE, GroupName, HANDLER_CALLABLE, Lookup};
use crate::proxy::Trust;

/// What brought the request to its script; its options go before every directive.
#[derive(Clone, Copy, Debug, Default)]
pub enum Origin<'a> {
    /// AddHandler or SetHandler wsgi-script: no options.
    #[default]
    Handler,
    /// An alias.
    Alias(&'a Alias),
    /// A handler script.
    HandlerScript(&'a HandlerScript),
}

/// The settings of one request: its origin's, else its directory's, else its server's, else the default.
#[derive(Clone, Copy, Debug)]
pub struct Effective<'a> {
    /// The merged directory sections.
    pub directory: &'a Settings,
    /// The merged server.
    pub server: &'a Settings,
    /// What brought the request here.
    pub origin: Origin<'a>,
}

/// `RSGIRequestBuffer` where nothing is said.
const REQUEST_BUFFER: u64 = 1 << 20;

static GLOBAL: GroupName = GroupName::Global;
static RESOURCE: GroupName = GroupName::Resource;

impl<'a> Effective<'a> {
    /// The settings of a request that no alias or handler script brought.
    #[must_use]
    pub const fn new(directory: &'a Settings, server: &'a Settings) -> Self {
        Self {
            directory,
            server,
            origin: Origin::Handler,
        }
    }

    /// The same with the options of what brought the request.
    #[must_use]
    pub const fn with_origin(self, origin: Origin<'a>) -> Self {
        Self { origin, ..self }
    }

    /// The process group; embedded where nothing is said.
    #[must_use]
    pub fn process_group(&self) -> &'a GroupName {
        self.options()
            .and_then(|options| options.process_group.as_ref())
            .or_else(|| self.first(|settings| settings.process_group.as_ref()))
            .unwrap_or(&GLOBAL)
    }

    /// The application group; `%{RESOURCE}` where nothing is said.
    #[must_use]
    pub fn application_group(&self) -> &'a GroupName {
        self.options()
            .and_then(|options| options.application_group.as_ref())
            .or_else(|| self.first(|settings| settings.application_group.as_ref()))
            .unwrap_or(&RESOURCE)
    }

    /// The name of the callable.
    pub fn callable_object<'b, L: Lookup + ?Sized>(&self, lookup: &'b L) -> &'b [u8]
    where
        'a: 'b,
    {
        if let Origin::HandlerScript(_) = self.origin {
            return HANDLER_CALLABLE;
        }
        if let Some(name) = self
            .options()
            .and_then(|options| options.callable_object.as_ref())
        {
            return name;
        }
        match self.first(|settings| settings.callable_object.as_ref()) {
            Some(name) => name.expand(lookup),
            None => DEFAULT_CALLABLE,
        }
    }

    /// Whether the application sees the Authorization header.
    #[must_use]
    pub fn pass_authorization(&self) -> bool {
        self.options()
            .and_then(|options| options.pass_authorization)
            .or_else(|| self.first(|settings| settings.pass_authorization))
            .unwrap_or(false)
    }

    /// Whether the application gets httpd's own structure.
    #[must_use]
    pub fn pass_apache_request(&self) -> bool {
        self.first(|settings| settings.pass_apache_request)
            .unwrap_or(false)
    }

    /// Whether a changed script is loaded again.
    #[must_use]
    pub fn script_reloading(&self) -> bool {
        self.first(|settings| settings.script_reloading)
            .unwrap_or(true)
    }

    /// Whether a chunked request body is accepted.
    #[must_use]
    pub fn chunked_request(&self) -> bool {
        self.first(|settings| settings.chunked_request)
            .unwrap_or(false)
    }

    /// Whether the application sees GET in place of HEAD.
    #[must_use]
    pub fn map_head_to_get(&self) -> HeadMapping {
        self.first(|settings| settings.map_head_to_get)
            .unwrap_or_default()
    }

    /// Whether the kernel may send files.
    #[must_use]
    pub fn enable_sendfile(&self) -> bool {
        self.first(|settings| settings.enable_sendfile)
            .unwrap_or(false)
    }

    /// Whether a request may run in the process group of that name; empty is embedded mode.
    ///
    /// mod_wsgi: case makes no difference here, though it tells groups apart everywhere else.
    #[must_use]
    pub fn allows_process_group(&self, name: &[u8]) -> bool {
        match self.first(|settings| settings.restrict_process.as_ref()) {
            Some(allowed) => allowed.iter().any(|one| one.eq_ignore_ascii_case(name)),
            None => true,
        }
    }

    /// Whether a request leaves `inactivity-timeout` as it is.
    #[must_use]
    pub fn ignore_activity(&self) -> bool {
        self.first(|settings| settings.ignore_activity)
            .unwrap_or(false)
    }

    /// Whether httpd answers where an application in a process group says 4xx or 5xx.
    #[must_use]
    pub fn error_override(&self) -> bool {
        self.first(|settings| settings.error_override)
            .unwrap_or(false)
    }

    /// How many bytes of a body are taken in before a process group is asked.
    #[must_use]
    pub fn request_buffer(&self) -> u64 {
        self.first(|settings| settings.request_buffer)
            .unwrap_or(REQUEST_BUFFER)
    }

    /// Whom the request's headers are believed.
    #[must_use]
    pub fn trust(&self) -> Trust<'a> {
        Trust {
            headers: self
                .first(|settings| settings.trusted_headers.as_deref())
                .map_or(&[], Vec::as_slice),
            proxies: self
                .first(|settings| settings.trusted_proxies.as_deref())
                .map(Vec::as_slice),
        }
    }

    /// The script that knows users and their passwords.
    #[must_use]
    pub fn auth_user_script(&self) -> Option<&'a AskedScript> {
        self.first(|settings| settings.auth_user_script.as_deref())
    }

    /// The script that knows the groups of users.
    #[must_use]
    pub fn auth_group_script(&self) -> Option<&'a AskedScript> {
        self.first(|settings| settings.auth_group_script.as_deref())
    }

    /// The script that lets clients in.
    #[must_use]
    pub fn access_script(&self) -> Option<&'a AskedScript> {
        self.first(|settings| settings.access_script.as_deref())
    }

    /// The script that says where requests run.
    #[must_use]
    pub fn dispatch_script(&self) -> Option<&'a AskedScript> {
        self.first(|settings| settings.dispatch_script.as_deref())
    }

    /// The handler script of that name.
    #[must_use]
    pub fn handler_script(&self, name: &[u8]) -> Option<&'a Arc<HandlerScript>> {
        self.first(|settings| settings.handler_scripts.as_ref()?.get(name))
    }

    fn options(&self) -> Option<&'a ScriptOptions> {
        match self.origin {
            Origin::Handler => None,
            Origin::Alias(alias) => Some(&alias.options),
            Origin::HandlerScript(script) => Some(&script.options),
        }
    }

    fn first<T>(&self, field: impl Fn(&'a Settings) -> Option<T>) -> Option<T> {
        field(self.directory).or_else(|| field(self.server))
    }
}
