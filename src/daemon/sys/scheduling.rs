//! What a thread asks of the kernel's scheduler for itself, and whether this process may ask at all.
//!
//! The slice of a thread is how long the kernel lets it run before it looks at others; the shorter it is, the sooner the
//! thread runs once it is woken. Its share of the processor stays the same (Linux 6.12, `sched_setattr(2)`:
//! `sched_runtime`).

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, WaitOptions, setrlimit, waitpid};
use rustix::thread::{sched_getaffinity, sched_setaffinity};

use super::process;

/// Size of `struct sched_attr` in its first version (`SCHED_ATTR_SIZE_VER0`). A kernel that knows more of it leaves the
/// rest as it is.
const SIZE: u32 = 48;
/// `SCHED_OTHER`, the usual policy, as the structure has it.
const USUAL: u32 = 0;

/// Whether a filter of system calls ends this process for them.
static IS_FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// Finds out whether this process, and those that it forks, may change how their threads are scheduled: filters of system
/// calls, such as systemd's `SystemCallFilter=~@resources`, may end whoever tries. So a forked process tries first,
/// where there is a filter at all. To be called before there are threads.
///
/// # Errors
/// It may not, or it could not be tried; then it counts as forbidden.
pub fn probe() -> io::Result<()> {
    if !is_filtered() {
        return Ok(());
    }
    IS_FORBIDDEN.store(true, Relaxed);
    let pid = process::fork(|| {
        // Should it be killed, its core tells nobody anything.
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        let _ = setrlimit(Resource::Core, none);
        if let Ok(own) = sched_getaffinity(None) {
            let _ = sched_setaffinity(None, &own);
        }
        // What is refused with an error is no harm: who asks for it sees to that.
        if let Some(own) = slice() {
            let _ = set_slice(own);
        }
        0
    })?;
    let ended = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))?;
    match ended {
        Some((_, status)) if status.exit_status() == Some(0) => {
            IS_FORBIDDEN.store(false, Relaxed);
            Ok(())
        }
        _ => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

/// What [`probe`] found; true before.
#[must_use]
pub fn is_permitted() -> bool {
    !IS_FORBIDDEN.load(Relaxed)
}

/// Whether there is a filter of system calls (`PR_GET_SECCOMP(2const)`).
fn is_filtered() -> bool {
    // SAFETY: takes numbers and answers with one.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) > 0 }
}

/// The slice of the calling thread.
///
/// None where there is no such thing: on an older kernel, and for a thread that somebody gave another policy.
#[must_use]
pub fn slice() -> Option<Duration> {
    attributes().map(|found| Duration::from_nanos(found.runtime))
}

/// Gives the calling thread a slice, of 0.1 to 100 ms. False where it has none, or none may be given.
#[must_use]
pub fn set_slice(slice: Duration) -> bool {
    let Some(found) = attributes() else {
        return false;
    };
    let wanted = Attributes {
        runtime: u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX),
        ..found
    };
    // SAFETY: 0 is the calling thread; the structure is as long as it says, and only read.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const wanted, 0) == 0 }
}

/// `struct sched_attr` (`sched_setattr(2)`).
#[repr(C)]
#[derive(Clone, Copy)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

const _: () = assert!(size_of::<Attributes>() == SIZE as usize);

/// Those of the calling thread, if it has a slice.
fn attributes() -> Option<Attributes> {
    let mut found = MaybeUninit::<Attributes>::zeroed();
    // SAFETY: 0 is the calling thread; the kernel writes no more than the size it is told.
    let result = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, found.as_mut_ptr(), SIZE, 0) };
    // SAFETY: all of it is numbers: zeros, or what the kernel wrote.
    let found = unsafe { found.assume_init() };
    (result == 0 && found.policy == USUAL && found.runtime > 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::process::tests::answer_of;
    use super::*;

    #[test]
    fn a_thread_gets_the_slice_it_asks_for_and_keeps_its_nice_value() {
        let Some(before) = attributes() else {
            return; // A kernel without slices.
        };
        let wanted = Duration::from_micros(300);
        assert!(set_slice(wanted));
        let Some(after) = attributes() else {
            panic!("a thread with a slice has one");
        };
        assert_eq!(slice(), Some(wanted));
        assert_eq!((after.nice, after.flags), (before.nice, before.flags));
        assert!(set_slice(Duration::from_nanos(before.runtime)));
        assert_eq!(slice(), Some(Duration::from_nanos(before.runtime)));
    }

    /// A filter that ends whoever calls one system call, as systemd makes them.
    fn forbid(call: libc::c_long) {
        let step = |code: u32, jt, jf, k| libc::sock_filter {
            code: u16::try_from(code).unwrap_or(0),
            jt,
            jf,
            k,
        };
        let number = u32::try_from(call).unwrap_or(0);
        let mut program = [
            step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
            step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, number),
            step(
                libc::BPF_RET | libc::BPF_K,
                0,
                0,
                libc::SECCOMP_RET_KILL_PROCESS,
            ),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let filter = libc::sock_fprog {
            len: 4,
            filter: program.as_mut_ptr(),
        };
        // SAFETY: numbers only; it changes what this process may gain, nothing else.
        let no_gain = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        let (set, mode) = (libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER);
        // SAFETY: the program is whole and lives through the call.
        let is_set = unsafe { libc::prctl(set, mode, &raw const filter) };
        assert_eq!((no_gain, is_set), (0, 0));
    }

    /// Runs [`probe`] in a process with a filter against a call.
    fn probed(call: libc::c_long) -> Option<i32> {
        answer_of(|| {
            forbid(call);
            let is_allowed = probe().is_ok();
            i32::from(is_allowed) + 2 * i32::from(is_permitted())
        })
    }

    #[test]
    fn what_a_filter_would_end_a_process_for_is_found_out_beforehand() {
        assert_eq!(probed(libc::SYS_sched_setaffinity), Some(0));
        if slice().is_some() {
            assert_eq!(probed(libc::SYS_sched_setattr), Some(0));
        }
        assert_eq!(probed(libc::SYS_swapon), Some(3), "a filter against others");
    }
}
