//! Starts CPython in this process and stops it.
//!
//! From 3.14 on by `PyInitConfig_*` (PEP 741). Before that by `PyConfig`, whose layout is no part of the limited
//! API but frozen within each version: the few fields that are set are found by offset.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::{MaybeUninit, transmute};
use std::ffi::CString;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rsgi_bridge::abi::{self, Bytes, Process, Start, level};

use crate::{capi, interpreter, panics, process};

/// The thread that the layer made to be Python's main thread.
struct MainThread {
    stop: mpsc::Sender<Instant>,
    thread: std::thread::JoinHandle<()>,
}

static MAIN_THREAD: Mutex<Option<MainThread>> = Mutex::new(None);

/// What the configuration of Python needs, in owned memory.
struct Settings {
    executable: Option<CString>,
    optimize: c_int,
    hash_seed: Option<u32>,
    warnings: Vec<CString>,
    is_writing_bytecode: bool,
    minor: u32,
}

/// Starts Python.
///
/// # Safety
/// What `options` names is alive during the call.
///
/// # Errors
/// A sentence that says why Python was not started.
pub(crate) unsafe fn start(options: &Start, table: &Process) -> Result<(), String> {
    let version = capi::version();
    check_version(&version, options.minor)?;
    // SAFETY: the caller's promise.
    let settings = unsafe { settings(options) }?;
    // SAFETY: the caller's promise.
    let facts = unsafe { facts(options, table) };
    if !process::set(facts) {
        return Err("Python was started in this process before".to_owned());
    }
    panics::install_hook();
    if options.flags & abi::START_MAIN_THREAD != 0 {
        run(&settings)?;
    } else {
        run_on_own_thread(settings)?;
    }
    process::open();
    process::log(level::INFO, format!("Started Python {version}.").as_bytes());
    Ok(())
}

fn check_version(version: &str, minor: u32) -> Result<(), String> {
    if version.contains("free-threading build") {
        return Err(format!(
            "Python {version} is a free-threaded build, which this layer cannot run: use the ordinary build"
        ));
    }
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    let found = (
        parts.next(),
        parts.next().and_then(|part| part.parse().ok()),
    );
    if found == (Some("3"), Some(minor)) && minor >= 10 {
        return Ok(());
    }
    Err(format!(
        "the opened Python is {version}, but 3.{minor} was expected: set WSGIPythonHome to an environment of that version"
    ))
}

/// # Safety
/// `bytes` are alive.
unsafe fn owned(bytes: Bytes) -> Vec<u8> {
    // SAFETY: the caller's promise.
    unsafe { bytes.as_slice() }.to_vec()
}

/// # Safety
/// `count` items at `list`, and their bytes, are alive.
unsafe fn owned_list(list: *const Bytes, count: usize) -> Vec<Vec<u8>> {
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    let list = unsafe { core::slice::from_raw_parts(list, count) };
    list.iter()
        .map(|item| {
            // SAFETY: the caller's promise.
            unsafe { owned(*item) }
        })
        .collect()
}

/// # Safety
/// As [`start`].
unsafe fn settings(options: &Start) -> Result<Settings, String> {
    let text =
        |bytes: Vec<u8>, what: &str| CString::new(bytes).map_err(|_| format!("{what} has a NUL"));
    // SAFETY: the caller's promise.
    let executable = unsafe { owned(options.executable) };
    // SAFETY: the caller's promise.
    let warnings = unsafe { owned_list(options.warnings, options.warnings_count) };
    Ok(Settings {
        executable: match executable.is_empty() {
            true => None,
            false => Some(text(executable, "the path of Python's executable")?),
        },
        optimize: options.optimize,
        hash_seed: u32::try_from(options.hash_seed).ok(),
        warnings: warnings
            .into_iter()
            .map(|warning| text(warning, "a warning filter"))
            .collect::<Result<_, _>>()?,
        is_writing_bytecode: options.flags & abi::START_DONT_WRITE_BYTECODE == 0,
        minor: options.minor,
    })
}

