//! Who started a process: its supervisor, and httpd's parent that started that one. Without either there is nobody left
//! who could end it.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};

use crate::sys::socket::{Interest, wait_for};

/// httpd's parent, as a daemon process knows it.
#[derive(Debug)]
pub struct Httpd {
    pid: Pid,
    /// Readable when it has ended; none where the kernel knows no such thing (before 5.3).
    pidfd: Option<OwnedFd>,
}

impl Httpd {
    /// The parent of a supervisor, while that lives; none where the system hides it. Read while /proc is there: a chroot
    /// has none.
    pub(super) fn of(supervisor: Pid) -> Option<Self> {
        let pid = parent_of(supervisor)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok();
        // Else the number may have gone to another one meanwhile.
        (parent_of(supervisor) == Some(pid)).then_some(Self { pid, pidfd })
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        match &self.pidfd {
            // It becomes readable, and what cannot be asked is not known to have ended.
            Some(pidfd) => {
                wait_for(pidfd.as_fd(), Interest::Readable, Duration::ZERO).unwrap_or(false)
            }
            None => test_kill_process(self.pid) == Err(Errno::SRCH),
        }
    }
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    Pid::from_raw(parent.trim().parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_parent_of_a_process_is_seen() {
        use std::io::Read;
        use std::process::{Command, Stdio};
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 >/dev/null & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 16];
        let count = shell.stdout.as_mut().unwrap().read(&mut said).unwrap();
        let text = std::str::from_utf8(&said[..count]).unwrap();
        let sleeper = Pid::from_raw(text.trim().parse().unwrap()).unwrap();
        let parent = Httpd::of(sleeper).unwrap();
        assert_eq!(parent.pid.as_raw_nonzero().get().unsigned_abs(), shell.id());
        assert!(!parent.has_ended());
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert!(parent.has_ended());
        rustix::process::kill_process(sleeper, rustix::process::Signal::KILL).unwrap();
    }
}
