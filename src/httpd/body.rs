//! The request body, through httpd's input filters (util_filter.h): dechunked, inflated, limited by them.

use super::request::Request;
use crate::apr::{Block, Brigade, Status};
use crate::ffi;

/// Why the body cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// The client closed or reset the connection.
    Gone,
    /// The client was slower than Timeout or RequestReadTimeout allow.
    Timeout,
    /// More than LimitRequestBody.
    TooLarge,
    /// A filter refused it: broken chunks, broken compression.
    Bad,
}

/// How much is asked of the filters at a time, in bytes.
const CHUNK: usize = 64 * 1024;

/// Reads a request's body in pieces, buffering nothing but the brigade that a filter filled.
pub(crate) struct Body<'r> {
    request: Request<'r>,
    brigade: Option<Brigade<'r>>,
    /// The end was seen.
    ended: bool,
}

impl<'r> Body<'r> {
    /// A reader at the beginning of the body.
    pub(crate) fn new(request: Request<'r>) -> Self {
        Self {
            request,
            brigade: None,
            ended: false,
        }
    }

    /// Whether the end was seen.
    pub(crate) fn is_complete(&self) -> bool {
        self.ended
    }

    /// Reads at least one byte unless the body has ended (0), or with [`Block::Try`] nothing is there (0).
    ///
    /// # Errors
    /// See [`BodyError`].
    pub(crate) fn read(&mut self, buffer: &mut [u8], block: Block) -> Result<usize, BodyError> {
        let mut filled = 0;
        while filled == 0 && !self.ended && !buffer.is_empty() {
            filled = self.drain(buffer)?;
            if filled == 0 && !self.ended && !self.refill(buffer.len(), block)? {
                break;
            }
        }
        Ok(filled)
    }

    /// Takes what the brigade holds.
    fn drain(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        let Some(brigade) = self.brigade.as_mut() else {
            return Ok(0);
        };
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(mut bucket) = brigade.first() else {
                break;
            };
            if bucket.is_eos() {
                self.ended = true;
                bucket.delete();
                break;
            }
            if bucket.is_metadata() {
                bucket.delete();
                continue;
            }
            let data = bucket
                .data(Block::Wait)
                .map_err(|status| failure(self.request, status))?;
            let (length, count) = (data.len(), data.len().min(buffer.len() - filled));
            buffer[filled..filled + count].copy_from_slice(&data[..count]);
            filled += count;
            bucket.consume(count, length);
        }
        Ok(filled)
    }

    /// Asks the filters for more; false when nothing is there and the read may not wait.
    fn refill(&mut self, wanted: usize, block: Block) -> Result<bool, BodyError> {
        if self.brigade.is_none() {
            let allocator = self.request.connection().bucket_alloc;
            let pool = self.request.pool().ok_or(BodyError::Bad)?;
            // SAFETY: the connection of a live request has the allocator for its buckets.
            self.brigade = unsafe { Brigade::new(pool, allocator) };
        }
        let brigade = self.brigade.as_mut().ok_or(BodyError::Bad)?;
        let wanted = wanted.clamp(1, CHUNK);
        let filters = self.request.record().input_filters;
        // SAFETY: the input filters of a live request, and a brigade of its connection.
        let code = unsafe {
            ffi::ap_get_brigade(
                filters,
                brigade.as_ptr(),
                ffi::AP_MODE_READBYTES,
                block.to_raw(),
                wanted as _,
            )
        };
        match Status::check(code) {
            Ok(()) => Ok(block == Block::Wait || brigade.first().is_some()),
            Err(status) if block == Block::Try && status.is_again() => Ok(false),
            Err(status) => Err(failure(self.request, status)),
        }
    }
}

/// What a failed read means; the connection cannot be used for another request afterwards.
fn failure(request: Request<'_>, status: Status) -> BodyError {
    let connection = request.record().connection;
    // SAFETY: the connection of a live request, used by this thread.
    unsafe { (*connection).keepalive = ffi::AP_CONN_CLOSE };
    if status.is_timeout() {
        return BodyError::Timeout;
    }
    if status.code() == ffi::APR_ENOSPC {
        return BodyError::TooLarge;
    }
    if status.is_filter_error() {
        return match request.record().status {
            413 => BodyError::TooLarge,
            408 => BodyError::Timeout,
            _ => BodyError::Bad,
        };
    }
    if status.is_eof()
        || status.is_again()
        || status.code() == libc::ECONNRESET
        || status.code() == libc::EPIPE
        || status.code() == ffi::APR_ECONNABORTED
    {
        return BodyError::Gone;
    }
    // SAFETY: as above.
    if unsafe { ffi::rsgi_connection_aborted(connection) } != 0 {
        BodyError::Gone
    } else {
        BodyError::Bad
    }
}
