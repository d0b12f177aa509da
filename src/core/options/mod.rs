//! What the configuration says, merged: per directory, per server, and for the whole of httpd.
//!
//! The module keeps these values in pools and fills them through `directive`; merging follows httpd's order, so
//! the value of the innermost section wins. [`Effective`] answers for one request. Values are shared, since
//! httpd merges directory sections for every request.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alias::{Alias, ScriptOptions};
use crate::environ::HeadMapping;
use crate::group::{Callable, GroupName};
use crate::proxy::{Network, TrustedHeader};

mod effective;
mod global;
mod interpreter;

pub use effective::{Effective, Origin};
pub use global::{AcceptMutex, GlobalOptions, GlobalSetting, HashSeed};
pub use interpreter::{InterpreterRule, InterpreterRules};

/// A `WSGIHandlerScript`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerScript {
    /// The name that SetHandler and AddHandler use.
    pub name: Arc<[u8]>,
    /// The script.
    pub script: Arc<[u8]>,
    /// What its requests get; the callable is always `handle_request`.
    pub options: ScriptOptions,
}

/// A script that something is asked of outside of a response: access control and dispatching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedScript {
    /// The script.
    pub script: Arc<[u8]>,
    /// `application-group=`; the main interpreter where nothing is said.
    pub application_group: GroupName,
}

/// Handler scripts by name.
pub type HandlerScripts = BTreeMap<Arc<[u8]>, Arc<HandlerScript>>;

/// Settings that a server or a directory section may make; `None` where it makes none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `WSGIProcessGroup`
    pub process_group: Option<GroupName>,
    /// `WSGIApplicationGroup`
    pub application_group: Option<GroupName>,
    /// `WSGICallableObject`
    pub callable_object: Option<Callable>,
    /// `WSGIScriptReloading`
    pub script_reloading: Option<bool>,
    /// `WSGIPassAuthorization`
    pub pass_authorization: Option<bool>,
    /// `WSGIPassApacheRequest`
    pub pass_apache_request: Option<bool>,
    /// `WSGIChunkedRequest`
    pub chunked_request: Option<bool>,
    /// `WSGIMapHEADToGET`
    pub map_head_to_get: Option<HeadMapping>,
    /// `WSGIEnableSendfile`
    pub enable_sendfile: Option<bool>,
    /// `WSGIRestrictProcess`: the groups that may be used; empty is embedded mode.
    pub restrict_process: Option<Arc<[Arc<[u8]>]>>,
    /// `WSGIIgnoreActivity`
    pub ignore_activity: Option<bool>,
    /// `WSGIErrorOverride`
    pub error_override: Option<bool>,
    /// `RSGIRequestBuffer`
    pub request_buffer: Option<u64>,
    /// `WSGITrustedProxyHeaders`
    pub trusted_headers: Option<Arc<Vec<TrustedHeader>>>,
    /// `WSGITrustedProxies`
    pub trusted_proxies: Option<Arc<Vec<Network>>>,
    /// `WSGIAuthUserScript`
    pub auth_user_script: Option<Arc<AskedScript>>,
    /// `WSGIAuthGroupScript`
    pub auth_group_script: Option<Arc<AskedScript>>,
    /// `WSGIAccessScript`
    pub access_script: Option<Arc<AskedScript>>,
    /// `WSGIGroupAuthoritative`, which is read and means nothing since Apache 2.4.
    pub group_authoritative: Option<bool>,
    /// `WSGIDispatchScript`
    pub dispatch_script: Option<Arc<AskedScript>>,
    /// `WSGIHandlerScript`
    pub handler_scripts: Option<Arc<HandlerScripts>>,
}