/// # Safety
/// As [`start`].
unsafe fn facts(options: &Start, table: &Process) -> process::Facts {
    // SAFETY: the caller's promise, as for the next four.
    let python_path = unsafe { owned_list(options.python_path, options.python_path_count) };
    // SAFETY: see above.
    let process_group = unsafe { owned(options.process_group) };
    // SAFETY: see above.
    let description = unsafe { owned(options.description) };
    // SAFETY: see above.
    let mpm_name = unsafe { owned(options.mpm_name) };
    // SAFETY: see above.
    let build_date = unsafe { owned(options.build_date) };
    process::Facts {
        table: *table,
        flags: options.flags,
        python_path,
        process_group,
        processes: options.processes,
        threads: options.threads,
        mpm_processes: options.mpm_processes,
        mpm_threads: options.mpm_threads,
        apache_version: options.apache_version,
        wsgi_version: options.wsgi_version,
        rsgi_version: options.rsgi_version,
        description,
        mpm_name,
        build_date,
        pid: std::process::id(),
    }
}

/// Starts Python on the calling thread, which becomes its main thread, and leaves it detached.
fn run(settings: &Settings) -> Result<(), String> {
    // SAFETY: may be called at any time.
    if unsafe { pyo3::ffi::Py_IsInitialized() } != 0 {
        return Err("somebody else in this process has started this Python".to_owned());
    }
    if settings.minor >= 14 {
        initialize_by_name(settings)?;
    } else {
        initialize_by_offset(settings)?;
    }
    // SAFETY: just started by this thread.
    unsafe { interpreter::adopt_main(settings.minor) }
}

fn run_on_own_thread(settings: Settings) -> Result<(), String> {
    let (stop, stopped) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let body = move || {
        let outcome = run(&settings);
        let is_running = outcome.is_ok();
        if tell.send(outcome).is_err() || !is_running {
            return;
        }
        // An error means that nobody can ask any more: the process ends without `stop`.
        if let Ok(deadline) = stopped.recv() {
            interpreter::end_all(deadline);
        }
    };
    let thread = std::thread::Builder::new()
        .name("rsgi-python".to_owned())
        .stack_size(8 << 20)
        .spawn(body)
        .map_err(|error| format!("no thread can be made for Python: {error}"))?;
    told.recv()
        .unwrap_or_else(|_| Err("the thread that starts Python panicked".to_owned()))?;
    *MAIN_THREAD.lock() = Some(MainThread { stop, thread });
    Ok(())
}

/// Waits for running requests, then ends Python as far as it was asked to.
pub(crate) fn stop(patience: u32) {
    if !process::close() {
        return;
    }
    let patience = Duration::from_millis(u64::from(patience));
    let deadline = Instant::now() + patience;
    let is_idle = process::wait_idle(patience);
    let is_wanted = process::facts().is_some_and(|facts| facts.has(abi::START_DESTROY));
    let own = MAIN_THREAD.lock().take();
    if !is_wanted {
        core::mem::forget(own);
        return;
    }
    if !is_idle {
        process::log(
            level::NOTICE,
            b"Requests still run at the end of the process: Python is left as it is, exit functions are not called.",
        );
        core::mem::forget(own);
        return;
    }
    let Some(own) = own else {
        return interpreter::end_all(deadline);
    };
    // A thread that is gone has nothing left to end.
    if own.stop.send(deadline).is_ok() {
        drop(own.thread.join());
    }
}

/// Looks up a function of libpython that this version must have.
fn function(name: &CStr) -> Result<*mut c_void, String> {
    capi::symbol(name).ok_or_else(|| {
        format!(
            "the opened Python has no {}: its version is not supported",
            name.to_string_lossy()
        )
    })
}

