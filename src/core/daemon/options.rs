//! The options of `WSGIDaemonProcess`, each with its default until set (reference: directives §4).

use serde::{Deserialize, Serialize};

/// A user or group as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Account {
    /// By name.
    Name(Vec<u8>),
    /// By `#id`.
    Id(u32),
}

/// `header-buffer-size=` where it is 0 or not given.
pub(super) const HEADER_BUFFER_SIZE: u64 = 32_768;
/// `response-buffer-size=` where it is 0 or not given.
pub(super) const RESPONSE_BUFFER_SIZE: u64 = 8_388_608;

/// The options of one group. Times are seconds and 0 is off, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonOptions {
    /// `user=`; Apache's where none.
    pub user: Option<Account>,
    /// `group=`; Apache's where none.
    pub group: Option<Account>,
    /// `supplementary-groups=`; those of the user database where none.
    pub supplementary_groups: Option<Vec<Account>>,
    /// `processes=`
    pub processes: u32,
    /// Whether `processes=` was given: `wsgi.multiprocess`.
    pub is_multiprocess: bool,
    /// `threads=`; 0 is a service process.
    pub threads: u32,
    /// `umask=`
    pub umask: Option<u32>,
    /// `chroot=`
    pub chroot: Option<Vec<u8>>,
    /// `home=`
    pub home: Option<Vec<u8>>,
    /// `lang=`
    pub lang: Option<Vec<u8>>,
    /// `locale=`
    pub locale: Option<Vec<u8>>,
    /// `python-home=`; WSGIPythonHome where none.
    pub python_home: Option<Vec<u8>>,
    /// `python-path=`, split.
    pub python_path: Vec<Vec<u8>>,
    /// `python-eggs=`
    pub python_eggs: Option<Vec<u8>>,
    /// `switch-interval=` in nanoseconds.
    pub switch_interval: Option<u64>,
    /// `stack-size=` in bytes.
    pub stack_size: Option<u64>,
    /// `maximum-requests=`
    pub maximum_requests: u64,
    /// `startup-timeout=`
    pub startup_timeout: u32,
    /// `shutdown-timeout=`
    pub shutdown_timeout: u32,
    /// `deadlock-timeout=`
    pub deadlock_timeout: u32,
    /// `inactivity-timeout=`
    pub inactivity_timeout: u32,
    /// `request-timeout=`
    pub request_timeout: u32,
    /// `interrupt-timeout=`
    pub interrupt_timeout: u32,
    /// `graceful-timeout=`
    pub graceful_timeout: u32,
    /// `eviction-timeout=`
    pub eviction_timeout: u32,
    /// `restart-interval=`
    pub restart_interval: u32,
    /// `connect-timeout=`
    pub connect_timeout: u32,
    /// `socket-timeout=`; Apache's Timeout where 0.
    pub socket_timeout: u32,
    /// `queue-timeout=`
    pub queue_timeout: u32,
    /// `listen-backlog=`
    pub listen_backlog: u32,
    /// `display-name=`, `%{GROUP}` already expanded.
    pub display_name: Option<Vec<u8>>,
    /// `send-buffer-size=` in bytes.
    pub send_buffer_size: u32,
    /// `receive-buffer-size=` in bytes.
    pub receive_buffer_size: u32,
    /// `header-buffer-size=` in bytes.
    pub header_buffer_size: u32,
    /// `response-buffer-size=` in bytes.
    pub response_buffer_size: u64,
    /// `response-socket-timeout=`: for how long a thread of Apache's waits for a client that takes nothing of a response.
    ///
    /// httpd: where no thread waits it has no say. A complete response that the event MPM keeps in its queue of writes is
    /// bounded by the `Timeout` of the server, which that queue is sorted by and no module can change for one connection;
    /// a stream of HTTP/2 by mod_http2's H2StreamTimeout, and its connection by `Timeout`.
    pub response_socket_timeout: u32,
    /// `response-flush-delay=` in milliseconds.
    pub response_flush_delay: u32,
    /// `socket-user=`
    pub socket_user: Option<Account>,
    /// `script-user=`
    pub script_user: Option<Account>,
    /// `script-group=`
    pub script_group: Option<Account>,
    /// `cpu-time-limit=`
    pub cpu_time_limit: u32,
    /// `cpu-priority=`
    pub cpu_priority: i32,
    /// `memory-limit=` in bytes.
    pub memory_limit: u64,
    /// `virtual-memory-limit=` in bytes.
    pub virtual_memory_limit: u64,
    /// `server-metrics=`
    pub server_metrics: bool,
}

impl Default for DaemonOptions {
    fn default() -> Self {
        Self {
            user: None,
            group: None,
            supplementary_groups: None,
            processes: 1,
            is_multiprocess: false,
            threads: 15,
            umask: None,
            chroot: None,
            home: None,
            lang: None,
            locale: None,
            python_home: None,
            python_path: Vec::new(),
            python_eggs: None,
            switch_interval: None,
            stack_size: None,
            maximum_requests: 0,
            startup_timeout: 0,
            shutdown_timeout: 5,
            deadlock_timeout: 300,
            inactivity_timeout: 0,
            request_timeout: 0,
            interrupt_timeout: 0,
            graceful_timeout: 15,
            eviction_timeout: 0,
            restart_interval: 0,
            connect_timeout: 15,
            socket_timeout: 0,
            queue_timeout: 0,
            listen_backlog: 100,
            display_name: None,
            send_buffer_size: 0,
            receive_buffer_size: 0,
            header_buffer_size: HEADER_BUFFER_SIZE as u32,
            response_buffer_size: RESPONSE_BUFFER_SIZE,
            response_socket_timeout: 0,
            response_flush_delay: 5,
            socket_user: None,
            script_user: None,
            script_group: None,
            cpu_time_limit: 0,
            cpu_priority: 0,
            memory_limit: 0,
            virtual_memory_limit: 0,
            server_metrics: false,
        }
    }
}
