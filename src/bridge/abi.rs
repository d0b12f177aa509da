//! The C ABI between the process that owns a request (an Apache child, a daemon) and the Python layer.
//!
//! Both sides are built from this file but are two shared objects with two copies of `std`, so nothing
//! owned crosses: only numbers, function pointers and borrowed memory. Every structure is append-only and
//! starts with its `size`; a change of meaning raises [`ABI`]. Both sides stop panics at each function.
//!
//! The file is long because the contract is one: whoever changes a part has to see the rest.
//!
//! The *host* is the side that knows httpd or the wire; the *layer* is the side that knows CPython.

use core::ffi::{c_int, c_void};

/// The version both sides compare before anything else is used.
pub const ABI: u32 = 1;

/// The one symbol that the host looks up in `rsgi_python.so`; its type is [`Entry`].
pub const ENTRY_SYMBOL: &core::ffi::CStr = c"rsgi_python_layer";

/// Returns the layer's table, or null where the layer does not speak the host's `ABI`.
pub type Entry = unsafe extern "C" fn(host_abi: u32) -> *const Layer;

/// Borrowed bytes. `ptr` may be anything when `len` is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// First byte.
    pub ptr: *const u8,
    /// Length in bytes.
    pub len: usize,
}

impl Bytes {
    /// No bytes.
    pub const EMPTY: Self = Self {
        ptr: core::ptr::NonNull::dangling().as_ptr(),
        len: 0,
    };

    /// Borrows a slice; the caller keeps it alive for as long as the other side may look.
    #[must_use]
    pub const fn new(bytes: &[u8]) -> Self {
        Self {
            ptr: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    /// The bytes as a slice.
    ///
    /// # Safety
    /// The memory given to [`Bytes::new`] is alive and unchanged for `'a`.
    #[must_use]
    pub const unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the caller vouches for pointer, length and lifetime.
        unsafe { core::slice::from_raw_parts(self.ptr, self.len) }
    }
}

/// One environ entry: a well-known key by its `rsgi_core::name::NameId`, or id 0 and a spelled name.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// `NameId` of the key, 0 when `name` spells it.
    pub id: u32,
    /// The key when `id` is 0 (latin-1).
    pub name: Bytes,
    /// The value (latin-1; file system encoding for DOCUMENT_ROOT and SCRIPT_FILENAME).
    pub value: Bytes,
}

/// Environ entries shared by many requests (of one server and mount): the layer makes one dict of them per
/// interpreter and copies it. Two blocks with the same `id` have the same contents for the process's life.
#[repr(C)]
#[derive(Debug)]
pub struct Constants {
    /// Unique in the process, never reused, not 0.
    pub id: u64,
    /// The entries.
    pub fields: *const Field,
    /// How many.
    pub count: usize,
}

/// What is to be run, in which interpreter.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Application group: empty is the main interpreter.
    pub application_group: Bytes,
    /// Path of the script that is loaded (WSGI script, handler script or import script).
    pub script: Bytes,
    /// Name of the callable in the script's module; empty for import scripts.
    pub callable: Bytes,
    /// Path handed to `reload_required(resource_path)`: the requested file.
    pub resource: Bytes,
    /// Modification time of `script` in microseconds since the epoch as the host saw it, or
    /// [`MTIME_UNKNOWN`]: then the layer looks itself when it needs it.
    pub mtime: i64,
    /// `TARGET_*` bits.
    pub flags: u32,
}

/// See [`Target::mtime`].
pub const MTIME_UNKNOWN: i64 = i64::MIN;
/// `WSGIScriptReloading` is on for this request.
pub const TARGET_RELOADING: u32 = 1;

