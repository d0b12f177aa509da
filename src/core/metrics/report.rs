//! What a server has counted, as an exposition. The names are promises: dashboards and alerts are made of them.

use std::time::Duration;

use super::accept::Format;
use super::cause::{End, FailureCause};
use super::exposition::{Exposition, Kind};
use super::histogram::Histogram;

/// The label `group` of requests that run in Apache's own processes: their name in the directives.
const EMBEDDED: &[u8] = b"%{GLOBAL}";
/// Classes of statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts of one group's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallied {
    /// How long they ran.
    pub run: Histogram,
    /// How long they waited for a place; those that waited for none are in the first bucket.
    pub wait: Histogram,
    /// Answers by the class of their status, from 1xx.
    pub answers: [u64; 5],
    /// Failures by cause.
    pub failures: [u64; FailureCause::ALL.len()],
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory that are its own or shared, and resident.
    pub resident: u64,
    /// Time on processors.
    pub cpu: Duration,
}

/// One place for a daemon process.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Its number.
    pub slot: u32,
    /// Its process.
    pub pid: u32,
    /// What that is about to do.
    pub state: &'static str,
    /// Since it was started.
    pub age: Option<Duration>,
    /// How many requests it runs at a time.
    pub threads: u32,
    /// How many it runs.
    pub busy: u32,
    /// How many it was done with.
    pub requests: u64,
    /// What it uses, where that can be read.
    pub usage: Option<Usage>,
}

/// One process group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: Vec<u8>,
    /// `processes=`
    pub processes: u32,
    /// `threads=`
    pub threads: u32,
    /// Requests that wait.
    pub waiting: u32,
    /// How long the first of them has.
    pub oldest_wait: Option<Duration>,
    /// Counts.
    pub tallied: Tallied,
    /// Ends of processes by [`End::index`].
    pub ends: [u64; End::COUNT],
    /// The places that have a process.
    pub slots: Vec<Slot>,
}

/// Apache's children.
#[derive(Clone, Copy, Debug, Default)]
pub struct Children {
    /// How many there are.
    pub count: u64,
    /// What they use together.
    pub usage: Usage,
}

/// A server.
#[derive(Clone, Debug)]
pub struct Server<'s> {
    /// Our version.
    pub version: &'s str,
    /// Name of the MPM.
    pub mpm: &'s str,
    /// Apache's children.
    pub children: Children,
    /// Requests in Apache's children, where they may run there.
    pub embedded: Option<Tallied>,
    /// The process groups.
    pub groups: Vec<Group>,
}

/// The text for a server.
#[must_use]
pub fn report(server: &Server<'_>, format: Format) -> String {
    let mut out = Exposition::new(format);
    let labels: [(&str, &[u8]); 2] = [
        ("version", server.version.as_bytes()),
        ("mpm", server.mpm.as_bytes()),
    ];
    out.family(Kind::Info, "rsgi", "The module.")
        .number(&labels, 1);
    children(server, &mut out);
    requests(server, &mut out);
    groups(server, &mut out);
    processes(server, &mut out);
    out.finish()
}

fn children(server: &Server<'_>, out: &mut Exposition) {
    let children = &server.children;
    out.family(
        Kind::Gauge,
        "rsgi_apache_children",
        "Apache's own serving processes.",
    )
    .number(&[], children.count);
    out.family(
        Kind::Gauge,
        "rsgi_apache_children_resident_bytes",
        "Resident memory of Apache's own serving processes, together; shared pages count in each.",
    )
    .number(&[], children.usage.resident);
}

/// What there is of process groups and of Apache's children alike.
fn requests(server: &Server<'_>, out: &mut Exposition) {
    let groups = server
        .groups
        .iter()
        .map(|group| (&*group.name, &group.tallied));
    let embedded = server.embedded.iter().map(|tallied| (EMBEDDED, tallied));
    let all: Vec<_> = embedded.chain(groups).collect();
    let mut family = out.family(
        Kind::Counter,
        "rsgi_requests",
        "Requests that were answered, by the class of the status.",
    );
    for (name, tallied) in &all {
        for (class, count) in CLASSES.iter().zip(tallied.answers) {
            family.number(&[("group", name), ("status", class.as_bytes())], count);
        }
    }
    let mut family = out.family(
        Kind::Histogram,
        "rsgi_request_seconds",
        "How long requests ran: from when a thread took them up to the last piece of the answer.",
    );
    for (name, tallied) in &all {
        family.histogram(&[("group", name)], &tallied.run);
    }
    let mut family = out.family(
        Kind::Counter,
        "rsgi_failures",
        "Requests that got no answer of their application, or not all of it, by cause.",
    );
    for (name, tallied) in &all {
        for (cause, count) in FailureCause::ALL.iter().zip(tallied.failures) {
            let cause = cause.name().as_bytes();
            family.number(&[("group", name), ("cause", cause)], count);
        }
    }
}

