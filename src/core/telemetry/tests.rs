use proptest::prelude::*;

use super::*;
use crate::figures::{Finished, Interval};

/// Reads a datagram as its ingester does: the header's numbers, and each field as text.
fn read(bytes: &[u8]) -> (u8, u32, u32, f64, Vec<String>) {
    assert_eq!(&bytes[..5], b"WSGI\x01");
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let float = |at: usize| f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let mut fields = Vec::new();
    let mut at = 24;
    while at < bytes.len() {
        let (id, kind) = (short(at), bytes[at + 2]);
        at += 3;
        let text = match kind {
            1 => u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()).to_string(),
            2 => format!("{:?}", float(at)),
            4 => {
                let end = at + 2 + usize::from(short(at));
                format!("{:?}", String::from_utf8_lossy(&bytes[at + 2..end]))
            }
            5 => format!("{} counts", short(at)),
            6 => format!("{} times", short(at)),
            other => panic!("type {other}"),
        };
        at += match kind {
            1 | 2 => 8,
            4 => 2 + usize::from(short(at)),
            5 => 2 + 4 * usize::from(short(at)),
            _ => 2 + 8 * usize::from(short(at)),
        };
        fields.push(format!("{id} {text}"));
    }
    assert_eq!(at, bytes.len());
    (bytes[5], word(8), word(12), float(16), fields)
}

fn identity(process_group: &[u8]) -> Identity {
    Identity {
        wsgi_version: "6.1.1".to_owned(),
        python_version: "3.11.2".to_owned(),
        apache_version: "Apache/2.4.62".to_owned(),
        mpm_name: "event".to_owned(),
        hostname: "host".to_owned(),
        process_group: process_group.to_vec(),
        parent_pid: 7,
        interval: 1.0,
        slow_threshold: 0.5,
        switch_interval: 0.005,
        threads: 2,
    }
}

fn sample(process_group: &[u8], interval: &Interval, threads: &[ThreadNow]) -> Vec<String> {
    let mut datagram = Datagram::new(Kind::Sample, 1, 2, 3.5);
    let sample = Sample {
        interval,
        period: 2.0,
        cpu: (0.25, 0.5),
        memory: (4096, 8192),
        threads_started: 2,
        threads_active: 1,
        capacity: 0.125,
        threads,
    };
    identity(process_group).fill_sample(&sample, &mut datagram);
    let (kind, pid, seq, stamp, fields) = read(datagram.bytes());
    assert_eq!((kind, pid, seq, stamp), (2, 1, 2, 3.5));
    fields
}

#[test]
fn a_sample_of_a_group_has_all_phases() {
    let mut interval = Interval::default();
    interval.add(&Finished {
        thread: 2,
        status: 404,
        request_start: 1_000_000,
        queue_start: 1_001_000,
        daemon_start: 1_003_000,
        application_start: 1_006_000,
        application_time: 10_000,
        busy: 10_000,
        gil_wait: (7, 3),
        input: (8, 2, 100),
        output: (9, 1, 50),
        cpu_time: 4000,
    });
    let fields = sample(b"web", &interval, &[ThreadNow::default(); 2]);
    insta::assert_snapshot!(fields.join("\n"));
}

#[test]
fn an_idle_interval_of_apaches_own_processes_has_no_bounds_and_no_queue() {
    let fields = sample(b"", &Interval::default(), &[]);
    let has = |id: u16| {
        fields
            .iter()
            .any(|field| field.starts_with(&format!("{id} ")))
    };
    assert!(has(60) && has(63) && has(90) && has(110));
    assert!((70..90).all(|id| !has(id)), "{fields:?}");
    assert!(!has(61) && !has(62) && !has(91) && !has(92), "{fields:?}");
}

