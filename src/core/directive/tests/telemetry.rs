//! The directives of telemetry.

use super::*;

fn service(socket: &str, interval: u64) -> Directive {
    Directive::Global(GlobalSetting::TelemetryService {
        socket: socket.as_bytes().into(),
        interval,
    })
}

#[test]
fn a_telemetry_service_is_a_socket_and_an_interval() {
    let kind = Kind::TelemetryService;
    for (line, expected) in [
        ("unix:/run/t.sock", service("/run/t.sock", 1_000_000_000)),
        ("unix:/t interval=0.5", service("/t", 500_000_000)),
        ("\"unix:/a b\" interval=30", service("/a b", 30_000_000_000)),
    ] {
        assert_eq!(accept(kind, line), expected);
    }
    let name = "WSGITelemetryService";
    for (line, expected) in [
        ("", format!("{name} needs the socket of a service")),
        (
            "/run/t.sock",
            format!("{name} takes `unix:` and the path of a socket, not `/run/t.sock`"),
        ),
        (
            "unix:t",
            format!("{name} takes `unix:` and the path of a socket, not `unix:t`"),
        ),
        (
            "unix:/t every=1",
            format!(
                "{name}: `every=1` is no option; options are written key=value without blanks: interval="
            ),
        ),
        (
            "unix:/t interval=0.4",
            format!("{name}: the option interval takes a number of seconds from 0.5 on, not `0.4`"),
        ),
        (
            "unix:/t interval=x",
            format!("{name}: the option interval takes a number of seconds from 0.5 on, not `x`"),
        ),
    ] {
        let text = refuse(kind, line);
        assert!(text.starts_with(&expected), "{text}");
    }
}

#[test]
fn slow_requests_are_seconds_from_nothing_on() {
    for (word, nanoseconds) in [
        ("0", 0),
        ("0.0", 0),
        ("0.25", 250_000_000),
        ("3", 3_000_000_000),
    ] {
        assert_eq!(
            accept(Kind::SlowRequests, word),
            Directive::Global(GlobalSetting::SlowRequests(nanoseconds))
        );
    }
    for word in ["", "-1", "x", ".", "inf"] {
        let text = refuse(Kind::SlowRequests, word);
        assert!(
            text.starts_with("WSGISlowRequests takes a number of seconds, or 0"),
            "{text}"
        );
    }
}

#[test]
fn options_of_telemetry_are_flags_with_signs_or_without() {
    let kind = Kind::TelemetryOptions;
    for (line, is_on) in [
        ("CaptureUserAgent", true),
        ("captureuseragent", true),
        ("+CaptureUserAgent", true),
        ("-CaptureUserAgent", false),
        ("+CaptureUserAgent -CAPTUREUSERAGENT", false),
        ("None", false),
        ("all", true),
    ] {
        let expected = Directive::Global(GlobalSetting::CaptureUserAgent(is_on));
        assert_eq!(accept(kind, line), expected, "{line}");
    }
    for line in [
        "",
        "+",
        "-",
        "+None",
        "-All",
        "Other",
        "CaptureUserAgent +CaptureUserAgent",
        "-CaptureUserAgent None",
    ] {
        let text = refuse(kind, line);
        assert!(text.starts_with("WSGITelemetryOptions "), "{text}");
    }
}
