//! What HTTP/2 says of a request in fields of its own: those that HTTP/1 could not carry, or carries otherwise.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Server, only_rsgi, telling};

/// Fields as they are sent, each uncompressed.
type Fields = &'static [(&'static str, &'static str)];

const GOOD: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "localhost"),
    (":path", "/p"),
];

/// What is sent, and what becomes of it: the application's word, the status, or that the stream or connection ends.
const ROWS: &[(&str, Fields, &str)] = &[
    (
        "a request",
        &[GOOD[0], GOOD[1], GOOD[2], GOOD[3]],
        "200 GET |/p",
    ),
    (
        "a header",
        &[GOOD[0], GOOD[1], GOOD[2], GOOD[3], ("x", "a")],
        "200 GET |/p x=a",
    ),
    (
        "an underscore",
        &[
            GOOD[0],
            GOOD[1],
            GOOD[2],
            GOOD[3],
            ("x-forwarded-for", "a"),
            ("x_forwarded_for", "b"),
        ],
        "200 GET |/p x_forwarded_for=a",
    ),
    (
        "proxy",
        &[
            GOOD[0],
            GOOD[1],
            GOOD[2],
            GOOD[3],
            ("proxy", "http://evil/"),
        ],
        "200 GET |/p",
    ),
    (
        "two paths",
        &[GOOD[0], GOOD[1], GOOD[2], GOOD[3], (":path", "/q")],
        "reset",
    ),
    ("no path", &[GOOD[0], GOOD[1], GOOD[2]], "reset"),
    ("no method", &[GOOD[1], GOOD[2], GOOD[3]], "reset"),
    (
        "a pseudo header behind another",
        &[GOOD[0], GOOD[1], GOOD[2], ("x", "a"), GOOD[3]],
        "reset",
    ),
    (
        "an unknown pseudo header",
        &[GOOD[0], GOOD[1], GOOD[2], GOOD[3], (":x", "a")],
        "reset",
    ),
    (
        "capitals in a name",
        &[GOOD[0], GOOD[1], GOOD[2], GOOD[3], ("X", "a")],
        "reset",
    ),
    (
        "a host beside the authority",
        &[GOOD[0], GOOD[1], GOOD[2], GOOD[3], ("host", "other")],
        "200 GET |/p",
    ),
    (
        "connection",
        &[GOOD[0], GOOD[1], GOOD[2], GOOD[3], ("connection", "x")],
        "reset",
    ),
    (
        "transfer-encoding",
        &[
            GOOD[0],
            GOOD[1],
            GOOD[2],
            GOOD[3],
            ("transfer-encoding", "chunked"),
        ],
        "reset",
    ),
    (
        "a length without a body",
        &[GOOD[0], GOOD[1], GOOD[2], GOOD[3], ("content-length", "5")],
        "reset",
    ),
    (
        "a line end in a value",
        &[
            GOOD[0],
            GOOD[1],
            GOOD[2],
            GOOD[3],
            ("x", "a\r\nx-forwarded-for: b"),
        ],
        "reset",
    ),
    (
        "a NUL in a value",
        &[GOOD[0], GOOD[1], GOOD[2], GOOD[3], ("x", "a\0b")],
        "reset",
    ),
    (
        "a colon in a name",
        &[GOOD[0], GOOD[1], GOOD[2], GOOD[3], ("x:y", "a")],
        "reset",
    ),
    (
        "a blank in the path",
        &[GOOD[0], GOOD[1], GOOD[2], (":path", "/p HTTP/1.1")],
        "reset",
    ),
    (
        "a line end in the path",
        &[GOOD[0], GOOD[1], GOOD[2], (":path", "/p HTTP/1.1\r\nx: a")],
        "reset",
    ),
    (
        "a path without a slash",
        &[GOOD[0], GOOD[1], GOOD[2], (":path", "p")],
        "reset",
    ),
    (
        "%2F in the path",
        &[GOOD[0], GOOD[1], GOOD[2], (":path", "/a%2Fb")],
        "404",
    ),
    (
        "a line end in the method",
        &[
            (":method", "GET /q HTTP/1.1\r\nx: a"),
            GOOD[1],
            GOOD[2],
            GOOD[3],
        ],
        "reset",
    ),
    (
        "another scheme",
        &[GOOD[0], (":scheme", "ftp"), GOOD[2], GOOD[3]],
        "400",
    ),
    (
        "a slash in the authority",
        &[GOOD[0], GOOD[1], (":authority", "a/b"), GOOD[3]],
        "reset",
    ),
    (
        "two cookies",
        &[
            GOOD[0],
            GOOD[1],
            GOOD[2],
            GOOD[3],
            ("cookie", "a=1"),
            ("cookie", "b=2"),
        ],
        "200 GET |/p",
    ),
];

/// A frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field that no table knows: its name, its value.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend(text.bytes());
    }
    bytes
}

/// What comes of these fields on a connection of their own.
fn verdict(server: &Server, fields: Fields) -> String {
    const END_OF_STREAM_AND_HEADERS: u8 = 5;
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(15)))
        .unwrap();
    let block: Vec<u8> = fields.iter().flat_map(|f| literal(f.0, f.1)).collect();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes.extend(frame(1, END_OF_STREAM_AND_HEADERS, 1, &block));
    stream.write_all(&bytes).unwrap();
    let (mut status, mut body) = (String::new(), Vec::new());
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return "over".to_owned();
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).unwrap();
        match head[3] {
            0 => body.extend(payload),
            1 => status = status_of(&payload),
            3 => return "reset".to_owned(),
            7 => return "over".to_owned(),
            _ => continue,
        }
        let is_end = head[4] & 1 == 1 && head[3] < 2;
        if is_end && status == "200" {
            return format!("200 {}", String::from_utf8_lossy(&body));
        }
        if is_end {
            return status;
        }
    }
}

/// The status in the first field of a response: one of the seven of the static table, or spelled.
fn status_of(block: &[u8]) -> String {
    // Changes of the table's size come first.
    let mut at = 0;
    while block[at] & 0xe0 == 0x20 {
        at += 1;
    }
    match block[at] {
        field @ 0x88..=0x8e => {
            ["200", "204", "206", "304", "400", "404", "500"][usize::from(field - 0x88)].to_owned()
        }
        _ if block[at + 1] & 0x80 == 0 => {
            String::from_utf8_lossy(&block[at + 2..at + 5]).into_owned()
        }
        // Three digits in Huffman's code take two bytes: 0 to 2 five bits, 3 to 9 six.
        _ => digits(&block[at + 2..]),
    }
}

/// Three digits in the code of RFC 7541, appendix B.
fn digits(block: &[u8]) -> String {
    let mut bits = u32::from_be_bytes([block[0], block[1], block[2], 0]);
    let mut text = String::new();
    for _ in 0..3 {
        let five = u8::try_from(bits >> 27).unwrap();
        let six = u8::try_from(bits >> 26).unwrap();
        let (digit, length) = if five < 3 {
            (five, 5)
        } else {
            (six - 0x19 + 3, 6)
        };
        text.push(char::from(b'0' + digit));
        bits <<= length;
    }
    text
}

#[test]
fn fields_of_http_2_have_one_reading() {
    only_rsgi!("its HTTP/2 differs where a body is read, which is tested elsewhere");
    let server = telling()
        .modules(&["http2"])
        .conf("Protocols h2c http/1.1")
        .start();
    let mut wrong = Vec::new();
    for (name, fields, expected) in ROWS {
        let said = verdict(&server, fields);
        if said != *expected {
            wrong.push(format!("{name}\n  is   {said:?}\n  not  {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.finish();
}
