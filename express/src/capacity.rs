//! The numbers of Apache's MPM, from how many requests the application takes at once.
//!
//! mod_wsgi: the same formulas as mod_wsgi-express (reference: express §4), but for ServerLimit, which is twice as high:
//! after a graceful restart the new processes start while the old ones finish.

use serde::Serialize;

use crate::settings::{Processes, Workers};

/// Connections for each idle thread that the event MPM takes on, at least and in all of a process's threads.
const CONNECTIONS: (u32, u32) = (2, 100);

/// What the MPM is told; `threads` and what goes by it only where it has threads.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Capacity {
    pub(crate) mpm: String,
    pub(crate) server_limit: u32,
    pub(crate) start: u32,
    /// Threads of a process, 1 for prefork.
    pub(crate) threads: u32,
    pub(crate) minimum_spare: u32,
    pub(crate) maximum_spare: u32,
    /// All request threads together.
    pub(crate) total: u32,
    /// Keep-alive connections that the event MPM keeps for each idle thread.
    pub(crate) connections: u32,
    pub(crate) keep_alive_requests: u32,
    /// 0 is no end.
    pub(crate) connections_per_child: u32,
}

impl Capacity {
    /// Sizes `mpm` for the processes.
    pub(crate) fn new(processes: &Processes, mpm: &str) -> Self {
        if processes.is_embedded {
            return Self::embedded(processes, mpm);
        }
        let wanted = clients(processes);
        if mpm == "prefork" {
            let [start, minimum, maximum] = fractions(processes.workers, [0.05, 0.05, 0.1], wanted);
            return Self {
                server_limit: wanted.saturating_mul(2),
                start: start.max(1),
                minimum_spare: minimum.max(1),
                maximum_spare: maximum.max(1),
                total: wanted,
                keep_alive_requests: 500,
                ..Self::of_threads(mpm, 1)
            };
        }
        let threads = if wanted > 20 {
            wanted / (wanted / 20 + 1)
        } else {
            10
        };
        let servers = wanted.div_ceil(threads);
        let [start, minimum, maximum] = fractions(processes.workers, [0.2, 0.2, 0.6], servers);
        Self {
            server_limit: servers.saturating_mul(2),
            start: start.max(1),
            minimum_spare: minimum.saturating_mul(threads).max(threads),
            maximum_spare: maximum.saturating_mul(threads).max(threads),
            total: servers.saturating_mul(threads),
            keep_alive_requests: if mpm == "event" { 0 } else { 500 },
            ..Self::of_threads(mpm, threads)
        }
    }

    /// The application's processes and threads are Apache's own.
    fn embedded(processes: &Processes, mpm: &str) -> Self {
        let total = processes.processes.saturating_mul(processes.threads);
        let is_prefork = mpm == "prefork";
        let threads = if is_prefork { 1 } else { processes.threads };
        let servers = if is_prefork {
            total
        } else {
            processes.processes
        };
        Self {
            server_limit: servers.saturating_mul(2),
            start: servers,
            minimum_spare: 1,
            maximum_spare: if is_prefork {
                total
            } else {
                total.saturating_add(threads)
            },
            total,
            keep_alive_requests: if mpm == "event" { 0 } else { 100 },
            connections_per_child: processes.maximum_requests,
            ..Self::of_threads(mpm, threads)
        }
    }

    fn of_threads(mpm: &str, threads: u32) -> Self {
        let (least, all) = CONNECTIONS;
        Self {
            mpm: mpm.to_owned(),
            server_limit: 0,
            start: 0,
            threads,
            minimum_spare: 0,
            maximum_spare: 0,
            total: 0,
            connections: (all / threads).max(least),
            keep_alive_requests: 0,
            connections_per_child: 0,
        }
    }
}

/// The connections to serve at once: enough that some are left while every request thread is busy.
fn clients(processes: &Processes) -> u32 {
    let threads = processes.processes.saturating_mul(processes.threads);
    match processes.max_clients {
        Some(asked) => asked.max(threads),
        None => (threads.saturating_add(threads / 2))
            .max(10)
            .saturating_add(10),
    }
}

fn fractions(asked: Workers, usual: [f64; 3], all: u32) -> [u32; 3] {
    let asked = [asked.initial, asked.minimum_spare, asked.maximum_spare];
    let mut result = [0; 3];
    for (at, number) in result.iter_mut().enumerate() {
        let fraction = asked[at].unwrap_or(usual[at]);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a fraction from 0 to 1 of a u32"
        )]
        {
            *number = (fraction * f64::from(all)) as u32;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::test_support::processes;

    #[test]
    fn apache_gets_the_numbers_of_mod_wsgi_express() {
        // processes, threads, max-clients; then threads, start, spare from and to, all.
        for (mpm, given, expected) in [
            ("event", (1, 5, None), (10, 1, 10, 10, 20)),
            ("event", (3, 20, None), (16, 1, 16, 64, 112)),
            ("worker", (1, 5, Some(60)), (15, 1, 15, 30, 60)),
            ("event", (2, 50, Some(10)), (16, 1, 16, 64, 112)),
            ("prefork", (1, 5, None), (1, 1, 1, 2, 20)),
            ("prefork", (4, 25, None), (1, 8, 8, 16, 160)),
        ] {
            let (number, threads, clients) = given;
            let capacity = Capacity::new(&processes(number, threads, clients), mpm);
            let found = (
                capacity.threads,
                capacity.start,
                capacity.minimum_spare,
                capacity.maximum_spare,
                capacity.total,
            );
            assert_eq!(found, expected, "{mpm} {given:?}");
        }
    }
}
