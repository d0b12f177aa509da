//! The service that processes tell, and what it was told.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::harness::{Builder, Server, wait_until};
use crate::kit::{self, venv};

/// Binds a socket and prints what comes there: a line of kind, pid, sequence, and each field as `name=value`.
const READER: &str = r#"
import os, socket, sys
from mod_wsgi.telemetry.wire import decode
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
print("ready", flush=True)
while True:
    sample = decode(s.recv(65536))
    assert sample.version == 1
    show = lambda v: v.decode() if isinstance(v, bytes) else repr(v)
    fields = "|".join(f"{k}={show(v)}" for k, v in sample.fields.items())
    print(f"{sample.kind_name}|pid={sample.pid}|seq={sample.seq}|{fields}|", flush=True)
"#;

/// The service.
pub(super) struct Service {
    child: Child,
    pub(super) told: Arc<Mutex<Vec<String>>>,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    pub(super) fn start(socket: &Path) -> Self {
        let packages = ["--no-deps", "mod_wsgi-telemetry"];
        let python = venv(&kit::system_python(), "telemetry", &packages).join("bin/python3");
        let mut child = Command::new(python)
            .args(["-c", READER])
            .arg(socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let kept = Arc::clone(&told);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        let service = Self { child, told };
        wait_until("the service listens", || !service.all("ready").is_empty());
        service
    }

    /// What was told of that kind.
    pub(super) fn all(&self, kind: &str) -> Vec<String> {
        let told = self.told.lock().unwrap();
        let is_it = |line: &&String| line.split('|').next() == Some(kind);
        told.iter().filter(is_it).cloned().collect()
    }

    /// Waits for one of that kind with all of these.
    #[track_caller]
    pub(super) fn wait(&self, kind: &str, parts: &[&str]) -> String {
        let mut found = None;
        wait_until(&format!("{kind} with {parts:?}"), || {
            let is_it = |line: &String| parts.iter().all(|part| line.contains(part));
            found = self.all(kind).into_iter().find(is_it);
            found.is_some()
        });
        found.unwrap()
    }
}

/// One field.
pub(super) fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let start = format!("{name}=");
    line.split('|').find_map(|part| part.strip_prefix(&*start))
}

#[track_caller]
pub(super) fn number(line: &str, name: &str) -> f64 {
    let text = field(line, name).unwrap_or_else(|| panic!("no {name} in {line}"));
    text.parse().unwrap_or_else(|_| panic!("{name} in {line}"))
}

pub(super) fn telling(builder: Builder) -> (Builder, Service) {
    let service = Service::start(&builder.root().join("work/t.sock"));
    let builder = builder.conf("WSGITelemetryService unix:@WORK@/t.sock interval=0.5");
    (builder, service)
}

/// Ends both; the service would be a process left behind.
#[track_caller]
pub(super) fn finish(server: Server, service: Service) {
    drop(service);
    server.finish();
}
