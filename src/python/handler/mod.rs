//! One request: find the application, call it, collect or stream its response, and clean up.
//!
//! Python is entered once. A list or tuple is collected while attached and sent as one; other iterables are sent block by
//! block as they come. `after` has the end of the response, which goes out detached: but in a daemon's workers
//! (`serve`) the same is tried attached first.

#![deny(unsafe_code)]

mod after;
mod in_hand;

use std::fs::File;
use std::sync::Arc;

use pyo3::exceptions::{PyOSError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use rsgi_bridge::abi::level;

use crate::entry::{HostRef, RequestView};
use crate::exchange::{self, Exchange, Refusal};
use crate::interpreter::{self, At};
use crate::respond as answer;
use crate::tracked;
use crate::types::{RequestObjects, RequestRec, file_wrapper, flush_prints};
use crate::watch::Watch;
use crate::worker::{self, Window};
use crate::{capi, environ, events, gate, loader, meter, process, report};

pub(crate) use after::{After, finish, try_finish};
pub(crate) use in_hand::InHand;

use after::{Collected, FilePart};

/// What is logged where CPython has no memory for the thread.
pub(crate) const NO_STATE: &[u8] =
    b"RSGI0103: There is no memory for a thread state in the interpreter of the application group.";

/// Runs a request; see `abi::Layer::handle`.
pub(crate) fn handle(request: &RequestView<'_>, host: HostRef) -> i32 {
    let Some(_use) = process::enter() else {
        return 503;
    };
    let Ok(interp) = interpreter::find(request.target.application_group) else {
        return 500;
    };
    let in_hand = InHand::default();
    let before = meter::before();
    let mut turn = gate::wait(interp.gate());
    let after = interpreter::attach(interp, |at| {
        meter::entered(before);
        let _stay = turn.enter();
        run(at, request, host, &in_hand)
    });
    drop(turn);
    match (after, &*in_hand.exchange.borrow()) {
        (Some(after), Some(exchange)) => after::finish(interp, exchange, after),
        (Some(_), None) => 500,
        (None, _) => {
            host.log(level::ERROR, NO_STATE);
            500
        }
    }
}

/// The part of a request that needs Python.
pub(crate) fn run(at: At<'_>, request: &RequestView<'_>, host: HostRef, in_hand: &InHand) -> After {
    let is_inner = exchange::has_current();
    // The blocks of an outer request are on their way.
    if !is_inner {
        at.slot.scratch.release(at.py);
    }
    let objects = match at.kit().spares.take() {
        Some(objects) => objects,
        None => match RequestObjects::new(at.py, &at.kit().types) {
            Ok(objects) => objects,
            Err(error) => {
                report::exception(
                    at,
                    None,
                    &error,
                    "RSGI0088",
                    "stopped the set-up of a request",
                );
                return After::Return(500);
            }
        },
    };
    let exchange = &objects.exchange;
    exchange.begin(at.py, request, host);
    in_hand.hold(exchange);
    exchange.set_inner(is_inner);
    in_hand
        .outer
        .set(exchange::set_current(Some(Arc::clone(exchange))));
    let window = Window::open_request(at, request, tracked::key(exchange));
    let after = serve(at, request, &objects);
    drop(window);
    flush_prints();
    exchange.flush_errors();
    if exchange.is_tracked() || at.kit().requests.are_listed() {
        at.kit().requests.forget(at.py, exchange);
    }
    exchange.seal(at.py);
    if objects.are_unused(at.py) {
        in_hand.spare(at, objects);
    }
    after
}

fn serve(at: At<'_>, request: &RequestView<'_>, objects: &RequestObjects) -> After {
    let exchange = &*objects.exchange;
    let application = match loader::find(at, &request.target, exchange) {
        Ok(application) => application,
        // An interruption is the reason for whatever happened while the script was loaded.
        Err(status) if worker::close(at) && status == 500 => return After::Return(504),
        Err(status) => return After::Return(status),
    };
    let environ = match environ::build(at, request, objects) {
        Ok(environ) => environ,
        Err(error) => return failed(at, exchange, request, &error),
    };
    // Over with the application, before the response is: until then the request is what it says.
    let _request = match pass_apache_request(at, request, &environ) {
        Ok(passed) => passed,
        Err(error) => return failed(at, exchange, request, &error),
    };
    let Some(watch) = Watch::begin(at, request, exchange, &environ) else {
        let after = respond(at, request, objects, &application, environ);
        return match Watch::late(at, request, exchange) {
            None => after,
            Some(watch) => watched(at, exchange, after, watch),
        };
    };
    let application = watch.started(application, &environ);
    let after = respond(at, request, objects, &application, environ);
    watched(at, exchange, after, watch)
}

/// Sends what is left of a response whose request is followed, and tells that it is over.
fn watched(at: At<'_>, exchange: &Exchange, after: After, watch: Watch<'_>) -> After {
    let after = after::settle(at, exchange, after);
    watch.finish();
    after
}

/// Puts httpd's own structure into an environ, where it is to have that.
fn pass_apache_request<'py>(
    at: At<'py>,
    request: &RequestView<'_>,
    environ: &Bound<'py, PyDict>,
) -> PyResult<Option<RequestRec<'py>>> {
    let passed = RequestRec::new(at.py, request)?;
    if let Some(passed) = &passed {
        passed.put(environ)?;
    }
    Ok(passed)
}

