//! An HTTP/1 client over a raw socket: it sees where chunks begin, when bytes come and whether a
//! response was cut, and it can send what no polite client would.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// How long a read may take before the test fails.
const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// One request, spelled as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    head: String,
    has_host: bool,
    body: Vec<u8>,
}

impl Request {
    /// A request of HTTP/1.1 without headers; `Host: localhost` is added unless one is given.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            head: format!("{method} {target} HTTP/1.1\r\n"),
            has_host: false,
            body: Vec::new(),
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// The same in HTTP/1.0.
    pub(crate) fn http10(mut self) -> Self {
        self.head = self.head.replacen("HTTP/1.1", "HTTP/1.0", 1);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.has_host |= name.eq_ignore_ascii_case("host");
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// A body with its Content-Length.
    pub(crate) fn body(self, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut request = self.header("Content-Length", &body.len().to_string());
        request.body = body.to_vec();
        request
    }

    /// A chunked body, one chunk for each piece.
    pub(crate) fn chunked(self, pieces: &[&[u8]]) -> Self {
        let mut request = self.header("Transfer-Encoding", "chunked");
        for piece in pieces {
            request.body.extend(chunk(piece));
        }
        request.body.extend(b"0\r\n\r\n");
        request
    }

    pub(crate) fn method(&self) -> String {
        self.head.split(' ').next().unwrap_or_default().to_owned()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let host = if self.has_host {
            ""
        } else {
            "Host: localhost\r\n"
        };
        let mut bytes = format!("{}{host}\r\n", self.head).into_bytes();
        bytes.extend(&self.body);
        bytes
    }
}

/// One chunk of the chunked coding.
pub(crate) fn chunk(data: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend(data);
    bytes.extend(b"\r\n");
    bytes
}

/// A response as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) version: String,
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// In order, with the spelling of the wire, as latin-1.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The connection ended before the response did.
    pub(crate) is_cut: bool,
    /// The sizes of the chunks, when it was chunked.
    pub(crate) chunks: Vec<usize>,
}

impl Reply {
    /// The first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// All headers of that name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let is_it = |h: &&(String, String)| h.0.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(is_it)
            .map(|h| h.1.as_str())
            .collect()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Fails unless it is a whole 200.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text());
        assert!(!self.is_cut, "the response was cut");
        self
    }

    fn is_chunked(&self) -> bool {
        self.header("Transfer-Encoding")
            .is_some_and(|v| v.eq_ignore_ascii_case("chunked"))
    }

    fn has_no_body(&self, method: &str) -> bool {
        method == "HEAD" || self.status < 200 || self.status == 204 || self.status == 304
    }
}

/// One connection to the server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    is_at_end: bool,
    /// A read that takes too long ends the connection instead of failing the test.
    is_patient: bool,
    timed_out: bool,
}

impl Connection {
    pub(crate) fn open(port: u16) -> Self {
        let stream =
            TcpStream::connect(("127.0.0.1", port)).expect("the server accepts connections");
        Self::over(stream, READ_TIMEOUT)
    }

    /// A connection for a client that counts failures: what takes too long is the end of it.
    pub(crate) fn try_open(port: u16, timeout: Duration) -> std::io::Result<Self> {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_write_timeout(Some(timeout))?;
        let mut connection = Self::over(stream, timeout);
        connection.is_patient = true;
        Ok(connection)
    }

    fn over(stream: TcpStream, timeout: Duration) -> Self {
        stream.set_read_timeout(Some(timeout)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
            is_at_end: false,
            is_patient: false,
            timed_out: false,
        }
    }

