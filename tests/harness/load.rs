//! Load from real sockets, bounded in number and time: every body is checked, nothing that fails ends the client, and
//! the report says what was lost, how it looked to the client, and how long each answer took.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Connection, Reply, Request};

/// A request and the body that has to come back.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) request: Request,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    pub(crate) fn new(request: Request, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { request, body }
    }
}

/// How a request was lost, as its client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection.
    Refused,
    /// A fresh connection ended without a byte.
    NoAnswer,
    /// A kept connection did, with a request that may not be sent once more.
    Stale,
    /// Nothing came for as long as a client waits.
    Timeout,
    /// An answer that ended too early, and the client can tell.
    Cut,
    /// Another status.
    Status(u16),
    /// A whole answer with other bytes.
    WrongBody,
}

/// One lost request.
#[derive(Clone, Debug)]
pub(crate) struct Loss {
    pub(crate) failure: Failure,
    /// Since the load began.
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    /// The first line of the request, and what came.
    pub(crate) about: String,
}

/// A load in the making.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    port: u16,
    clients: usize,
    lasting: Duration,
    most: usize,
    timeout: Duration,
    pause: Duration,
    is_kept: bool,
}

impl Load {
    /// Four clients for ten seconds at most, with connections that are kept.
    pub(crate) fn on(port: u16) -> Self {
        Self {
            port,
            clients: 4,
            lasting: Duration::from_secs(10),
            most: usize::MAX,
            timeout: Duration::from_secs(10),
            pause: Duration::ZERO,
            is_kept: true,
        }
    }

    pub(crate) fn clients(mut self, count: usize) -> Self {
        self.clients = count;
        self
    }

    /// How long clients go on asking.
    pub(crate) fn lasting(mut self, time: Duration) -> Self {
        self.lasting = time;
        self
    }

    /// How many requests each client makes at most.
    pub(crate) fn most(mut self, count: usize) -> Self {
        self.most = count;
        self
    }

    /// How long a client waits for bytes.
    pub(crate) fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    /// How long a client rests after an answer.
    pub(crate) fn pause(mut self, time: Duration) -> Self {
        self.pause = time;
        self
    }

    /// One connection for each request.
    pub(crate) fn without_keep_alive(mut self) -> Self {
        self.is_kept = false;
        self
    }

    /// Asks until the time or the number is reached.
    pub(crate) fn run(&self, ask: impl Fn(usize, usize) -> Ask + Sync) -> Report {
        self.during(ask, |running| running.wait())
    }

    /// Asks while `work` runs, and a bounded time at most; what `work` fails with is passed on.
    pub(crate) fn during(
        &self,
        ask: impl Fn(usize, usize) -> Ask + Sync,
        work: impl FnOnce(&Running),
    ) -> Report {
        let running = Running {
            begun: Instant::now(),
            end: Instant::now() + self.lasting,
            stop: AtomicBool::new(false),
            answered: AtomicUsize::new(0),
            at_work: AtomicUsize::new(self.clients),
        };
        let sums = Mutex::new(Report::default());
        std::thread::scope(|scope| {
            for number in 0..self.clients {
                let (running, ask, sums) = (&running, &ask, &sums);
                std::thread::Builder::new()
                    .stack_size(256 * 1024)
                    .spawn_scoped(scope, move || {
                        let report = self.client(number, running, ask);
                        sums.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .add(report);
                        running.at_work.fetch_sub(1, Ordering::SeqCst);
                    })
                    .unwrap();
            }
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&running)));
            running.stop.store(true, Ordering::SeqCst);
            if let Err(panic) = result {
                std::panic::resume_unwind(panic);
            }
        });
        let mut report = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.took = running.begun.elapsed();
        report.latencies.sort_unstable();
        report
    }

    fn client(
        &self,
        number: usize,
        running: &Running,
        ask: &(impl Fn(usize, usize) -> Ask + Sync),
    ) -> Report {
        let mut report = Report::default();
        let mut kept = None;
        let mut turn = 0;
        while turn < self.most && !running.is_over() {
            let ask = ask(number, turn);
            let begun = Instant::now();
            let outcome = self.exchange(&ask, &mut kept, &mut report.retried);
            let took = begun.elapsed();
            match outcome {
                Ok(()) => {
                    report.answered += 1;
                    report.latencies.push(took);
                    running.answered.fetch_add(1, Ordering::Relaxed);
                }
                Err((failure, about)) => report.losses.push(Loss {
                    failure,
                    at: begun - running.begun,
                    took,
                    about,
                }),
            }
            turn += 1;
            std::thread::sleep(self.pause);
        }
        report
    }

    /// One request; one on a kept connection that the server had closed goes to a fresh one, as browsers do it: but not
    /// a POST, which may have been run.
    fn exchange(
        &self,
        ask: &Ask,
        kept: &mut Option<Connection>,
        retried: &mut usize,
    ) -> Result<(), (Failure, String)> {
        let bytes = if self.is_kept {
            ask.request.to_bytes()
        } else {
            ask.request.clone().header("Connection", "close").to_bytes()
        };
        let method = ask.request.method();
        if let Some(mut connection) = kept.take() {
            connection.try_send(&bytes);
            let reply = connection.reply(&method);
            if reply.status != 0 || connection.timed_out() {
                return self.judge(ask, connection, reply, kept);
            }
            if method == "POST" {
                let about = "a POST on a kept connection that ended without a byte";
                return Err((Failure::Stale, about.to_owned()));
            }
            *retried += 1;
        }
        let mut connection = Connection::try_open(self.port, self.timeout)
            .map_err(|error| (Failure::Refused, error.to_string()))?;
        // A server that answers without having read everything may have hung up.
        connection.try_send(&bytes);
        let reply = connection.reply(&method);
        self.judge(ask, connection, reply, kept)
    }

    fn judge(
        &self,
        ask: &Ask,
        connection: Connection,
        reply: Reply,
        kept: &mut Option<Connection>,
    ) -> Result<(), (Failure, String)> {
        let failure = if connection.timed_out() {
            Failure::Timeout
        } else if reply.status == 0 {
            Failure::NoAnswer
        } else if reply.status != 200 {
            Failure::Status(reply.status)
        } else if reply.is_cut {
            Failure::Cut
        } else if reply.body != ask.body {
            Failure::WrongBody
        } else {
            let is_last = reply
                .header("Connection")
                .is_some_and(|value| value.eq_ignore_ascii_case("close"));
            *kept = (self.is_kept && !is_last).then_some(connection);
            return Ok(());
        };
        let bytes = ask.request.to_bytes();
        let line = String::from_utf8_lossy(&bytes);
        let line = line.lines().next().unwrap_or_default();
        let text: String = reply.text().chars().take(200).collect();
        let about = format!(
            "{line}: {} bytes of {}: {text}",
            reply.body.len(),
            ask.body.len()
        );
        if reply.status != 0 && !reply.is_cut && !connection.timed_out() {
            *kept = None;
        }
        Err((failure, about))
    }
}