/// Offsets of the fields of `PyConfig` that are set, and of which the platform's layout is known.
struct Offsets {
    parse_argv: usize,
    warnings: usize,
    optimize: usize,
    write_bytecode: usize,
    program_name: usize,
    executable: usize,
}

/// The first fields are the same in 3.10 to 3.13.
const INSTALL_SIGNAL_HANDLERS: usize = 16;
const USE_HASH_SEED: usize = 20;
const HASH_SEED: usize = 24;

fn offsets(minor: u32) -> Result<Offsets, String> {
    if cfg!(not(all(target_pointer_width = "64", unix))) {
        return Err("this platform's layout of PyConfig is not known".to_owned());
    }
    let (parse_argv, warnings, program_name, executable) = match minor {
        10 => (80, 136, 240, 296),
        11 => (96, 152, 264, 328),
        12 => (104, 160, 272, 336),
        13 => (104, 160, 280, 344),
        _ => return Err(format!("Python 3.{minor} is not supported")),
    };
    Ok(Offsets {
        parse_argv,
        warnings,
        optimize: warnings + 36,
        write_bytecode: warnings + 44,
        program_name,
        executable,
    })
}

/// Larger than `PyConfig` of any of these versions (448 bytes at most).
type ConfigRoom = MaybeUninit<[u64; 256]>;
type Wide = libc::wchar_t;

#[repr(C)]
struct Status {
    kind: c_int,
    function: *const c_char,
    message: *const c_char,
    exit_code: c_int,
}

impl Status {
    fn check(&self, what: &str) -> Result<(), String> {
        if self.kind == 0 {
            return Ok(());
        }
        let reason = if self.message.is_null() {
            "no reason is given".into()
        } else {
            // SAFETY: CPython's status messages are static strings.
            unsafe { CStr::from_ptr(self.message) }.to_string_lossy()
        };
        Err(format!("Python refuses {what}: {reason}"))
    }
}

struct Config<'a> {
    // INVARIANT: initialised by PyConfig_InitPythonConfig, and never moved since.
    room: &'a mut ConfigRoom,
}

impl Config<'_> {
    fn field<T>(&mut self, offset: usize) -> *mut T {
        // SAFETY: offsets are far below the size of the room.
        unsafe { self.room.as_mut_ptr().cast::<u8>().add(offset) }.cast()
    }

    fn set<T>(&mut self, offset: usize, value: T) {
        let field: *mut T = self.field(offset);
        // SAFETY: a field of this type is there in this version.
        unsafe { field.write(value) };
    }

    fn set_bytes(&mut self, offset: usize, text: &CStr) -> Result<(), String> {
        type Set = unsafe extern "C" fn(*mut c_void, *mut *mut Wide, *const c_char) -> Status;
        let set = function(c"PyConfig_SetBytesString")?;
        // SAFETY: the function's documented signature.
        let set = unsafe { transmute::<*mut c_void, Set>(set) };
        let (config, field) = (self.field(0), self.field(offset));
        // SAFETY: an initialised configuration, its field, a terminated string.
        unsafe { set(config, field, text.as_ptr()) }.check("the path of its executable")
    }

    fn set_list(&mut self, offset: usize, texts: &[CString]) -> Result<(), String> {
        type Set =
            unsafe extern "C" fn(*mut c_void, *mut c_void, isize, *const *const Wide) -> Status;
        let wide: Vec<Vec<Wide>> = texts.iter().map(|text| widen(text)).collect();
        let items: Vec<*const Wide> = wide.iter().map(|text| text.as_ptr()).collect();
        let set = function(c"PyConfig_SetWideStringList")?;
        // SAFETY: the function's documented signature.
        let set = unsafe { transmute::<*mut c_void, Set>(set) };
        let (config, field) = (self.field(0), self.field(offset));
        // SAFETY: an initialised configuration, its list, as many terminated strings as said.
        unsafe { set(config, field, items.len() as isize, items.as_ptr()) }
            .check("the warning filters")
    }
}

