//! curl, for what the raw client does not speak: TLS and HTTP/2.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What curl made of a request.
#[derive(Debug)]
pub(crate) struct Curl {
    /// curl's exit code: 0, 18 for a short body, 92 for a stream that was reset.
    pub(crate) code: i32,
    /// The HTTP version it ended up with.
    pub(crate) version: String,
    /// The status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// curl's own messages and, with `-v`, headers.
    pub(crate) messages: String,
}

impl Curl {
    /// Whether there is a curl that speaks HTTP/2.
    pub(crate) fn has_http2() -> bool {
        static ANSWER: OnceLock<bool> = OnceLock::new();
        *ANSWER.get_or_init(|| {
            let output = Command::new("curl").arg("--version").output();
            output.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("HTTP2"))
        })
    }

    /// Runs curl with these arguments; the body comes on its output.
    pub(crate) fn run(arguments: &[&str]) -> Self {
        const MARK: &str = "\n@curl@";
        let output = Command::new("curl")
            .args(["-q", "-sS", "-k", "--max-time", "20", "--noproxy", "*"])
            .args(["-w", "%{stderr}\n@curl@%{http_version} %{http_code}"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("curl starts");
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        let facts = messages.rsplit(MARK).next().unwrap_or_default();
        let (version, status) = facts.trim().split_once(' ').unwrap_or_default();
        Self {
            code: output.status.code().unwrap_or(-1),
            version: version.to_owned(),
            status: status
                .trim_end()
                .lines()
                .next()
                .unwrap_or_default()
                .parse()
                .unwrap_or_default(),
            body: output.stdout,
            messages,
        }
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