/// Calls the application and takes its response.
fn respond(
    at: At<'_>,
    request: &RequestView<'_>,
    objects: &RequestObjects,
    application: &Bound<'_, PyAny>,
    environ: Bound<'_, PyDict>,
) -> After {
    let exchange = &*objects.exchange;
    let start_response = objects.start_response.bind(at.py);
    let called = capi::call2(application, environ.as_any(), start_response);
    // The application has it, if anybody.
    drop(environ);
    let result = match called {
        Ok(result) => result,
        Err(error) => return failed(at, exchange, request, &error),
    };
    if result.is_exact_instance_of::<PyList>() || result.is_exact_instance_of::<PyTuple>() {
        return unit(at, exchange, &result)
            .unwrap_or_else(|error| failed(at, exchange, request, &error));
    }
    let after = match file_part(at, exchange, &result) {
        Some(part) => part,
        None => stream(at.py, exchange, &result),
    }
    .unwrap_or_else(|error| failed(at, exchange, request, &error));
    close(at, exchange, request, &result);
    after
}

/// All blocks of a list or tuple.
fn unit(at: At<'_>, exchange: &Exchange, result: &Bound<'_, PyAny>) -> PyResult<After> {
    let blocks = match result.cast::<PyList>() {
        Ok(list) => bytes_of(list.iter()),
        Err(_) => bytes_of(result.cast::<PyTuple>()?.iter()),
    }?;
    if !exchange.is_started(at.py) {
        return Err(answer::refusal(Refusal::NotStarted));
    }
    Ok(After::blocks(at, exchange, blocks))
}

/// Items as bytes.
fn bytes_of<'py>(items: impl Iterator<Item = Bound<'py, PyAny>>) -> PyResult<Collected<'py>> {
    items
        .map(|item| {
            item.cast_into::<PyBytes>()
                .map_err(|error| answer::not_bytes(&error.into_inner()))
        })
        .collect()
}

/// The file of a wrapper that can be sent as such; none where it has to be read.
fn file_part(
    at: At<'_>,
    exchange: &Exchange,
    result: &Bound<'_, PyAny>,
) -> Option<PyResult<After>> {
    let file = file_wrapper(result, &at.kit().types.file_wrapper)?;
    if exchange.is_committed(at.py) {
        return None;
    }
    let number = |method| file.call_method0(method).ok();
    let fd = number("fileno")?.extract::<i32>().ok()?;
    let offset = number("tell")?.extract::<u64>().ok()?;
    let file = File::from(capi::duplicate(fd).ok()?);
    let found = file.metadata().ok()?;
    if !found.is_file() {
        return None;
    }
    if !exchange.is_started(at.py) {
        return Some(Err(answer::refusal(Refusal::NotStarted)));
    }
    Some(Ok(After::File(FilePart {
        file,
        offset,
        available: found.len().saturating_sub(offset),
    })))
}

