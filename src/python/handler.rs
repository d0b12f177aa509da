//! Runs an application for a request (PEP 3333, "Specification Details").
//!
//! Python is entered once: environ, call, blocks; what can be sent afterwards is sent after it was left.
#![deny(unsafe_code)]

use core::ffi::c_int;

use pyo3::exceptions::{PyRuntimeError, PySystemExit, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use rsgi_bridge::abi::{self, Bytes, level};
use rsgi_core::input::Reader;
use rsgi_core::response::BodyPlan;

use crate::capi::{latin1, references, set_item};
use crate::entry::{HostCalls, RequestView};
use crate::environ::environ;
use crate::interpreter::{self, Interpreter};
use crate::loader;
use crate::types::{self, Call, Head, Objects, Running, Sent, with_head};

/// Bodies up to this many bytes are copied, so that Python need not be entered again to release them.
const COPIED: usize = 32 * 1024;

/// What is left to do when Python has been left.
enum Rest {
    /// Nothing: this is the answer.
    Nothing(c_int),
    /// Send the whole response.
    Whole(Head, Body),
    /// Send the end.
    End,
}

/// A whole body.
enum Body {
    Copied(Vec<u8>),
    Kept(Vec<Py<PyBytes>>),
}

/// Runs a request; the caller is detached.
pub(crate) fn handle(request: &RequestView<'_>, host: HostCalls) -> c_int {
    let group = request.target.application_group;
    let interpreter = match interpreter::of_group(group, |py| types::make(py, group)) {
        Ok(interpreter) => interpreter,
        Err(reason) => {
            let text = format!(
                "RSGI0103: no interpreter for the application group '{}': {reason}",
                String::from_utf8_lossy(group)
            );
            host.log(level::ERROR, text.as_bytes());
            return 500;
        }
    };
    let rest = interpreter::enter(interpreter, |py| match interpreter.objects() {
        Some(objects) => run(py, objects, request, host),
        None => Rest::Nothing(500),
    });
    match rest {
        Rest::Nothing(code) => code,
        Rest::End => code_of(host.send(None, &[], abi::SEND_END | abi::SEND_FLUSH)),
        Rest::Whole(head, body) => send_whole(interpreter, &head, body, host),
    }
}

fn code_of(sent: c_int) -> c_int {
    match sent {
        abi::SEND_OK => abi::HANDLED,
        abi::SEND_GONE => abi::HANDLED_GONE,
        _ => abi::HANDLED_TRUNCATED,
    }
}

fn send_whole(
    interpreter: &'static Interpreter,
    head: &Head,
    body: Body,
    host: HostCalls,
) -> c_int {
    let flags = abi::SEND_END | abi::SEND_FLUSH;
    match body {
        Body::Copied(body) => code_of(with_head(head, |raw| {
            host.send(Some(raw), &[Bytes::new(&body)], flags)
        })),
        Body::Kept(blocks) => {
            let sent = types::with_bytes(&blocks, |blocks| {
                with_head(head, |raw| host.send(Some(raw), blocks, flags))
            });
            // Python objects are released attached to their interpreter.
            interpreter::enter(interpreter, move |_| drop(blocks));
            code_of(sent)
        }
    }
}

/// Runs the application; attached.
fn run(
    py: Python<'_>,
    objects: &'static Objects,
    request: &RequestView<'_>,
    host: HostCalls,
) -> Rest {
    let reader = Reader::new(request.body(), request.has(abi::REQUEST_BODY_COMPLETE));
    let is_head = request.has(abi::REQUEST_HEAD);
    let running = Running::new(host, objects, request.target.script, is_head, reader);
    Call::run(running, |call| {
        let Some(module) = loader::module(py, objects, &request.target) else {
            return Rest::Nothing(500);
        };
        match callable(py, &module, request) {
            Ok(Some(application)) => serve(py, objects, request, &application, call),
            Ok(None) => {
                let target = &request.target;
                let text = format!(
                    "RSGI0089: the script '{}' does not define '{}'",
                    String::from_utf8_lossy(target.script),
                    String::from_utf8_lossy(target.callable)
                );
                host.log(level::ERROR, text.as_bytes());
                Rest::Nothing(404)
            }
            Err(error) => fail(py, call, &error),
        }
    })
}

fn callable<'py>(
    py: Python<'py>,
    module: &Bound<'py, PyDict>,
    request: &RequestView<'_>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    module.get_item(latin1(py, request.target.callable)?)
}

