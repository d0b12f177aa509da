//! Notices that the server answers, and says so once: a line for people, `READY=1` for a service manager.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::message;
use crate::notify;

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(50);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// What to look at.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Where it listens.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Written when Apache has read its configuration.
    pub(crate) pid_file: PathBuf,
    /// Where a browser finds it.
    pub(crate) url: String,
}

impl Ready {
    /// Looks until the server answers, on a thread that ends with the process.
    pub(crate) fn announce(self) {
        std::thread::spawn(move || {
            let start = Instant::now();
            while !self.answers() {
                std::thread::sleep(INTERVAL);
            }
            let seconds = start.elapsed().as_secs_f64();
            let url = &self.url;
            message::event(
                "ready",
                &format!("{url} answers after {seconds:.1} seconds"),
                &[("url", url.clone()), ("seconds", format!("{seconds:.3}"))],
            );
            notify::tell(&format!("READY=1\nSTATUS=Serving {url}"));
        });
    }

    /// Whether Apache has set itself up and takes connections: what it cannot answer yet waits in it.
    fn answers(&self) -> bool {
        let mut addresses = self.addresses.iter();
        self.pid_file.exists()
            && addresses.any(|address| TcpStream::connect_timeout(address, PATIENCE).is_ok())
    }
}
