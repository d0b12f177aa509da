//! The options of `WSGIDaemonProcess`, in the order in which the documentation has them.

use super::options::{DaemonOptions, HEADER_BUFFER_SIZE, RESPONSE_BUFFER_SIZE};
use super::value::{LARGEST, LARGEST_SIZE, Number, Rule};

/// One option.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Its name.
    pub(super) option: &'static str,
    /// What it takes.
    pub(super) rule: Rule,
}

/// Most processes of a group: each has two places in shared memory, and a row for every Apache child in both.
const MOST_PROCESSES: u64 = 65_535;
/// Most threads of a process.
const MOST_THREADS: u64 = 65_533;

/// Every option.
pub(super) static OPTIONS: [Entry; 44] = [
    entry("user", Rule::User(|options| &mut options.user)),
    entry("group", Rule::Group(|options| &mut options.group)),
    entry(
        "supplementary-groups",
        Rule::Groups(|options| &mut options.supplementary_groups),
    ),
    entry(
        "processes",
        number("", 1, MOST_PROCESSES, |options, value| {
            options.processes = narrow(value);
            // mod_wsgi: giving the option at all, even as 1, makes wsgi.multiprocess true.
            options.is_multiprocess = true;
        }),
    ),
    entry(
        "threads",
        number("", 0, MOST_THREADS, |options, value| {
            options.threads = narrow(value)
        }),
    ),
    entry("umask", Rule::Umask(|options| &mut options.umask)),
    entry("chroot", Rule::Path(|options| &mut options.chroot)),
    entry("home", Rule::Path(|options| &mut options.home)),
    entry("lang", Rule::Locale(|options| &mut options.lang)),
    entry("locale", Rule::Locale(|options| &mut options.locale)),
    entry(
        "python-home",
        Rule::Text(|options| &mut options.python_home),
    ),
    entry(
        "python-path",
        Rule::Folders(|options| &mut options.python_path),
    ),
    entry(
        "python-eggs",
        Rule::Text(|options| &mut options.python_eggs),
    ),
    entry(
        "switch-interval",
        Rule::Interval(|options| &mut options.switch_interval),
    ),
    entry(
        "stack-size",
        number(" of bytes", 1, LARGEST, |options, value| {
            options.stack_size = Some(value)
        }),
    ),
    entry(
        "maximum-requests",
        number("", 0, LARGEST, |options, value| {
            options.maximum_requests = value
        }),
    ),
    entry(
        "startup-timeout",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.startup_timeout = narrow(value)
        }),
    ),
    entry(
        "shutdown-timeout",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.shutdown_timeout = narrow(value)
        }),
    ),
    entry(
        "deadlock-timeout",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.deadlock_timeout = narrow(value)
        }),
    ),
    entry(
        "inactivity-timeout",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.inactivity_timeout = narrow(value)
        }),
    ),
    entry(
        "request-timeout",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.request_timeout = narrow(value)
        }),
    ),
    entry(
        "interrupt-timeout",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.interrupt_timeout = narrow(value)
        }),
    ),
    entry(
        "graceful-timeout",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.graceful_timeout = narrow(value)
        }),
    ),
    entry(
        "eviction-timeout",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.eviction_timeout = narrow(value)
        }),
    ),
    entry(
        "restart-interval",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.restart_interval = narrow(value)
        }),
    ),
    entry(
        "connect-timeout",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.connect_timeout = narrow(value)
        }),
    ),
    entry(
        "socket-timeout",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.socket_timeout = narrow(value)
        }),
    ),
    entry(
        "queue-timeout",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.queue_timeout = narrow(value)
        }),
    ),
    entry(
        "listen-backlog",
        number("", 0, LARGEST, |options, value| {
            options.listen_backlog = narrow(value)
        }),
    ),
    entry(
        "display-name",
        Rule::Text(|options| &mut options.display_name),
    ),
    entry(
        "send-buffer-size",
        or_zero(" of bytes", 512, LARGEST, |options, value| {
            options.send_buffer_size = narrow(value)
        }),
    ),
    entry(
        "receive-buffer-size",
        or_zero(" of bytes", 512, LARGEST, |options, value| {
            options.receive_buffer_size = narrow(value)
        }),
    ),
    entry(
        "header-buffer-size",
        or_zero(" of bytes", 8192, LARGEST, |options, value| {
            options.header_buffer_size = narrow(or_default(value, HEADER_BUFFER_SIZE))
        }),
    ),
    entry(
        "response-buffer-size",
        or_zero(" of bytes", 65536, LARGEST, |options, value| {
            options.response_buffer_size = or_default(value, RESPONSE_BUFFER_SIZE)
        }),
    ),
    entry(
        "response-socket-timeout",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.response_socket_timeout = narrow(value)
        }),
    ),
    entry(
        "response-flush-delay",
        number(" of milliseconds", 0, LARGEST, |options, value| {
            options.response_flush_delay = narrow(value)
        }),
    ),
    entry(
        "socket-user",
        Rule::User(|options| &mut options.socket_user),
    ),
    entry(
        "script-user",
        Rule::User(|options| &mut options.script_user),
    ),
    entry(
        "script-group",
        Rule::Group(|options| &mut options.script_group),
    ),
    entry(
        "cpu-time-limit",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.cpu_time_limit = narrow(value)
        }),
    ),
    entry(
        "cpu-priority",
        Rule::Signed(|options| &mut options.cpu_priority),
    ),
    entry(
        "memory-limit",
        number(" of bytes", 0, LARGEST_SIZE, |options, value| {
            options.memory_limit = value
        }),
    ),
    entry(
        "virtual-memory-limit",
        number(" of bytes", 0, LARGEST_SIZE, |options, value| {
            options.virtual_memory_limit = value
        }),
    ),
    entry(
        "server-metrics",
        Rule::Flag(|options| &mut options.server_metrics),
    ),
];

const fn entry(option: &'static str, rule: Rule) -> Entry {
    Entry { option, rule }
}

const fn number(
    unit: &'static str,
    lowest: u64,
    largest: u64,
    set: fn(&mut DaemonOptions, u64),
) -> Rule {
    Rule::Number(Number {
        unit,
        or_zero: false,
        lowest,
        largest,
        set,
    })
}

const fn or_zero(
    unit: &'static str,
    lowest: u64,
    largest: u64,
    set: fn(&mut DaemonOptions, u64),
) -> Rule {
    Rule::Number(Number {
        unit,
        or_zero: true,
        lowest,
        largest,
        set,
    })
}

/// A number that the option's range keeps within 32 bits.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

const fn or_default(value: u64, default: u64) -> u64 {
    if value == 0 { default } else { value }
}

/// The option of that name; case matters.
pub(super) fn find(name: &[u8]) -> Option<&'static Entry> {
    OPTIONS.iter().find(|entry| entry.option.as_bytes() == name)
}

/// The option that a misspelt name most likely means.
pub(super) fn nearest(name: &[u8]) -> Option<&'static str> {
    let plain = |text: &[u8]| -> Vec<u8> {
        text.iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .map(u8::to_ascii_lowercase)
            .collect()
    };
    let wanted = plain(name);
    let stem = |text: &[u8]| text.strip_suffix(b"s").unwrap_or(text).to_vec();
    OPTIONS
        .iter()
        .map(|entry| entry.option)
        .find(|option| stem(&plain(option.as_bytes())) == stem(&wanted))
}
