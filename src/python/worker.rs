//! Which thread runs which request, and how a request is interrupted.
//!
//! The exception of an interruption is delivered by Python when the thread next runs Python code, which can be late. So
//! it is only raised while a request's window is open, and the thread that closes the window, which holds the GIL as the
//! interrupter does, takes back what it has not met.

#![deny(unsafe_code)]

use core::ffi::c_ulong;
use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard, RwLock};
use pyo3::exceptions::PySystemExit;
use rsgi_bridge::abi::{self, level};

use crate::entry::{RequestRef, RequestView, TargetView};
use crate::interpreter::{self, At, Interp};
use crate::kit::Kit;
use crate::meter::Waits;
use crate::{capi, process, stacks};

/// The number of the thread that runs a service.
pub(crate) const SERVICE: u32 = 0;

/// A thread that runs requests.
pub(crate) struct Worker {
    number: AtomicU32,
    /// What Python calls it.
    thread: c_ulong,
    state: Mutex<State>,
}

/// Never locked while Python code runs or the GIL is waited for.
#[derive(Default)]
struct State {
    /// Requests so far.
    turn: u64,
    /// Those of them that ask for a response.
    requests: u64,
    /// Where it runs one.
    running: Option<&'static Interp>,
    /// What that is, and the key of its exchange.
    request: Option<(RequestRef, usize)>,
    /// What is known of its course, where somebody wants to know.
    course: Option<Course>,
    /// Whether that can be interrupted, and was.
    is_open: bool,
    is_interrupted: bool,
    daemon_start: i64,
    script: Vec<u8>,
}

/// What a thread is doing.
pub(crate) struct Doing {
    /// What Python calls it.
    pub(crate) thread: c_ulong,
    /// Where.
    pub(crate) interp: &'static Interp,
    /// In words.
    pub(crate) label: String,
}

/// A request that runs, or did a moment ago.
pub(crate) struct Running {
    worker: Arc<Worker>,
    turn: u64,
    /// The key of its exchange.
    pub(crate) key: usize,
    /// httpd's id of it.
    pub(crate) id: Option<Vec<u8>>,
}

impl Running {
    /// Calls `body`, which runs no Python code, unless the request is over; it does not end meanwhile.
    pub(crate) fn if_it_runs<R>(&self, body: impl FnOnce() -> R) -> Option<R> {
        let state = self.worker.state.lock();
        (state.turn == self.turn && state.running.is_some()).then(body)
    }
}

/// The course of a request that is followed, for others than its own thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    /// When its application was called.
    pub(crate) begun: Instant,
    /// The same in microseconds since the epoch, as its environ has it.
    pub(crate) application_start: i64,
    /// Requests that ran then, itself included; 0 where nobody wants to know.
    pub(crate) active: u64,
    /// How it waited for the GIL so far.
    pub(crate) waits: Waits,
}

/// What a worker has done so far.
pub(crate) struct Load {
    /// Its number, from 1.
    pub(crate) number: u32,
    /// Requests that it began with.
    pub(crate) requests: u64,
    /// Whether it runs one.
    pub(crate) is_running: bool,
    /// When that one's application was called, where somebody wanted to know.
    pub(crate) begun: Option<Instant>,
}

static WORKERS: RwLock<Vec<Arc<Worker>>> = RwLock::new(Vec::new());
/// The highest number in use.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// A thread's place among the workers, given up when it ends.
struct Own(OnceCell<Arc<Worker>>);

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(own) = self.0.get() {
            WORKERS.write().retain(|worker| !Arc::ptr_eq(worker, own));
        }
    }
}

thread_local! {
    static OWN: Own = const { Own(OnceCell::new()) };
}

fn register(number: u32) -> Arc<Worker> {
    let worker = Arc::new(Worker {
        number: AtomicU32::new(number),
        thread: capi::thread_ident(),
        state: Mutex::default(),
    });
    WORKERS.write().push(Arc::clone(&worker));
    worker
}

fn with_own<R>(body: impl FnOnce(&Worker) -> R) -> R {
    OWN.with(|own| {
        body(
            own.0
                .get_or_init(|| register(NUMBERS.fetch_add(1, Ordering::Relaxed) + 1)),
        )
    })
}

