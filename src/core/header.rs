//! Rules for what an application hands to `start_response`, and the buffer that keeps it.
//!
//! PEP 3333 with mod_wsgi's tolerances, and stricter where mod_wsgi lets a response break its framing. Knows
//! nothing of Python: the layer turns [`HeaderError`] into an exception. Used once a request.

use std::fmt;

use memchr::memchr3;

/// Why a status, a header or a length is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeaderError {
    /// No three digits at the start, or something other than a space behind them.
    #[error("status {0} must be three digits, then nothing or a space and a reason")]
    StatusForm(Quoted),
    /// A control character in the reason.
    #[error("status {0} has a control character")]
    StatusControl(Quoted),
    /// A status below 200 is not a final one.
    #[error("status {0} is not a final one: only 200 and above can be sent")]
    StatusNotFinal(u16),
    /// No name.
    #[error("a header name must not be empty")]
    NameEmpty,
    /// A control character or a space in a name.
    #[error("header name {0} has a control character or a space")]
    NameCharacter(Quoted),
    /// A line end or NUL in a value.
    #[error("the value of header {0} has a line end or a NUL")]
    ValueCharacter(Quoted),
    /// A header that belongs to the connection, which is the server's.
    #[error("hop-by-hop header {0} is the server's to send, not the application's")]
    HopByHop(Quoted),
    /// A Content-Length that is no number.
    #[error("Content-Length {0} must be a decimal number")]
    LengthForm(Quoted),
    /// Two lengths.
    #[error("two different content lengths are given: {0} and {1}")]
    LengthsDiffer(u64, u64),
}

/// Text of an application as a message shows it: quoted, escaped, cut.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Quoted(String);

impl Quoted {
    const SHOWN: usize = 100;

    fn new(text: &[u8]) -> Self {
        let shown = &text[..text.len().min(Self::SHOWN)];
        let more = if shown.len() < text.len() { "..." } else { "" };
        Self(format!("'{}'{more}", shown.escape_ascii()))
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Headers that describe one connection. PEP 3333: an application must not send them.
const HOP_BY_HOP: [&[u8]; 10] = [
    b"te",
    b"trailer",
    b"trailers",
    b"upgrade",
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"transfer-encoding",
    b"proxy-authenticate",
    b"proxy-authorization",
];

/// The code of a status string.
///
/// # Errors
/// [`HeaderError::StatusForm`], [`HeaderError::StatusControl`] or [`HeaderError::StatusNotFinal`].
pub fn parse_status(line: &[u8]) -> Result<u16, HeaderError> {
    let Some((digits, rest)) = line.split_first_chunk::<3>() else {
        return Err(HeaderError::StatusForm(Quoted::new(line)));
    };
    if !digits.iter().all(u8::is_ascii_digit) || !matches!(rest.first(), None | Some(b' ')) {
        return Err(HeaderError::StatusForm(Quoted::new(line)));
    }
    if rest.iter().any(u8::is_ascii_control) {
        return Err(HeaderError::StatusControl(Quoted::new(line)));
    }
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    if code < 200 {
        return Err(HeaderError::StatusNotFinal(code));
    }
    Ok(code)
}

/// Which bytes may be in a name: all but control characters and the space.
const IN_NAMES: [bool; 256] = {
    let mut table = [true; 256];
    let mut byte = 0;
    while byte <= b' ' {
        table[byte as usize] = false;
        byte += 1;
    }
    table[0x7f] = false;
    table
};

fn check_name(name: &[u8]) -> Result<(), HeaderError> {
    if name.is_empty() {
        return Err(HeaderError::NameEmpty);
    }
    if !name.iter().all(|&byte| IN_NAMES[usize::from(byte)]) {
        return Err(HeaderError::NameCharacter(Quoted::new(name)));
    }
    if HOP_BY_HOP.iter().any(|hop| hop.eq_ignore_ascii_case(name)) {
        return Err(HeaderError::HopByHop(Quoted::new(name)));
    }
    Ok(())
}

fn check_value(name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
    if memchr3(b'\r', b'\n', 0, value).is_some() {
        return Err(HeaderError::ValueCharacter(Quoted::new(name)));
    }
    Ok(())
}

/// The number in a Content-Length: digits only, and no more than a file offset can say.
///
/// # Errors
/// [`HeaderError::LengthForm`].
pub fn parse_length(value: &[u8]) -> Result<u64, HeaderError> {
    let refused = || HeaderError::LengthForm(Quoted::new(value));
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(refused());
    }
    let mut length: u64 = 0;
    for digit in value {
        length = length
            .checked_mul(10)
            .and_then(|length| length.checked_add(u64::from(digit - b'0')))
            .filter(|&length| i64::try_from(length).is_ok())
            .ok_or_else(refused)?;
    }
    Ok(length)
}

#[derive(Clone, Copy, Debug)]
struct Span {
    name: usize,
    value: usize,
    end: usize,
}

/// Status and headers of a response, checked as they come in and kept in one piece of memory.
#[derive(Debug, Default)]
pub struct HeadBuffer {
    status: u16,
    text: Vec<u8>,
    line: usize,
    spans: Vec<Span>,
    content_length: Option<u64>,
}

impl HeadBuffer {
    /// Forgets what was there and takes a status; memory is kept.
    ///
    /// # Errors
    /// As [`parse_status`].
    pub fn begin(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        self.clear();
        self.status = parse_status(line)?;
        self.text.extend_from_slice(line);
        self.line = line.len();
        Ok(())
    }

