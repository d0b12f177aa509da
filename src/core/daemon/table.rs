//! The options of `WSGIDaemonProcess`, in the order in which the documentation has them.

use super::options::{DaemonOptions, HEADER_BUFFER_SIZE, RESPONSE_BUFFER_SIZE};
use super::value::{LARGEST, LARGEST_SIZE, Number, Rule};

/// One option.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Its name.
    pub(super) option: &'static str,
    /// One line of help.
    pub(super) usage: &'static str,
    /// What it takes.
    pub(super) rule: Rule,
}

/// Most processes of a group: each has two places in shared memory, and a row for every Apache child in both.
const MOST_PROCESSES: u64 = 65_535;
/// Most threads of a process.
const MOST_THREADS: u64 = 65_533;

/// Every option.
pub(super) static OPTIONS: [Entry; 44] = [
    entry(
        "user",
        "the user its processes run as (default: Apache's User)",
        Rule::User(|options| &mut options.user),
    ),
    entry(
        "group",
        "the group its processes run as (default: Apache's Group)",
        Rule::Group(|options| &mut options.group),
    ),
    entry(
        "supplementary-groups",
        "their other groups (default: those that the user database gives the user)",
        Rule::Groups(|options| &mut options.supplementary_groups),
    ),
    entry(
        "processes",
        "how many processes (default: 1)",
        number("", 1, MOST_PROCESSES, |options, value| {
            options.processes = narrow(value);
            // mod_wsgi: giving the option at all, even as 1, makes wsgi.multiprocess true.
            options.is_multiprocess = true;
        }),
    ),
    entry(
        "threads",
        "how many requests each process serves at a time; 0 makes a service that takes none (default: 15)",
        number("", 0, MOST_THREADS, |options, value| {
            options.threads = narrow(value)
        }),
    ),
    entry(
        "umask",
        "the mask for the modes of files they make (default: Apache's)",
        Rule::Umask(|options| &mut options.umask),
    ),
    entry(
        "chroot",
        "the folder that is / for them; only where Apache is started as root",
        Rule::Path(|options| &mut options.chroot),
    ),
    entry(
        "home",
        "their working directory, which is also the first of sys.path (default: the user's home, where the user is not Apache's)",
        Rule::Path(|options| &mut options.home),
    ),
    entry(
        "lang",
        "the variable LANG of their environment",
        Rule::Locale(|options| &mut options.lang),
    ),
    entry(
        "locale",
        "their locale: the variable LC_ALL, and setlocale()",
        Rule::Locale(|options| &mut options.locale),
    ),
    entry(
        "python-home",
        "the Python installation or virtual environment (default: WSGIPythonHome)",
        Rule::Text(|options| &mut options.python_home),
    ),
    entry(
        "python-path",
        "folders in front of sys.path; their .pth files are read",
        Rule::Folders(|options| &mut options.python_path),
    ),
    entry(
        "python-eggs",
        "the folder that Python eggs are unpacked to",
        Rule::Text(|options| &mut options.python_eggs),
    ),
    entry(
        "switch-interval",
        "how long a thread keeps the GIL when others want it (default: Python's 0.005)",
        Rule::Interval(|options| &mut options.switch_interval),
    ),
    entry(
        "stack-size",
        "the stack of each thread that serves requests (default: the system's)",
        number(" of bytes", 1, LARGEST, |options, value| {
            options.stack_size = Some(value)
        }),
    ),
    entry(
        "maximum-requests",
        "a process is replaced after so many requests (default: 0, never)",
        number("", 0, LARGEST, |options, value| {
            options.maximum_requests = value
        }),
    ),
    entry(
        "startup-timeout",
        "a process in which no request reaches its application within that time is replaced (default: 0, off)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.startup_timeout = narrow(value)
        }),
    ),
    entry(
        "shutdown-timeout",
        "how long requests may go on in a process that is to end, before they are cut; 0 waits for ever, but 10 s when httpd stops or restarts (default: 5)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.shutdown_timeout = narrow(value)
        }),
    ),
    entry(
        "deadlock-timeout",
        "a process in which no thread gets the GIL for so long is ended (default: 300; 0 is off)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.deadlock_timeout = narrow(value)
        }),
    ),
    entry(
        "inactivity-timeout",
        "a process that has no requests for so long is replaced (default: 0, off)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.inactivity_timeout = narrow(value)
        }),
    ),
    entry(
        "request-timeout",
        "a process with a request that takes longer is replaced; where it has T threads, a request may take 1 + ln(T) times as long (default: 0, off)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.request_timeout = narrow(value)
        }),
    ),
    entry(
        "interrupt-timeout",
        "how long such a request has to end after mod_wsgi.RequestTimeout is raised in it, before the process is replaced (default: 0, nothing is raised)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.interrupt_timeout = narrow(value)
        }),
    ),
    entry(
        "graceful-timeout",
        "how long requests may go on in a process that is to be replaced, before shutdown-timeout begins (default: 15)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.graceful_timeout = narrow(value)
        }),
    ),
    entry(
        "eviction-timeout",
        "the same for a process that SIGUSR1 asks to be replaced (default: 0, graceful-timeout)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.eviction_timeout = narrow(value)
        }),
    ),
    entry(
        "restart-interval",
        "a process is replaced so long after its start (default: 0, never)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.restart_interval = narrow(value)
        }),
    ),
    entry(
        "connect-timeout",
        "how long a request waits where no process is ready, before it gets 503; where one loads, socket-timeout (default: 15)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.connect_timeout = narrow(value)
        }),
    ),
    entry(
        "socket-timeout",
        "how long Apache waits for a process to say something, before the request gets 504 (default: 0, Apache's Timeout)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.socket_timeout = narrow(value)
        }),
    ),
    entry(
        "queue-timeout",
        "how long a request waits for a free thread, before it gets 504 (default: 0, without end)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.queue_timeout = narrow(value)
        }),
    ),
    entry(
        "listen-backlog",
        "only read: nobody listens on a socket (default: 100)",
        number("", 0, LARGEST, |options, value| {
            options.listen_backlog = narrow(value)
        }),
    ),
    entry(
        "display-name",
        "the title of its processes in ps and top; %{GROUP} stands for (wsgi:NAME)",
        Rule::Text(|options| &mut options.display_name),
    ),
    entry(
        "send-buffer-size",
        "the kernel's buffer for what a process sends to Apache (default: 0, the system's)",
        or_zero(" of bytes", 512, LARGEST, |options, value| {
            options.send_buffer_size = narrow(value)
        }),
    ),
    entry(
        "receive-buffer-size",
        "the kernel's buffer for what Apache sends to a process (default: 0, the system's)",
        or_zero(" of bytes", 512, LARGEST, |options, value| {
            options.receive_buffer_size = narrow(value)
        }),
    ),
    entry(
        "header-buffer-size",
        "the longest header of a response (default: 0, which is 32768)",
        or_zero(" of bytes", 8192, LARGEST, |options, value| {
            options.header_buffer_size = narrow(or_default(value, HEADER_BUFFER_SIZE))
        }),
    ),
    entry(
        "response-buffer-size",
        "how much of a response Apache keeps for a slow client, so that the process is free for others (default: 0, which is 8388608)",
        or_zero(" of bytes", 65536, LARGEST, |options, value| {
            options.response_buffer_size = or_default(value, RESPONSE_BUFFER_SIZE)
        }),
    ),
    entry(
        "response-socket-timeout",
        "how long a client may take nothing of its response, before it is given up (default: 0, socket-timeout)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.response_socket_timeout = narrow(value)
        }),
    ),
    entry(
        "response-flush-delay",
        "how long Apache waits for more of a response before it sends what it has (default: 5)",
        number(" of milliseconds", 0, LARGEST, |options, value| {
            options.response_flush_delay = narrow(value)
        }),
    ),
    entry(
        "socket-user",
        "only read: there is no socket file that could belong to anybody",
        Rule::User(|options| &mut options.socket_user),
    ),
    entry(
        "script-user",
        "only scripts of this user run, in folders of this user, which nobody else can write to; others get 403",
        Rule::User(|options| &mut options.script_user),
    ),
    entry(
        "script-group",
        "only scripts of this group run, in folders of this group, which not everybody can write to; others get 403",
        Rule::Group(|options| &mut options.script_group),
    ),
    entry(
        "cpu-time-limit",
        "the processor time after which a process is replaced (default: 0, off)",
        number(" of seconds", 0, LARGEST, |options, value| {
            options.cpu_time_limit = narrow(value)
        }),
    ),
    entry(
        "cpu-priority",
        "the nice value of its processes (default: 0, Apache's)",
        Rule::Signed(|options| &mut options.cpu_priority),
    ),
    entry(
        "memory-limit",
        "the limit of a process's data, RLIMIT_DATA (default: 0, off)",
        number(" of bytes", 0, LARGEST_SIZE, |options, value| {
            options.memory_limit = value
        }),
    ),
    entry(
        "virtual-memory-limit",
        "the limit of a process's address space, RLIMIT_AS (default: 0, off)",
        number(" of bytes", 0, LARGEST_SIZE, |options, value| {
            options.virtual_memory_limit = value
        }),
    ),
    entry(
        "server-metrics",
        "On to let its applications ask for mod_wsgi.server_metrics() (default: Off)",
        Rule::Flag(|options| &mut options.server_metrics),
    ),
];

const fn entry(option: &'static str, usage: &'static str, rule: Rule) -> Entry {
    Entry {
        option,
        usage,
        rule,
    }
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

/// An option of `WSGIDaemonProcess`, for those who tell people about it.
#[derive(Clone, Debug)]
pub struct OptionHelp {
    /// Its name.
    pub name: &'static str,
    /// One line of help.
    pub usage: &'static str,
    /// What it takes, behind "takes".
    pub takes: String,
}

/// Every option, in the order of the documentation.
pub fn option_help() -> impl Iterator<Item = OptionHelp> {
    OPTIONS.iter().map(|entry| OptionHelp {
        name: entry.option,
        usage: entry.usage,
        takes: entry.rule.to_string(),
    })
}

/// The names of all options.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|entry| entry.option)
}

/// The option of that name; case matters.
pub(super) fn find(name: &[u8]) -> Option<&'static Entry> {
    OPTIONS.iter().find(|entry| entry.option.as_bytes() == name)
}
