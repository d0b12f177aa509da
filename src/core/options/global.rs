//! Settings of the whole server: they stand outside of every section and are read from the main server only.

use std::sync::Arc;

use super::InterpreterRules;
use crate::group::Case;

/// `WSGIPythonHashSeed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashSeed {
    /// Another one in each process.
    #[default]
    Random,
    /// Always this one.
    Fixed(u32),
}

/// `WSGIAcceptMutex`: read and checked, for configurations that have it. No connection is accepted from a socket that
/// several processes share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are APR's")]
pub enum AcceptMutex {
    #[default]
    Default,
    Flock,
    Fcntl,
    Sysvsem,
    Posixsem,
    Pthread,
}

impl AcceptMutex {
    /// The mechanism of that name, in any case.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        [
            ("default", Self::Default),
            ("flock", Self::Flock),
            ("fcntl", Self::Fcntl),
            ("sysvsem", Self::Sysvsem),
            ("posixsem", Self::Posixsem),
            ("pthread", Self::Pthread),
        ]
        .into_iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))
        .map(|(_, mechanism)| mechanism)
    }
}

/// One value of [`GlobalOptions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GlobalSetting {
    /// `WSGIPythonHome`
    PythonHome(Arc<[u8]>),
    /// `WSGIPythonPath`, split
    PythonPath(Vec<Arc<[u8]>>),
    /// `WSGIPythonOptimize`
    PythonOptimize(u8),
    /// `WSGIPythonHashSeed`
    PythonHashSeed(HashSeed),
    /// `WSGIPythonWarnings`
    PythonWarnings(Arc<[u8]>),
    /// `WSGIDontWriteBytecode`
    DontWriteBytecode(bool),
    /// `WSGIRestrictStdin`
    RestrictStdin(bool),
    /// `WSGIRestrictStdout`
    RestrictStdout(bool),
    /// `WSGIRestrictSignal`
    RestrictSignal(bool),
    /// `WSGICaseSensitivity`
    CaseSensitivity(bool),
    /// `WSGIPerInterpreterGIL`
    PerInterpreterGil(bool),
    /// `WSGIFreeThreading`
    FreeThreading(bool),
    /// `WSGIDestroyInterpreter`
    DestroyInterpreter(bool),
    /// `WSGIRestrictEmbedded`
    RestrictEmbedded(bool),
    /// `WSGISocketPrefix`
    SocketPrefix(Arc<[u8]>),
    /// `WSGISocketRotation`
    SocketRotation(bool),
    /// `WSGIAcceptMutex`
    AcceptMutex(AcceptMutex),
    /// `RSGIOverlap`
    Overlap(bool),
    /// `WSGIPythonEggs`
    PythonEggs(Arc<[u8]>),
    /// `WSGISwitchInterval`, in nanoseconds
    SwitchInterval(u64),
    /// `WSGIVerboseDebugging`
    VerboseDebugging(bool),
    /// `WSGIServerMetrics`
    ServerMetrics(bool),
    /// `WSGITelemetryService`
    TelemetryService {
        /// The path behind `unix:`.
        socket: Arc<[u8]>,
        /// In nanoseconds.
        interval: u64,
    },
    /// `WSGISlowRequests`, in nanoseconds; 0 for never
    SlowRequests(u64),
    /// `WSGITelemetryOptions`
    CaptureUserAgent(bool),
}

/// The settings of the whole server, each with its default until set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalOptions {
    /// The environment whose Python is used; the system's python3 otherwise.
    pub python_home: Option<Arc<[u8]>>,
    /// Folders for the front of `sys.path`, in order.
    pub python_path: Vec<Arc<[u8]>>,
    /// Optimisation level: 0, 1 or 2.
    pub optimize: u8,
    /// Seed of hashes.
    pub hash_seed: HashSeed,
    /// Warning filters in the syntax of `python -W`, in order.
    pub warnings: Vec<Arc<[u8]>>,
    /// Whether no .pyc files are written.
    pub dont_write_bytecode: bool,
    /// Whether `sys.stdin` refuses to be used.
    pub restrict_stdin: bool,
    /// Whether `sys.stdout` refuses to be used.
    pub restrict_stdout: bool,
    /// Whether `signal.signal` does nothing.
    pub restrict_signal: bool,
    /// Whether case matters in script paths.
    pub case_sensitivity: Case,
    /// Whether each sub-interpreter has a GIL of its own.
    pub per_interpreter_gil: bool,
    /// Whether a free-threaded Python runs without the GIL.
    pub free_threading: bool,
    /// What holds for some interpreters only.
    pub interpreters: InterpreterRules,
    /// Whether interpreters are destroyed when a process ends.
    pub destroy_interpreter: bool,
    /// Whether no application may run in Apache's children; said by nobody where none.
    pub restrict_embedded: Option<bool>,
    /// Where mod_wsgi would have its sockets.
    pub socket_prefix: Option<Arc<[u8]>>,
    /// Whether mod_wsgi would rename them at a restart.
    pub socket_rotation: bool,
    /// What mod_wsgi would accept connections under.
    pub accept_mutex: AcceptMutex,
    /// Whether a process of a group serves until its successor is ready.
    pub overlap: bool,
    /// Where Python eggs are unpacked to.
    pub python_eggs: Option<Arc<[u8]>>,
    /// How long a thread keeps the GIL when others want it, in nanoseconds; none is Python's own time.
    pub switch_interval: Option<u64>,
    /// Whether mod_wsgi would have said more once.
    pub verbose_debugging: Option<bool>,
    /// Whether applications in Apache's children may look at the scoreboard.
    pub server_metrics: bool,
    /// The socket of the service that is told what happens, and how often, in nanoseconds.
    pub telemetry: Option<(Arc<[u8]>, u64)>,
    /// From when on a request is slow, in nanoseconds; 0 for never.
    pub slow_requests: u64,
    /// Whether slow requests are told of with what the client says it is.
    pub capture_user_agent: bool,
}