#[test]
fn the_largest_sample_fits_with_all_threads_that_it_may_have() {
    let mut interval = Interval::default();
    interval.add(&Finished {
        daemon_start: 1,
        ..Finished::default()
    });
    let threads = [ThreadNow::default(); 300];
    let fields = sample(&[b'g'; 400], &interval, &threads);
    assert!(
        fields.contains(&format!("114 {MOST_THREADS} times")),
        "{fields:?}"
    );
    assert!(
        fields
            .iter()
            .any(|field| field.starts_with("6 \"ggg") && field.ends_with("...\""))
    );
}

#[test]
fn a_process_tells_of_its_beginning_and_its_end() {
    let life = Lifecycle {
        reason: b"maximum_requests",
        uptime: 12.5,
        requests: 100,
        active: 3,
        is_drained: true,
    };
    let mut texts = Vec::new();
    for kind in [Kind::Started, Kind::Stopping, Kind::Stopped] {
        let mut datagram = Datagram::new(kind, 1, 0, 0.0);
        match kind {
            Kind::Started => identity(b"web").fill_started(&mut datagram),
            Kind::Stopping => identity(b"web").fill_stopping(&life, &mut datagram),
            _ => identity(b"web").fill_stopped(&life, &mut datagram),
        }
        let (number, .., fields) = read(datagram.bytes());
        texts.push(format!("kind {number}\n{}", fields.join("\n")));
    }
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_process_without_a_group_and_a_reason_names_neither() {
    let mut datagram = Datagram::new(Kind::Stopping, 1, 0, 0.0);
    identity(b"").fill_stopping(&Lifecycle::default(), &mut datagram);
    let (.., fields) = read(datagram.bytes());
    assert_eq!(fields, ["5 \"host\"", "133 0"]);
}

#[test]
fn a_collector_has_its_figures_and_the_name_of_its_interpreter() {
    let collector = Collector {
        counts: [1, 2, 3],
        thresholds: [700, 10, 11],
        passes: [40, 50, 60].map(|collections| Passes {
            collections,
            collected: collections + 1,
            uncollectable: collections + 2,
        }),
        is_enabled: true,
        frozen: 7,
        dropped: 8,
    };
    let pass = Collection {
        start: 5.5,
        duration: 0.25,
        generation: 2,
        collected: 9,
        uncollectable: 10,
    };
    let mut texts = Vec::new();
    for name in [&b""[..], b"one"] {
        let mut datagram = Datagram::new(Kind::Collector, 1, 0, 0.0);
        collector.fill(name, &mut datagram);
        let (number, .., fields) = read(datagram.bytes());
        texts.push(format!("kind {number}\n{}", fields.join("\n")));
        let mut datagram = Datagram::new(Kind::Collection, 1, 0, 0.0);
        pass.fill(name, &mut datagram);
        let (number, .., fields) = read(datagram.bytes());
        texts.push(format!("kind {number}\n{}", fields.join("\n")));
    }
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_slow_request_has_its_parts_and_no_query() {
    let request = SlowRequest {
        is_done: true,
        start: 5.0,
        thread: 3,
        log_id: vec![b'i'; 100],
        method: b"GET".to_vec(),
        scheme: b"https".to_vec(),
        path_info: b"/x".to_vec(),
        times: [0.25, 0.25, 0.0, 1.0],
        input: (0.5, 2, 30),
        output: (0.125, 1, 40),
        status: 200,
        ..SlowRequest::default()
    };
    let mut datagram = Datagram::new(Kind::SlowRequest, 1, 0, 0.0);
    request.fill(&mut datagram);
    let (kind, .., fields) = read(datagram.bytes());
    assert_eq!(kind, 4);
    insta::assert_snapshot!(fields.join("\n"));
}

proptest! {
    #[test]
    fn whatever_the_texts_are_a_datagram_is_whole_and_not_too_long(
        texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..2000), 0..40),
        most in 0usize..1000,
    ) {
        let mut datagram = Datagram::new(Kind::Started, 1, 2, 3.0);
        for text in &texts {
            datagram.text(5, text, most);
        }
        prop_assert!(datagram.bytes().len() <= MOST_BYTES);
        let (.., fields) = read(datagram.bytes());
        prop_assert!(fields.len() <= texts.len());
    }
}
