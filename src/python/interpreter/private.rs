//! The private signal at which `faulthandler` tells where threads are, of Pythons that export no function for it.
//!
//! The handler tells of the interpreter of the thread that the signal hits (3.12 and later) or that holds the GIL (3.10), or
//! of that thread alone. Without a GIL the others' frames change while they are read: there it is always the latter.
//! `faulthandler` lets nobody in again once somebody crashed in it, so what cannot crash comes first.
//!
//! A thread that was hit stands still for a while. The signal may have ended a wait in C code, and a request that goes on
//! from there would be answered as if it had waited to the end. The same becomes of one that crashes because others
//! change what its handler reads, or because of the look: 3.10 counts references to frames that run meanwhile. The
//! process is about to end, and is to end as it was told to.

use core::ffi::{c_int, c_ulong, c_void};
use core::ptr;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::has_gil;

/// What part of the time that is left one thread may take to tell: a busy machine lets some wait for a core.
const SHARE: u32 = 4;
/// How often is looked whether it has.
const A_BIT: Duration = Duration::from_micros(500);
/// How long a thread that was hit stands still: the process has ended by then. Not for ever, because it may hold a lock
/// of memory or of the log that the end needs.
static STILL: libc::timespec = libc::timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// The descriptor that `faulthandler` writes to; -1 when it was not asked.
static TARGET: AtomicI32 = AtomicI32::new(-1);
/// The handler of `faulthandler`.
static TELL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// The thread that is to be hit, the signal as which it is to tell (none is 0), and whether it has done what it is to.
static HIT: AtomicU64 = AtomicU64::new(0);
static AS: AtomicI32 = AtomicI32::new(0);
static HAS_TOLD: AtomicBool = AtomicBool::new(false);
/// The thread that ends the process after a look at its others.
static ENDER: AtomicU64 = AtomicU64::new(0);
/// The thread that looks, and whether it has crashed.
static LOOKER: AtomicU64 = AtomicU64::new(0);
static HAS_CRASHED: AtomicBool = AtomicBool::new(false);

fn number() -> c_int {
    libc::SIGRTMAX() - 3
}

/// What `faulthandler` knows telling of one thread by. Nobody sends it.
fn number_alone() -> c_int {
    libc::SIGRTMAX() - 4
}

pub(super) fn own_thread() -> u64 {
    // SAFETY: may be called at any time.
    unsafe { libc::pthread_self() }
}

fn checked(code: c_int) -> io::Result<c_int> {
    match code {
        -1 => Err(io::Error::last_os_error()),
        code => Ok(code),
    }
}

/// Asks `faulthandler` for it. Attached to the main interpreter.
pub(super) fn prepare(faulthandler: &Bound<'_, PyAny>) -> PyResult<()> {
    let fd = open_nothing()?;
    let before = action(number_alone())?;
    // file, all_threads, chain
    faulthandler.call_method1("register", (number_alone(), fd, false, false))?;
    // SAFETY: the one that was there.
    checked(unsafe { libc::sigaction(number_alone(), &raw const before, ptr::null_mut()) })?;
    faulthandler.call_method1("register", (number(), fd, has_gil(), false))?;
    let mut action = action(number())?;
    TELL.store(action.sa_sigaction as *mut c_void, Ordering::Relaxed);
    action.sa_sigaction = on_signal as *const () as usize;
    // A thread that stands still can be hit again: one handler upon the other, for which the alternative stack is too small.
    action.sa_flags = (action.sa_flags | libc::SA_NODEFER) & !libc::SA_ONSTACK;
    // SAFETY: a handler of the same type as the one that it calls.
    checked(unsafe { libc::sigaction(number(), &raw const action, ptr::null_mut()) })?;
    TARGET.store(fd, Ordering::Relaxed);
    Ok(())
}

/// What a signal does.
fn action(number: c_int) -> io::Result<libc::sigaction> {
    // SAFETY: all zeros is a valid sigaction.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    // SAFETY: only asks for the one that is there.
    checked(unsafe { libc::sigaction(number, ptr::null(), &raw mut action) })?;
    Ok(action)
}

fn open_nothing() -> io::Result<c_int> {
    // SAFETY: a terminated path.
    checked(unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) })
}

/// Lets it write to a descriptor from now on; false where it was never asked.
pub(super) fn aim(fd: c_int) -> bool {
    let target = TARGET.load(Ordering::Relaxed);
    // SAFETY: descriptors; the second is ours.
    target >= 0 && unsafe { libc::dup3(fd, target, libc::O_CLOEXEC) } >= 0
}

/// Lets it write nowhere again.
pub(super) fn aim_at_nothing() {
    if let Ok(fd) = open_nothing() {
        aim(fd);
        // SAFETY: opened above.
        unsafe { libc::close(fd) };
    }
}