fn groups(server: &Server<'_>, out: &mut Exposition) {
    let mut gauge = |name, help, value: &dyn Fn(&Group) -> u64| {
        let mut family = out.family(Kind::Gauge, name, help);
        for group in &server.groups {
            family.number(&[("group", &group.name)], value(group));
        }
    };
    gauge(
        "rsgi_group_processes",
        "Processes that a process group is to have.",
        &|group| group.processes.into(),
    );
    gauge(
        "rsgi_group_threads",
        "Threads that each process of a group is to have.",
        &|group| group.threads.into(),
    );
    gauge(
        "rsgi_queue_requests",
        "Requests that wait for a thread.",
        &|group| group.waiting.into(),
    );
    gauge("rsgi_requests_running", "Requests that run.", &|group| {
        group.slots.iter().map(|slot| u64::from(slot.busy)).sum()
    });
    let mut family = out.family(
        Kind::Gauge,
        "rsgi_queue_oldest_seconds",
        "How long the first of the requests that wait has waited; 0 where none waits.",
    );
    for group in &server.groups {
        let oldest = group.oldest_wait.unwrap_or_default();
        family.seconds(&[("group", &group.name)], oldest);
    }
    let mut family = out.family(
        Kind::Histogram,
        "rsgi_queue_wait_seconds",
        "How long requests waited for a thread; those that found one at once are in the first bucket.",
    );
    for group in &server.groups {
        family.histogram(&[("group", &group.name)], &group.tallied.wait);
    }
    let mut family = out.family(
        Kind::Counter,
        "rsgi_restarts",
        "Processes that ended, by why.",
    );
    for group in &server.groups {
        for (index, &count) in group.ends.iter().enumerate() {
            if let Some(end) = End::from_index(index) {
                let reason = end.name().as_bytes();
                family.number(&[("group", &group.name), ("reason", reason)], count);
            }
        }
    }
}

/// What there is of each process. The label is its place: a new process goes on in its place, and the number of series
/// stays what it is.
fn processes(server: &Server<'_>, out: &mut Exposition) {
    let mut family = out.family(
        Kind::Info,
        "rsgi_process",
        "Processes of groups, with their state.",
    );
    for (group, slot, number) in slots(server) {
        let pid = slot.pid.to_string();
        let labels: [(&str, &[u8]); 4] = [
            ("group", &group.name),
            ("slot", number.as_bytes()),
            ("pid", pid.as_bytes()),
            ("state", slot.state.as_bytes()),
        ];
        family.number(&labels, 1);
    }
    process_numbers(server, out);
    process_times(server, out);
}

fn process_numbers(server: &Server<'_>, out: &mut Exposition) {
    let mut each = |kind, name, help, value: &dyn Fn(&Slot) -> Option<u64>| {
        let mut family = out.family(kind, name, help);
        for (group, slot, number) in slots(server) {
            if let Some(value) = value(slot) {
                let labels = [("group", &*group.name), ("slot", number.as_bytes())];
                family.number(&labels, value);
            }
        }
    };
    each(
        Kind::Gauge,
        "rsgi_process_threads",
        "Threads of a process.",
        &|slot| Some(slot.threads.into()),
    );
    each(
        Kind::Gauge,
        "rsgi_process_requests_running",
        "Requests that run in a process.",
        &|slot| Some(slot.busy.into()),
    );
    each(
        Kind::Counter,
        "rsgi_process_requests",
        "Requests that a process was done with.",
        &|slot| Some(slot.requests),
    );
    each(
        Kind::Gauge,
        "rsgi_process_resident_bytes",
        "Resident memory of a process.",
        &|slot| slot.usage.map(|usage| usage.resident),
    );
}

fn process_times(server: &Server<'_>, out: &mut Exposition) {
    let mut times = |kind, name, help, value: &dyn Fn(&Slot) -> Option<Duration>| {
        let mut family = out.family(kind, name, help);
        for (group, slot, number) in slots(server) {
            if let Some(value) = value(slot) {
                let labels = [("group", &*group.name), ("slot", number.as_bytes())];
                family.seconds(&labels, value);
            }
        }
    };
    times(
        Kind::Counter,
        "rsgi_process_cpu_seconds",
        "Time of a process on processors.",
        &|slot| slot.usage.map(|usage| usage.cpu),
    );
    times(
        Kind::Gauge,
        "rsgi_process_age_seconds",
        "How long ago a process was started.",
        &|slot| slot.age,
    );
}

fn slots<'s>(server: &'s Server<'_>) -> impl Iterator<Item = (&'s Group, &'s Slot, String)> {
    server.groups.iter().flat_map(|group| {
        let slots = group.slots.iter();
        slots.map(move |slot| (group, slot, slot.slot.to_string()))
    })
}