/// As wide characters, which are code points on unix, with an end.
fn widen(text: &CStr) -> Vec<Wide> {
    let text = text.to_string_lossy();
    let points = text.chars().map(|c| c as Wide);
    points.chain([0]).collect()
}

fn initialize_by_offset(settings: &Settings) -> Result<(), String> {
    type Init = unsafe extern "C" fn(*mut c_void);
    type Go = unsafe extern "C" fn(*mut c_void) -> Status;
    let offsets = offsets(settings.minor)?;
    let init = function(c"PyConfig_InitPythonConfig")?;
    // SAFETY: the function's documented signature.
    let init = unsafe { transmute::<*mut c_void, Init>(init) };
    let go = function(c"Py_InitializeFromConfig")?;
    // SAFETY: the function's documented signature.
    let go = unsafe { transmute::<*mut c_void, Go>(go) };
    let clear = function(c"PyConfig_Clear")?;
    // SAFETY: the function's documented signature.
    let clear = unsafe { transmute::<*mut c_void, Init>(clear) };

    let mut room = ConfigRoom::zeroed();
    let mut config = Config { room: &mut room };
    // SAFETY: room enough for the structure.
    unsafe { init(config.field(0)) };
    let outcome = fill(&mut config, &offsets, settings).and_then(|()| {
        // SAFETY: a filled configuration.
        unsafe { go(config.field(0)) }.check("to start")
    });
    // SAFETY: initialised above.
    unsafe { clear(config.field(0)) };
    outcome
}

fn fill(config: &mut Config<'_>, offsets: &Offsets, settings: &Settings) -> Result<(), String> {
    config.set::<c_int>(INSTALL_SIGNAL_HANDLERS, 0);
    config.set::<c_int>(offsets.parse_argv, 0);
    config.set::<c_int>(offsets.optimize, settings.optimize);
    config.set::<c_int>(
        offsets.write_bytecode,
        c_int::from(settings.is_writing_bytecode),
    );
    if let Some(seed) = settings.hash_seed {
        config.set::<c_int>(USE_HASH_SEED, 1);
        config.set::<libc::c_ulong>(HASH_SEED, seed.into());
    }
    if let Some(executable) = &settings.executable {
        config.set_bytes(offsets.program_name, executable)?;
        config.set_bytes(offsets.executable, executable)?;
    }
    if !settings.warnings.is_empty() {
        config.set_list(offsets.warnings, &settings.warnings)?;
    }
    Ok(())
}

/// Whether the locale that the environment asks for is C: Python is to use UTF-8 then.
fn is_c_locale() -> bool {
    let of = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = of("LC_ALL")
        .or_else(|| of("LC_CTYPE"))
        .or_else(|| of("LANG"));
    locale.is_none_or(|locale| locale == "C" || locale == "POSIX")
}

/// PEP 741.
struct InitConfig {
    // INVARIANT: made by PyInitConfig_Create and not freed.
    config: *mut c_void,
}

impl InitConfig {
    fn set_int(&self, name: &CStr, value: i64) -> Result<(), String> {
        type Set = unsafe extern "C" fn(*mut c_void, *const c_char, i64) -> c_int;
        let set = function(c"PyInitConfig_SetInt")?;
        // SAFETY: the function's documented signature.
        let set = unsafe { transmute::<*mut c_void, Set>(set) };
        // SAFETY: a live configuration, a terminated name.
        self.check(unsafe { set(self.config, name.as_ptr(), value) })
    }

