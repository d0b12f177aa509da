//! `mod_wsgi.LogHandler`: records of `logging` with their levels in the server's log.
//!
//! The class comes with its first use: most applications need no `logging` of ours, and importing it takes time.

#![deny(unsafe_code)]

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::abi::level;

use crate::kit::Kit;
use crate::types::functions;
use crate::{exchange, process, report};

/// `is_logged` and `log` are ours.
const SOURCE: &core::ffi::CStr = c"
import logging

class LogHandler(logging.Handler):
    '''Passes records to the log of the server, each at the level that fits its own.'''

    def emit(self, record):
        try:
            if is_logged(record.levelno):
                log(record.levelno, self.format(record), record.pathname, record.lineno)
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)
";

/// The class.
pub(crate) fn class(py: Python<'_>, kit: &Kit) -> PyResult<Py<PyAny>> {
    if let Some(class) = kit.log_handler.get() {
        return Ok(class.clone_ref(py));
    }
    let [is_logged, log] = functions::of_log_handler(py)?;
    let names = PyDict::new(py);
    names.set_item("__builtins__", py.import("builtins")?)?;
    names.set_item("__name__", "mod_wsgi")?;
    names.set_item("is_logged", is_logged)?;
    names.set_item("log", log)?;
    py.run(SOURCE, Some(&names), None)?;
    let made = names.as_any().get_item("LogHandler")?.unbind();
    // Another thread may have been faster.
    Ok(kit.log_handler.get_or_init(|| made).clone_ref(py))
}

/// The server's level for one of `logging`.
const fn level_of(number: i64) -> u32 {
    match number {
        50.. => level::CRIT,
        40.. => level::ERROR,
        30.. => level::WARN,
        20.. => level::INFO,
        _ => level::DEBUG,
    }
}

/// Whether a record of that level would be written: for the request that the thread runs, or outside of any.
pub(crate) fn is_logged(number: i64) -> bool {
    let level = level_of(number);
    exchange::current()
        .and_then(|exchange| exchange.log_enabled(level))
        .unwrap_or_else(|| process::log_enabled(level))
}

/// Logs each line of a record that was made at a line of a source file.
pub(crate) fn write(number: i64, text: &Bound<'_, PyAny>, place: (&[u8], u32)) -> PyResult<()> {
    let encoded = text.call_method1("encode", ("utf-8", "replace"))?;
    let text = String::from_utf8_lossy(encoded.extract::<&[u8]>()?);
    let level = level_of(number);
    match exchange::current() {
        Some(exchange) => {
            let script = exchange.script();
            report::each_line(&text, |line| {
                let line = [b"[script ", &script[..], b"] ", line].concat();
                exchange.log_at(level, &line, place);
            });
        }
        None => report::each_line(&text, |line| process::log(level, line)),
    }
    Ok(())
}