/// Calls the application, sends what it gives and closes that, whatever happens.
fn serve(
    py: Python<'_>,
    objects: &Objects,
    request: &RequestView<'_>,
    application: &Bound<'_, PyAny>,
    call: &Call,
) -> Rest {
    let streams = match Streams::new(py, objects, call) {
        Ok(streams) => streams,
        Err(error) => return fail(py, call, &error),
    };
    let rest = match streams
        .environ(py, objects, request)
        .and_then(|environ| streams.call(py, application, environ))
    {
        Ok(result) => {
            let rest =
                respond(py, objects, call, &result).unwrap_or_else(|error| fail(py, call, &error));
            close(py, objects, &result);
            rest
        }
        Err(error) => fail(py, call, &error),
    };
    streams.end(py, objects);
    rest
}

/// The objects that an application gets for one request.
struct Streams<'py> {
    input: Bound<'py, PyAny>,
    adapter: Bound<'py, PyAny>,
    errors: (Bound<'py, PyAny>, Bound<'py, PyAny>),
}

impl<'py> Streams<'py> {
    fn new(py: Python<'py>, objects: &Objects, call: &Call) -> PyResult<Self> {
        let unused = objects.errors.lock().pop();
        let errors = match unused {
            Some((stream, log)) => (stream.into_bound(py), log.into_bound(py)),
            None => objects.support.new_errors.bind(py).call0()?.extract()?,
        };
        Ok(Self {
            input: call.new_input(py)?,
            adapter: call.new_adapter(py)?,
            errors,
        })
    }

    fn environ(
        &self,
        py: Python<'py>,
        objects: &Objects,
        request: &RequestView<'_>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = environ(py, objects, request)?;
        set_item(&environ, &objects.own.input, &self.input)?;
        set_item(&environ, &objects.own.errors, &self.errors.0)?;
        Ok(environ)
    }

    fn call(
        &self,
        py: Python<'py>,
        application: &Bound<'py, PyAny>,
        environ: Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let start_response = self
            .adapter
            .getattr(pyo3::types::PyString::new(py, "start_response"))?;
        application.call1((environ, start_response))
    }

    /// Takes the request away from the objects; a stream that nobody used or kept serves another request.
    fn end(self, py: Python<'py>, objects: &Objects) {
        types::end_input(&self.input);
        types::end_adapter(&self.adapter);
        let (stream, log) = self.errors;
        // Ours, and for the log the stream's.
        let is_ours = references(&stream) == 1 && references(&log) == 2;
        let is_unused = objects
            .support
            .end_errors
            .bind(py)
            .call1((&log,))
            .and_then(|answer| answer.is_truthy());
        if is_ours && is_unused.unwrap_or(false) {
            objects.errors.lock().push((stream.unbind(), log.unbind()));
        } else if let Err(error) = objects.support.expire_errors.bind(py).call1((log,)) {
            drop(error);
        }
    }
}

/// Sends what the application returned.
fn respond(
    py: Python<'_>,
    objects: &Objects,
    call: &Call,
    result: &Bound<'_, PyAny>,
) -> PyResult<Rest> {
    let is_fresh = !call.is_committed();
    if is_fresh
        && (result.is_exact_instance_of::<PyList>() || result.is_exact_instance_of::<PyTuple>())
    {
        let blocks = result.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        return whole(call, blocks);
    }
    if is_fresh
        && result.is_instance(objects.support.file_wrapper.bind(py))?
        && let Some(rest) = file(py, objects, call, result)?
    {
        return Ok(rest);
    }
    for block in result.try_iter()? {
        let block = block?;
        let block = bytes_of(&block)?;
        if block.as_bytes().is_empty() {
            continue;
        }
        match call.with(|running| running.send_block(py, block.as_bytes()))? {
            Sent::Ok => {}
            Sent::Gone => return Ok(Rest::Nothing(abi::HANDLED_GONE)),
            Sent::Failed => return Ok(Rest::Nothing(abi::HANDLED_TRUNCATED)),
        }
    }
    finish(call)
}

