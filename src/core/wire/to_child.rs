//! What a daemon process says to an Apache child.

use memchr::memchr3;

use super::error::WireError;
use super::frame::{self, Decoded, Fields, HEADER, push_fixed, seal};

/// Bytes that status and headers may have.
pub const MAX_HEAD: usize = 1024 * 1024;
/// Bytes that one piece of a response may have.
pub const MAX_DATA: usize = 128 * 1024;
/// Bytes that a log line may have.
pub const MAX_LOG: usize = 16 * 1024;

/// Bytes that the path of a source file may have.
pub const MAX_SOURCE: usize = 1024;

/// Stands for "not known" in the place of a length.
const NO_LENGTH: u64 = u64::MAX;

mod kind {
    pub(super) const NEED_BODY: u8 = 66;
    pub(super) const HEAD: u8 = 67;
    pub(super) const DATA: u8 = 68;
    pub(super) const FILE: u8 = 69;
    pub(super) const END: u8 = 70;
    pub(super) const ABORT: u8 = 71;
    pub(super) const LOG: u8 = 72;
    pub(super) const STATUS: u8 = 73;
    pub(super) const STALE: u8 = 74;
    pub(super) const LOG_AT: u8 = 75;
    pub(super) const ASK_SERVER: u8 = 76;
    pub(super) const WHOLE: u8 = 77;
}

/// Why a response cannot be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AbortReason {
    /// The application failed, or gave less than it declared; logged by the layer.
    Truncated = 0,
    /// A panic was stopped.
    Panicked = 1,
    /// The daemon was told that the client is gone, or could not send.
    Gone = 2,
}

/// Status and headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadFrame<'a> {
    /// 200 to 999.
    pub status: u16,
    /// The application's status line, for instance `404 Not Found`.
    pub line: &'a [u8],
    /// Declared or known length of the body.
    pub content_length: Option<u64>,
    /// Checked headers, see [`HeadFrame::headers`].
    headers: &'a [u8],
}

impl<'a> HeadFrame<'a> {
    /// Names and values in the application's order. No name is empty; neither has a line end or a NUL.
    #[must_use]
    pub const fn headers(&self) -> HeaderIter<'a> {
        HeaderIter(Fields(self.headers))
    }
}

/// Goes through the headers of a [`HeadFrame`].
#[derive(Clone)]
pub struct HeaderIter<'a>(Fields<'a>);

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.0.is_empty() {
            return None;
        }
        next_header(&mut self.0).ok()
    }
}

/// One frame to an Apache child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToChild<'a> {
    /// The application reads the body that was to be streamed.
    NeedBody,
    /// Status and headers.
    Head(HeadFrame<'a>),
    /// A piece of the body, never empty.
    Data(&'a [u8]),
    /// A piece of the body in the regular file whose descriptor came with the frame. The sum is a file position.
    File {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
    },
    /// The body is complete, while the application still runs: the client is to have it, and the request goes on until
    /// the end.
    Whole,
    /// The response is complete, and the application is done.
    End,
    /// The response ends here and is not complete.
    Abort(AbortReason),
    /// A line for the log of the request's host.
    Log {
        /// httpd's number of the level, 0 to 15.
        level: u8,
        /// The line.
        text: &'a [u8],
    },
    /// The same for a line that the application wrote, with the place in its source.
    LogAt {
        /// httpd's number of the level, 0 to 15.
        level: u8,
        /// Path of the source file.
        source: &'a [u8],
        /// Line in it.
        line: u32,
        /// The line.
        text: &'a [u8],
    },
    /// The application asks what httpd as a whole does. The answer, its length as u32 before it, goes into the socket
    /// whose descriptor came with the frame; a length of 0 says that there is none.
    AskServer,
    /// Nothing was sent: answer with this, 400 to 599.
    Status(u16),
    /// The script changed and this process ends: ask another one.
    Stale,
}

fn limit(of: u8) -> Option<usize> {
    match of {
        kind::HEAD => Some(MAX_HEAD),
        kind::DATA => Some(MAX_DATA),
        kind::FILE => Some(16),
        kind::LOG => Some(MAX_LOG + 1),
        kind::LOG_AT => Some(MAX_LOG + MAX_SOURCE + 7),
        kind::STATUS => Some(2),
        kind::ABORT => Some(1),
        kind::NEED_BODY | kind::WHOLE | kind::END | kind::STALE | kind::ASK_SERVER => Some(0),
        _ => None,
    }
}

/// Reads the frame at the beginning of what a daemon sent.
///
/// # Errors
/// The bytes are no frame to a child.
pub fn decode_to_child(bytes: &[u8]) -> Result<Decoded<ToChild<'_>>, WireError> {
    let (raw, used) = match frame::split(bytes, limit)? {
        Decoded::Frame { frame, used } => (frame, used),
        Decoded::Need(total) => return Ok(Decoded::Need(total)),
    };
    let frame = match raw.kind {
        kind::NEED_BODY => ToChild::NeedBody,
        kind::HEAD => ToChild::Head(head(raw.payload)?),
        kind::DATA if raw.payload.is_empty() => {
            return Err(WireError::Short("a piece of a response"));
        }
        kind::DATA => ToChild::Data(raw.payload),
        kind::FILE => file(raw.payload)?,
        kind::WHOLE => ToChild::Whole,
        kind::END => ToChild::End,
        kind::ABORT => ToChild::Abort(reason(raw.payload)?),
        kind::LOG => log(raw.payload)?,
        kind::LOG_AT => log_at(raw.payload)?,
        kind::ASK_SERVER => ToChild::AskServer,
        kind::STATUS => ToChild::Status(status(raw.payload)?),
        // `split` let no other kind through.
        _ => ToChild::Stale,
    };
    Ok(Decoded::Frame { frame, used })
}