/// One request.
#[repr(C)]
#[derive(Debug)]
pub struct Request {
    /// `size_of::<Request>()` of the host.
    pub size: usize,
    /// What to run.
    pub target: Target,
    /// Entries shared with other requests, or null.
    pub constants: *const Constants,
    /// Entries of this request; a later entry wins over an earlier one and over `constants`.
    pub fields: *const Field,
    /// How many.
    pub count: usize,
    /// The part of the body that was there before Python was entered; `read` continues after it.
    pub body: Bytes,
    /// `REQUEST_*` bits.
    pub flags: u32,
    /// Microseconds since the epoch when Apache read the request line.
    pub request_start: i64,
    /// Microseconds since the epoch when the request was queued for a daemon; 0 in embedded mode.
    pub queue_start: i64,
    /// Microseconds since the epoch when a daemon took it; 0 in embedded mode.
    pub daemon_start: i64,
    /// httpd's `request_rec` where the application is to have it (`WSGIPassApacheRequest`, embedded mode), else null. Only
    /// handed on, and only while the call runs.
    pub apache_request: *mut c_void,
    /// Processes that the request was given to, the last included; 0 in embedded mode.
    pub connects: u32,
    /// How many of them were about to be replaced, or ended, and had not begun with it.
    pub restarts: u32,
}

/// `body` is all of the request body; `read` need not be called.
pub const REQUEST_BODY_COMPLETE: u32 = 1;
/// The client asked with HEAD (whatever REQUEST_METHOD says): no body goes out.
pub const REQUEST_HEAD: u32 = 2;
/// `wsgi.url_scheme` is `https`.
pub const REQUEST_HTTPS: u32 = 4;

/// One response header; name and value are latin-1 and already validated by the layer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Field name as the application spelled it.
    pub name: Bytes,
    /// Field value.
    pub value: Bytes,
}

/// Status and headers, given with the first thing that is sent.
#[repr(C)]
#[derive(Debug)]
pub struct Head {
    /// Status code, 200..=999 (the layer refuses 1xx).
    pub status: u32,
    /// The application's whole status string, for instance `404 Not Found`.
    pub line: Bytes,
    /// Headers in the application's order, duplicates kept, without Content-Length.
    pub headers: *const Header,
    /// How many.
    pub count: usize,
    /// Declared or known length of the body in bytes, -1 when unknown.
    pub content_length: i64,
}

/// `send`: what was given ends the response.
pub const SEND_END: u32 = 1;
/// `send`: bring it to the network before returning.
pub const SEND_FLUSH: u32 = 2;
/// `send`: the caller holds the GIL; return [`SEND_WOULD_BLOCK`] untouched unless certain not to wait.
pub const SEND_TRY: u32 = 4;
/// `send_file`: the kernel may send the file itself (`WSGIEnableSendfile On`).
pub const SEND_SENDFILE: u32 = 8;

/// `send` with [`SEND_END`]: the application still runs. The client is to have the response, but the request is over
/// when `handle` returns, or at `done`.
pub const SEND_RUNNING: u32 = 16;

/// `send`: everything was taken.
pub const SEND_OK: c_int = 0;
/// `send` with [`SEND_TRY`]: nothing was taken, detach and call again without it.
pub const SEND_WOULD_BLOCK: c_int = 1;
/// `send`: the client is gone; there is no use in producing more.
pub const SEND_GONE: c_int = 2;
/// `send`: refused for another reason, already logged by the host.
pub const SEND_FAILED: c_int = 3;

/// `read`: the client went away.
pub const READ_GONE: isize = -1;
/// `read`: the client was too slow.
pub const READ_TIMEOUT: isize = -2;
/// `read`: the body is larger than `LimitRequestBody`.
pub const READ_TOO_LARGE: isize = -3;
/// `read`: the framing of the body is broken.
pub const READ_BAD: isize = -4;
/// `read`: anything else.
pub const READ_FAILED: isize = -5;

/// Levels of log lines, with httpd's numbers (http_log.h APLOG_*).
pub mod level {
    /// APLOG_CRIT
    pub const CRIT: u32 = 2;
    /// APLOG_ERR
    pub const ERROR: u32 = 3;
    /// APLOG_WARNING
    pub const WARN: u32 = 4;
    /// APLOG_NOTICE
    pub const NOTICE: u32 = 5;
    /// APLOG_INFO
    pub const INFO: u32 = 6;
    /// APLOG_DEBUG
    pub const DEBUG: u32 = 7;
    /// APLOG_TRACE1
    pub const TRACE1: u32 = 8;
}

