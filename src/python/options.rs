//! How this process is configured: an owned copy of `abi::Start`, kept for the interpreters that are made later.
#![deny(unsafe_code)]

use std::sync::OnceLock;

use rsgi_bridge::abi;

/// The process's configuration.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// `START_*` bits.
    pub(crate) flags: u32,
    pub(crate) executable: Vec<u8>,
    pub(crate) minor: u32,
    pub(crate) optimize: i32,
    pub(crate) hash_seed: Option<u32>,
    pub(crate) warnings: Vec<Vec<u8>>,
    pub(crate) python_path: Vec<Vec<u8>>,
    pub(crate) process_group: Vec<u8>,
    pub(crate) processes: i32,
    pub(crate) threads: i32,
    pub(crate) mpm_processes: i32,
    pub(crate) mpm_threads: i32,
    pub(crate) apache_version: [u32; 3],
    pub(crate) wsgi_version: [u32; 3],
    pub(crate) rsgi_version: [u32; 3],
    pub(crate) description: Vec<u8>,
    pub(crate) mpm_name: Vec<u8>,
    pub(crate) build_date: Vec<u8>,
}

static OPTIONS: OnceLock<Options> = OnceLock::new();
static DEFAULTS: Options = Options {
    flags: 0,
    executable: Vec::new(),
    minor: 0,
    optimize: 0,
    hash_seed: None,
    warnings: Vec::new(),
    python_path: Vec::new(),
    process_group: Vec::new(),
    processes: 1,
    threads: 1,
    mpm_processes: 1,
    mpm_threads: 1,
    apache_version: [0; 3],
    wsgi_version: [0; 3],
    rsgi_version: [0; 3],
    description: Vec::new(),
    mpm_name: Vec::new(),
    build_date: Vec::new(),
};

impl Options {
    /// Whether a `START_*` bit is set.
    pub(crate) fn has(&self, bit: u32) -> bool {
        self.flags & bit != 0
    }

    /// Whether case matters in script paths.
    pub(crate) fn is_case_sensitive(&self) -> bool {
        !self.has(abi::START_CASE_INSENSITIVE)
    }
}

/// Keeps the configuration; false when there is one already.
pub(crate) fn set(options: Options) -> bool {
    OPTIONS.set(options).is_ok()
}

/// The process's configuration.
pub(crate) fn options() -> &'static Options {
    OPTIONS.get().unwrap_or(&DEFAULTS)
}
