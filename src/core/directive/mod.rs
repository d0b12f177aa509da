//! The directives: their names, contexts and help texts, and how their arguments become typed values.
//!
//! The module builds httpd's command table from [`DIRECTIVES`] and calls [`parse`] in each setter; what comes out
//! goes to `options`. A refused value ends in one line that names the directive, the value and the cure.

use std::ffi::CStr;

mod access;
mod error;
mod interpreter;
mod parse;
mod table;
mod telemetry;

pub use error::{DirectiveError, Shown};
pub use interpreter::check_content;
pub use parse::parse;
pub use table::DIRECTIVES;

use crate::alias::{Alias, Import};
use crate::daemon::GroupDefinition;
use crate::options::{GlobalSetting, InterpreterRule, Setting};

/// Which directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each is WSGI and its own name; RequestBuffer and Overlap are RSGI"
)]
pub enum Kind {
    ScriptAlias,
    ScriptAliasMatch,
    CallableObject,
    ApplicationGroup,
    HandlerScript,
    ImportScript,
    PythonHome,
    PythonPath,
    PythonOptimize,
    PythonHashSeed,
    PythonWarnings,
    DontWriteBytecode,
    DestroyInterpreter,
    RestrictStdin,
    RestrictStdout,
    RestrictSignal,
    PerInterpreterGil,
    FreeThreading,
    InterpreterOptions,
    CaseSensitivity,
    ScriptReloading,
    PassAuthorization,
    PassApacheRequest,
    ChunkedRequest,
    MapHeadToGet,
    EnableSendfile,
    DaemonProcess,
    ProcessGroup,
    RestrictProcess,
    RestrictEmbedded,
    SocketPrefix,
    SocketRotation,
    AcceptMutex,
    IgnoreActivity,
    ErrorOverride,
    RequestBuffer,
    Overlap,
    TrustedProxies,
    TrustedProxyHeaders,
    AuthUserScript,
    AuthGroupScript,
    AccessScript,
    GroupAuthoritative,
    DispatchScript,
    PythonEggs,
    SwitchInterval,
    VerboseDebugging,
    ServerMetrics,
    TelemetryService,
    SlowRequests,
    TelemetryOptions,
    LazyInitialization,
    UserAuthoritative,
    ReloadMechanism,
    OutputBuffering,
    PythonExecutable,
    Py3kWarningFlag,
    NewRelicConfigFile,
    NewRelicEnvironment,
}

/// Where a directive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Outside of every section only, not even in a virtual host (RSRC_CONF and a GLOBAL_ONLY check).
    Global,
    /// In the main server and in virtual hosts (RSRC_CONF).
    Server,
    /// There, in directory sections, and in .htaccess with `AllowOverride FileInfo` (OR_FILEINFO).
    FileInfo,
    /// There and in directory sections, never in .htaccess (RSRC_CONF | ACCESS_CONF).
    ServerDirectory,
    /// In directory sections, and in .htaccess with `AllowOverride AuthConfig` (OR_AUTHCFG).
    AuthConfig,
    /// Anywhere: a directive that is no more, and says so.
    Anywhere,
}

/// How httpd is to hand the arguments over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// One word, `On` or `Off`. To be taken as one word, so that [`parse`] can refuse it in its own words.
    Flag,
    /// One word.
    Take1,
    /// The line as it stands.
    Raw,
}

/// What is known about a directive.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Which one.
    pub kind: Kind,
    /// Its name, as httpd wants it.
    pub name: &'static CStr,
    /// Where it may stand.
    pub context: Context,
    /// How its arguments come.
    pub arguments: Arguments,
    /// One line of help.
    pub usage: &'static CStr,
}

/// A parsed directive, by the place its value goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// An alias, for the server it stands in. [`Alias::preload`] may add an import.
    Alias(Alias),
    /// A script loaded at the start of processes.
    Import(Import),
    /// A process group, for the whole of httpd; it belongs to the server it stands in.
    Group(Box<GroupDefinition>),
    /// A setting, for the server or the section it stands in.
    Setting(Setting),
    /// A setting of the whole server.
    Global(GlobalSetting),
    /// A section for some interpreters begins.
    Interpreters(InterpreterRule),
}

impl Kind {
    /// What is known about it.
    #[must_use]
    pub const fn spec(self) -> &'static Spec {
        &DIRECTIVES[self as usize]
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match (self, self.spec().name.to_str()) {
            // httpd's tables have sections without what closes the bracket.
            (Self::InterpreterOptions, _) => "<WSGIInterpreterOptions>",
            (_, Ok(name)) => name,
            (_, Err(_)) => "",
        }
    }

    /// The directive of that name, in any case.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let spec = DIRECTIVES
            .iter()
            .find(|spec| spec.name.to_bytes().eq_ignore_ascii_case(name))?;
        Some(spec.kind)
    }

    /// Whether it may stand in a `<WSGIInterpreterOptions>` section.
    #[must_use]
    pub const fn is_for_interpreters(self) -> bool {
        matches!(
            self,
            Self::PerInterpreterGil
                | Self::FreeThreading
                | Self::SwitchInterval
                | Self::PythonPath
                | Self::RestrictStdin
                | Self::RestrictStdout
                | Self::RestrictSignal
        )
    }
}

#[cfg(test)]
mod tests;
