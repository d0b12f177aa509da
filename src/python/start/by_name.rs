//! Python 3.14 and later: `PyInitConfig_*` (PEP 741), by the names of the options.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::transmute;
use std::ffi::CString;

use super::{Settings, function};

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

/// Starts Python.
pub(super) fn initialize(settings: &Settings) -> Result<(), String> {
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
    if let Some(without) = settings.without_gil {
        config.set_int(c"enable_gil", i64::from(!without))?;
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