    /// Whether a read took too long.
    pub(crate) fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// The descriptor, for options of the socket.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn set_read_timeout(&self, timeout: Duration) {
        self.stream.set_read_timeout(Some(timeout)).unwrap();
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .expect("the server takes the bytes");
    }

    /// Sends bytes to a server that may have hung up.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends a request and reads its response.
    pub(crate) fn ask(&mut self, request: &Request) -> Reply {
        self.send(request.to_bytes());
        self.reply(&request.method())
    }

    /// Says that no more will be sent, but goes on reading.
    pub(crate) fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Hangs up with a reset, as a client that dies does.
    pub(crate) fn reset(self) {
        use std::os::fd::AsRawFd;
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        let size = libc::socklen_t::try_from(size_of::<libc::linger>()).unwrap();
        // SAFETY: the descriptor is open and the option points to a linger of the given size.
        unsafe {
            libc::setsockopt(
                self.stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                size,
            );
        }
    }

    /// Reads a response to a request of that method.
    pub(crate) fn reply(&mut self, method: &str) -> Reply {
        let mut reply = self.head();
        if reply.has_no_body(method) {
            return reply;
        }
        if reply.is_chunked() {
            self.read_chunks(&mut reply);
        } else if let Some(length) = reply.header("Content-Length") {
            let length: usize = length.parse().expect("Content-Length is a number");
            self.read_length(&mut reply, length);
        } else {
            while self.fill() {}
            reply.body = std::mem::take(&mut self.buffer);
        }
        reply
    }

    /// Reads status line and headers only.
    pub(crate) fn head(&mut self) -> Reply {
        let mut reply = Reply::default();
        let Some(line) = self.line() else {
            reply.is_cut = true;
            return reply;
        };
        let mut words = line.splitn(3, ' ');
        reply.version = words.next().unwrap_or_default().to_owned();
        reply.status = words
            .next()
            .and_then(|w| w.parse().ok())
            .unwrap_or_default();
        reply.reason = words.next().unwrap_or_default().to_owned();
        loop {
            match self.line() {
                None => {
                    reply.is_cut = true;
                    return reply;
                }
                Some(line) if line.is_empty() => return reply,
                Some(line) => {
                    let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                    reply
                        .headers
                        .push((name.to_owned(), value.trim().to_owned()));
                }
            }
        }
    }

    /// Reads the next chunk; `None` where the body ended or was cut.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(self.line()?.split(';').next()?, 16).ok()?;
        let data = self.bytes(size)?;
        self.line()?;
        (size > 0).then_some(data)
    }

    /// Reads exactly that many bytes, or `None` when the connection ends before.
    pub(crate) fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.fill() {
                return None;
            }
        }
        Some(self.buffer.drain(..count).collect())
    }

    /// Everything until the connection ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    /// Whether the server has hung up; waits for it at most the read timeout.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.fill()
    }

    /// Whether nothing more comes within `time`.
    pub(crate) fn is_silent(&mut self, time: Duration) -> bool {
        if !self.buffer.is_empty() {
            return false;
        }
        self.set_read_timeout(time);
        let mut byte = [0];
        let got = self.stream.peek(&mut byte);
        self.set_read_timeout(READ_TIMEOUT);
        got.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
    }

    fn read_chunks(&mut self, reply: &mut Reply) {
        while let Some(line) = self.line() {
            let size = line.split(';').next().unwrap_or_default();
            let Ok(size) = usize::from_str_radix(size, 16) else {
                break;
            };
            if size == 0 {
                while self.line().is_some_and(|l| !l.is_empty()) {}
                return;
            }
            reply.chunks.push(size);
            self.read_length(reply, size);
            if reply.is_cut || self.line().is_none() {
                break;
            }
        }
        reply.is_cut = true;
    }

    fn read_length(&mut self, reply: &mut Reply, length: usize) {
        while self.buffer.len() < length && self.fill() {}
        let there = length.min(self.buffer.len());
        reply.is_cut = there < length;
        reply.body.extend(self.buffer.drain(..there));
    }

    /// The next line without its end, as latin-1.
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Some(line.into_iter().map(char::from).collect());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Reads what there is; false at the end of the stream. A timeout fails the test.
    fn fill(&mut self) -> bool {
        if self.is_at_end {
            return false;
        }
        let mut part = vec![0; 65536];
        match self.stream.read(&mut part) {
            Ok(0) => self.is_at_end = true,
            Ok(count) => self.buffer.extend(&part[..count]),
            // A read with a timeout is not begun again by itself when the tests were stopped for a while.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && self.is_patient => {
                self.timed_out = true;
                self.is_at_end = true;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!(
                    "the server sent nothing in time; so far: {:?}",
                    show(&self.buffer)
                );
            }
            Err(_) => self.is_at_end = true,
        }
        !self.is_at_end
    }
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned()
}
