//! httpd's own scoreboard (scoreboard.h): which children there are, and what their workers do.
//!
//! It is memory that the parent and its children share, read while they write it: what it says may be torn. Before
//! the MPM runs there is none.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use crate::ffi;

/// The scoreboard, once the MPM has made it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scoreboard {
    /// Places for children: `ServerLimit`.
    pub(crate) server_limit: i32,
    /// Places for workers of each: `ThreadLimit`.
    pub(crate) thread_limit: i32,
    /// The generation that is to serve.
    pub(crate) generation: i32,
    /// When httpd was started or restarted, in microseconds since the epoch.
    pub(crate) restarted: i64,
}

/// One place for a child.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Child {
    /// Which place.
    pub(crate) number: i32,
    /// The process, 0 for none.
    pub(crate) pid: i32,
    /// Its generation.
    pub(crate) generation: i32,
    /// Whether it is about to end.
    pub(crate) is_quiescing: bool,
}

/// One place for a worker of a child. Times are in microseconds since the epoch.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    /// Its number in the child, by the MPM.
    pub(crate) number: i32,
    /// The generation of the child that had it last.
    pub(crate) generation: i32,
    /// A `SERVER_*` number.
    pub(crate) status: u8,
    /// Requests so far.
    pub(crate) accesses: u64,
    /// Bytes of responses so far.
    pub(crate) bytes: i64,
    /// When its last request began.
    pub(crate) began: i64,
    /// When that ended.
    pub(crate) ended: i64,
    /// When it was used last.
    pub(crate) used: i64,
    /// The client's address.
    pub(crate) client: Vec<u8>,
    /// The request line, cut.
    pub(crate) request: Vec<u8>,
    /// The virtual host.
    pub(crate) host: Vec<u8>,
}

impl Scoreboard {
    /// Looks at the scoreboard.
    pub(crate) fn open() -> Option<Self> {
        // SAFETY: asks httpd whether there is one.
        if unsafe { ffi::ap_exists_scoreboard_image() } == 0 {
            return None;
        }
        // SAFETY: there is one.
        let global = unsafe { ffi::ap_get_scoreboard_global() };
        // SAFETY: null, or memory that stays for as long as this process.
        let global = unsafe { global.as_ref() }?;
        Some(Self {
            server_limit: global.server_limit,
            thread_limit: global.thread_limit,
            generation: global.running_generation,
            restarted: global.restart_time,
        })
    }

    /// All places for children.
    pub(crate) fn children(self) -> impl Iterator<Item = Child> {
        (0..self.server_limit).filter_map(|number| {
            // SAFETY: there is a scoreboard (`open`), which stays; httpd checks the number.
            let record = unsafe { ffi::ap_get_scoreboard_process(number) };
            // SAFETY: null, or memory that stays for as long as this process.
            let record = unsafe { record.as_ref() }?;
            Some(Child {
                number,
                pid: record.pid,
                generation: record.generation,
                is_quiescing: record.quiescing != 0,
            })
        })
    }

    /// All places for workers of a child.
    pub(crate) fn workers(self, child: &Child) -> impl Iterator<Item = Worker> {
        let child = child.number;
        (0..self.thread_limit).map(move |number| {
            let mut copy = MaybeUninit::<Copied>::zeroed();
            let record = copy.as_mut_ptr().cast();
            // SAFETY: room for the copy, which begins where the room does; there is a scoreboard, and httpd checks the
            // numbers.
            unsafe { ffi::ap_copy_scoreboard_worker(record, child, number) };
            // SAFETY: zeroed or copied: numbers and characters only.
            worker(unsafe { &copy.assume_init_ref().record })
        })
    }
}

/// Room for the copy of a record.
#[repr(C)]
struct Copied {
    record: ffi::worker_score,
    /// An httpd that is newer than the headers copies what its records have at their end, too.
    _more: [u64; 128],
}

fn worker(record: &ffi::worker_score) -> Worker {
    Worker {
        number: record.thread_num,
        generation: record.generation,
        status: record.status,
        accesses: record.access_count,
        bytes: record.bytes_served,
        began: record.start_time,
        ended: record.stop_time,
        used: record.last_used,
        client: text(&record.client64),
        request: text(&record.request),
        host: text(&record.vhost),
    }
}

/// The characters before the NUL.
fn text(field: &[c_char]) -> Vec<u8> {
    field
        .iter()
        .map(|&character| character.cast_unsigned())
        .take_while(|&byte| byte != 0)
        .collect()
}