/// What the host does for one request. `ctx` is the value given to [`Layer::handle`]. No function unwinds. Calls
/// come one at a time and only while `handle` runs, detached from Python except `log` and `SEND_TRY` sends; nearly all
/// come on the thread that called `handle`, but an application may hand `wsgi.input` or `write` to a thread of its own.
/// A host must therefore not depend on which thread calls it.
#[repr(C)]
#[derive(Debug)]
pub struct Host {
    /// `size_of::<Host>()` of the host.
    pub size: usize,
    /// Sends `count` blocks as one unit. `head` is given exactly once, with the first send, and null after it.
    /// Returns a `SEND_*` code.
    pub send: extern "C" fn(
        ctx: *mut c_void,
        head: *const Head,
        blocks: *const Bytes,
        count: usize,
        flags: u32,
    ) -> c_int,
    /// Sends `length` bytes of the regular file `fd` from `offset`; same rules as `send`. The descriptor stays the caller's and
    /// its file position is not moved.
    pub send_file: extern "C" fn(
        ctx: *mut c_void,
        head: *const Head,
        fd: c_int,
        offset: i64,
        length: i64,
        flags: u32,
    ) -> c_int,
    /// Reads at least one byte of the body unless it has ended: the count, 0 at the end, or a `READ_*` code.
    pub read: extern "C" fn(ctx: *mut c_void, buffer: *mut u8, capacity: usize) -> isize,
    /// Logs one line for the request (its virtual host's log). Never fails; never waits for Python.
    pub log: extern "C" fn(ctx: *mut c_void, level: u32, text: Bytes),
    /// Whether the request's connection is known to be encrypted. Attached.
    pub is_https: extern "C" fn(ctx: *mut c_void) -> c_int,
    /// A variable of mod_ssl: 1 and its value, which stays until the next call; or 0. Attached.
    pub variable: extern "C" fn(ctx: *mut c_void, name: Bytes, value: *mut Bytes) -> c_int,
    /// Whether a line of this level would be written for the request. Never waits.
    pub log_enabled: extern "C" fn(ctx: *mut c_void, level: u32) -> c_int,
    /// `log` for a line that the application wrote, with the path of its source and the line in it.
    pub log_at: extern "C" fn(ctx: *mut c_void, level: u32, text: Bytes, source: Bytes, line: u32),
    /// [`Process::server_metrics`] by way of the request.
    pub server_metrics: extern "C" fn(
        ctx: *mut c_void,
        place: *mut c_void,
        take: extern "C" fn(*mut c_void, Bytes),
    ) -> c_int,
}

/// What the host does for the process.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// `size_of::<Process>()` of the host.
    pub size: usize,
    /// Logs one line outside of any request.
    pub log: extern "C" fn(level: u32, text: Bytes),
    /// Whether a line of this level would be written.
    pub log_enabled: extern "C" fn(level: u32) -> c_int,
    /// What the server as a whole does right now: 1, and a JSON object with the keys of `mod_wsgi.server_metrics()` was
    /// given to `take` with `ctx` during the call; or 0 where that is not known here.
    pub server_metrics:
        extern "C" fn(ctx: *mut c_void, take: extern "C" fn(*mut c_void, Bytes)) -> c_int,
}