/// One value of [`Settings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `WSGIProcessGroup`
    ProcessGroup(GroupName),
    /// `WSGIRestrictProcess`
    RestrictProcess(Arc<[Arc<[u8]>]>),
    /// `WSGIIgnoreActivity`
    IgnoreActivity(bool),
    /// `WSGIErrorOverride`
    ErrorOverride(bool),
    /// `RSGIRequestBuffer`, in bytes
    RequestBuffer(u64),
    /// `WSGIApplicationGroup`
    ApplicationGroup(GroupName),
    /// `WSGICallableObject`
    CallableObject(Callable),
    /// `WSGIScriptReloading`
    ScriptReloading(bool),
    /// `WSGIPassAuthorization`
    PassAuthorization(bool),
    /// `WSGIPassApacheRequest`
    PassApacheRequest(bool),
    /// `WSGIChunkedRequest`
    ChunkedRequest(bool),
    /// `WSGIMapHEADToGET`
    MapHeadToGet(HeadMapping),
    /// `WSGIEnableSendfile`
    EnableSendfile(bool),
    /// `WSGITrustedProxyHeaders`: those that mean something
    TrustedHeaders(Vec<TrustedHeader>),
    /// `WSGITrustedProxies`
    TrustedProxies(Vec<Network>),
    /// `WSGIAuthUserScript`
    AuthUserScript(AskedScript),
    /// `WSGIAuthGroupScript`
    AuthGroupScript(AskedScript),
    /// `WSGIAccessScript`
    AccessScript(AskedScript),
    /// `WSGIGroupAuthoritative`
    GroupAuthoritative(bool),
    /// `WSGIDispatchScript`
    DispatchScript(AskedScript),
    /// `WSGIHandlerScript`
    HandlerScript(HandlerScript),
}

impl Setting {
    /// Whether Apache's children need Python for it, wherever applications run.
    #[must_use]
    pub const fn asks_a_script(&self) -> bool {
        matches!(
            self,
            Self::AuthUserScript(_)
                | Self::AuthGroupScript(_)
                | Self::AccessScript(_)
                | Self::DispatchScript(_)
        )
    }
}

impl Settings {
    /// No settings: what a section has that makes none.
    pub const NONE: Self = Self {
        process_group: None,
        application_group: None,
        callable_object: None,
        script_reloading: None,
        pass_authorization: None,
        pass_apache_request: None,
        chunked_request: None,
        map_head_to_get: None,
        enable_sendfile: None,
        restrict_process: None,
        ignore_activity: None,
        error_override: None,
        request_buffer: None,
        trusted_headers: None,
        trusted_proxies: None,
        auth_user_script: None,
        auth_group_script: None,
        access_script: None,
        group_authoritative: None,
        dispatch_script: None,
        handler_scripts: None,
    };

    /// Takes one value in; a later one replaces an earlier one, but lists of proxies and of their headers add up.
    pub fn apply(&mut self, setting: Setting) {
        match setting {
            Setting::ProcessGroup(value) => self.process_group = Some(value),
            Setting::RestrictProcess(value) => self.restrict_process = Some(value),
            Setting::IgnoreActivity(value) => self.ignore_activity = Some(value),
            Setting::ErrorOverride(value) => self.error_override = Some(value),
            Setting::RequestBuffer(value) => self.request_buffer = Some(value),
            Setting::ApplicationGroup(value) => self.application_group = Some(value),
            Setting::CallableObject(value) => self.callable_object = Some(value),
            Setting::ScriptReloading(value) => self.script_reloading = Some(value),
            Setting::PassAuthorization(value) => self.pass_authorization = Some(value),
            Setting::PassApacheRequest(value) => self.pass_apache_request = Some(value),
            Setting::ChunkedRequest(value) => self.chunked_request = Some(value),
            Setting::MapHeadToGet(value) => self.map_head_to_get = Some(value),
            Setting::EnableSendfile(value) => self.enable_sendfile = Some(value),
            Setting::TrustedHeaders(value) => append(&mut self.trusted_headers, value),
            Setting::TrustedProxies(value) => append(&mut self.trusted_proxies, value),
            Setting::AuthUserScript(value) => self.auth_user_script = Some(value.into()),
            Setting::AuthGroupScript(value) => self.auth_group_script = Some(value.into()),
            Setting::AccessScript(value) => self.access_script = Some(value.into()),
            Setting::GroupAuthoritative(value) => self.group_authoritative = Some(value),
            Setting::DispatchScript(value) => self.dispatch_script = Some(value.into()),
            Setting::HandlerScript(value) => {
                let scripts = self.handler_scripts.get_or_insert_default();
                Arc::make_mut(scripts).insert(value.name.clone(), Arc::new(value));
            }
        }
    }

