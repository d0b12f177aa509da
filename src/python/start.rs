//! Starts CPython in this process (PEP 587 before 3.14, PEP 741 from then on).
//!
//! Program name and executable are the environment's `bin/python` and home stays unset: prefixes then come out
//! right for virtual environments, their bases and plain installations alike.

use core::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use std::ffi::CString;

use pyo3::ffi;

use crate::capi::{self, Status};
use crate::options::Options;
use rsgi_bridge::abi;

/// Starts Python; the calling thread is its main thread and holds the GIL afterwards.
///
/// # Errors
/// What CPython says.
pub(crate) fn start(options: &Options) -> Result<(), String> {
    if capi::minor() != options.minor && options.minor != 0 {
        return Err(format!(
            "the libpython in this process is 3.{}, expected was 3.{}",
            capi::minor(),
            options.minor
        ));
    }
    // SAFETY: asks for a flag.
    if unsafe { ffi::Py_IsInitialized() } != 0 {
        return Err("Python already runs in this process: another module started it".to_owned());
    }
    match capi::symbol(c"PyInitConfig_Create") {
        Some(create) if capi::minor() >= 14 => by_names(options, create),
        _ => by_struct(options),
    }
}

fn c_string(bytes: &[u8]) -> Result<CString, String> {
    CString::new(bytes).map_err(|_| "a value of the configuration contains a NUL".to_owned())
}

/// Whether the locale is the C locale, in which Python should use UTF-8 all the same.
fn is_plain_locale() -> bool {
    let name = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    name.is_none_or(|name| name == "C" || name == "POSIX")
}

/// Offsets of PyConfig's fields, fixed for each minor version since its release, on 64-bit machines.
struct Fields {
    install_signal_handlers: usize,
    use_hash_seed: usize,
    hash_seed: usize,
    parse_argv: usize,
    warnoptions: usize,
    write_bytecode: usize,
    optimization_level: usize,
    program_name: usize,
    executable: usize,
}

const fn fields(minor: u32) -> Option<Fields> {
    let (parse_argv, warnoptions, optimization_level, write_bytecode, program_name, executable) =
        match minor {
            10 => (80, 136, 172, 180, 240, 296),
            11 => (96, 152, 188, 196, 264, 328),
            12 => (104, 160, 196, 204, 272, 336),
            13 => (104, 160, 196, 204, 280, 344),
            _ => return None,
        };
    Some(Fields {
        install_signal_handlers: 16,
        use_hash_seed: 20,
        hash_seed: 24,
        parse_argv,
        warnoptions,
        write_bytecode,
        optimization_level,
        program_name,
        executable,
    })
}

/// Room for any PyConfig (448 bytes in 3.13).
#[repr(C, align(16))]
struct Config([u8; 1024]);

type Init = unsafe extern "C" fn(*mut c_void);
type SetString =
    unsafe extern "C" fn(*mut c_void, *mut *mut ffi::PyObject, *const c_char) -> Status;
type Append = unsafe extern "C" fn(*mut c_void, *const libc::wchar_t) -> Status;
type Go = unsafe extern "C" fn(*const c_void) -> Status;

fn function<F: Copy>(name: &CStr) -> Result<F, String> {
    let address =
        capi::symbol(name).ok_or_else(|| format!("libpython has no {}", name.to_string_lossy()))?;
    assert_eq!(size_of::<F>(), size_of::<*mut c_void>());
    // SAFETY: a function pointer type of the same size; the callers name the function's documented signature.
    Ok(unsafe { core::mem::transmute_copy(&address) })
}

fn check(status: &Status) -> Result<(), String> {
    if status.kind == 0 {
        return Ok(());
    }
    if status.message.is_null() {
        return Err(format!("CPython refused to start (code {})", status.code));
    }
    let _ = status.function;
    // SAFETY: CPython's messages are static C strings.
    Err(unsafe { CStr::from_ptr(status.message) }
        .to_string_lossy()
        .into_owned())
}

#[repr(C, align(16))]
struct PreConfig([c_int; 32]);

fn preconfigure() -> Result<(), String> {
    let init: unsafe extern "C" fn(*mut c_void) = function(c"PyPreConfig_InitPythonConfig")?;
    let go: Go = function(c"Py_PreInitialize")?;
    let mut config = PreConfig([0; 32]);
    let place = (&raw mut config).cast::<c_void>();
    // SAFETY: room for any PyPreConfig (40 bytes).
    unsafe { init(place) };
    if is_plain_locale() {
        // SAFETY: utf8_mode, the eighth int in 3.10 to 3.13.
        unsafe { place.cast::<c_int>().add(7).write(1) };
    }
    // SAFETY: a filled PyPreConfig.
    check(&unsafe { go(place) })
}

