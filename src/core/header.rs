//! What an application may give to `start_response` (PEP 3333, "The start_response() Callable"; RFC 9110).
//!
//! Used by the Python layer, which turns each [`HeadError`] into the exception that [`HeadError::class`] names.

use thiserror::Error;

/// The Python exception class for a refused status or header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// `TypeError`
    Type,
    /// `ValueError`
    Value,
}

/// Why a status or header is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum HeadError {
    #[error("status message was not a string")]
    StatusType,
    #[error("status line must have 3-digit status code")]
    StatusCode,
    #[error("status code and reason phrase must be separated by a space")]
    StatusSeparator,
    #[error("control character present in reason phrase")]
    StatusControl,
    #[error("status {0} is interim: an application can only give a final status, 200 to 999")]
    Interim(u16),
    #[error("list of tuple values expected for headers, value of type {0} found")]
    ItemType(String),
    #[error("tuple of length 2 expected for header, length is {0}")]
    ItemLength(usize),
    #[error("expected string for header name")]
    NameType,
    #[error("expected string for header value")]
    ValueType,
    #[error("header name is empty")]
    NameEmpty,
    #[error("control character present in header name")]
    NameControl,
    #[error("space character present in header name")]
    NameSpace,
    #[error("embedded newline or NUL in value of header `{0}`")]
    ValueControl(String),
    #[error(
        "`{0}` is a hop-by-hop header: the connection is Apache's, an application cannot set it"
    )]
    HopByHop(String),
    #[error("invalid content length `{0}`")]
    ContentLength(String),
    #[error("two different content lengths: {0} and {1}")]
    ContentLengths(u64, u64),
}

impl HeadError {
    /// The exception class that mod_wsgi raises for it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::StatusType | Self::ItemType(_) | Self::NameType | Self::ValueType => {
                ErrorClass::Type
            }
            _ => ErrorClass::Value,
        }
    }
}

/// Checks a status string: three digits, then its end, or a space and a reason.
///
/// # Errors
/// The first rule that it breaks.
pub fn parse_status(line: &[u8]) -> Result<u16, HeadError> {
    let digits = line
        .get(..3)
        .filter(|digits| digits.iter().all(u8::is_ascii_digit))
        .ok_or(HeadError::StatusCode)?;
    if line.get(3).is_some_and(u8::is_ascii_digit) {
        return Err(HeadError::StatusCode);
    }
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match line.get(3) {
        None | Some(b' ') => {}
        Some(_) => return Err(HeadError::StatusSeparator),
    }
    if line[3..].iter().any(u8::is_ascii_control) {
        return Err(HeadError::StatusControl);
    }
    if code < 200 {
        Err(HeadError::Interim(code))
    } else {
        Ok(code)
    }
}

/// What is special about a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderKind {
    /// The declared length of the body.
    ContentLength(u64),
    /// Any other.
    Other,
}

/// The hop-by-hop headers of RFC 9110 7.6.1 and what RFC 9112 adds: they belong to the connection.
const HOP_BY_HOP: [&[u8]; 8] = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"http2-settings",
];

/// Checks a header.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_header(name: &[u8], value: &[u8]) -> Result<HeaderKind, HeadError> {
    if name.is_empty() {
        return Err(HeadError::NameEmpty);
    }
    if name.iter().any(u8::is_ascii_control) {
        return Err(HeadError::NameControl);
    }
    if name.contains(&b' ') {
        return Err(HeadError::NameSpace);
    }
    let shown = || String::from_utf8_lossy(name).into_owned();
    if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(HeadError::ValueControl(shown()));
    }
    if HOP_BY_HOP.iter().any(|hop| hop.eq_ignore_ascii_case(name)) {
        return Err(HeadError::HopByHop(shown()));
    }
    if name.eq_ignore_ascii_case(b"content-length") {
        return parse_length(value).map(HeaderKind::ContentLength);
    }
    Ok(HeaderKind::Other)
}

fn parse_length(value: &[u8]) -> Result<u64, HeadError> {
    let refuse = || HeadError::ContentLength(String::from_utf8_lossy(value).into_owned());
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(refuse());
    }
    let text = std::str::from_utf8(value).map_err(|_| refuse())?;
    text.parse()
        .ok()
        .filter(|&length| i64::try_from(length).is_ok())
        .ok_or_else(refuse)
}