    /// The settings of a section `over` inside of `base`.
    #[must_use]
    pub fn merge(base: &Self, over: &Self) -> Self {
        Self {
            process_group: inner(&base.process_group, &over.process_group),
            application_group: inner(&base.application_group, &over.application_group),
            callable_object: inner(&base.callable_object, &over.callable_object),
            script_reloading: over.script_reloading.or(base.script_reloading),
            pass_authorization: over.pass_authorization.or(base.pass_authorization),
            pass_apache_request: over.pass_apache_request.or(base.pass_apache_request),
            chunked_request: over.chunked_request.or(base.chunked_request),
            map_head_to_get: over.map_head_to_get.or(base.map_head_to_get),
            enable_sendfile: over.enable_sendfile.or(base.enable_sendfile),
            restrict_process: inner(&base.restrict_process, &over.restrict_process),
            ignore_activity: over.ignore_activity.or(base.ignore_activity),
            error_override: over.error_override.or(base.error_override),
            request_buffer: over.request_buffer.or(base.request_buffer),
            trusted_headers: inner(&base.trusted_headers, &over.trusted_headers),
            trusted_proxies: inner(&base.trusted_proxies, &over.trusted_proxies),
            auth_user_script: inner(&base.auth_user_script, &over.auth_user_script),
            auth_group_script: inner(&base.auth_group_script, &over.auth_group_script),
            access_script: inner(&base.access_script, &over.access_script),
            group_authoritative: over.group_authoritative.or(base.group_authoritative),
            dispatch_script: inner(&base.dispatch_script, &over.dispatch_script),
            handler_scripts: overlay(&base.handler_scripts, &over.handler_scripts),
        }
    }
}

/// An alias and its compiled regular expression, which belongs to the room that can run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount<R> {
    /// The alias.
    pub alias: Arc<Alias>,
    /// The compiled expression of an alias with `Pattern::Regex`.
    pub regex: Option<R>,
}

/// What a server or virtual host has: settings, and aliases in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions<R = ()> {
    /// The server's own level of settings.
    pub settings: Settings,
    /// Its aliases; the first that matches wins.
    pub aliases: Vec<Mount<R>>,
    /// Whether a section in it says `WSGIProcessGroup`, so that only a request tells where it runs.
    pub sections_choose: bool,
    /// Whether it or a section in it names a script that Apache's children ask.
    pub asks_scripts: bool,
}

impl<R> Default for ServerOptions<R> {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            aliases: Vec::new(),
            sections_choose: false,
            asks_scripts: false,
        }
    }
}

impl<R> ServerOptions<R> {
    /// Whether the server's own level says that requests for some alias run, or may run, in Apache's children.
    ///
    /// Where sections choose the process group nothing is said here: the children need Python when a request does.
    #[must_use]
    pub fn runs_embedded(&self) -> bool {
        let by_default = !self.sections_choose
            && self
                .settings
                .process_group
                .as_ref()
                .is_none_or(GroupName::may_be_global);
        self.aliases
            .iter()
            .any(|mount| match &mount.alias.options.process_group {
                Some(group) => group.may_be_global(),
                None => by_default,
            })
    }
}

impl<R: Clone> ServerOptions<R> {
    /// The options of the virtual host `host` of the main server `main`: its aliases come first.
    #[must_use]
    pub fn merge(main: &Self, host: &Self) -> Self {
        Self {
            settings: Settings::merge(&main.settings, &host.settings),
            aliases: [host.aliases.as_slice(), main.aliases.as_slice()].concat(),
            sections_choose: main.sections_choose || host.sections_choose,
            asks_scripts: main.asks_scripts || host.asks_scripts,
        }
    }
}

fn append<T: Clone>(list: &mut Option<Arc<Vec<T>>>, more: Vec<T>) {
    Arc::make_mut(list.get_or_insert_default()).extend(more);
}

fn inner<T: Clone>(base: &Option<T>, over: &Option<T>) -> Option<T> {
    over.as_ref().or(base.as_ref()).cloned()
}

fn overlay(
    base: &Option<Arc<HandlerScripts>>,
    over: &Option<Arc<HandlerScripts>>,
) -> Option<Arc<HandlerScripts>> {
    let (Some(outer), Some(over)) = (base, over) else {
        return inner(base, over);
    };
    let mut merged = HandlerScripts::clone(outer);
    merged.extend(
        over.iter()
            .map(|(name, script)| (name.clone(), script.clone())),
    );
    Some(Arc::new(merged))
}

#[cfg(test)]
mod tests;