fn by_struct(options: &Options) -> Result<(), String> {
    let fields = fields(capi::minor()).ok_or_else(|| {
        format!(
            "Python 3.{} is not supported: 3.10 to 3.15 are",
            capi::minor()
        )
    })?;
    preconfigure()?;
    let init: Init = function(c"PyConfig_InitPythonConfig")?;
    let set: SetString = function(c"PyConfig_SetBytesString")?;
    let append: Append = function(c"PyWideStringList_Append")?;
    let go: Go = function(c"Py_InitializeFromConfig")?;
    let clear: Init = function(c"PyConfig_Clear")?;
    let mut config = Config([0; 1024]);
    let place = (&raw mut config).cast::<u8>();
    // SAFETY: room for any PyConfig.
    unsafe { init(place.cast()) };
    let number = |offset: usize, value: c_int| {
        // SAFETY: an int field of the PyConfig of this version.
        unsafe { place.add(offset).cast::<c_int>().write(value) };
    };
    number(fields.install_signal_handlers, 0);
    number(fields.parse_argv, 0);
    number(fields.optimization_level, options.optimize);
    if options.has(abi::START_DONT_WRITE_BYTECODE) {
        number(fields.write_bytecode, 0);
    }
    if let Some(seed) = options.hash_seed {
        number(fields.use_hash_seed, 1);
        // SAFETY: the unsigned long field of the PyConfig of this version.
        unsafe {
            place
                .add(fields.hash_seed)
                .cast::<c_ulong>()
                .write(c_ulong::from(seed))
        };
    }
    let executable = c_string(&options.executable)?;
    let result = (|| {
        if !options.executable.is_empty() {
            for offset in [fields.program_name, fields.executable] {
                // SAFETY: a string field of the PyConfig of this version.
                let field = unsafe { place.add(offset) }.cast();
                // SAFETY: the config, its field and a C string.
                check(&unsafe { set(place.cast(), field, executable.as_ptr()) })?;
            }
        }
        for warning in &options.warnings {
            let text: Vec<libc::wchar_t> = String::from_utf8_lossy(warning)
                .chars()
                .map(|letter| letter as libc::wchar_t)
                .chain([0])
                .collect();
            // SAFETY: the list field of the PyConfig of this version.
            let list = unsafe { place.add(fields.warnoptions) };
            // SAFETY: the list and a wide C string.
            check(&unsafe { append(list.cast(), text.as_ptr()) })?;
        }
        // SAFETY: a filled config.
        check(&unsafe { go(place.cast()) })
    })();
    // SAFETY: the config, whose strings are freed here.
    unsafe { clear(place.cast()) };
    result
}

fn by_names(options: &Options, create: *mut c_void) -> Result<(), String> {
    type Create = unsafe extern "C" fn() -> *mut c_void;
    type SetInt = unsafe extern "C" fn(*mut c_void, *const c_char, i64) -> c_int;
    type SetStr = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char) -> c_int;
    type SetList =
        unsafe extern "C" fn(*mut c_void, *const c_char, usize, *const *const c_char) -> c_int;
    type Run = unsafe extern "C" fn(*mut c_void) -> c_int;
    type GetError = unsafe extern "C" fn(*mut c_void, *mut *const c_char) -> c_int;
    // SAFETY: the documented signature of PyInitConfig_Create.
    let create: Create = unsafe { core::mem::transmute(create) };
    let set_int: SetInt = function(c"PyInitConfig_SetInt")?;
    let set_str: SetStr = function(c"PyInitConfig_SetStr")?;
    let set_list: SetList = function(c"PyInitConfig_SetStrList")?;
    let run: Run = function(c"Py_InitializeFromInitConfig")?;
    let get_error: GetError = function(c"PyInitConfig_GetError")?;
    // SAFETY: takes nothing.
    let config = unsafe { create() };
    let mut numbers: Vec<(&CStr, i64)> = vec![
        // The defaults are those of the isolated configuration: back to the ordinary ones.
        (c"use_environment", 1),
        (c"user_site_directory", 1),
        (c"isolated", 0),
        (c"safe_path", 0),
        (c"install_signal_handlers", 0),
        (c"parse_argv", 0),
        (c"optimization_level", i64::from(options.optimize)),
        (
            c"write_bytecode",
            i64::from(!options.has(abi::START_DONT_WRITE_BYTECODE)),
        ),
    ];
    if let Some(seed) = options.hash_seed {
        numbers.extend([(c"use_hash_seed", 1), (c"hash_seed", i64::from(seed))]);
    }
    if is_plain_locale() {
        numbers.push((c"utf8_mode", 1));
    }
    let mut failed = 0;
    for (name, value) in numbers {
        // SAFETY: a live config and a name.
        failed |= unsafe { set_int(config, name.as_ptr(), value) };
    }
    let executable = c_string(&options.executable)?;
    if !options.executable.is_empty() {
        for name in [c"program_name", c"executable"] {
            // SAFETY: a live config, a name and a C string.
            failed |= unsafe { set_str(config, name.as_ptr(), executable.as_ptr()) };
        }
    }
    let warnings: Vec<CString> = options
        .warnings
        .iter()
        .map(|text| c_string(text))
        .collect::<Result<_, _>>()?;
    let pointers: Vec<*const c_char> = warnings.iter().map(|text| text.as_ptr()).collect();
    if !pointers.is_empty() {
        // SAFETY: a live config, a name and that many C strings.
        failed |= unsafe {
            set_list(
                config,
                c"warnoptions".as_ptr(),
                pointers.len(),
                pointers.as_ptr(),
            )
        };
    }
    if failed == 0 {
        // SAFETY: a live config.
        failed = unsafe { run(config) };
    }
    if failed == 0 {
        return Ok(());
    }
    let mut message = core::ptr::null();
    // SAFETY: a live config and a place for the text.
    unsafe { get_error(config, &raw mut message) };
    if message.is_null() {
        return Err("CPython refused to start".to_owned());
    }
    // SAFETY: a C string that lives as long as the config, which is not freed.
    Err(unsafe { CStr::from_ptr(message) }
        .to_string_lossy()
        .into_owned())
}