/// The calling thread is the worker of that number from now on.
pub(crate) fn set_number(number: u32) {
    NUMBERS.fetch_max(number, Ordering::Relaxed);
    OWN.with(|own| {
        let worker = own.0.get_or_init(|| register(number));
        worker.number.store(number, Ordering::Relaxed);
    });
}

/// The number of the calling thread among those that run requests, from 1.
pub(crate) fn number() -> u32 {
    with_own(|worker| worker.number.load(Ordering::Relaxed))
}

/// What all workers are doing that run something.
pub(crate) fn doing() -> Vec<Doing> {
    WORKERS
        .read()
        .iter()
        .filter_map(|worker| {
            let state = worker.state.lock();
            let interp = state.running?;
            Some(Doing {
                thread: worker.thread,
                interp,
                label: worker.label(&state.script, interp),
            })
        })
        .collect()
}

/// The requests that run in the interpreter whose objects these are.
pub(crate) fn requests(is_it: impl Fn(&Kit) -> bool) -> Vec<Running> {
    let workers = WORKERS.read();
    let running = workers.iter().filter_map(|worker| {
        let state = worker.state.lock();
        state.running?.kit().filter(|kit| is_it(kit))?;
        let (request, key) = state.request?;
        Some(Running {
            worker: Arc::clone(worker),
            turn: state.turn,
            key,
            id: request.id(),
        })
    });
    running.collect()
}

/// What all workers have done so far, by their numbers.
pub(crate) fn loads() -> Vec<Load> {
    let workers = WORKERS.read();
    let mut loads: Vec<Load> = workers
        .iter()
        .map(|worker| {
            let state = worker.state.lock();
            Load {
                number: worker.number.load(Ordering::Relaxed),
                requests: state.requests,
                is_running: state.request.is_some(),
                begun: state.course.map(|course| course.begun),
            }
        })
        .collect();
    drop(workers);
    loads.sort_by_key(|load| load.number);
    loads
}