/// A load that is on.
#[derive(Debug)]
pub(crate) struct Running {
    begun: Instant,
    end: Instant,
    stop: AtomicBool,
    answered: AtomicUsize,
    at_work: AtomicUsize,
}

impl Running {
    /// How many requests have been answered so far.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until all clients are done.
    pub(crate) fn wait(&self) {
        while self.at_work.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until that many more requests have been answered.
    #[track_caller]
    pub(crate) fn wait_for(&self, more: usize) {
        let before = self.answered();
        super::wait_until("the clients go on", || {
            self.answered() >= before + more || self.at_work.load(Ordering::SeqCst) == 0
        });
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || Instant::now() >= self.end
    }
}

/// What the clients of a load saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) answered: usize,
    /// Requests on kept connections that ended without a byte of the answer, and that were sent once more.
    pub(crate) retried: usize,
    pub(crate) losses: Vec<Loss>,
    /// Of answered requests, sorted.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) took: Duration,
}

impl Report {
    fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.retried += other.retried;
        self.losses.extend(other.losses);
        self.latencies.extend(other.latencies);
    }

    /// Fails unless every request was answered rightly.
    #[track_caller]
    pub(crate) fn lost_nothing(&self) {
        self.lost_only(&[]);
    }

    /// Fails when more kept connections than that ended without an answer: each may hide a lost request. httpd closes
    /// those that are idle at a graceful restart, whatever is on its way to it, and at no other time.
    #[track_caller]
    pub(crate) fn closed_at_most(&self, most: usize) {
        let closed = self.retried + self.lost(&Failure::Stale);
        assert!(
            closed <= most,
            "{closed} kept connections ended without an answer"
        );
    }

    /// Fails when a request was lost in another way than these.
    #[track_caller]
    pub(crate) fn lost_only(&self, allowed: &[Failure]) {
        let others: Vec<String> = self
            .losses
            .iter()
            .filter(|loss| !allowed.contains(&loss.failure))
            .map(|loss| {
                let (failure, at, took) = (&loss.failure, loss.at, loss.took);
                format!("{failure:?} after {took:?}, at {at:?}: {}", loss.about)
            })
            .collect();
        assert!(
            others.is_empty(),
            "{} of {} requests lost, {} of them in an unexpected way:\n{}",
            self.losses.len(),
            self.answered + self.losses.len(),
            others.len(),
            others[..others.len().min(8)].join("\n")
        );
    }

    /// How many were lost that way.
    pub(crate) fn lost(&self, failure: &Failure) -> usize {
        let is_it = |loss: &&Loss| loss.failure == *failure;
        self.losses.iter().filter(is_it).count()
    }

    /// Answered requests a second.
    pub(crate) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 requests")]
        let answered = self.answered as f64;
        answered / self.took.as_secs_f64()
    }

    /// The latency that so many of a thousand requests do not exceed.
    pub(crate) fn quantile(&self, permille: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let at = (self.latencies.len() * permille / 1000).min(last);
        self.latencies.get(at).copied().unwrap_or_default()
    }

    pub(crate) fn p99(&self) -> Duration {
        self.quantile(990)
    }

    pub(crate) fn slowest(&self) -> Duration {
        self.quantile(1000)
    }

    /// One line for the output of a test.
    pub(crate) fn say(&self, what: &str) {
        super::say(&format!(
            "{what}: {} answered, {:.0}/s, {} lost, {} retried, p50 {:?}, p99 {:?}, slowest {:?}",
            self.answered,
            self.rate(),
            self.losses.len(),
            self.retried,
            self.quantile(500),
            self.p99(),
            self.slowest()
        ));
    }
}