fn bytes_of<'a, 'py>(block: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    block.cast::<PyBytes>().map_err(|_| {
        let found = block
            .get_type()
            .name()
            .map_or_else(|_| "object".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!(
            "sequence of byte string values expected, value of type {found} found"
        ))
    })
}

fn not_started() -> PyErr {
    PyRuntimeError::new_err("response has not been started")
}

/// A list or tuple: one unit, whose length is known when it is one block (PEP 3333, "Handling the Content-Length Header").
fn whole(call: &Call, blocks: Vec<Bound<'_, PyAny>>) -> PyResult<Rest> {
    let blocks = blocks
        .iter()
        .map(|block| bytes_of(block).cloned())
        .collect::<PyResult<Vec<_>>>()?;
    if call.is_committed() {
        return Err(PyRuntimeError::new_err(
            "response was written while its blocks were collected",
        ));
    }
    let (mut head, is_head) = call.with(|running| {
        running
            .head
            .take()
            .map(|head| (head, running.is_head))
            .ok_or_else(not_started)
    })?;
    let total: usize = blocks.iter().map(|block| block.as_bytes().len()).sum();
    if let ([_], None) = (blocks.as_slice(), head.declared)
        && !matches!(head.status, 204 | 205 | 304)
    {
        head.declared = Some(total as u64);
    }
    let mut plan = BodyPlan::new(head.status, head.declared, is_head);
    if head
        .declared
        .is_some_and(|declared| declared < total as u64)
        || !plan.has_body()
        || total <= COPIED
    {
        let mut body = Vec::with_capacity(total);
        for block in &blocks {
            let block = block.as_bytes();
            body.extend_from_slice(&block[..plan.admit(block.len())]);
        }
        return if plan.is_short() {
            short(call, head, &body)
        } else {
            Ok(Rest::Whole(head, Body::Copied(body)))
        };
    }
    plan.admit(total);
    if plan.is_short() {
        let body = blocks
            .iter()
            .flat_map(|block| block.as_bytes())
            .copied()
            .collect::<Vec<u8>>();
        return short(call, head, &body);
    }
    Ok(Rest::Whole(
        head,
        Body::Kept(blocks.into_iter().map(Bound::unbind).collect()),
    ))
}

/// A body shorter than declared: it is sent, and the response cut.
fn short(call: &Call, head: Head, body: &[u8]) -> PyResult<Rest> {
    call.with(|running| {
        running.head = Some(head);
        running.host_send(&[Bytes::new(body)], abi::SEND_FLUSH);
        running.is_committed = true;
        Ok(())
    })?;
    Ok(too_short(call))
}

fn too_short(call: &Call) -> Rest {
    call.log(level::ERROR, b"RSGI0308: the application gave less than the Content-Length that it declared: the response is cut");
    Rest::Nothing(abi::HANDLED_TRUNCATED)
}

/// A file wrapper whose file the kernel can send; `None` when it has to be read.
fn file(
    py: Python<'_>,
    objects: &Objects,
    call: &Call,
    wrapper: &Bound<'_, PyAny>,
) -> PyResult<Option<Rest>> {
    let range = objects
        .support
        .file_range
        .bind(py)
        .call1((wrapper, py.None()))?;
    if range.is_none() {
        return Ok(None);
    }
    let (fd, offset, available): (c_int, i64, i64) = range.extract()?;
    call.with(|running| {
        let Some(head) = running.head.as_mut() else { return Err(not_started()) };
        let declared = *head.declared.get_or_insert(available.unsigned_abs());
        let plan = BodyPlan::new(head.status, head.declared, running.is_head);
        let length = i64::try_from(declared).unwrap_or(i64::MAX).min(available);
        let is_short = plan.has_body() && length.unsigned_abs() < declared;
        let length = if plan.has_body() { length } else { 0 };
        let end = if is_short { 0 } else { abi::SEND_END };
        Ok(match running.send_file(py, fd, offset, length, abi::SEND_FLUSH | end) {
            Sent::Ok if is_short => {
                let text = b"RSGI0308: the file is shorter than the Content-Length that the application declared: the response is cut";
                running.host.log(level::ERROR, text);
                Some(Rest::Nothing(abi::HANDLED_TRUNCATED))
            }
            Sent::Ok => Some(Rest::Nothing(abi::HANDLED)),
            Sent::Gone => Some(Rest::Nothing(abi::HANDLED_GONE)),
            Sent::Failed => Some(Rest::Nothing(abi::HANDLED_TRUNCATED)),
        })
    })
}

