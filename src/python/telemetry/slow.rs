//! Slow requests: what is told of one, while it runs and when it is over.

#![deny(unsafe_code)]

use std::sync::OnceLock;
use std::time::Duration;

use rsgi_bridge::abi;
use rsgi_core::figures::{Finished, Phase};
use rsgi_core::micros::{self, seconds};
use rsgi_core::name::{NAMES, NameId, id};
use rsgi_core::telemetry::{MOST_ACTIVE, SlowRequest};

use crate::entry::RequestView;
use crate::worker;

/// What is told of a request beside its times.
pub(crate) struct Slow;

impl Slow {
    /// A request that is over.
    pub(crate) fn done(
        request: &RequestView<'_>,
        finished: &Finished,
        cpu: (f64, f64),
        active: (u64, u64),
    ) -> SlowRequest {
        let time = |phase| finished.phase(phase).map_or(0.0, seconds);
        let flow = |(time, count, bytes): (u64, u64, u64)| (seconds(time), count, bytes);
        SlowRequest {
            is_done: true,
            start: seconds(u64::try_from(finished.application_start).unwrap_or(0)),
            thread: finished.thread,
            times: [
                time(Phase::Server),
                time(Phase::Queue),
                time(Phase::Daemon),
                time(Phase::Application),
            ],
            gil_wait: (seconds(finished.gil_wait.0), finished.gil_wait.1),
            input: flow(finished.input),
            output: flow(finished.output),
            status: finished.status,
            cpu,
            active_at_start: active.0,
            active_at_completion: active.1,
            ..described(request)
        }
    }
}

/// The requests that have been running for so long, with what is known of them.
pub(super) fn running(threshold: Duration) -> Vec<SlowRequest> {
    let mut found = Vec::new();
    worker::each_running(|thread, request, course| {
        let duration = course.begun.elapsed();
        if duration < threshold || found.len() >= MOST_ACTIVE {
            return;
        }
        let [request_start, queue_start, daemon_start] = request.starts();
        let so_far = Finished {
            thread,
            request_start,
            queue_start,
            daemon_start,
            application_start: course.application_start,
            application_time: micros::of(duration),
            gil_wait: (micros::of(course.waits.time), course.waits.count),
            ..Finished::default()
        };
        // What it has read, sent and used is known to its own thread only.
        found.push(SlowRequest {
            is_done: false,
            ..Slow::done(request, &so_far, (0.0, 0.0), (course.active, 0))
        });
    });
    found
}

fn described(request: &RequestView<'_>) -> SlowRequest {
    let mut told = SlowRequest {
        scheme: match request.has(abi::REQUEST_HTTPS) {
            true => b"https".to_vec(),
            false => b"http".to_vec(),
        },
        ..SlowRequest::default()
    };
    let fields = request.constants().1.iter().chain(request.fields().iter());
    for field in fields {
        let place = match field.id {
            id::REQUEST_METHOD => &mut told.method,
            id::SERVER_NAME => &mut told.hostname,
            id::SCRIPT_NAME => &mut told.script_name,
            id::PATH_INFO => &mut told.path_info,
            id::SERVER_PROTOCOL => &mut told.protocol,
            id::REMOTE_ADDR => &mut told.peer,
            id::MOD_WSGI_REQUEST_ID => &mut told.log_id,
            id::MOD_WSGI_SERVER_PID => {
                let pid = std::str::from_utf8(field.value).ok();
                told.server_pid = pid.and_then(|pid| pid.parse().ok()).unwrap_or_default();
                continue;
            }
            other if other == user_agent() => {
                told.user_agent = field.value.to_vec();
                continue;
            }
            _ => continue,
        };
        *place = field.value.to_vec();
    }
    told
}

fn user_agent() -> NameId {
    static ID: OnceLock<NameId> = OnceLock::new();
    *ID.get_or_init(|| {
        let at = NAMES.iter().position(|name| *name == "HTTP_USER_AGENT");
        at.and_then(|at| NameId::try_from(at).ok())
            .unwrap_or_default()
    })
}
