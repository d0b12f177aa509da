//! Options of processes, threads and times.

use std::path::PathBuf;

use clap::Args;

/// How many requests at once, in which processes, and for how long.
#[derive(Args, Debug)]
#[command(next_help_heading = "Processes and capacity")]
pub(crate) struct ProcessArgs {
    /// How many processes run the application [default: 1, told to the application as the only one]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) processes: Option<u32>,

    /// How many request threads in each process
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=20_000)
    )]
    pub(crate) threads: u32,

    /// Run the application in Apache's own processes instead of ones of its own
    #[arg(long)]
    pub(crate) embedded_mode: bool,

    /// The name of the process group [default: HOST:PORT]
    #[arg(long, value_name = "NAME")]
    pub(crate) process_group: Option<String>,

    /// Connections that Apache serves at once [default: 10 + 1.5 times the request threads, at least 20]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_clients: Option<u32>,

    /// Apache's processes at the start, as a fraction of all [default: 0.2; prefork: 0.05]
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    pub(crate) initial_workers: Option<f64>,

    /// Apache's idle workers at least, as a fraction of all [default: 0.2; prefork: 0.05]
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    pub(crate) minimum_spare_workers: Option<f64>,

    /// Apache's idle workers at most, as a fraction of all [default: 0.6; prefork: 0.1]
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    pub(crate) maximum_spare_workers: Option<f64>,

    /// An MPM to use if it can be loaded; may be repeated, first match wins [default: event, worker, prefork]
    #[arg(long, value_name = "NAME")]
    pub(crate) server_mpm: Vec<String>,

    /// Only read, for command lines of mod_wsgi: nobody listens on a socket here
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=65_535)
    )]
    pub(crate) daemon_backlog: u32,

    /// Requests after which a process is replaced; 0 for never
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) maximum_requests: u32,

    #[command(flatten)]
    pub(crate) times: TimeArgs,

    #[command(flatten)]
    pub(crate) buffers: BufferArgs,

    /// The directory for the sockets of process groups, which mod_rsgi does not need: for configurations of mod_wsgi
    #[arg(long, value_name = "DIR")]
    pub(crate) socket_prefix: Option<PathBuf>,
}

/// Times after which something is given up; 0 is never where an option says nothing else.
#[derive(Args, Debug)]
#[command(next_help_heading = "Times (seconds; 0 for never, unless it says otherwise)")]
pub(crate) struct TimeArgs {
    /// No request reaching its application so long after the first came: then the process is replaced
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    pub(crate) startup_timeout: u32,

    /// Ending a process: after that it is killed
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) shutdown_timeout: u32,

    /// The age at which a process is replaced
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) restart_interval: u32,

    /// Processor time that a process may use
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) cpu_time_limit: u32,

    /// Waiting for running requests when a process is replaced by choice; 0 waits for all, but for none in one that is full
    /// or stuck
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    pub(crate) graceful_timeout: u32,

    /// Waiting for running requests when a process is sent SIGUSR1; 0 for --graceful-timeout
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) eviction_timeout: u32,

    /// Python standing still, its lock held all the time
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) deadlock_timeout: u32,

    /// A process without requests
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) inactivity_timeout: u32,

    /// A request: after 1 + ln(--threads) times as long the process is replaced
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) request_timeout: u32,

    /// How long such a request has to end after mod_wsgi.RequestTimeout is raised in it; 0 raises nothing
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) interrupt_timeout: u32,

    /// Waiting for a process that is ready; 0 for not at all
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    pub(crate) connect_timeout: u32,

    /// Waiting for a place in a process
    #[arg(long, value_name = "SECONDS", default_value_t = 45)]
    pub(crate) queue_timeout: u32,

    /// Reading from or writing to a client or a process; 1 at least
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) socket_timeout: u32,

    /// Writing a response to a client that reads nothing; 0 for --socket-timeout
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) response_socket_timeout: u32,

    /// Holding back a part of a response in case more comes: milliseconds, 0 for not at all
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 5)]
    pub(crate) response_flush_delay: u32,

    /// A URL whose requests do not count as activity for --inactivity-timeout; may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) ignore_activity: Vec<String>,
}

/// Buffers between Apache and the processes; 0 is the module's own size.
#[derive(Args, Debug)]
#[command(next_help_heading = "Buffers (bytes; 0 for the usual size)")]
pub(crate) struct BufferArgs {
    /// The kernel's, to a process
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) send_buffer_size: u32,

    /// The kernel's, from a process
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) receive_buffer_size: u32,

    /// The longest header of a response
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) header_buffer_size: u32,

    /// How much of a response waits for a slow client before its process has to
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) response_buffer_size: u64,
}

/// A number from 0 to 1.
fn fraction(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("a fraction is a number from 0 to 1".into()),
    }
}