/// Gives each request whose application was called, with its worker's number and its course, while it cannot end.
pub(crate) fn each_running(mut give: impl FnMut(u32, &RequestView<'_>, Course)) {
    for worker in WORKERS.read().iter() {
        let state = worker.state.lock();
        if let (Some((request, _)), Some(course)) = (&state.request, state.course) {
            let number = worker.number.load(Ordering::Relaxed);
            give(number, &request.view(), course);
        }
    }
}

/// The application of the calling thread's request is about to be called, or none where that is done.
pub(crate) fn set_course(course: Option<Course>) {
    with_own(|worker| worker.state.lock().course = course);
}

/// The calling thread's request, which is followed, has waited for the GIL.
pub(crate) fn set_waits(waits: Waits) {
    with_own(|worker| {
        if let Some(course) = &mut worker.state.lock().course {
            course.waits = waits;
        }
    });
}

/// Calls `body` with each thread that runs a request: where, its number for Python, what it does. None of them ends
/// meanwhile. Waits for nothing: what is locked is left out.
pub(crate) fn each_that_runs(mut body: impl FnMut(&'static Interp, c_ulong, &str)) {
    let Some(workers) = WORKERS.try_read() else {
        return;
    };
    for worker in workers.iter() {
        let found = worker.state.try_lock().and_then(|state| {
            let interp = state.running?;
            Some((interp, worker.label(&state.script, interp)))
        });
        if let Some((interp, label)) = found {
            body(interp, worker.thread, &label);
        }
    }
}

/// A request that the calling thread runs, until it drops. Attached.
pub(crate) struct Window<'py>(At<'py>);

impl<'py> Window<'py> {
    /// From now on the request can be interrupted.
    pub(crate) fn open(at: At<'py>, target: &TargetView<'_>) -> Self {
        Self::open_for(at, target, 0, None)
    }

    /// The same for a request that is to be answered, whose exchange has this key.
    pub(crate) fn open_request(at: At<'py>, request: &RequestView<'_>, key: usize) -> Self {
        let running = (request.to_ref(), key);
        Self::open_for(at, &request.target, request.daemon_start(), Some(running))
    }

    fn open_for(
        at: At<'py>,
        target: &TargetView<'_>,
        daemon_start: i64,
        request: Option<(RequestRef, usize)>,
    ) -> Self {
        with_own(|worker| {
            let mut state = worker.state.lock();
            state.turn += 1;
            state.requests += u64::from(request.is_some());
            state.request = request;
            state.course = None;
            state.running = Some(at.interp);
            state.is_open = true;
            state.is_interrupted = false;
            state.daemon_start = daemon_start;
            state.script.clear();
            state.script.extend_from_slice(target.script);
        });
        Self(at)
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        with_own(|worker| {
            let mut state = worker.state.lock();
            state.running = None;
            state.request = None;
            worker.shut(self.0, state);
        });
    }
}

/// The calling thread's request can no longer be interrupted; says whether it was. Done before what is the layer's own.
pub(crate) fn close(at: At<'_>) -> bool {
    with_own(|worker| worker.shut(at, worker.state.lock()))
}

impl Worker {
    /// See [`close`].
    fn shut(&self, at: At<'_>, mut state: MutexGuard<'_, State>) -> bool {
        let was_open = core::mem::replace(&mut state.is_open, false);
        let is_interrupted = state.is_interrupted;
        drop(state);
        if was_open && is_interrupted {
            capi::raise_in(at.py, self.thread, None);
        }
        is_interrupted
    }

    fn label(&self, script: &[u8], interp: &Interp) -> String {
        let script = String::from_utf8_lossy(script);
        let group = interp.label();
        match self.number.load(Ordering::Relaxed) {
            SERVICE => format!("The service '{script}' in application group '{group}'"),
            number => format!(
                "Worker {number}, with a request of '{script}' in application group '{group}'"
            ),
        }
    }

    /// Where it runs the request with that start, or any, and which of its requests that is.
    fn wanted(&self, daemon_start: i64) -> Option<(&'static Interp, u64)> {
        let state = self.state.lock();
        let is_wanted = state.is_open && (daemon_start == 0 || state.daemon_start == daemon_start);
        state
            .running
            .filter(|_| is_wanted)
            .map(|interp| (interp, state.turn))
    }

    /// Raises the exception, unless that request is over.
    fn raise(&self, at: At<'_>, turn: u64) -> bool {
        let mut state = self.state.lock();
        if !state.is_open || state.turn != turn {
            return false;
        }
        let exception = match self.number.load(Ordering::Relaxed) {
            SERVICE => at.py.get_type::<PySystemExit>().into_any(),
            _ => at.kit().request_timeout.bind(at.py).clone(),
        };
        state.is_interrupted = capi::raise_in(at.py, self.thread, Some(&exception));
        state.is_interrupted
    }
}

/// See [`abi::Layer::interrupt`].
pub(crate) fn interrupt(number: u32, daemon_start: i64) -> i32 {
    let Some(_use) = process::enter() else {
        return abi::INTERRUPT_FAILED;
    };
    let worker = WORKERS
        .read()
        .iter()
        .find(|worker| worker.number.load(Ordering::Relaxed) == number)
        .map(Arc::clone);
    let Some(worker) = worker else {
        return abi::INTERRUPT_OVER;
    };
    let Some((interp, turn)) = worker.wanted(daemon_start) else {
        return abi::INTERRUPT_OVER;
    };
    let raised = interpreter::attach(interp, |at| {
        let is_same = |(_, now): (_, u64)| now == turn;
        if !worker.wanted(daemon_start).is_some_and(is_same) {
            return false;
        }
        if process::log_enabled(level::INFO) {
            let label = worker.label(&worker.state.lock().script.clone(), interp);
            stacks::tell_one(at, worker.thread, &format!("{label}, is interrupted at:"));
        }
        worker.raise(at, turn)
    });
    match raised {
        Some(true) => abi::INTERRUPT_RAISED,
        Some(false) => abi::INTERRUPT_OVER,
        None => abi::INTERRUPT_FAILED,
    }
}
