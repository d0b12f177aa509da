//! What mod_status's page says of a server: tables for people, or lines for programs (`?auto`).

use std::fmt::Write as _;
use std::time::Duration;

use super::report::{Group, Server, Tallied};

/// Lines of a key and a value, as mod_status writes them for programs.
#[must_use]
pub fn lines(server: &Server<'_>) -> String {
    let mut text = format!("RsgiVersion: {}\n", server.version);
    let mut line = |key: &str, value: String| {
        // A String takes everything.
        let _ = writeln!(text, "{key}: {value}");
    };
    let running = |group: &Group| {
        group
            .slots
            .iter()
            .map(|slot| u64::from(slot.busy))
            .sum::<u64>()
    };
    if let Some(embedded) = &server.embedded {
        line("RsgiEmbeddedRequests", answered(embedded).to_string());
        line("RsgiEmbeddedFailures", failed(embedded).to_string());
        line("RsgiEmbeddedMeanTime", mean(embedded));
    }
    line("RsgiGroups", server.groups.len().to_string());
    for group in &server.groups {
        let name = plain(&group.name);
        let mut line = |key: &str, value: String| line(&format!("RsgiGroup.{name}.{key}"), value);
        line("Processes", group.slots.len().to_string());
        line("ThreadsEach", group.threads.to_string());
        line("Running", running(group).to_string());
        line("Waiting", group.waiting.to_string());
        let oldest = group.oldest_wait.unwrap_or_default();
        line("OldestWait", seconds(oldest));
        line("Requests", answered(&group.tallied).to_string());
        line("Failures", failed(&group.tallied).to_string());
        line("MeanTime", mean(&group.tallied));
        line("Restarts", restarts(group).to_string());
    }
    text
}

/// The section of the page.
#[must_use]
pub fn html(server: &Server<'_>) -> String {
    let mut text = format!(
        "<hr />\n<h2>WSGI applications (mod_rsgi {})</h2>\n",
        server.version
    );
    text.push_str(
        "<table rules=\"all\" cellpadding=\"1%\">\n<tr><th>Process group</th><th>Processes</th><th>Threads each</th>\
         <th>Running</th><th>Waiting</th><th>Oldest wait</th><th>Requests</th><th>5xx</th><th>Failures</th>\
         <th>Mean time</th><th>Restarts</th></tr>\n",
    );
    if let Some(embedded) = &server.embedded {
        let cells = ["", "", "", "", ""].map(str::to_owned);
        row(&mut text, "Apache's own processes", cells, embedded, "");
    }
    for group in &server.groups {
        let running: u64 = group.slots.iter().map(|slot| u64::from(slot.busy)).sum();
        let oldest = group
            .oldest_wait
            .map_or_else(String::new, |wait| seconds(wait) + " s");
        let cells = [
            group.slots.len().to_string(),
            group.threads.to_string(),
            running.to_string(),
            group.waiting.to_string(),
            oldest,
        ];
        let name = escaped(&group.name);
        row(
            &mut text,
            &name,
            cells,
            &group.tallied,
            &restarts(group).to_string(),
        );
    }
    text.push_str("</table>\n");
    if server.groups.iter().any(|group| !group.slots.is_empty()) {
        processes(server, &mut text);
    }
    text
}

fn row(text: &mut String, name: &str, cells: [String; 5], tallied: &Tallied, restarts: &str) {
    let _ = write!(text, "<tr><td>{name}</td>");
    let counts = [
        answered(tallied).to_string(),
        tallied.answers[4].to_string(),
        failed(tallied).to_string(),
        mean(tallied) + " s",
        restarts.to_owned(),
    ];
    for cell in cells.iter().chain(&counts) {
        let _ = write!(text, "<td>{cell}</td>");
    }
    text.push_str("</tr>\n");
}

fn processes(server: &Server<'_>, text: &mut String) {
    text.push_str(
        "<table rules=\"all\" cellpadding=\"1%\">\n<tr><th>Process group</th><th>Slot</th><th>PID</th><th>State</th>\
         <th>Age</th><th>Busy</th><th>Requests</th><th>Memory</th><th>CPU</th></tr>\n",
    );
    for group in &server.groups {
        for slot in &group.slots {
            let age = slot
                .age
                .map_or_else(String::new, |age| format!("{} s", age.as_secs()));
            let memory = slot.usage.map_or_else(String::new, |usage| {
                format!("{:.1} MB", usage.resident as f64 / (1024.0 * 1024.0))
            });
            let cpu = slot
                .usage
                .map_or_else(String::new, |usage| seconds(usage.cpu) + " s");
            let _ = writeln!(
                text,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{age}</td><td>{}/{}</td><td>{}</td>\
                 <td>{memory}</td><td>{cpu}</td></tr>",
                escaped(&group.name),
                slot.slot,
                slot.pid,
                slot.state,
                slot.busy,
                slot.threads,
                slot.requests,
            );
        }
    }
    text.push_str("</table>\n");
}

fn answered(tallied: &Tallied) -> u64 {
    sum(&tallied.answers)
}

fn failed(tallied: &Tallied) -> u64 {
    sum(&tallied.failures)
}

fn restarts(group: &Group) -> u64 {
    sum(&group.ends)
}

/// Shared memory says anything: it wraps.
fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, &count| sum.wrapping_add(count))
}

fn mean(tallied: &Tallied) -> String {
    let total = tallied.run.total().max(1);
    seconds(Duration::from_micros(tallied.run.sum / total))
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// A name for a key: without what ends one.
fn plain(name: &[u8]) -> String {
    let name = name.escape_ascii().to_string();
    name.replace([':', ' '], "_")
}

fn escaped(name: &[u8]) -> String {
    let mut text = String::new();
    for letter in String::from_utf8_lossy(name).chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            letter => text.push(letter),
        }
    }
    text
}
