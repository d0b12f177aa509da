//! How one daemon process is to be: made by httpd's parent, sealed in memory, read by the process before anything else.
//!
//! The program gets nothing else: its descriptors have fixed numbers (`FD_*`), its environment is the one named here.

use rsgi_core::daemon::DaemonOptions;
use rsgi_core::options::InterpreterRule;
use serde::{Deserialize, Serialize};

/// The sealed configuration ([`ProcessConfig`]), a memory file.
pub const FD_CONFIG: i32 = 3;
/// The group's scoreboard, a memory file.
pub const FD_BOARD: i32 = 4;
/// Where new connections come from: the slot's receiving end, a SEQPACKET socket.
pub const FD_INTAKE: i32 = 5;
/// The line to the supervisor ([`crate::order`]), a SEQPACKET socket.
pub const FD_SUPERVISOR: i32 = 6;
// Standard output and error are the log pipe to the supervisor, standard input is /dev/null.

/// In a request's flags on the wire, beside the bridge's `REQUEST_*`: `WSGIIgnoreActivity`, it does not keep the process
/// from being called inactive.
pub const REQUEST_IGNORE_ACTIVITY: u32 = 1 << 16;

/// One daemon process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessConfig {
    /// The group's name.
    pub group: Vec<u8>,
    /// Its place in the scoreboard.
    pub slot: u32,
    /// Number of this process among all that ever had the slot, from 1.
    pub incarnation: u32,
    /// The options of `WSGIDaemonProcess`.
    pub options: DaemonOptions,
    /// Who it becomes; none where httpd was not started as root: then it stays who it is.
    pub identity: Option<ProcessIdentity>,
    /// The user whose connections it takes: Apache's children.
    pub client_user: u32,
    /// Which Python.
    pub python: PythonConfig,
    /// What is loaded before any request, in order.
    pub imports: Vec<ImportConfig>,
    /// What httpd says of itself.
    pub server: ServerConfig,
    /// Who is told what happens; none for nobody.
    pub telemetry: Option<TelemetryConfig>,
    /// `LogLevel` of the module for the group's server, 0 to 15 (http_log.h APLOG_*).
    pub log_level: u32,
}

/// Ids, checked when the configuration was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// User id, never 0.
    pub user: u32,
    /// Primary group id.
    pub group: u32,
    /// All supplementary groups, as `setgroups` takes them.
    pub groups: Vec<u32>,
    /// The user's name.
    pub name: Vec<u8>,
    /// The user's home folder by the user database; none where it says none.
    pub home: Option<Vec<u8>>,
}

/// Python of a group: `rsgi_bridge::locate::Found` and how to start it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonConfig {
    /// See `Found::executable`.
    pub executable: Vec<u8>,
    /// See `Found::library`.
    pub library: Vec<u8>,
    /// See `Found::standard_library`.
    pub standard_library: Vec<u8>,
    /// See `Found::base_prefix`.
    pub base_prefix: Vec<u8>,
    /// See `Found::minor`.
    pub minor: u32,
    /// See `Found::version`.
    pub version: Option<String>,
    /// See `Found::is_venv`.
    pub is_venv: bool,
    /// See `Found::free_threaded`.
    pub free_threaded: bool,
    /// 0, 1 or 2.
    pub optimize: u8,
    /// None is random.
    pub hash_seed: Option<u32>,
    /// Warning filters, in order.
    pub warnings: Vec<Vec<u8>>,
    /// `START_*` bits of `rsgi_bridge::abi` that come from the configuration.
    pub flags: u32,
    /// What holds for some interpreters only, in the order in which it applies.
    pub rules: Vec<InterpreterRule>,
}

/// `WSGITelemetryService` and its kin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelemetryConfig {
    /// The service's socket.
    pub socket: Vec<u8>,
    /// Nanoseconds between two samples.
    pub interval: u64,
    /// From how many nanoseconds on a request is slow; 0 for never.
    pub slow_requests: u64,
}

/// A script that is loaded before any request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportConfig {
    /// The script.
    pub script: Vec<u8>,
    /// Empty is the main interpreter.
    pub application_group: Vec<u8>,
}

/// What httpd says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerConfig {
    /// `apache.version`.
    pub apache_version: [u32; 3],
    /// `mod_wsgi.version`.
    pub wsgi_version: [u32; 3],
    /// Ours.
    pub rsgi_version: [u32; 3],
    /// Full banner.
    pub description: Vec<u8>,
    /// Name of the MPM.
    pub mpm_name: Vec<u8>,
    /// When httpd was built.
    pub build_date: Vec<u8>,
    /// Children of the MPM.
    pub mpm_processes: i32,
    /// Threads of each.
    pub mpm_threads: i32,
    /// `Timeout` of the group's server in seconds, for socket-timeout=0.
    pub timeout: u32,
}

impl ProcessConfig {
    /// As bytes for the memory file.
    ///
    /// # Errors
    /// Memory.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(self)
    }

    /// From the bytes of the memory file.
    ///
    /// # Errors
    /// They are of another build or cut.
    pub fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(bytes)
    }
}