    /// Adds a header. Content-Length is kept apart.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        check_name(name)?;
        check_value(name, value)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = parse_length(value)?;
            return match self.content_length.replace(length) {
                Some(earlier) if earlier != length => {
                    Err(HeaderError::LengthsDiffer(earlier, length))
                }
                _ => Ok(()),
            };
        }
        let start = self.text.len();
        self.text.extend_from_slice(name);
        let middle = self.text.len();
        self.text.extend_from_slice(value);
        self.spans.push(Span {
            name: start,
            value: middle,
            end: self.text.len(),
        });
        Ok(())
    }

    /// Forgets everything; memory is kept.
    pub fn clear(&mut self) {
        self.status = 0;
        self.text.clear();
        self.line = 0;
        self.spans.clear();
        self.content_length = None;
    }

    /// Whether nothing was taken yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.status == 0
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The whole status string.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        &self.text[..self.line]
    }

    /// The declared length.
    #[must_use]
    pub const fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// Names and values in order, without Content-Length.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|span| {
            (
                &self.text[span.name..span.value],
                &self.text[span.value..span.end],
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn statuses_are_three_digits_and_a_reason() {
        for (line, code) in [
            (&b"200 OK"[..], 200),
            (b"404", 404),
            (b"299 ", 299),
            (b"999 caf\xe9", 999),
        ] {
            assert_eq!(parse_status(line), Ok(code), "{line:?}");
        }
        for line in [
            &b""[..],
            b"20",
            b"2000",
            b"20x OK",
            b"OK",
            b" 200 OK",
            b"200OK",
            b"200\tOK",
        ] {
            assert!(
                matches!(parse_status(line), Err(HeaderError::StatusForm(_))),
                "{line:?}"
            );
        }
        for line in [&b"200 O\0K"[..], b"200 O\r\nK", b"200 \x7f"] {
            assert!(
                matches!(parse_status(line), Err(HeaderError::StatusControl(_))),
                "{line:?}"
            );
        }
        for (line, code) in [
            (&b"100 Continue"[..], 100),
            (b"103 Early Hints", 103),
            (b"000", 0),
        ] {
            assert_eq!(parse_status(line), Err(HeaderError::StatusNotFinal(code)));
        }
    }

    #[test]
    fn names_and_values_that_break_the_framing_are_refused() {
        let push = |name: &[u8], value: &[u8]| {
            let mut head = HeadBuffer::default();
            head.begin(b"200 OK")?;
            head.push(name, value)
        };
        assert_eq!(push(b"", b"x"), Err(HeaderError::NameEmpty));
        for name in [&b"A B"[..], b"A\0", b"A\n", b"\x7f"] {
            assert!(matches!(
                push(name, b"x"),
                Err(HeaderError::NameCharacter(_))
            ));
        }
        for value in [&b"a\rb"[..], b"a\n", b"\0"] {
            assert!(matches!(
                push(b"X", value),
                Err(HeaderError::ValueCharacter(_))
            ));
        }
        assert_eq!(push(b"X:Y", b"tab\tand \xff"), Ok(()));
        let refused = push(b"Transfer-Encoding", b"chunked");
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("Transfer-Encoding")
        );
    }

    #[test]
    fn lengths_are_decimal_and_two_must_agree() {
        assert_eq!(parse_length(b"0012"), Ok(12));
        assert_eq!(parse_length(b"9223372036854775807"), Ok(i64::MAX as u64));
        for value in [
            &b""[..],
            b"-5",
            b"+5",
            b"5x",
            b"1 2",
            b"9223372036854775808",
            b"99999999999999999999999",
        ] {
            assert!(parse_length(value).is_err(), "{value:?}");
        }
        let mut head = HeadBuffer::default();
        head.begin(b"200 OK").unwrap();
        head.push(b"Content-Length", b"5").unwrap();
        head.push(b"content-length", b"05").unwrap();
        assert_eq!(head.content_length(), Some(5));
        assert_eq!(
            head.push(b"CONTENT-LENGTH", b"6"),
            Err(HeaderError::LengthsDiffer(5, 6))
        );
    }

    #[test]
    fn a_head_that_begins_again_keeps_nothing() {
        let mut head = HeadBuffer::default();
        assert!(head.is_empty());
        head.begin(b"200 OK").unwrap();
        head.push(b"Content-Length", b"5").unwrap();
        head.push(b"X", b"1").unwrap();
        head.begin(b"404 Not Found").unwrap();
        assert_eq!((head.status(), head.line()), (404, &b"404 Not Found"[..]));
        assert_eq!(head.content_length(), None);
        assert_eq!(head.headers().len(), 0);
    }

    proptest! {
        #[test]
        fn what_is_taken_comes_out_in_order(headers in proptest::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..8)) {
            let mut head = HeadBuffer::default();
            head.begin(b"200 OK").unwrap();
            let taken: Vec<_> = headers.iter().filter(|(name, value)| head.push(name, value).is_ok())
                .filter(|(name, _)| !name.eq_ignore_ascii_case(b"content-length")).collect();
            let kept: Vec<_> = head.headers().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(kept.iter().collect::<Vec<_>>(), taken);
            prop_assert_eq!(head.line(), b"200 OK");
            for (name, value) in &kept {
                prop_assert!(!name.is_empty() && !name.contains(&b'\n') && !value.contains(&b'\n') && !value.contains(&0));
            }
        }

        #[test]
        fn numbers_survive_being_parsed(length in 0..=i64::MAX) {
            prop_assert_eq!(parse_length(length.to_string().as_bytes()), Ok(length as u64));
        }

        #[test]
        fn any_status_is_judged_without_panic(line: Vec<u8>) {
            if let Ok(code) = parse_status(&line) {
                prop_assert!((200..=999).contains(&code));
            }
        }
    }
}
