//! What the system allows: open files, processes, memory files, and its security modules.

use std::fs;
use std::path::Path;

use super::finding::Findings;
use crate::apache::Apache;
use crate::capacity::Capacity;

/// Descriptors that a process has besides its connections: libraries, logs, pipes, the application's own.
const OTHERS: u64 = 64;

/// The limits of this process, which Apache inherits.
pub(super) fn limits(capacity: &Capacity, processes: u32, threads: u32, findings: &mut Findings) {
    // A child of the event MPM keeps connections beyond its threads, and one to a process for each thread.
    let connections = u64::from(capacity.threads) * (u64::from(capacity.connections) + 2);
    let files = connections.max(u64::from(threads) * 2) + OTHERS;
    match soft_limit("Max open files") {
        Some(limit) if limit < files => findings.warning(
            "limits",
            format!("{limit} open files a process are allowed, {files} may be needed"),
            "raise `ulimit -n` or LimitNOFILE in the unit",
        ),
        Some(limit) => findings.ok("limits", format!("{limit} open files a process")),
        None => {}
    }
    let tasks = u64::from(capacity.server_limit / 2 + 1) * u64::from(capacity.threads + 3)
        + 2 * u64::from(processes) * u64::from(threads + 4);
    let allowed = [soft_limit("Max processes"), cgroup_tasks()];
    match allowed.into_iter().flatten().min() {
        Some(limit) if limit < tasks => findings.warning(
            "limits",
            format!("{limit} processes and threads are allowed, {tasks} may be needed"),
            "raise `ulimit -u`, TasksMax in the unit, or the container's limit of pids",
        ),
        Some(limit) => findings.ok("limits", format!("{limit} processes and threads")),
        None => findings.ok("limits", "no limit of processes and threads"),
    }
}

/// A line of /proc/self/limits; nothing where there is no limit.
fn soft_limit(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    parse_limit(&text, name)
}

fn parse_limit(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.strip_prefix(name)?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// The container's or unit's limit of tasks.
fn cgroup_tasks() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let read = |path: &str| fs::read_to_string(format!("/sys/fs/cgroup{path}/pids.max")).ok();
    let text = read(path).or_else(|| read(""))?;
    text.trim().parse().ok()
}

/// SELinux and AppArmor, where they are on.
pub(super) fn security(apache: Option<&Apache>, port: u16, findings: &mut Findings) {
    if let Ok(mode) = fs::read_to_string("/sys/fs/selinux/enforce") {
        selinux(mode.trim() == "1", port, findings);
    }
    let is_on = fs::read_to_string("/sys/module/apparmor/parameters/enabled")
        .is_ok_and(|text| text.trim() == "Y");
    if is_on {
        apparmor(apache, findings);
    }
}

fn selinux(is_enforcing: bool, port: u16, findings: &mut Findings) {
    let domain = fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
    let is_unconfined = domain.contains(":unconfined_t:");
    if !is_enforcing {
        findings.ok("selinux", "permissive: it logs and refuses nothing");
    } else if is_unconfined {
        findings.ok("selinux", "enforcing, but not for what this shell starts");
    } else {
        findings.warning(
            "selinux",
            format!(
                "enforcing for `{}`: the application's files need the type httpd_sys_content_t, the port one of httpd's",
                domain.trim_matches(['\0', '\n'])
            ),
            &format!(
                "`chcon -R -t httpd_sys_content_t` the folders and `semanage port -a -t http_port_t -p tcp {port}`"
            ),
        );
    }
}

fn apparmor(apache: Option<&Apache>, findings: &mut Findings) {
    let own = fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
    let own = own.trim_matches(['\0', '\n']);
    if !own.is_empty() && own != "unconfined" {
        return findings.warning(
            "apparmor",
            format!("this shell runs under the profile `{own}`, and so will Apache"),
            "it has to allow Apache, mod_rsgi, Python and the application's files",
        );
    }
    let Some(program) = apache.map(|apache| apache.program.display().to_string()) else {
        return;
    };
    match fs::read_to_string("/sys/kernel/security/apparmor/profiles") {
        Ok(profiles) => match profile_of(&profiles, &program) {
            Some(profile) => findings.warning(
                "apparmor",
                format!("`{program}` runs under the profile `{profile}`"),
                "it has to allow mod_rsgi, Python and the application's files, or be put into complain mode",
            ),
            None => findings.ok("apparmor", format!("on, without a profile for `{program}`")),
        },
        Err(_) => findings.ok("apparmor", "on; only root sees its profiles"),
    }
}

/// The enforced profile whose name is the program's path.
fn profile_of<'p>(profiles: &'p str, program: &str) -> Option<&'p str> {
    profiles
        .lines()
        .filter_map(|line| line.strip_suffix(" (enforce)"))
        .find(|name| {
            *name == program || Path::new(name).file_name() == Path::new(program).file_name()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_profiles_are_found_in_what_the_kernel_says() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             unlimited            unlimited            processes \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(parse_limit(limits, "Max open files"), Some(1024));
        assert_eq!(parse_limit(limits, "Max processes"), None);
        let profiles = "/usr/sbin/cupsd (enforce)\napache2 (enforce)\n/usr/sbin/nscd (complain)\n";
        assert_eq!(profile_of(profiles, "/usr/sbin/apache2"), Some("apache2"));
        assert_eq!(profile_of(profiles, "/usr/sbin/nscd"), None);
    }
}
