//! What `mod_wsgi.server_metrics()` tells: httpd's scoreboard as a JSON object with mod_wsgi's keys (reference: runtime §14).

use std::time::{SystemTime, UNIX_EPOCH};

use rsgi_core::json::{Object, list};

use crate::httpd::{Child, Scoreboard, Worker};

/// Letters of the workers' states, by httpd's numbers.
const LETTERS: &[u8] = b"._SRWKLDCGI";

/// The object; none where this process has no scoreboard.
pub(super) fn text() -> Option<String> {
    let board = Scoreboard::open()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let now = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    let children = board.children().map(|found| {
        let workers = board.workers(&found).map(|found| worker(&found));
        child(&found, &list(workers))
    });
    let object = Object::new()
        .number("server_limit", board.server_limit)
        .number("thread_limit", board.thread_limit)
        .number("running_generation", board.generation)
        .number("restart_time", seconds(board.restarted))
        .number("current_time", seconds(now))
        .number(
            "running_time",
            now.saturating_sub(board.restarted).max(0) / 1_000_000,
        )
        .raw("processes", &list(children));
    Some(object.finish())
}

fn child(found: &Child, workers: &str) -> String {
    Object::new()
        .number("process_num", found.number)
        .number("pid", found.pid)
        .number("generation", found.generation)
        .raw(
            "quiescing",
            if found.is_quiescing { "true" } else { "false" },
        )
        .raw("workers", workers)
        .finish()
}

fn worker(found: &Worker) -> String {
    let letter = LETTERS.get(usize::from(found.status)).unwrap_or(&b'?');
    Object::new()
        .number("thread_num", found.number)
        .number("generation", found.generation)
        .text("status", &[*letter])
        .number("access_count", found.accesses)
        .number("bytes_served", found.bytes)
        .number("start_time", seconds(found.began))
        .number("stop_time", seconds(found.ended))
        .number("last_used", seconds(found.used))
        .text("client", &found.client)
        .text("request", &found.request)
        .text("vhost", &found.host)
        .finish()
}

/// Seconds of microseconds, as a JSON number that Python takes for a float.
fn seconds(micros: i64) -> String {
    format!("{:.6}", micros as f64 / 1e6)
}
