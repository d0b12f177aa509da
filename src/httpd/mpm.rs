//! What the MPM says of itself (ap_mpm.h), and as whom it serves (unixd.h).

use std::ffi::CStr;

use crate::ffi;

/// Figures of the running MPM.
#[derive(Clone, Debug)]
pub(crate) struct Mpm {
    /// `event`, `worker`, `prefork`.
    pub(crate) name: String,
    /// Most processes at a time, at least 1.
    pub(crate) processes: i32,
    /// Most threads of a process, at least 1.
    pub(crate) threads: i32,
    /// Most processes that may ever be alive at a time (`ServerLimit`), at least 1.
    pub(crate) limit: i32,
}

impl Mpm {
    /// Asks the MPM.
    pub(crate) fn ask() -> Self {
        // SAFETY: takes nothing.
        let name = unsafe { ffi::ap_show_mpm() };
        // SAFETY: the MPM's name is a static C string.
        let name = unsafe { CStr::from_ptr(name) }
            .to_string_lossy()
            .into_owned();
        Self {
            name,
            processes: query(ffi::AP_MPMQ_MAX_DAEMONS).max(1),
            threads: query(ffi::AP_MPMQ_MAX_THREADS).max(1),
            limit: query(ffi::AP_MPMQ_HARD_LIMIT_DAEMONS).max(1),
        }
    }

    /// Whether httpd is on its way out: no restart follows.
    pub(crate) fn is_stopping() -> bool {
        query(ffi::AP_MPMQ_MPM_STATE) == ffi::AP_MPMQ_STOPPING
    }
}

fn query(what: i32) -> i32 {
    let mut answer = 0;
    // SAFETY: a number to ask for and a place for the answer.
    let status = unsafe { ffi::ap_mpm_query(what, &raw mut answer) };
    if status == ffi::APR_SUCCESS {
        answer
    } else {
        0
    }
}

/// Whom Apache's children run as.
#[derive(Clone, Debug)]
pub(crate) struct WebIdentity {
    /// `User`
    pub(crate) user: u32,
    /// `Group`
    pub(crate) group: u32,
}

impl WebIdentity {
    /// All groups of that user, as `initgroups` gives them. To look them up, libc loads all that may know of some, into
    /// this process.
    pub(crate) fn groups(&self) -> Vec<u32> {
        let config = &raw const ffi::ap_unixd_config;
        // SAFETY: httpd's own record, written while the configuration is read, on this thread.
        groups(unsafe { (*config).user_name }, self.group)
    }
}

/// Whom Apache's children run as, when this process may change to them.
pub(crate) fn web_identity() -> Option<WebIdentity> {
    // SAFETY: asks the kernel for a number.
    if unsafe { libc::geteuid() } != 0 {
        return None;
    }
    let config = &raw const ffi::ap_unixd_config;
    // SAFETY: httpd's own record, written while the configuration is read, on this thread.
    let user = unsafe { (*config).user_id };
    // SAFETY: as above.
    let group = unsafe { (*config).group_id };
    Some(WebIdentity { user, group })
}

/// The groups of a user.
fn groups(name: *const std::ffi::c_char, group: u32) -> Vec<u32> {
    if name.is_null() {
        return vec![group];
    }
    let mut groups = vec![0; 256];
    let mut count = 256;
    // SAFETY: a C string of httpd's configuration, and room for `count` groups.
    let result = unsafe { libc::getgrouplist(name, group, groups.as_mut_ptr(), &raw mut count) };
    groups.truncate(if result < 0 {
        0
    } else {
        usize::try_from(count).unwrap_or(0)
    });
    groups
}
