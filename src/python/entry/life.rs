//! Start and end of Python in the process.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rsgi_bridge::abi::{self, Bytes, level};
use rsgi_bridge::fence::fence;

use crate::options::{self, Options};
use crate::types;
use crate::{interpreter, log, start};

static STOPPING: AtomicBool = AtomicBool::new(false);
static HOST_LOG: OnceLock<extern "C" fn(u32, Bytes)> = OnceLock::new();
/// The thread that started Python on its own, waiting to end it: it is sent where to report that it has.
static ENDER: Mutex<Option<SyncSender<SyncSender<()>>>> = Mutex::new(None);

/// Whether Python is ending.
pub(super) fn is_stopping() -> bool {
    STOPPING.load(Ordering::SeqCst)
}

pub(super) extern "C" fn start(
    raw: *const abi::Start,
    process: *const abi::Process,
    error: *mut abi::ErrorText,
) -> c_int {
    let run = || {
        // SAFETY: the host keeps its structures alive during the call.
        let process = unsafe { &*process };
        let _ = HOST_LOG.set(process.log);
        log::set_process(|level, text| {
            if let Some(log) = HOST_LOG.get() {
                log(level, Bytes::new(text));
            }
        });
        // SAFETY: as above.
        let options = unsafe { copy(&*raw) };
        let on_this_thread = options.has(abi::START_MAIN_THREAD);
        if !options::set(options) {
            return Err("Python was started already in this process".to_owned());
        }
        if on_this_thread {
            begin()
        } else {
            begin_elsewhere()
        }
    };
    let reason = match fence(run) {
        Ok(Ok(())) => return 0,
        Ok(Err(reason)) => reason,
        Err(message) => format!("a panic was stopped in the Python layer: {message}"),
    };
    let length = reason.len().min(1016);
    // SAFETY: the host passes a place for the text.
    let place = unsafe { &mut *error };
    place.text[..length].copy_from_slice(&reason.as_bytes()[..length]);
    place.len = length;
    -1
}

/// An owned copy of what the host says.
///
/// # Safety
/// What `raw` points to is alive.
unsafe fn copy(raw: &abi::Start) -> Options {
    let bytes = |bytes: Bytes| {
        // SAFETY: alive (caller).
        unsafe { bytes.as_slice() }.to_vec()
    };
    let list = |first: *const Bytes, count: usize| -> Vec<Vec<u8>> {
        // SAFETY: that many items, alive (caller).
        let items = if count == 0 {
            &[]
        } else {
            unsafe { core::slice::from_raw_parts(first, count) }
        };
        items.iter().map(|&item| bytes(item)).collect()
    };
    Options {
        flags: raw.flags,
        executable: bytes(raw.executable),
        minor: raw.minor,
        optimize: raw.optimize,
        hash_seed: u32::try_from(raw.hash_seed).ok(),
        warnings: list(raw.warnings, raw.warnings_count),
        python_path: list(raw.python_path, raw.python_path_count),
        process_group: bytes(raw.process_group),
        processes: raw.processes,
        threads: raw.threads,
        mpm_processes: raw.mpm_processes,
        mpm_threads: raw.mpm_threads,
        apache_version: raw.apache_version,
        wsgi_version: raw.wsgi_version,
        rsgi_version: raw.rsgi_version,
        description: bytes(raw.description),
        mpm_name: bytes(raw.mpm_name),
        build_date: bytes(raw.build_date),
    }
}

fn begin() -> Result<(), String> {
    start::start(options::options())?;
    interpreter::adopt_main(|py| types::make(py, b""))
}

/// Starts Python on a thread of its own, which stays its main thread and ends it.
fn begin_elsewhere() -> Result<(), String> {
    let (started, when_started) = sync_channel(1);
    let (end, when_to_end): (_, Receiver<SyncSender<()>>) = sync_channel(1);
    let run = move || {
        let result = fence(begin).unwrap_or_else(Err);
        let is_running = result.is_ok();
        let _ = started.send(result);
        if is_running && let Ok(done) = when_to_end.recv() {
            end_interpreters();
            let _ = done.send(());
        }
    };
    std::thread::Builder::new()
        .name("python-main".to_owned())
        .spawn(run)
        .map_err(|error| format!("no thread for Python: {error}"))?;
    when_started
        .recv()
        .map_err(|_| "the thread that starts Python ended".to_owned())??;
    *ENDER.lock() = Some(end);
    Ok(())
}

pub(super) extern "C" fn stop(patience: u32) {
    let _ = fence(|| {
        if STOPPING.swap(true, Ordering::SeqCst) || !options::options().has(abi::START_DESTROY) {
            return;
        }
        let deadline = Instant::now() + Duration::from_millis(u64::from(patience));
        while super::active() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let stuck = super::active();
        if stuck > 0 {
            let text = format!(
                "RSGI0306: {stuck} requests still run at the end of the process: Python's exit functions are left out"
            );
            log::process(level::WARN, text.as_bytes());
            return;
        }
        match ENDER.lock().take() {
            None => end_interpreters(),
            Some(end) => {
                let (done, when_done) = sync_channel(1);
                if end.send(done).is_ok() {
                    let _ = when_done.recv_timeout(
                        deadline.saturating_duration_since(Instant::now()) + Duration::from_secs(5),
                    );
                }
            }
        }
    });
}

/// Lets every interpreter run its exit functions, sub-interpreters first.
///
/// The interpreters themselves are not taken apart: C extensions crash in that (PyO3, numpy), daemon threads hang,
/// and the process is about to end.
fn end_interpreters() {
    for interpreter in interpreter::all() {
        interpreter::enter(interpreter, |py| {
            let Some(objects) = interpreter.objects() else {
                return;
            };
            if let Err(error) = objects.support.shut_down.call0(py) {
                crate::handler::log_exception(
                    py,
                    objects,
                    &error,
                    "RSGI0307: an exit function raised",
                );
            }
        });
    }
}
