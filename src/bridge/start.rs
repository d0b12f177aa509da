//! How Python is to be started: a safe form of `abi::Start`, and the process's log.

use core::ffi::{c_int, c_void};

use rsgi_core::options::InterpreterRule;

use crate::abi::{self, Bytes};
use crate::fence::fence;

/// Where lines go that belong to no request. Has no state: the layer keeps it for the process's life.
pub trait ProcessLog {
    /// Writes one line; `level` is one of [`abi::level`].
    fn log(level: u32, text: &[u8]);
    /// Whether a line of this level would be written.
    fn enabled(level: u32) -> bool;
    /// What the server as a whole does, as the JSON object of [`abi::Process::server_metrics`]; none where that is not known.
    fn server_metrics() -> Option<String> {
        None
    }
}

/// How Python is to be started. [`StartOptions::default`] has mod_wsgi's defaults.
#[derive(Clone, Copy, Debug)]
pub struct StartOptions<'a> {
    /// Program name and executable: [`crate::locate::Found::executable`].
    pub executable: &'a [u8],
    /// Minor version expected.
    pub minor: u32,
    /// `START_*` bits of [`abi`].
    pub flags: u32,
    /// 0, 1 or 2.
    pub optimize: u8,
    /// Seed of `hash(str)`; none is random.
    pub hash_seed: Option<u32>,
    /// Warning filters, in order.
    pub warnings: &'a [Vec<u8>],
    /// Folders put on `sys.path`, in order.
    pub python_path: &'a [Vec<u8>],
    /// Empty in embedded mode.
    pub process_group: &'a [u8],
    /// Processes of the process group.
    pub processes: i32,
    /// Threads of each of them.
    pub threads: i32,
    /// Processes of the MPM.
    pub mpm_processes: i32,
    /// Threads of each of them.
    pub mpm_threads: i32,
    /// Version of httpd.
    pub apache_version: [u32; 3],
    /// Version of mod_wsgi whose behaviour is kept.
    pub wsgi_version: [u32; 3],
    /// Version of mod_rsgi.
    pub rsgi_version: [u32; 3],
    /// The server's description of itself.
    pub description: &'a [u8],
    /// Name of the MPM.
    pub mpm_name: &'a [u8],
    /// When the server was built.
    pub build_date: &'a [u8],
    /// Folder put at `sys.path[0]`; empty: none.
    pub home: &'a [u8],
    /// `PYTHON_EGG_CACHE` in `os.environ`; empty: left alone.
    pub python_eggs: &'a [u8],
    /// Switch interval in nanoseconds; none leaves Python's own.
    pub switch_interval: Option<u64>,
    /// Name of the process's user, for USER, USERNAME and LOGNAME where they are set; empty: left alone.
    pub user_name: &'a [u8],
    /// Home folder of that user, for HOME; empty: left alone.
    pub user_home: &'a [u8],
    /// What holds for some interpreters only, in the order of `InterpreterRules::for_process`.
    pub rules: &'a [InterpreterRule],
    /// The socket of a telemetry service; empty: none.
    pub telemetry_socket: &'a [u8],
    /// Nanoseconds between two samples.
    pub telemetry_interval: u64,
    /// From how many nanoseconds on a request is slow; 0 for never.
    pub slow_requests: u64,
}

impl Default for StartOptions<'_> {
    fn default() -> Self {
        Self {
            executable: b"",
            minor: 0,
            flags: abi::START_RESTRICT_SIGNAL | abi::START_DESTROY,
            optimize: 0,
            hash_seed: None,
            warnings: &[],
            python_path: &[],
            process_group: b"",
            processes: 1,
            threads: 1,
            mpm_processes: 1,
            mpm_threads: 1,
            apache_version: [0; 3],
            wsgi_version: [0; 3],
            rsgi_version: [0; 3],
            description: b"",
            mpm_name: b"",
            build_date: b"",
            home: b"",
            python_eggs: b"",
            switch_interval: None,
            user_name: b"",
            user_home: b"",
            rules: &[],
            telemetry_socket: b"",
            telemetry_interval: 1_000_000_000,
            slow_requests: 0,
        }
    }
}

