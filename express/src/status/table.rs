//! One look at a server, and its table.

use std::time::Instant;

use serde_json::Value;

use super::access::Access;
use super::ask::ask;
use crate::error::Error;
use crate::message::{Paint, Style};

/// Running requests that are shown.
const SLOWEST: usize = 10;

/// What a server said, and when.
#[derive(Debug)]
pub(super) struct Sample {
    value: Value,
    taken: Instant,
}

impl Sample {
    /// Asks the server.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) fn take(access: &Access) -> Result<Self, Error> {
        let value = ask(access)?;
        let taken = Instant::now();
        Ok(Self { value, taken })
    }

    /// As the server said it, for people.
    pub(super) fn json(&self) -> String {
        format!("{:#}", self.value)
    }

    /// The same on one line.
    pub(super) fn line(&self) -> String {
        self.value.to_string()
    }

    /// The table, with rates where there is a look before.
    pub(super) fn text(&self, before: Option<&Self>, access: &Access, paint: Paint) -> String {
        let text = |key| self.value[key].as_str().unwrap_or("?");
        let mut lines = vec![format!(
            "{}  mod_rsgi {}, {} MPM",
            paint.on(Style::Strong, &access.url),
            text("version"),
            text("mpm")
        )];
        let groups = items(&self.value, "groups");
        if groups.is_empty() {
            lines.push("no process groups: applications run in Apache's own processes".to_owned());
        }
        for group in groups {
            self.group(group, before, paint, &mut lines);
        }
        lines.join("\n")
    }

    fn group(&self, group: &Value, before: Option<&Self>, paint: Paint, lines: &mut Vec<String>) {
        let rate = before.map(|before| {
            let seconds = self.taken.duration_since(before.taken).as_secs_f64();
            move |slot: &Value| before.done(group, slot) / seconds.max(0.001)
        });
        let slots = items(group, "slots");
        let all = rate
            .as_ref()
            .map(|rate| slots.iter().map(rate).sum::<f64>());
        lines.push(String::new());
        lines.push(format!(
            "{}  {} × {} threads, {}",
            paint.on(Style::Strong, group["name"].as_str().unwrap_or("?")),
            counted(number(group, "processes"), "process", "processes"),
            number(group, "threads"),
            all.map_or_else(String::new, |all| format!("{all:.1} requests/s"))
        ));
        let waiting = number(group, "waiting");
        let oldest = group["oldest_wait"].as_f64();
        let queue = format!(
            "queue {waiting}{}; {}; {} gave up, {} found no process",
            oldest.map_or_else(String::new, |oldest| format!(" (oldest {oldest:.1} s)")),
            waited(
                number(group, "queued"),
                group["queued_time"].as_f64().unwrap_or(0.0)
            ),
            number(group, "queue_timeouts"),
            number(group, "no_process"),
        );
        let style = if waiting > 0 {
            Style::Doubtful
        } else {
            Style::Faint
        };
        lines.push(paint.on(style, &format!("  {queue}")));
        let head = format!(
            "  {:>4} {:<9} {:>8} {:>8} {:>9} {:>10} {:>8}  {}",
            "slot", "state", "pid", "age", "busy", "requests", "req/s", "reason"
        );
        lines.push(paint.on(Style::Faint, head.trim_end()));
        lines.extend(slots.iter().map(|slot| {
            let rate = rate.as_ref().map(|rate| format!("{:.1}", rate(slot)));
            slot_line(slot, rate, paint)
        }));
        lines.push(format!(
            "  Apache's children that ask: {}",
            items(group, "children").len()
        ));
        slowest(group, paint, lines);
    }

    /// Requests that a slot's process was done with since.
    fn done(&self, group: &Value, slot: &Value) -> f64 {
        let same = |a: &Value, b: &Value, key: &str| a[key] == b[key];
        let groups = items(&self.value, "groups").iter();
        let earlier = groups
            .filter(|other| same(other, group, "name"))
            .flat_map(|other| items(other, "slots"))
            .find(|other| same(other, slot, "slot") && same(other, slot, "incarnation"));
        let earlier = earlier.map_or(0, |earlier| number(earlier, "requests"));
        let done = number(slot, "requests").saturating_sub(earlier);
        // Nothing that is shown needs more than 52 bits.
        u32::try_from(done).map_or(f64::INFINITY, f64::from)
    }
}

fn slot_line(slot: &Value, rate: Option<String>, paint: Paint) -> String {
    let state = slot["state"].as_str().unwrap_or("?");
    let style = match state {
        "ready" => Style::Good,
        "starting" | "draining" => Style::Doubtful,
        _ => Style::Bad,
    };
    let line = format!(
        "  {:>4} {} {:>8} {:>8} {:>9} {:>10} {:>8}  {}",
        number(slot, "slot"),
        paint.on(style, &format!("{state:<9}")),
        number(slot, "pid"),
        age(slot["age"].as_f64()),
        format!("{}/{}", number(slot, "busy"), number(slot, "threads")),
        number(slot, "requests"),
        rate.unwrap_or_default(),
        slot["reason"].as_str().unwrap_or("")
    );
    line.trim_end().to_owned()
}

/// The requests that have run longest.
fn slowest(group: &Value, paint: Paint, lines: &mut Vec<String>) {
    let mut running: Vec<_> = items(group, "running").iter().collect();
    if running.is_empty() {
        return;
    }
    let seconds = |request: &Value| request["seconds"].as_f64().unwrap_or(0.0);
    running.sort_by(|a, b| seconds(b).total_cmp(&seconds(a)));
    lines.push(paint.on(Style::Faint, "  running requests, the slowest first"));
    lines.extend(running.iter().take(SLOWEST).map(|request| {
        format!(
            "  {:>8.1} s  slot {:<4} child {:<8} {}",
            seconds(request),
            number(request, "slot"),
            number(request, "child"),
            // A client's words may not control a terminal.
            printable(request["request"].as_str().unwrap_or("?"))
        )
    }));
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or(0)
}

/// How many have waited and come to a process since the start, and how long in all.
fn waited(count: u64, seconds: f64) -> String {
    match count {
        0 => "none has waited so far".to_owned(),
        1 => format!("1 has waited, for {seconds:.1} s"),
        many => format!("{many} have waited, {seconds:.1} s in all"),
    }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Seconds as people say them.
fn age(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else {
        return "-".to_owned();
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an age in whole seconds; what does not fit is at the limit"
    )]
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{seconds:.1}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h{:02}m", whole / 3600, whole / 60 % 60),
        _ => format!("{}d{:02}h", whole / 86_400, whole / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short_and_exact_enough() {
        for (seconds, expected) in [
            (0.25, "0.2s"),
            (61.0, "1m01s"),
            (7260.0, "2h01m"),
            (90_000.0, "1d01h"),
        ] {
            assert_eq!(age(Some(seconds)), expected);
        }
        assert_eq!(age(None), "-");
    }

    #[test]
    fn a_clients_words_do_not_control_the_terminal() {
        assert_eq!(printable("GET /\x1b[2J\u{9b}x"), "GET /?[2J?x");
    }
}