impl Default for GlobalOptions {
    fn default() -> Self {
        Self {
            python_home: None,
            python_path: Vec::new(),
            optimize: 0,
            hash_seed: HashSeed::Random,
            warnings: Vec::new(),
            dont_write_bytecode: false,
            restrict_stdin: false,
            restrict_stdout: false,
            restrict_signal: true,
            case_sensitivity: if cfg!(any(target_os = "macos", windows)) {
                Case::Insensitive
            } else {
                Case::Sensitive
            },
            per_interpreter_gil: false,
            free_threading: false,
            interpreters: InterpreterRules::default(),
            destroy_interpreter: true,
            restrict_embedded: None,
            socket_prefix: None,
            socket_rotation: true,
            accept_mutex: AcceptMutex::Default,
            overlap: true,
            python_eggs: None,
            switch_interval: None,
            verbose_debugging: None,
            server_metrics: false,
            telemetry: None,
            slow_requests: 0,
            capture_user_agent: false,
        }
    }
}

impl GlobalOptions {
    /// Takes one value in; warnings add up, of everything else a later value replaces an earlier one. What stands in a
    /// block for some interpreters goes to that.
    pub fn apply(&mut self, setting: GlobalSetting) {
        let Some(setting) = self.interpreters.take(setting) else {
            return;
        };
        match setting {
            GlobalSetting::PerInterpreterGil(value) => self.per_interpreter_gil = value,
            GlobalSetting::FreeThreading(value) => self.free_threading = value,
            GlobalSetting::PythonHome(value) => self.python_home = Some(value),
            GlobalSetting::PythonPath(value) => self.python_path = value,
            GlobalSetting::PythonOptimize(value) => self.optimize = value,
            GlobalSetting::PythonHashSeed(value) => self.hash_seed = value,
            GlobalSetting::PythonWarnings(value) => self.warnings.push(value),
            GlobalSetting::DontWriteBytecode(value) => self.dont_write_bytecode = value,
            GlobalSetting::RestrictStdin(value) => self.restrict_stdin = value,
            GlobalSetting::RestrictStdout(value) => self.restrict_stdout = value,
            GlobalSetting::RestrictSignal(value) => self.restrict_signal = value,
            GlobalSetting::DestroyInterpreter(value) => self.destroy_interpreter = value,
            GlobalSetting::RestrictEmbedded(value) => self.restrict_embedded = Some(value),
            GlobalSetting::SocketPrefix(value) => self.socket_prefix = Some(value),
            GlobalSetting::SocketRotation(value) => self.socket_rotation = value,
            GlobalSetting::AcceptMutex(value) => self.accept_mutex = value,
            GlobalSetting::Overlap(value) => self.overlap = value,
            GlobalSetting::PythonEggs(value) => self.python_eggs = Some(value),
            GlobalSetting::SwitchInterval(value) => self.switch_interval = Some(value),
            GlobalSetting::VerboseDebugging(value) => self.verbose_debugging = Some(value),
            GlobalSetting::ServerMetrics(value) => self.server_metrics = value,
            GlobalSetting::TelemetryService { socket, interval } => {
                self.telemetry = Some((socket, interval))
            }
            GlobalSetting::SlowRequests(value) => self.slow_requests = value,
            GlobalSetting::CaptureUserAgent(value) => self.capture_user_agent = value,
            GlobalSetting::CaseSensitivity(true) => self.case_sensitivity = Case::Sensitive,
            GlobalSetting::CaseSensitivity(false) => self.case_sensitivity = Case::Insensitive,
        }
    }
}