/// How Python is to be started in this process.
#[repr(C)]
#[derive(Debug)]
pub struct Start {
    /// `size_of::<Start>()` of the host.
    pub size: usize,
    /// Program name and executable: the environment's `bin/python`. Empty: Python's own default.
    pub executable: Bytes,
    /// Minor version expected (3.*minor*); start is refused when the loaded libpython is another one.
    pub minor: u32,
    /// `START_*` bits.
    pub flags: u32,
    /// `WSGIPythonOptimize`: 0, 1 or 2.
    pub optimize: c_int,
    /// `WSGIPythonHashSeed`: 0..=4294967295, or -1 for random.
    pub hash_seed: i64,
    /// `WSGIPythonWarnings`, in order.
    pub warnings: *const Bytes,
    /// How many.
    pub warnings_count: usize,
    /// `WSGIPythonPath`, split, in order.
    pub python_path: *const Bytes,
    /// How many.
    pub python_path_count: usize,
    /// `mod_wsgi.process_group`: empty in embedded mode.
    pub process_group: Bytes,
    /// `mod_wsgi.maximum_processes` and `.threads_per_process`.
    pub processes: i32,
    /// See `processes`.
    pub threads: i32,
    /// `apache.maximum_processes` and `.threads_per_process`: always the MPM's.
    pub mpm_processes: i32,
    /// See `mpm_processes`.
    pub mpm_threads: i32,
    /// `apache.version`.
    pub apache_version: [u32; 3],
    /// `mod_wsgi.version`: the version of mod_wsgi whose behaviour is kept.
    pub wsgi_version: [u32; 3],
    /// The version of mod_rsgi.
    pub rsgi_version: [u32; 3],
    /// `apache.description`.
    pub description: Bytes,
    /// `apache.mpm_name`.
    pub mpm_name: Bytes,
    /// `apache.build_date`.
    pub build_date: Bytes,
    /// `home=` of a daemon process group: put at `sys.path[0]`. Empty: not.
    pub home: Bytes,
    /// `python-eggs=`: `PYTHON_EGG_CACHE` in `os.environ`. Empty: left alone.
    pub python_eggs: Bytes,
    /// `switch-interval=` in nanoseconds; 0 leaves Python's own.
    pub switch_interval_ns: u64,
    /// Name of the process's user: corrects USER, USERNAME and LOGNAME in `os.environ` where they are set. Empty: left alone.
    pub user_name: Bytes,
    /// Home folder of that user: HOME in `os.environ`, set in any case. Empty: left alone.
    pub user_home: Bytes,
    /// What holds for some interpreters only; each goes before those that come earlier, all go before the rest of this.
    pub rules: *const InterpreterRule,
    /// How many.
    pub rules_count: usize,
    /// The socket of `WSGITelemetryService`. Empty: nobody is told.
    pub telemetry_socket: Bytes,
    /// Nanoseconds between two samples.
    pub telemetry_interval_ns: u64,
    /// `WSGISlowRequests` in nanoseconds; 0 for never.
    pub slow_requests_ns: u64,
}

/// What holds for one application group, or for all (`<WSGIInterpreterOptions>`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct InterpreterRule {
    /// `RULE_*` bits.
    pub kind: u32,
    /// Those of [`START_RESTRICT_STDIN`], [`START_RESTRICT_STDOUT`], [`START_RESTRICT_SIGNAL`] and [`START_OWN_GIL`] that
    /// it says something about.
    pub mask: u32,
    /// What it says about them.
    pub flags: u32,
    /// With [`RULE_NAMED`] the application group that it is for; empty is the main interpreter.
    pub application_group: Bytes,
    /// Switch interval in nanoseconds; 0 says nothing.
    pub switch_interval_ns: u64,
    /// Folders for the front of `sys.path`.
    pub python_path: *const Bytes,
    /// How many.
    pub python_path_count: usize,
}

/// The rule is for one application group.
pub const RULE_NAMED: u32 = 1;

/// `WSGIDontWriteBytecode On`.
pub const START_DONT_WRITE_BYTECODE: u32 = 1;
/// `WSGIRestrictStdin On`.
pub const START_RESTRICT_STDIN: u32 = 2;
/// `WSGIRestrictStdout On`.
pub const START_RESTRICT_STDOUT: u32 = 4;
/// `WSGIRestrictSignal On` (the default).
pub const START_RESTRICT_SIGNAL: u32 = 8;
/// `WSGIDestroyInterpreter On` (the default).
pub const START_DESTROY: u32 = 16;
/// `httpd -X`: leave stdin and stdout alone so that debuggers work.
pub const START_SINGLE_PROCESS: u32 = 32;
/// `WSGICaseSensitivity Off`.
pub const START_CASE_INSENSITIVE: u32 = 64;
/// `wsgi.multithread`.
pub const START_MULTITHREAD: u32 = 128;
/// `wsgi.multiprocess`.
pub const START_MULTIPROCESS: u32 = 256;
/// `wsgi.run_once`.
pub const START_RUN_ONCE: u32 = 512;
/// The calling thread is, and stays, Python's main thread (else the layer makes one for it).
pub const START_MAIN_THREAD: u32 = 1024;
/// A daemon process: a changed WSGI or handler script is answered with [`HANDLED_STALE`] instead of being loaded again.
pub const START_DAEMON: u32 = 2048;
/// A daemon process without workers (`threads=0`): signals are the application's, SIGTERM raises SystemExit to begin
/// with. Goes with [`START_MAIN_THREAD`].
pub const START_SERVICE: u32 = 4096;
/// `WSGIServerMetrics On`, or `server-metrics=On` of a process group: `mod_wsgi.server_metrics()` may tell.
pub const START_SERVER_METRICS: u32 = 8192;
/// `WSGIPerInterpreterGIL On`: sub-interpreters have a GIL of their own (3.12 and later).
pub const START_OWN_GIL: u32 = 16384;
/// `WSGIFreeThreading On`: a free-threaded Python runs without the GIL. Without it, it has one.
pub const START_FREE_THREADING: u32 = 32768;
/// The process must not change on which processors its threads run: a filter of system calls would end it.
pub const START_FIXED_PROCESSORS: u32 = 65536;