/// Sends the blocks of an iterable as they come.
fn stream(py: Python<'_>, exchange: &Exchange, result: &Bound<'_, PyAny>) -> PyResult<After> {
    if result.is_none() {
        return Err(answer::nothing());
    }
    let iterator = result.try_iter()?;
    while let Some(block) = capi::next(iterator.as_any())? {
        let Ok(block) = block.cast::<PyBytes>() else {
            return Err(answer::not_bytes(&block));
        };
        let block = block.as_bytes();
        if block.is_empty() {
            continue;
        }
        match exchange.emit(py, block) {
            Ok(()) => {}
            Err(refusal @ (Refusal::NotStarted | Refusal::Sealed)) => {
                return Err(answer::refusal(refusal));
            }
            Err(refusal @ (Refusal::Gone | Refusal::Failed)) => {
                let why = match refusal {
                    Refusal::Gone => "The client closed the connection",
                    _ => "The response was refused on its way",
                };
                let line = format!("{why}; the rest of the response is not asked for.");
                exchange.log(level::DEBUG, line.as_bytes());
                return Ok(After::End);
            }
        }
    }
    if !exchange.is_started(py) {
        return Err(answer::refusal(Refusal::NotStarted));
    }
    Ok(After::End)
}

/// PEP 3333: `close()` is called in all cases.
fn close(at: At<'_>, exchange: &Exchange, request: &RequestView<'_>, result: &Bound<'_, PyAny>) {
    let close = match result.getattr_opt(at.kit().own.close.bind(at.py)) {
        Ok(None) => return,
        Ok(Some(close)) => close,
        Err(error) => {
            return tell(
                at,
                exchange,
                request,
                &error,
                "RSGI0194",
                "escaped from the look-up of close() in",
            );
        }
    };
    if let Err(error) = close.call0() {
        // What it raises changes nothing about the response.
        drop(failed(at, exchange, request, &error));
    }
}

fn tell(
    at: At<'_>,
    exchange: &Exchange,
    request: &RequestView<'_>,
    error: &PyErr,
    id: &str,
    what: &str,
) {
    let what = format!(
        "{what} '{}'",
        String::from_utf8_lossy(request.target.script)
    );
    report::exception(at, Some(exchange), error, id, &what);
}

/// Logs what the application raised, and says what becomes of the response.
fn failed(at: At<'_>, exchange: &Exchange, request: &RequestView<'_>, error: &PyErr) -> After {
    let py = at.py;
    // What is late is not to hit the report.
    worker::close(at);
    let or_cut = |status| match exchange.is_committed(py) {
        true => After::Cut,
        false => After::Return(status),
    };
    let note = |level, text: &str| {
        let script = String::from_utf8_lossy(request.target.script);
        exchange.log(level, format!("{text} ('{script}').").as_bytes());
    };
    if error.is_instance(py, at.kit().request_timeout.bind(py)) {
        let line = format!(
            "RSGI0216: The request ran for longer than request-timeout= allows, and RequestTimeout escaped from the \
             application in '{}' ({}): see what it waited for, which is told at info before this line, raise \
             request-timeout=, or catch the exception.",
            String::from_utf8_lossy(request.target.script),
            report::place()
        );
        exchange.log(level::ERROR, line.as_bytes());
        return or_cut(504);
    }
    if error.is_instance_of::<PyOSError>(py) {
        if exchange.is_gone(py) {
            note(level::DEBUG, "The client closed the connection");
            return After::Cut;
        }
        let status = exchange
            .read_failure(py)
            .and_then(|failure| failure.status());
        if let Some(status) = status {
            note(
                level::INFO,
                &format!("The request body cannot be read: {error}"),
            );
            return or_cut(status);
        }
    }
    if error.is_instance_of::<PySystemExit>(py) {
        tell(
            at,
            exchange,
            request,
            error,
            "RSGI0175",
            "was raised, and ignored, by",
        );
    } else {
        tell(
            at,
            exchange,
            request,
            error,
            "RSGI0174",
            "escaped from the application in",
        );
    }
    events::request_exception(at, exchange, error);
    or_cut(500)
}