    fn set_text(&self, name: &CStr, value: &CStr) -> Result<(), String> {
        type Set = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char) -> c_int;
        let set = function(c"PyInitConfig_SetStr")?;
        // SAFETY: the function's documented signature.
        let set = unsafe { transmute::<*mut c_void, Set>(set) };
        // SAFETY: a live configuration, terminated strings.
        self.check(unsafe { set(self.config, name.as_ptr(), value.as_ptr()) })
    }

    fn set_list(&self, name: &CStr, values: &[CString]) -> Result<(), String> {
        type Set =
            unsafe extern "C" fn(*mut c_void, *const c_char, usize, *const *const c_char) -> c_int;
        let items: Vec<*const c_char> = values.iter().map(|value| value.as_ptr()).collect();
        let set = function(c"PyInitConfig_SetStrList")?;
        // SAFETY: the function's documented signature.
        let set = unsafe { transmute::<*mut c_void, Set>(set) };
        // SAFETY: a live configuration, a terminated name, as many terminated strings as said.
        self.check(unsafe { set(self.config, name.as_ptr(), items.len(), items.as_ptr()) })
    }

    fn start(&self) -> Result<(), String> {
        type Go = unsafe extern "C" fn(*mut c_void) -> c_int;
        let go = function(c"Py_InitializeFromInitConfig")?;
        // SAFETY: the function's documented signature.
        let go = unsafe { transmute::<*mut c_void, Go>(go) };
        // SAFETY: a live configuration.
        self.check(unsafe { go(self.config) })
    }

    fn check(&self, code: c_int) -> Result<(), String> {
        type GetError = unsafe extern "C" fn(*mut c_void, *mut *const c_char) -> c_int;
        if code == 0 {
            return Ok(());
        }
        let get = function(c"PyInitConfig_GetError")?;
        // SAFETY: the function's documented signature.
        let get = unsafe { transmute::<*mut c_void, GetError>(get) };
        let mut message = core::ptr::null();
        // SAFETY: a live configuration.
        unsafe { get(self.config, &raw mut message) };
        if message.is_null() {
            return Err("Python refuses to start and gives no reason".to_owned());
        }
        // SAFETY: a terminated string that lives as long as the configuration.
        let message = unsafe { CStr::from_ptr(message) };
        Err(format!(
            "Python refuses to start: {}",
            message.to_string_lossy()
        ))
    }
}

impl Drop for InitConfig {
    fn drop(&mut self) {
        type Free = unsafe extern "C" fn(*mut c_void);
        if let Ok(free) = function(c"PyInitConfig_Free") {
            // SAFETY: the function's documented signature.
            let free = unsafe { transmute::<*mut c_void, Free>(free) };
            // SAFETY: live until here.
            unsafe { free(self.config) };
        }
    }
}

fn initialize_by_name(settings: &Settings) -> Result<(), String> {
    type Create = unsafe extern "C" fn() -> *mut c_void;
    let create = function(c"PyInitConfig_Create")?;
    // SAFETY: the function's documented signature.
    let create = unsafe { transmute::<*mut c_void, Create>(create) };
    // SAFETY: needs nothing.
    let config = unsafe { create() };
    if config.is_null() {
        return Err("there is no memory to start Python".to_owned());
    }
    // INVARIANT: just made.
    let config = InitConfig { config };
    // It begins as an isolated configuration: these make it an ordinary one.
    for (name, value) in [
        (c"isolated", 0),
        (c"use_environment", 1),
        (c"user_site_directory", 1),
        (c"safe_path", 0),
        (c"configure_locale", 1),
        (c"install_signal_handlers", 0),
        (c"parse_argv", 0),
        (c"write_bytecode", settings.is_writing_bytecode.into()),
        (c"optimization_level", settings.optimize.into()),
    ] {
        config.set_int(name, value)?;
    }
    if is_c_locale() {
        config.set_int(c"utf8_mode", 1)?;
    }
    if let Some(seed) = settings.hash_seed {
        config.set_int(c"use_hash_seed", 1)?;
        config.set_int(c"hash_seed", seed.into())?;
    }
    if let Some(executable) = &settings.executable {
        config.set_text(c"program_name", executable)?;
        config.set_text(c"executable", executable)?;
    }
    if !settings.warnings.is_empty() {
        config.set_list(c"warnoptions", &settings.warnings)?;
    }
    config.start()
}