/// Each `START_*` bit means one thing.
const _: () = {
    let bits = [
        START_DONT_WRITE_BYTECODE,
        START_RESTRICT_STDIN,
        START_RESTRICT_STDOUT,
        START_RESTRICT_SIGNAL,
        START_DESTROY,
        START_SINGLE_PROCESS,
        START_CASE_INSENSITIVE,
        START_MULTITHREAD,
        START_MULTIPROCESS,
        START_RUN_ONCE,
        START_MAIN_THREAD,
        START_DAEMON,
        START_SERVICE,
        START_SERVER_METRICS,
        START_OWN_GIL,
        START_FREE_THREADING,
        START_FIXED_PROCESSORS,
        START_CAPTURE_USER_AGENT,
    ];
    let (mut at, mut seen) = (0, 0);
    while at < bits.len() {
        assert!(bits[at].is_power_of_two() && seen & bits[at] == 0);
        seen |= bits[at];
        at += 1;
    }
};
/// `WSGITelemetryOptions CaptureUserAgent`: slow requests are told of with what their client says it is.
pub const START_CAPTURE_USER_AGENT: u32 = 1 << 20;

/// Where the layer writes why something failed: one sentence, UTF-8, cut to fit.
#[repr(C)]
pub struct ErrorText {
    /// Bytes used of `text`.
    pub len: usize,
    /// The sentence.
    pub text: [u8; 1016],
}

/// `handle`: the response is complete; the last send carried `SEND_END`.
pub const HANDLED: c_int = 0;
/// `handle`: the head was sent but the response cannot be completed: cut the connection.
pub const HANDLED_TRUNCATED: c_int = -1;
/// `handle`: the client went away before the response was complete.
pub const HANDLED_GONE: c_int = -2;
/// `handle`: a panic was stopped in the layer; nothing is known about what was sent.
pub const HANDLED_PANIC: c_int = -3;
/// `handle` with [`START_DAEMON`]: the script changed since this process loaded it, or Python is about to end. Nothing was
/// sent, nothing of the body was read, no application was entered: another process can have the request as it is.
pub const HANDLED_STALE: c_int = -4;
// A positive result is an HTTP status to answer with; nothing was sent.

/// `interrupt`: the exception was raised in the request.
pub const INTERRUPT_RAISED: c_int = 1;
/// `interrupt`: the worker does not run that request any more.
pub const INTERRUPT_OVER: c_int = 0;
/// `interrupt`: Python is not running, or has no memory for the calling thread.
pub const INTERRUPT_FAILED: c_int = -1;

/// `next`: wait for a request. Without it the caller holds the GIL: what is not there at once is not there.
pub const NEXT_WAIT: u32 = 1;
/// `next`: a request is there; `job` says which.
pub const NEXT_READY: c_int = 1;
/// `next`: there is none now.
pub const NEXT_NONE: c_int = 0;
/// `next`: the worker is to leave `serve`.
pub const NEXT_END: c_int = -1;

/// A request that a worker has taken. All that it names stays as it is until [`Source::done`].
#[repr(C)]
#[derive(Debug)]
pub struct Job {
    /// What is to be run. Complete but for the body, which may have to be read.
    pub request: *const Request,
    /// What the host does for it.
    pub host: *const Host,
    /// `ctx` of `host`'s functions.
    pub ctx: *mut c_void,
}

