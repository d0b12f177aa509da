use std::time::Duration;

use proptest::prelude::*;

use super::histogram::BOUNDS;
use super::*;

#[test]
fn a_time_is_in_the_first_bucket_that_it_does_not_exceed() {
    for (micros, expected) in [
        (0, 0),
        (100, 0),
        (101, 1),
        (1_000, 3),
        (60_000_000, BUCKETS - 2),
        (60_000_001, BUCKETS - 1),
        (u64::MAX, BUCKETS - 1),
    ] {
        assert_eq!(bucket(micros), expected, "{micros}");
    }
    assert!(BOUNDS.is_sorted());
}

#[test]
fn causes_and_ends_have_numbers_and_names_of_their_own() {
    for (index, cause) in FailureCause::ALL.into_iter().enumerate() {
        assert_eq!(cause.index(), index);
    }
    let ends: Vec<End> = (0..End::COUNT).filter_map(End::from_index).collect();
    assert_eq!(ends.len(), End::COUNT);
    let mut names: Vec<&str> = ends.iter().map(|end| end.name()).collect();
    for (index, end) in ends.iter().enumerate() {
        assert_eq!(end.index(), index);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), End::COUNT);
    assert_eq!(End::from_index(End::COUNT), None);
}

#[test]
fn open_metrics_is_for_those_who_ask_for_it() {
    for (accept, expected) in [
        ("", Format::Text),
        ("*/*", Format::Text),
        ("text/html,*/*;q=0.8", Format::Text),
        ("application/openmetrics-text", Format::OpenMetrics),
        (
            "Application/OpenMetrics-Text; Version=1.0.0, */*",
            Format::OpenMetrics,
        ),
        ("application/openmetrics-text;version=0.0.1", Format::Text),
        ("application/openmetrics-text;q=0", Format::Text),
        (
            "application/openmetrics-text;q=0.1,text/plain;q=0.2",
            Format::Text,
        ),
        ("application/openmetrics-text;q=nan", Format::Text),
        // Prometheus 2 and 3.
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Format::OpenMetrics,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.5",
            Format::OpenMetrics,
        ),
        (",;=;;q=1,,text/plain", Format::Text),
    ] {
        assert_eq!(choose(Some(accept.as_bytes())), expected, "{accept}");
    }
    assert_eq!(choose(None), Format::Text);
}

fn small(format: Format) -> String {
    let mut out = Exposition::new(format);
    out.family(Kind::Info, "a", "What it is.")
        .number(&[("b", b"c")], 1);
    let mut family = out.family(Kind::Counter, "a_x_seconds", "Time.");
    family.seconds(&[], Duration::from_millis(1500));
    family.seconds(&[("n", b"q\"b\\n\nr\r\xff"), ("m", b"")], Duration::ZERO);
    out.family(Kind::Gauge, "a_y", "None.");
    out.finish()
}

#[test]
fn both_formats_say_the_same_each_in_its_own_way() {
    insta::assert_snapshot!(small(Format::Text), @r#"
    # HELP a_info What it is.
    # TYPE a_info gauge
    a_info{b="c"} 1
    # HELP a_x_seconds_total Time.
    # TYPE a_x_seconds_total counter
    a_x_seconds_total 1.5
    a_x_seconds_total{n="q\"b\\n\nr��",m=""} 0.0
    # HELP a_y None.
    # TYPE a_y gauge
    "#);
    insta::assert_snapshot!(small(Format::OpenMetrics), @r#"
    # HELP a What it is.
    # TYPE a info
    a_info{b="c"} 1
    # HELP a_x_seconds Time.
    # TYPE a_x_seconds counter
    # UNIT a_x_seconds seconds
    a_x_seconds_total 1.5
    a_x_seconds_total{n="q\"b\\n\nr��",m=""} 0.0
    # HELP a_y None.
    # TYPE a_y gauge
    # EOF
    "#);
}

fn server() -> Server<'static> {
    let mut tallied = Tallied {
        answers: [0, 3, 0, 1, 2],
        ..Tallied::default()
    };
    for micros in [0, 90, 400, 70_000_000] {
        tallied.run.observe(micros);
        tallied.wait.observe(0);
    }
    tallied.failures[FailureCause::Died.index()] = 2;
    let mut ends = [0; End::COUNT];
    ends[End::Signal.index()] = 1;
    Server {
        version: "1.2.3",
        mpm: "event",
        children: Children {
            count: 2,
            usage: Usage {
                resident: 4096,
                cpu: Duration::ZERO,
            },
        },
        embedded: None,
        groups: vec![Group {
            name: b"web".to_vec(),
            processes: 2,
            threads: 5,
            waiting: 1,
            oldest_wait: Some(Duration::from_millis(250)),
            tallied,
            ends,
            slots: vec![Slot {
                slot: 0,
                pid: 77,
                state: "ready",
                age: Some(Duration::from_secs(9)),
                threads: 5,
                busy: 5,
                requests: 6,
                usage: Some(Usage {
                    resident: 1 << 20,
                    cpu: Duration::from_millis(1250),
                }),
            }],
        }],
    }
}

#[test]
fn a_server_is_told_whole() {
    insta::assert_snapshot!(report(&server(), Format::Text));
    insta::assert_snapshot!(report(&server(), Format::OpenMetrics));
}

#[test]
fn the_status_page_has_a_row_for_each_group_and_process() {
    let mut server = server();
    server.embedded = Some(Tallied::default());
    server.groups[0].name = b"a <b>".to_vec();
    insta::assert_snapshot!(html(&server));
    insta::assert_snapshot!(lines(&server));
}

#[test]
fn apaches_own_processes_go_by_the_name_that_directives_give_them() {
    let server = Server {
        embedded: Some(Tallied::default()),
        groups: Vec::new(),
        ..server()
    };
    let text = report(&server, Format::Text);
    assert!(
        text.contains("rsgi_request_seconds_count{group=\"%{GLOBAL}\"} 0\n"),
        "{text}"
    );
    assert!(!text.contains("rsgi_queue_requests{"), "{text}");
}

proptest! {
    #[test]
    fn whatever_a_label_and_the_counts_are_each_line_is_one_sample(
        name: Vec<u8>,
        counts: [u64; BUCKETS],
        sum: u64,
    ) {
        let mut out = Exposition::new(Format::OpenMetrics);
        out.family(Kind::Histogram, "h", "H.").histogram(&[("n", &name)], &Histogram { counts, sum });
        let text = out.finish();
        let mut last = 0;
        let lines: Vec<&str> = text.split('\n').collect();
        prop_assert_eq!(lines.len(), 2 + BUCKETS + 2 + 2, "{}", text);
        for line in &lines[2..2 + BUCKETS] {
            let is_bucket = line.starts_with("h_bucket{n=\"");
            prop_assert!(is_bucket, "{}", line);
            let value: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            prop_assert!(value >= last);
            last = value;
        }
    }

    #[test]
    fn any_accept_has_an_answer(accept: Vec<u8>) {
        let _ = choose(Some(&accept));
    }
}