fn head(payload: &[u8]) -> Result<HeadFrame<'_>, WireError> {
    let mut fields = Fields(payload);
    let status = fields.u16("a head")?;
    if !(200..1000).contains(&status) {
        return Err(WireError::Value("a head's status"));
    }
    let length = fields.u64("a head")?;
    if length != NO_LENGTH && i64::try_from(length).is_err() {
        return Err(WireError::Value("a head's content length"));
    }
    let line = fields.u32("a head's status line")?;
    let line = fields.bytes(line as usize, "a head's status line")?;
    if has_line_end(line) {
        return Err(WireError::Value("a head's status line"));
    }
    let headers = fields.0;
    while !fields.0.is_empty() {
        let (name, value) = next_header(&mut fields)?;
        if name.is_empty() || has_line_end(name) || has_line_end(value) {
            return Err(WireError::Value("a header"));
        }
    }
    Ok(HeadFrame {
        status,
        line,
        content_length: (length != NO_LENGTH).then_some(length),
        headers,
    })
}

/// httpd takes C strings and writes lines: either byte would let a daemon say more than one header.
fn has_line_end(text: &[u8]) -> bool {
    memchr3(b'\r', b'\n', 0, text).is_some()
}

fn next_header<'a>(fields: &mut Fields<'a>) -> Result<(&'a [u8], &'a [u8]), WireError> {
    let name = fields.u32("a header's name")?;
    let value = fields.u32("a header's value")?;
    let name = fields.bytes(name as usize, "a header's name")?;
    let value = fields.bytes(value as usize, "a header's value")?;
    Ok((name, value))
}

fn file(payload: &[u8]) -> Result<ToChild<'_>, WireError> {
    let mut fields = Fields(payload);
    let offset = fields.u64("a file's place")?;
    let length = fields.u64("a file's place")?;
    fields.end("a file's place")?;
    let is_place = offset
        .checked_add(length)
        .is_some_and(|end| i64::try_from(end).is_ok());
    if !is_place {
        return Err(WireError::Value("a file's place"));
    }
    Ok(ToChild::File { offset, length })
}

fn reason(payload: &[u8]) -> Result<AbortReason, WireError> {
    match payload {
        [0] => Ok(AbortReason::Truncated),
        [1] => Ok(AbortReason::Panicked),
        [2] => Ok(AbortReason::Gone),
        [] => Err(WireError::Short("an abort")),
        _ => Err(WireError::Value("an abort's reason")),
    }
}

fn log(payload: &[u8]) -> Result<ToChild<'_>, WireError> {
    let (&level, text) = payload
        .split_first()
        .ok_or(WireError::Short("a log line"))?;
    if level > 15 {
        return Err(WireError::Value("a log line's level"));
    }
    Ok(ToChild::Log { level, text })
}

fn log_at(payload: &[u8]) -> Result<ToChild<'_>, WireError> {
    let mut fields = Fields(payload);
    let level = fields.u8("a log line")?;
    if level > 15 {
        return Err(WireError::Value("a log line's level"));
    }
    let line = fields.u32("a log line")?;
    let source = fields.u16("a log line")?;
    let source = fields.bytes(source.into(), "a log line's source")?;
    if source.len() > MAX_SOURCE || has_line_end(source) {
        return Err(WireError::Value("a log line's source"));
    }
    Ok(ToChild::LogAt {
        level,
        source,
        line,
        text: fields.0,
    })
}

fn status(payload: &[u8]) -> Result<u16, WireError> {
    let mut fields = Fields(payload);
    let status = fields.u16("a status")?;
    fields.end("a status")?;
    if !(400..600).contains(&status) {
        return Err(WireError::Value("a status"));
    }
    Ok(status)
}

