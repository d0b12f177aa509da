//! What `/proc` tells about processes, and waiting for a condition with a deadline.

use std::path::Path;
use std::time::{Duration, Instant};

/// How long a condition may take on a busy machine before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Polls until `condition` holds; panics naming it when it does not in time.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Like [`wait_until`], but says whether it came true.
pub(crate) fn comes_true(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + within;
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    true
}

/// The clock that `time.monotonic()` of Python reads, to compare with what an application says of it.
pub(crate) fn monotonic() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is writable for the length of the call.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert_eq!(code, 0, "{}", std::io::Error::last_os_error());
    Duration::new(
        now.tv_sec.try_into().expect("it counts from the start"),
        now.tv_nsec.try_into().expect("less than a second"),
    )
}

/// Every process that has `marker` in its command line or environment: what a server root has alive.
pub(crate) fn with_marker(marker: &str) -> Vec<i32> {
    let own = std::process::id().cast_signed();
    all_processes()
        .filter(|&pid| pid != own && mentions(pid, marker) && !is_zombie(pid))
        .collect()
}

/// The children of a process.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let parent = pid.to_string();
    all_processes()
        .filter(|&child| status_field(child, "PPid").as_deref() == Some(&parent))
        .collect()
}

/// The children of a process, their children and so on.
pub(crate) fn descendants(pid: i32) -> Vec<i32> {
    let pairs: Vec<(i32, i32)> = all_processes()
        .filter_map(|child| Some((child, status_field(child, "PPid")?.parse().ok()?)))
        .collect();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(pairs.iter().filter(|p| p.1 == parent).map(|p| p.0));
        next += 1;
    }
    found.remove(0);
    found
}

/// One field of `/proc/<pid>/status`, such as `VmRSS` or `Uid`.
pub(crate) fn status_field(pid: i32, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name == field).then(|| value.trim().to_owned())
    })
}

/// Whether a process is gone, or only waits to be buried.
pub(crate) fn has_ended(pid: i32) -> bool {
    is_zombie(pid)
}

/// Memory of a process in KiB: `RssAnon`, `VmRSS` ...; 0 when it is gone.
pub(crate) fn resident(pid: i32, field: &str) -> u64 {
    let text = status_field(pid, field).unwrap_or_default();
    let number = text.split(' ').next().unwrap_or_default();
    number.parse().unwrap_or_default()
}

/// Whether a process is the program of a daemon process group.
pub(crate) fn is_daemon(pid: i32) -> bool {
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    // A file that was replaced since has " (deleted)" behind its name.
    if name.starts_with("rsgi-daemon") {
        return true;
    }
    let title = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    title.starts_with(b"(wsgi:")
}

/// Whether a process leads a process group of its own.
pub(crate) fn leads_a_group(pid: i32) -> bool {
    // SAFETY: getpgid takes an integer and touches no memory of ours.
    unsafe { libc::getpgid(pid) == pid }
}

/// The session of a process.
pub(crate) fn session(pid: i32) -> i32 {
    // SAFETY: getsid takes an integer and touches no memory of ours.
    unsafe { libc::getsid(pid) }
}

/// How many descriptors a process has open.
pub(crate) fn open_descriptors(pid: i32) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// Sends a signal to one process that the tests started.
pub(crate) fn signal(pid: i32, number: i32) {
    // SAFETY: kill takes two integers and touches no memory of ours.
    unsafe {
        libc::kill(pid, number);
    }
}

/// Whether a server at that port of 127.0.0.1 has a connection that it has not closed for good.
pub(crate) fn has_connections(port: u16) -> bool {
    const LISTENS_OR_IS_OVER: [&str; 2] = ["0A", "06"];
    let local = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next() == Some(&local)
            && fields
                .nth(1)
                .is_some_and(|state| !LISTENS_OR_IS_OVER.contains(&state))
    })
}

fn all_processes() -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn mentions(pid: i32, marker: &str) -> bool {
    ["cmdline", "environ"].iter().any(|file| {
        let path = format!("/proc/{pid}/{file}");
        std::fs::read(Path::new(&path)).is_ok_and(|bytes| contains(&bytes, marker.as_bytes()))
    })
}

fn is_zombie(pid: i32) -> bool {
    status_field(pid, "State").is_none_or(|state| state.starts_with('Z'))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|part| part == needle)
}
