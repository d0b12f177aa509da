//! Options of metrics on running servers.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::Launcher;
use crate::harness::{Connection, Request, allow, only_rsgi};

const APP: &str = r#"
import mod_wsgi, time
def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.2)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [type(mod_wsgi.server_metrics()).__name__.encode()]
"#;

/// One datagram, or a second datagram, must come in this time.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn applications_may_ask_for_the_server_s_metrics_where_that_is_said() {
    for (options, kind) in [
        ("", "NoneType"),
        ("--server-metrics", "dict"),
        ("--server-metrics --embedded-mode", "dict"),
    ] {
        let options: Vec<_> = options.split_whitespace().collect();
        let launcher = Launcher::new().file("a.py", APP).arg("a.py");
        let run = launcher.args(&options).start();
        assert_eq!(run.text("/"), kind, "{options:?}");
    }
}

#[test]
fn a_telemetry_service_is_told_of_slow_requests_and_who_made_them() {
    only_rsgi!("what it tells of a request comes when it likes");
    let launcher = Launcher::new().file("a.py", APP).file("told/x", "");
    let socket = launcher.path("told/socket");
    let service = UnixDatagram::bind(&socket).unwrap();
    service.set_read_timeout(Some(PATIENCE)).unwrap();
    allow(&launcher.path("told"), 0o755);
    allow(&socket, 0o777);
    let target = format!("unix:{}", socket.display());
    let options = [
        "--telemetry-service",
        &target,
        "--telemetry-interval",
        "0.5",
        "--telemetry-options",
        "CaptureUserAgent",
        "--slow-requests",
        "0.1",
    ];
    let run = launcher.arg("a.py").args(&options).start();
    let slow = Request::get("/slow").header("User-Agent", "one who waits");
    Connection::open(run.launcher.port()).ask(&slow).ok();
    let mut datagram = vec![0; 65_536];
    loop {
        let length = service.recv(&mut datagram).expect("a datagram");
        let told = String::from_utf8_lossy(&datagram[..length]);
        if told.contains("/slow") {
            assert!(told.contains("one who waits"), "{told:?}");
            break;
        }
    }
    let conf = std::fs::read_to_string(run.launcher.root().join("httpd.conf")).unwrap();
    assert!(conf.contains("interval=0.5"), "{conf}");
}