/// Appends status and headers.
///
/// # Errors
/// They have more than [`MAX_HEAD`] bytes.
pub fn push_head<'h>(
    out: &mut Vec<u8>,
    status: u16,
    line: &[u8],
    content_length: Option<u64>,
    headers: impl Iterator<Item = (&'h [u8], &'h [u8])>,
) -> Result<(), WireError> {
    let start = out.len();
    let push_length = |out: &mut Vec<u8>, text: &[u8]| {
        // A text of 4 GiB makes the frame too long whatever its length field says.
        out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    };
    out.extend_from_slice(&[0; HEADER]);
    out.extend_from_slice(&status.to_le_bytes());
    out.extend_from_slice(&content_length.unwrap_or(NO_LENGTH).to_le_bytes());
    push_length(out, line);
    out.extend_from_slice(line);
    for (name, value) in headers {
        push_length(out, name);
        push_length(out, value);
        out.extend_from_slice(name);
        out.extend_from_slice(value);
    }
    seal(out, start, 0, kind::HEAD, MAX_HEAD)
}

/// The header of a piece of the body; the piece goes out behind it.
///
/// # Errors
/// More than [`MAX_DATA`] bytes.
pub fn data_header(length: usize) -> Result<[u8; HEADER], WireError> {
    frame::header(kind::DATA, length, MAX_DATA)
}

/// Appends a piece of the body, in as many frames as it needs; none where it is empty.
pub fn push_data(out: &mut Vec<u8>, data: &[u8]) {
    for piece in data.chunks(MAX_DATA) {
        if let Ok(header) = data_header(piece.len()) {
            out.extend_from_slice(&header);
            out.extend_from_slice(piece);
        }
    }
}

/// Appends a piece of the body that is in a file; the descriptor has to be sent with the last byte.
pub fn push_file(out: &mut Vec<u8>, offset: u64, length: u64) {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&offset.to_le_bytes());
    place[8..].copy_from_slice(&length.to_le_bytes());
    push_fixed(out, kind::FILE, place);
}

/// Appends a line for the log, cut to [`MAX_LOG`] bytes.
pub fn push_log(out: &mut Vec<u8>, level: u8, text: &[u8]) {
    let text = &text[..text.len().min(MAX_LOG)];
    if let Ok(header) = frame::header(kind::LOG, text.len() + 1, MAX_LOG + 1) {
        out.extend_from_slice(&header);
        out.push(level.min(15));
        out.extend_from_slice(text);
    }
}

/// Appends a line of the application's for the log, cut to [`MAX_LOG`] bytes, with its place: a path with an end of a line
/// in it, or of more than [`MAX_SOURCE`] bytes, is left out.
pub fn push_log_at(out: &mut Vec<u8>, level: u8, (source, line): (&[u8], u32), text: &[u8]) {
    let text = &text[..text.len().min(MAX_LOG)];
    let is_path = source.len() <= MAX_SOURCE && !has_line_end(source);
    let source = if is_path { source } else { b"" };
    let length = text.len() + source.len() + 7;
    let Ok(header) = frame::header(kind::LOG_AT, length, MAX_LOG + MAX_SOURCE + 7) else {
        return;
    };
    out.extend_from_slice(&header);
    out.push(level.min(15));
    out.extend_from_slice(&line.to_le_bytes());
    // At most MAX_SOURCE.
    out.extend_from_slice(&u16::try_from(source.len()).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(source);
    out.extend_from_slice(text);
}

/// Appends "what does httpd do?"; the descriptor for the answer has to be sent with it.
pub fn push_ask_server(out: &mut Vec<u8>) {
    push_fixed(out, kind::ASK_SERVER, []);
}

/// Appends "the application reads the body".
pub fn push_need_body(out: &mut Vec<u8>) {
    push_fixed(out, kind::NEED_BODY, []);
}

/// Appends "the body is complete, the application still runs".
pub fn push_whole(out: &mut Vec<u8>) {
    push_fixed(out, kind::WHOLE, []);
}

/// Appends the end of a complete response.
pub fn push_end(out: &mut Vec<u8>) {
    push_fixed(out, kind::END, []);
}

/// Appends the end of a response that is not complete.
pub fn push_abort(out: &mut Vec<u8>, reason: AbortReason) {
    push_fixed(out, kind::ABORT, [reason as u8]);
}

/// Appends the status that httpd is to answer with. One that is no error becomes 500.
pub fn push_status(out: &mut Vec<u8>, status: u16) {
    let status = if (400..600).contains(&status) {
        status
    } else {
        500
    };
    push_fixed(out, kind::STATUS, status.to_le_bytes());
}

/// Appends "the script changed, ask another process".
pub fn push_stale(out: &mut Vec<u8>) {
    push_fixed(out, kind::STALE, []);
}