impl StartOptions<'_> {
    /// Calls `body` with the ABI's form, which is valid only meanwhile.
    pub(crate) fn with_abi<R>(&self, body: impl FnOnce(&abi::Start) -> R) -> R {
        let warnings = borrow_all(self.warnings);
        let python_path = borrow_all(self.python_path);
        let paths: Vec<Vec<Bytes>> = self
            .rules
            .iter()
            .map(|rule| borrow_all(&rule.python_path))
            .collect();
        let rules: Vec<abi::InterpreterRule> = self
            .rules
            .iter()
            .zip(&paths)
            .map(|(rule, path)| abi_rule(rule, path))
            .collect();
        body(&abi::Start {
            size: size_of::<abi::Start>(),
            executable: Bytes::new(self.executable),
            minor: self.minor,
            flags: self.flags,
            optimize: c_int::from(self.optimize),
            hash_seed: self.hash_seed.map_or(-1, i64::from),
            warnings: warnings.as_ptr(),
            warnings_count: warnings.len(),
            python_path: python_path.as_ptr(),
            python_path_count: python_path.len(),
            process_group: Bytes::new(self.process_group),
            processes: self.processes,
            threads: self.threads,
            mpm_processes: self.mpm_processes,
            mpm_threads: self.mpm_threads,
            apache_version: self.apache_version,
            wsgi_version: self.wsgi_version,
            rsgi_version: self.rsgi_version,
            description: Bytes::new(self.description),
            mpm_name: Bytes::new(self.mpm_name),
            build_date: Bytes::new(self.build_date),
            home: Bytes::new(self.home),
            python_eggs: Bytes::new(self.python_eggs),
            switch_interval_ns: self.switch_interval.unwrap_or(0),
            user_name: Bytes::new(self.user_name),
            user_home: Bytes::new(self.user_home),
            rules: rules.as_ptr(),
            rules_count: rules.len(),
            telemetry_socket: Bytes::new(self.telemetry_socket),
            telemetry_interval_ns: self.telemetry_interval,
            slow_requests_ns: self.slow_requests,
        })
    }
}

/// The ABI's form of a rule, whose folders `path` has.
fn abi_rule(rule: &InterpreterRule, path: &[Bytes]) -> abi::InterpreterRule {
    let said = [
        (rule.restrict_stdin, abi::START_RESTRICT_STDIN),
        (rule.restrict_stdout, abi::START_RESTRICT_STDOUT),
        (rule.restrict_signal, abi::START_RESTRICT_SIGNAL),
        (rule.own_gil, abi::START_OWN_GIL),
    ];
    let bits = |holds: fn(Option<bool>) -> bool| {
        said.iter()
            .filter(|(value, _)| holds(*value))
            .fold(0, |bits, (_, bit)| bits | bit)
    };
    let group = rule.application_group.as_deref();
    abi::InterpreterRule {
        kind: if group.is_some() { abi::RULE_NAMED } else { 0 },
        mask: bits(|value| value.is_some()),
        flags: bits(|value| value == Some(true)),
        application_group: Bytes::new(group.unwrap_or_default()),
        switch_interval_ns: rule.switch_interval.unwrap_or(0),
        python_path: path.as_ptr(),
        python_path_count: path.len(),
    }
}

fn borrow_all(list: &[Vec<u8>]) -> Vec<Bytes> {
    list.iter().map(|item| Bytes::new(item)).collect()
}

/// Carries the table of a [`ProcessLog`].
pub(crate) struct ProcessTable<L>(core::marker::PhantomData<L>);

impl<L: ProcessLog> ProcessTable<L> {
    /// What the layer is given.
    pub(crate) const TABLE: &'static abi::Process = &abi::Process {
        size: size_of::<abi::Process>(),
        log: log::<L>,
        log_enabled: log_enabled::<L>,
        server_metrics: server_metrics::<L>,
    };
}

