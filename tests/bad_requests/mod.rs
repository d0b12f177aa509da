//! Requests that two readers could take differently, with what becomes of each: the same in every mode. A front end
//! that reads one of these as something else must not find a server behind it that follows.
//!
//! The verdict names every answer that came on the connection, in order: its status, and where the application ran what
//! it was told. `over` stands for a connection that was closed before the client was done.

mod framing;
mod headers;
mod http2;
mod targets;

use crate::harness::{Builder, Mode, Server, UnderTest, mode, only_rsgi, under_test};

/// Tells what it was asked, in one line; each run is noted besides.
const APP: &str = r#"
KEYS = ["REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO"]
REST = ["QUERY_STRING", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_HOST", "HTTP_PROXY", "HTTP_X_FORWARDED_FOR", "HTTP_X", "REMOTE_USER"]

def application(environ, start_response):
    with open("@WORK@/events", "a") as f:
        f.write(environ["REQUEST_URI"] + "\n")
    try:
        body = environ["wsgi.input"].read()
    except OSError:
        body = b"<error>"
    words = [environ["REQUEST_METHOD"], environ["SCRIPT_NAME"] + "|" + environ["PATH_INFO"]]
    words += ["%s=%s" % (key.replace("HTTP_", "").lower(), environ[key][:60]) for key in REST if environ.get(key, "localhost") not in ("", "localhost")]
    if body:
        words.append("body=" + body.decode("latin-1"))
    text = " ".join(words).encode("unicode_escape")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]
"#;

/// One request: its name, what goes over the wire, and the verdict.
struct Row {
    name: &'static str,
    bytes: &'static [u8],
    verdict: &'static str,
    /// What a process group makes of it, where that is something else.
    grouped: Option<&'static str>,
    /// What the original makes of it, where that is something else.
    original: Option<&'static str>,
    /// What the original makes of it in a process group.
    original_grouped: Option<&'static str>,
}

/// A row on which both agree.
const fn row(name: &'static str, bytes: &'static [u8], verdict: &'static str) -> Row {
    Row {
        name,
        bytes,
        verdict,
        grouped: None,
        original: None,
        original_grouped: None,
    }
}

impl Row {
    /// What a process group answers in place of it, and why.
    const fn in_group(mut self, verdict: &'static str, _why: &'static str) -> Self {
        self.grouped = Some(verdict);
        self
    }

    /// What mod_wsgi answers in place of it, and why we do not.
    const fn unlike(mut self, verdict: &'static str, _why: &'static str) -> Self {
        self.original = Some(verdict);
        self
    }

    /// The same where mod_wsgi does so in a process group only.
    const fn unlike_in_group(mut self, verdict: &'static str, _why: &'static str) -> Self {
        self.original_grouped = Some(verdict);
        self
    }

    fn expected(&self) -> &'static str {
        let choice = match (under_test(), mode()) {
            (UnderTest::ModWsgi, Mode::Embedded) => self.original,
            (UnderTest::ModWsgi, _) => self.original_grouped.or(self.original),
            (UnderTest::Rsgi, Mode::Embedded) => None,
            (UnderTest::Rsgi, _) => self.grouped,
        };
        choice.unwrap_or(self.verdict)
    }
}

/// A server whose application tells what it is asked.
fn telling() -> Builder {
    let allowed = ["AH0", "AH1", "RSGI0138", "RSGI0139", "RSGI0141", "WSGI0"];
    let builder = Server::builder().serve(APP).conf("WSGIChunkedRequest On");
    allowed.iter().fold(builder, |b, part| b.allow_log(part))
}

/// Asks each row on a connection of its own, and fails with all that came out otherwise.
#[track_caller]
fn judged(server: &Server, rows: &[Row]) {
    let mut wrong = Vec::new();
    for row in rows {
        let expected = row.expected();
        let said = verdict(server, row.bytes);
        if said != expected {
            wrong.push(format!(
                "{}\n  is   {said:?}\n  not  {expected:?}",
                row.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let smuggled = server.events().iter().any(|uri| uri.contains("smuggled"));
    assert!(
        !smuggled,
        "a request inside of another one ran: {:?}",
        server.events()
    );
}

/// What comes of these bytes, with nothing more behind them.
fn verdict(server: &Server, bytes: &[u8]) -> String {
    let mut connection = server.connect();
    connection.try_send(bytes);
    connection.half_close();
    let mut answers = Vec::new();
    loop {
        let reply = connection.reply("GET");
        if reply.status == 0 {
            break;
        }
        answers.push(match reply.status {
            200 => format!("200 {}", reply.text()),
            status => status.to_string(),
        });
    }
    if answers.is_empty() {
        return "over".to_owned();
    }
    answers.join(", ")
}