/// All blocks have been sent.
fn finish(call: &Call) -> PyResult<Rest> {
    let head = call.with(|running| {
        if running.is_committed {
            return Ok(None);
        }
        running.head.take().map(Some).ok_or_else(not_started)
    })?;
    if let Some(head) = head {
        // Nothing but empty blocks.
        let is_short = call.with(|running| {
            Ok(BodyPlan::new(head.status, head.declared, running.is_head).is_short())
        })?;
        return if is_short {
            short(call, head, b"")
        } else {
            Ok(Rest::Whole(head, Body::Copied(Vec::new())))
        };
    }
    call.with(|running| {
        Ok((
            running.is_gone,
            running.is_ended,
            running.plan.is_some_and(|plan| plan.is_short()),
        ))
    })
    .map(|state| match state {
        (true, _, _) => Rest::Nothing(abi::HANDLED_GONE),
        (_, true, _) => Rest::Nothing(abi::HANDLED),
        (_, _, true) => too_short(call),
        _ => Rest::End,
    })
}

/// Calls `close()` of what the application returned, if it has one.
fn close(py: Python<'_>, objects: &Objects, result: &Bound<'_, PyAny>) {
    if result.is_exact_instance_of::<PyList>() || result.is_exact_instance_of::<PyTuple>() {
        return;
    }
    let closed = match result.getattr_opt(objects.own.close.bind(py)) {
        Ok(None) => return,
        Ok(Some(close)) => close.call0().map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = closed {
        log_exception(
            py,
            objects,
            &error,
            "RSGI0194: close() of the application's iterable raised",
        );
    }
}

/// Logs what the application raised, and answers for it.
fn fail(py: Python<'_>, call: &Call, error: &PyErr) -> Rest {
    let objects = call.objects();
    let is_timeout = error
        .matches(py, objects.support.request_timeout.bind(py))
        .unwrap_or(false);
    let script = call.script();
    let script = String::from_utf8_lossy(&script);
    if is_timeout {
        call.log(
            level::INFO,
            format!("the request to '{script}' was interrupted by its timeout").as_bytes(),
        );
    } else if call.is_gone() {
        call.log(
            level::DEBUG,
            format!("the client went away while '{script}' ran: {error}").as_bytes(),
        );
    } else {
        let number = if error.is_instance_of::<PySystemExit>(py) {
            "RSGI0175"
        } else {
            "RSGI0174"
        };
        let kind = error
            .get_type(py)
            .name()
            .map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
        let pid = std::process::id();
        log_exception(
            py,
            objects,
            error,
            &format!("{number}: {kind} while processing WSGI script '{script}' (process {pid})"),
        );
    }
    match (call.is_gone(), call.is_committed()) {
        (true, _) => Rest::Nothing(abi::HANDLED_GONE),
        (false, true) => Rest::Nothing(abi::HANDLED_TRUNCATED),
        (false, false) => Rest::Nothing(if is_timeout { 504 } else { 500 }),
    }
}

/// Logs an exception with its traceback, a record a line.
pub(crate) fn log_exception(py: Python<'_>, objects: &Objects, error: &PyErr, what: &str) {
    let lines =
        objects
            .support
            .describe
            .bind(py)
            .call1((error.value(py), error.traceback(py), what));
    let lines: Vec<Vec<u8>> = match lines.and_then(|lines| lines.extract()) {
        Ok(lines) => lines,
        Err(_) => vec![what.as_bytes().to_vec(), error.to_string().into_bytes()],
    };
    for line in lines {
        crate::log::line(level::ERROR, &line);
    }
}