/// Tells, from the calling thread.
pub(super) fn tell_here() {
    AS.store(number(), Ordering::SeqCst);
    // SAFETY: a thread to itself; the signal has a handler once something was aimed at.
    unsafe { libc::raise(number()) };
}

/// Lets a thread stand still, so that others can tell of it.
///
/// The caller keeps the thread from ending.
pub(super) fn stop(thread: c_ulong, end: Instant) {
    hit(thread, 0, end);
}

/// Lets a thread tell of its interpreter.
///
/// The caller keeps the thread from ending.
pub(super) fn ask(thread: c_ulong, end: Instant) {
    hit(thread, number(), end);
}

/// Lets a thread tell of itself.
///
/// The caller keeps the thread from ending.
pub(super) fn ask_alone(thread: c_ulong, end: Instant) {
    hit(thread, number_alone(), end);
}

/// Lets a thread tell, and gives it time to, out of that until `end`.
fn hit(thread: c_ulong, told_as: c_int, end: Instant) {
    AS.store(told_as, Ordering::SeqCst);
    HAS_TOLD.store(false, Ordering::SeqCst);
    HIT.store(thread, Ordering::SeqCst);
    // SAFETY: on this platform Python's number of a thread is its pthread_t; it does not end meanwhile, says the caller.
    unsafe { libc::pthread_kill(thread as libc::pthread_t, number()) };
    let now = Instant::now();
    let deadline = now + end.saturating_duration_since(now) / SHARE;
    while !HAS_TOLD.load(Ordering::SeqCst) && Instant::now() < deadline {
        std::thread::sleep(A_BIT);
    }
}

/// From now on a thread that crashes stands still instead, but for the calling one, which ends the process. For one that is
/// about to end.
pub(super) fn survive() {
    ENDER.store(own_thread(), Ordering::SeqCst);
    for crash in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: all zeros is a valid sigaction.
        let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
        action.sa_sigaction = on_crash as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK | libc::SA_NODEFER;
        // One handler upon the other is too much for the alternative stack.
        action.sa_mask = private_only();
        // SAFETY: a handler of its type. What cannot be set stays as it was.
        unsafe { libc::sigaction(crash, &raw const action, ptr::null_mut()) };
    }
}

/// The calling thread is going to have one look.
pub(super) fn expect_look() {
    HAS_CRASHED.store(false, Ordering::SeqCst);
}

/// The calling thread is the one that looks.
pub(super) fn begin_look() {
    LOOKER.store(own_thread(), Ordering::SeqCst);
}

/// Whether the thread that looks has crashed since that was expected.
pub(super) fn has_crashed() -> bool {
    HAS_CRASHED.load(Ordering::SeqCst)
}

fn private_only() -> libc::sigset_t {
    // SAFETY: all zeros is a valid set, and on this platform the empty one.
    let mut set: libc::sigset_t = unsafe { core::mem::zeroed() };
    // SAFETY: a live set and the number of a signal.
    unsafe { libc::sigaddset(&raw mut set, number()) };
    set
}

extern "C" fn on_signal(_: c_int) {
    type Handler = extern "C" fn(c_int);
    // SAFETY: may be called at any time.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: the thread's own.
    let errno = unsafe { *place };
    let tell = TELL.load(Ordering::Relaxed);
    let told_as = AS.load(Ordering::SeqCst);
    if !tell.is_null() && told_as != 0 {
        // SAFETY: what `faulthandler` had set as a handler without further arguments.
        let tell = unsafe { core::mem::transmute::<*mut c_void, Handler>(tell) };
        tell(told_as);
    }
    if own_thread() == HIT.load(Ordering::SeqCst) {
        HAS_TOLD.store(true, Ordering::SeqCst);
        // SAFETY: async-signal-safe; a live structure.
        unsafe { libc::nanosleep(&raw const STILL, ptr::null_mut()) };
    }
    // SAFETY: see above.
    unsafe { *place = errno };
}

extern "C" fn on_crash(number: c_int) {
    let own = own_thread();
    if own != ENDER.load(Ordering::SeqCst) {
        if own == LOOKER.load(Ordering::SeqCst) {
            HAS_CRASHED.store(true, Ordering::SeqCst);
        }
        stand_for_ever();
    }
    // SAFETY: the default of a signal that this thread has.
    unsafe { libc::signal(number, libc::SIG_DFL) };
    // SAFETY: ends the process.
    unsafe { libc::raise(number) };
}

/// For a thread that has crashed: what it did cannot be gone on with. Whoever hits it need not wait.
fn stand_for_ever() -> ! {
    let set = private_only();
    loop {
        if own_thread() == HIT.load(Ordering::SeqCst) {
            HAS_TOLD.store(true, Ordering::SeqCst);
        }
        // SAFETY: a live set of what the handler blocks; nothing but a system call.
        unsafe { libc::sigwaitinfo(&raw const set, ptr::null_mut()) };
    }
}
