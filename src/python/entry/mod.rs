//! The symbol that the host looks up, and its table; `view` has what the host gives as safe values, `host` and `asker` whom
//! the layer calls back.
//!
//! Every function of the table stops panics, also those of a payload's drop.

mod asker;
mod host;
mod view;

use core::ffi::{c_int, c_void};

use rsgi_bridge::abi::{
    self, Asker, Bytes, ErrorText, Host, Layer, Process, Question, Request, Source, Start, Target,
};
use rsgi_bridge::fence::fence;

use crate::{
    events, handler, interpreter, loader, panics, process, question, serve, service, stacks, start,
    telemetry, worker,
};

pub(crate) use asker::{AskerRef, FAILED, QuestionView};
pub(crate) use host::{HostRef, Next, SourceRef, Taken};
pub(crate) use view::{Blocks, FieldView, Fields, Prefix, RequestRef, RequestView, TargetView};

static LAYER: Layer = Layer {
    abi: abi::ABI,
    size: size_of::<Layer>(),
    start: start_python,
    handle,
    load,
    stop,
    fault,
    worker: set_worker,
    interrupt,
    dump,
    dump_unsafe,
    probe,
    run_service,
    stopping,
    serve: serve_source,
    has_loaded,
    ask,
    signal,
    cut,
};

/// The layer's table, or null for a host of another ABI.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rsgi_python_layer(host_abi: u32) -> *const Layer {
    if host_abi == abi::ABI {
        &raw const LAYER
    } else {
        core::ptr::null()
    }
}

/// Runs `body`; a panic is logged and becomes `fallback`.
pub(crate) fn fenced<R>(
    what: &str,
    host: Option<HostRef>,
    fallback: R,
    body: impl FnOnce() -> R,
) -> R {
    fence(body).unwrap_or_else(|message| {
        let place = panics::place();
        let line =
            format!("RSGI0300: a panic was stopped in the Python layer's {what}: {message}{place}");
        let logged = fence(|| match host {
            Some(host) => host.log(abi::level::ERROR, line.as_bytes()),
            None => process::log(abi::level::ERROR, line.as_bytes()),
        });
        drop(logged);
        fallback
    })
}

extern "C" fn start_python(
    options: *const Start,
    table: *const Process,
    error: *mut ErrorText,
) -> c_int {
    let outcome = fence(|| {
        // SAFETY: the host gives a live structure for the call.
        let options = unsafe { &*options };
        // SAFETY: see above.
        let table = unsafe { &*table };
        // SAFETY: see above; all it names is alive for the call.
        unsafe { start::start(options, table) }
    })
    .unwrap_or_else(|message| {
        Err(format!(
            "a panic was stopped in the Python layer: {message}"
        ))
    });
    let Err(reason) = outcome else { return 0 };
    // SAFETY: null or a live structure of the host's.
    if let Some(error) = unsafe { error.as_mut() } {
        let text = reason.as_bytes();
        let mut length = text.len().min(error.text.len());
        while !reason.is_char_boundary(length) {
            length -= 1;
        }
        error.text[..length].copy_from_slice(&text[..length]);
        error.len = length;
    }
    -1
}

extern "C" fn handle(request: *const Request, host: *const Host, context: *mut c_void) -> c_int {
    // INVARIANT: used until this function returns.
    let host = HostRef::new(host, context);
    fenced("handle", Some(host), abi::HANDLED_PANIC, || {
        // SAFETY: the host gives a live structure for the call.
        let request = unsafe { &*request };
        // SAFETY: see above; all it names is alive for the call.
        let request = unsafe { RequestView::new(request) };
        handler::handle(&request, host)
    })
}

extern "C" fn load(target: *const Target) -> c_int {
    fenced("load", None, -1, || {
        // SAFETY: the host gives a live structure for the call.
        let target = unsafe { &*target };
        // SAFETY: see above; all it names is alive for the call.
        let target = unsafe { TargetView::new(target) };
        if loader::load_ahead(&target) { 0 } else { -1 }
    })
}