/// `ask`: `check_password(environ, user, password)`.
pub const ASK_PASSWORD: u32 = 1;
/// `ask`: `get_realm_hash(environ, user, realm)`.
pub const ASK_REALM_HASH: u32 = 2;
/// `ask`: `groups_for_user(environ, user)`.
pub const ASK_GROUPS: u32 = 3;
/// `ask`: `allow_access(environ, host)`.
pub const ASK_ACCESS: u32 = 4;
/// `ask`: `process_group(environ)`, `application_group(environ)` and `callable_object(environ)`, those that are there.
pub const ASK_DISPATCH: u32 = 5;

/// `ask`: None.
pub const ANSWER_NONE: c_int = 0;
/// `ask`: True.
pub const ANSWER_TRUE: c_int = 1;
/// `ask`: False.
pub const ANSWER_FALSE: c_int = 2;
/// `ask`: texts, each of which was given to [`Asker::give`].
pub const ANSWER_TEXTS: c_int = 3;
/// `ask`: no answer, or one that means nothing. The reason is logged.
pub const ANSWER_FAILED: c_int = -1;
/// `ask`: the script could not be loaded. The reason is logged.
pub const ANSWER_NOT_LOADED: c_int = -2;

/// What is asked of a script outside of a response.
#[repr(C)]
#[derive(Debug)]
pub struct Question {
    /// `size_of::<Question>()` of the host.
    pub size: usize,
    /// An `ASK_*` number.
    pub kind: u32,
    /// What the function is given behind the environ, latin-1.
    pub arguments: *const Bytes,
    /// How many.
    pub count: usize,
}

/// What the host does for who asks. `ctx` is the value given to [`Layer::ask`], also for the functions of `host`. No
/// function unwinds. Calls come one at a time and only while `ask` runs, perhaps on a thread of the script's own.
#[repr(C)]
#[derive(Debug)]
pub struct Asker {
    /// `size_of::<Asker>()` of the host.
    pub size: usize,
    /// Logs for the request. Nothing can be sent or read.
    pub host: *const Host,
    /// Takes a text of the answer. `index` is its place; for [`ASK_DISPATCH`] which of the three functions said it, from 0.
    pub give: extern "C" fn(ctx: *mut c_void, index: u32, text: Bytes),
    /// Whether the request's connection is encrypted.
    pub is_https: extern "C" fn(ctx: *mut c_void) -> c_int,
    /// A variable of mod_ssl: 1 and its value, which stays until the next call; or 0.
    pub variable: extern "C" fn(ctx: *mut c_void, name: Bytes, value: *mut Bytes) -> c_int,
}

/// Where a worker's requests come from. `ctx` is the value given to [`Layer::serve`]. No function unwinds. All calls come
/// on the thread that called `serve`, in turn: `next` until it gives a request, then what [`Host`] says, then `done`.
///
/// Workers stand in a line. The first waits in `next` with [`NEXT_WAIT`], detached; the others wait behind it for its
/// place, which it gives up once it has a request and Python. So at most one worker of a process waits in `next`, and
/// it must be given complete requests: one that it has to wait for would hold up the line.
/// After a request the worker asks for another without waiting, while it holds the GIL, a few times, then stands in line again.
#[repr(C)]
#[derive(Debug)]
pub struct Source {
    /// `size_of::<Source>()` of the host.
    pub size: usize,
    /// Takes the next request: a `NEXT_*` code. Flags: [`NEXT_WAIT`] or 0. With it, [`NEXT_NONE`] only costs the worker
    /// its place in the line.
    pub next: extern "C" fn(ctx: *mut c_void, flags: u32, job: *mut Job) -> c_int,
    /// The request is over, `outcome` is a result of `handle`: answers what has not been answered, and lets go of it. With
    /// [`SEND_TRY`] in `flags` the caller holds the GIL: [`SEND_WOULD_BLOCK`] means that nothing was done, and it is
    /// called again, detached, without that flag. Everything else means that the request is gone.
    pub done: extern "C" fn(ctx: *mut c_void, outcome: c_int, flags: u32) -> c_int,
}