extern "C" fn log<L: ProcessLog>(level: u32, text: Bytes) {
    // SAFETY: the ABI has the layer keep `text` alive during the call.
    let text = unsafe { text.as_slice() };
    // A log that panics has no place left to say so.
    let _ = fence(|| L::log(level, text));
}

extern "C" fn log_enabled<L: ProcessLog>(level: u32) -> c_int {
    fence(|| c_int::from(L::enabled(level))).unwrap_or(0)
}

extern "C" fn server_metrics<L: ProcessLog>(
    ctx: *mut c_void,
    take: extern "C" fn(*mut c_void, Bytes),
) -> c_int {
    match fence(L::server_metrics) {
        Ok(Some(text)) => {
            take(ctx, Bytes::new(text.as_bytes()));
            1
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Panicking;

    impl ProcessLog for Panicking {
        fn log(_: u32, _: &[u8]) {
            panic!("log");
        }
        fn enabled(_: u32) -> bool {
            panic!("enabled");
        }
    }

    #[test]
    fn a_log_that_panics_is_silent() {
        let table = ProcessTable::<Panicking>::TABLE;
        (table.log)(3, Bytes::new(b"text"));
        assert_eq!((table.log_enabled)(3), 0);
    }

    struct Telling;

    impl ProcessLog for Telling {
        fn log(_: u32, _: &[u8]) {}
        fn enabled(_: u32) -> bool {
            false
        }
        fn server_metrics() -> Option<String> {
            Some("{}".to_owned())
        }
    }

    extern "C" fn take(ctx: *mut c_void, text: Bytes) {
        // SAFETY: what the test below gives.
        let texts = unsafe { &mut *ctx.cast::<Vec<Vec<u8>>>() };
        // SAFETY: alive during the call.
        texts.push(unsafe { text.as_slice() }.to_vec());
    }

    #[test]
    fn the_server_s_metrics_are_given_where_they_are_known() {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        let ctx = (&raw mut texts).cast();
        assert_eq!(
            (ProcessTable::<Panicking>::TABLE.server_metrics)(ctx, take),
            0
        );
        assert_eq!(
            (ProcessTable::<Telling>::TABLE.server_metrics)(ctx, take),
            1
        );
        assert_eq!(texts, [b"{}".to_vec()]);
    }

    #[test]
    fn lists_and_optional_values_become_what_the_abi_says() {
        let path = [b"/a".to_vec(), b"/b".to_vec()];
        let options = StartOptions {
            python_path: &path,
            hash_seed: Some(7),
            ..StartOptions::default()
        };
        options.with_abi(|start| {
            assert_eq!(start.size, size_of::<abi::Start>());
            assert_eq!(start.python_path_count, 2);
            assert_eq!(start.warnings_count, 0);
            assert_eq!(start.hash_seed, 7);
            assert_eq!(start.rules_count, 0);
        });
        let rules = [InterpreterRule {
            application_group: Some(b"a".to_vec()),
            own_gil: Some(true),
            restrict_stdin: Some(false),
            python_path: path.to_vec(),
            ..InterpreterRule::default()
        }];
        let options = StartOptions {
            rules: &rules,
            ..StartOptions::default()
        };
        options.with_abi(|start| {
            assert_eq!(start.rules_count, 1);
            // SAFETY: one rule, alive during the call.
            let rule = unsafe { &*start.rules };
            assert_eq!(rule.kind, abi::RULE_NAMED);
            assert_eq!(rule.mask, abi::START_OWN_GIL | abi::START_RESTRICT_STDIN);
            assert_eq!(rule.flags, abi::START_OWN_GIL);
            assert_eq!(rule.python_path_count, 2);
        });
        StartOptions::default().with_abi(|start| assert_eq!(start.hash_seed, -1));
    }
}