extern "C" fn stop(patience: u32) {
    fenced("stop", None, (), || start::stop(patience));
}

extern "C" fn set_worker(number: u32) {
    fenced("worker", None, (), || worker::set_number(number));
}

extern "C" fn interrupt(number: u32, daemon_start: i64) -> c_int {
    fenced("interrupt", None, abi::INTERRUPT_FAILED, || {
        worker::interrupt(number, daemon_start)
    })
}

extern "C" fn dump(level: u32) -> c_int {
    fenced(
        "dump",
        None,
        -1,
        || if stacks::dump(level) { 0 } else { -1 },
    )
}

extern "C" fn dump_unsafe(fd: c_int) -> c_int {
    fenced("dump_unsafe", None, -1, || {
        if stacks::dump_unsafe(fd) { 0 } else { -1 }
    })
}

extern "C" fn probe() -> c_int {
    fenced(
        "probe",
        None,
        -1,
        || if interpreter::probe() { 0 } else { -1 },
    )
}

extern "C" fn run_service(target: *const Target) -> c_int {
    fenced("run_service", None, -1, || {
        // SAFETY: the host gives a live structure for the call.
        let target = unsafe { &*target };
        // SAFETY: see above; all it names is alive for the call.
        let target = unsafe { TargetView::new(target) };
        if service::run(&target) { 0 } else { -1 }
    })
}

extern "C" fn stopping(reason: Bytes) {
    // SAFETY: the host keeps it alive for the call.
    let reason = unsafe { reason.as_slice() };
    fenced("stopping", None, (), || {
        process::set_reason(reason);
        telemetry::stopping();
    });
}

extern "C" fn serve_source(source: *const Source, context: *mut c_void) -> c_int {
    // INVARIANT: used by this thread until this function returns.
    let source = SourceRef::new(source, context);
    fenced("serve", None, -1, || {
        serve::serve(source);
        0
    })
}

extern "C" fn has_loaded() -> c_int {
    c_int::from(loader::has_loaded())
}

extern "C" fn ask(
    request: *const Request,
    question: *const Question,
    asker: *const Asker,
    context: *mut c_void,
) -> c_int {
    // INVARIANT: used until this function returns.
    let asker = AskerRef::new(asker, context);
    fenced("ask", Some(asker.host()), FAILED, || {
        // SAFETY: the host gives a live structure for the call.
        let request = unsafe { &*request };
        // SAFETY: see above; all it names is alive for the call.
        let request = unsafe { RequestView::new(request) };
        // SAFETY: the host gives a live structure for the call.
        let question = unsafe { &*question };
        // SAFETY: see above; all it names is alive for the call.
        let question = unsafe { QuestionView::new(question) };
        question::ask(&request, &question, asker)
    })
}

extern "C" fn signal(number: c_int) {
    fenced("signal", None, (), || events::signal(number));
}

extern "C" fn cut() {
    fenced("cut", None, (), telemetry::cut);
}

/// What the host knows of the server as a whole, as JSON.
pub(crate) fn server_metrics(table: &Process) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let is_known = (table.server_metrics)((&raw mut text).cast(), take_text);
    (is_known != 0).then_some(text)
}

extern "C" fn take_text(context: *mut c_void, text: Bytes) {
    // SAFETY: what `server_metrics` above gave, which waits for this.
    let place = unsafe { &mut *context.cast::<Vec<u8>>() };
    // SAFETY: the host keeps it alive for the call.
    place.extend_from_slice(unsafe { text.as_slice() });
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any("dropped");
    }
}

extern "C" fn fault(kind: c_int) -> c_int {
    fenced("fault", None, abi::HANDLED_PANIC, || match kind {
        0 => panic!("injected fault {kind}"),
        1 => std::panic::panic_any(Bomb),
        _ => abi::HANDLED,
    })
}