/// The layer's table. No function unwinds.
#[repr(C)]
#[derive(Debug)]
pub struct Layer {
    /// [`ABI`] of the layer.
    pub abi: u32,
    /// `size_of::<Layer>()` of the layer.
    pub size: usize,
    /// Starts Python in this process, once. 0, or -1 with the reason in `error`.
    pub start:
        extern "C" fn(start: *const Start, process: *const Process, error: *mut ErrorText) -> c_int,
    /// Runs one request on the calling thread: `HANDLED*` or an HTTP status.
    pub handle:
        extern "C" fn(request: *const Request, host: *const Host, ctx: *mut c_void) -> c_int,
    /// Loads a script ahead of requests (`WSGIImportScript`, preloading). 0, or -1; the failure is logged.
    pub load: extern "C" fn(target: *const Target) -> c_int,
    /// Waits up to `patience` milliseconds for running requests, then ends the interpreters and Python (unless
    /// `WSGIDestroyInterpreter Off`). Later calls of `handle` answer 503.
    pub stop: extern "C" fn(patience: u32),
    /// Injects a fault (tests): 0 a formatted panic, 1 a panic whose payload panics when dropped. Returns `HANDLED_PANIC`.
    pub fault: extern "C" fn(kind: c_int) -> c_int,
    /// Says that the calling thread is worker `number`, from 1: `mod_wsgi.thread_id`, and the name that `interrupt` knows
    /// it by until it ends. A thread that never says so is given a number at its first request.
    pub worker: extern "C" fn(number: u32),
    /// Raises `mod_wsgi.RequestTimeout` in the request that a worker runs, if that is the one with this
    /// [`Request::daemon_start`] (0: whichever it is), and logs at INFO where it is. Never hits another request. Worker 0
    /// is the thread of `run_service`, in which SystemExit is raised. An `INTERRUPT_*` code. Waits for the GIL, which may be for ever.
    pub interrupt: extern "C" fn(worker: u32, daemon_start: i64) -> c_int,
    /// Logs where all threads of Python are, in all interpreters, at a level: a line for each thread and for each of
    /// its frames' lines. 0, or -1 where Python is not running. Waits for the GIL, which may be for ever.
    pub dump: extern "C" fn(level: u32) -> c_int,
    /// Writes where all threads of Python are to a descriptor, without the GIL and without waiting for anything. Reads
    /// what other threads may change meanwhile: only for a process that is about to end. 0, or -1 where this Python cannot.
    pub dump_unsafe: extern "C" fn(fd: c_int) -> c_int,
    /// Takes the GIL of the main interpreter and gives it back: 0, or -1 where Python is not running. Waits, which may be for ever.
    pub probe: extern "C" fn() -> c_int,
    /// Runs a script on the calling thread as the service that this process is for ([`START_SERVICE`]); it is the thread
    /// that called `start`. 0 when it returned or raised SystemExit, -1 when it failed, which is logged.
    pub run_service: extern "C" fn(target: *const Target) -> c_int,
    /// Says that it is decided that the process ends, and why (`maximum_requests` and so on), before `stop`. The first one
    /// is kept. Never waits for Python.
    pub stopping: extern "C" fn(reason: Bytes),
    /// Makes the calling thread a worker: takes requests from `source` and runs them until it says [`NEXT_END`]. 0; or
    /// -1 after a panic outside of any request, when it may be called again. A host may use `handle` instead, or both.
    pub serve: extern "C" fn(source: *const Source, ctx: *mut c_void) -> c_int,
    /// 1 once a request of this process has found its script loaded, whatever came of it then; 0 before. Never waits.
    pub has_loaded: extern "C" fn() -> c_int,
    /// Asks a function of a script, which is loaded where that is needed: an `ANSWER_*` code. Of the request there need be
    /// nothing but target and entries. A script whose target names no resource is not asked for `reload_required`.
    pub ask: extern "C" fn(
        request: *const Request,
        question: *const Question,
        asker: *const Asker,
        ctx: *mut c_void,
    ) -> c_int,
    /// Tells applications that subscribed to signals that SIGHUP or SIGUSR2 has come, in all interpreters. Waits for the
    /// GIL and runs Python code, which may be for ever.
    pub signal: extern "C" fn(number: c_int),
    /// Says that the process is ended by force, as `stop` has not come back in time. Never waits for Python.
    pub cut: extern "C" fn(),
}
