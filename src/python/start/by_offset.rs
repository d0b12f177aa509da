//! Python 3.10 to 3.13: `PyConfig`, whose layout is no part of the limited API but frozen within each version. The few
//! fields that are set are found by offset.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::{MaybeUninit, transmute};
use std::ffi::CString;

use super::{Settings, Status, function};

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

/// Starts Python.
pub(super) fn initialize(settings: &Settings) -> Result<(), String> {
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
