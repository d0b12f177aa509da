//! The response, through httpd's output filters (util_filter.h): they encrypt, compress, chunk, count and log.

use std::ffi::CStr;
use std::time::Duration;

use super::request::Request;
use crate::apr::{Brigade, FilePart, Status, is_wanting};
use crate::ffi;

/// In which a session of HTTP/2 fetches what a stream has for it: mod_http2 gives no sign of that.
const A_MOMENT: Duration = Duration::from_millis(20);

/// Filters that pass on what they are given, or keep it: none of them sleeps, runs another request or computes for
/// long. What is not known here may do all of that.
const PROMPT: [&CStr; 13] = [
    c"core",
    c"content_length",
    c"http_header",
    c"http_outerror",
    c"chunk",
    c"byterange",
    c"old_write",
    c"subreq_core",
    c"fixup_headers_out",
    c"fixup_headers_err",
    c"mod_expires",
    c"log_input_output",
    c"logio_ttfb_out",
];

/// What became of a piece of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The filters took it.
    Taken,
    /// The client is gone.
    Gone,
    /// The client took nothing for as long as its connection waits.
    Silent,
    /// A filter refused it.
    Failed,
}

/// Sends a request's response in pieces.
pub(crate) struct Response<'r> {
    request: Request<'r>,
    brigade: Brigade<'r>,
}

/// Headers that httpd keeps in fields of its own or that error pages have to carry.
impl<'r> Response<'r> {
    /// A response to which nothing was given yet; `None` when the request has no pool (httpd never does that).
    pub(crate) fn new(request: Request<'r>) -> Option<Self> {
        if is_wanting("response") {
            return None;
        }
        let pool = request.pool()?;
        let allocator = request.connection().bucket_alloc;
        // SAFETY: the connection of a live request has the allocator for its buckets.
        let brigade = unsafe { Brigade::new(pool, allocator) }?;
        Some(Self { request, brigade })
    }

    /// Sets status and status line.
    pub(crate) fn set_status(&mut self, status: u16, line: &[u8]) {
        let Some(pool) = self.request.pool() else {
            return;
        };
        let line = pool.copy_c(line);
        let record = self.request.as_ptr();
        // SAFETY: a live request that this thread alone uses.
        unsafe { (*record).status = i32::from(status) };
        // SAFETY: as above; the line is in the request's pool.
        unsafe { (*record).status_line = line.as_ptr() };
    }

    /// Sets the content type, so that AddOutputFilterByType applies (`ap_set_content_type`).
    pub(crate) fn set_content_type(&mut self, value: &[u8]) {
        let Some(pool) = self.request.pool() else {
            return;
        };
        // SAFETY: a live request; the string is in its pool.
        unsafe { ffi::ap_set_content_type(self.request.as_ptr(), pool.copy_c(value).as_ptr()) };
    }

    /// Announces the length of the body.
    pub(crate) fn set_content_length(&mut self, length: u64) {
        // SAFETY: a live request.
        unsafe {
            ffi::ap_set_content_length(
                self.request.as_ptr(),
                i64::try_from(length).unwrap_or(i64::MAX),
            )
        };
    }

    /// Adds a header; `survives_errors` keeps it on error pages.
    pub(crate) fn add_header(&mut self, name: &[u8], value: &[u8], survives_errors: bool) {
        let Some(pool) = self.request.pool() else {
            return;
        };
        let table = if survives_errors {
            self.request.err_headers_out()
        } else {
            self.request.headers_out()
        };
        if let Some(table) = table {
            table.add(pool.copy_c(name), pool.copy_c(value));
        }
    }

    /// Keeps httpd from slicing the body by the client's Range header: that is the application's matter.
    pub(crate) fn leave_ranges_alone(&mut self) {
        for (filter, name) in self.filters() {
            if name == Some(c"byterange") {
                // SAFETY: a live filter of this chain; the next one was read before.
                unsafe { ffi::ap_remove_output_filter(filter) };
            }
        }
    }

    /// Whether nothing that is sent waits for anything but the network. To be asked before the first piece: filters that
    /// come later are httpd's own.
    pub(crate) fn is_prompt(&self) -> bool {
        self.filters()
            .all(|(_, name)| name.is_some_and(|name| PROMPT.contains(&name)))
    }

    /// The output filters, each with its name in lower case, down to the network.
    fn filters(&self) -> impl Iterator<Item = (*mut ffi::ap_filter_t, Option<&'r CStr>)> + use<'r> {
        let mut next = self.request.record().output_filters;
        std::iter::from_fn(move || {
            let filter = next;
            // SAFETY: the filter chain of a live request, used by this thread.
            let entry = unsafe { filter.as_ref() }?;
            next = entry.next;
            // SAFETY: the record of a live filter.
            let record = unsafe { entry.frec.as_ref() };
            let name = record.map(|record| record.name);
            // SAFETY: the name of a filter is a C string, which lives as long as the configuration.
            let name = name
                .filter(|name| !name.is_null())
                .map(|name| unsafe { CStr::from_ptr(name) });
            Some((filter, name))
        })
    }

    /// No `100 Continue` any more: an answer is on its way.
    pub(crate) fn stop_expecting(&mut self) {
        // SAFETY: a live request that this thread alone uses.
        unsafe { ffi::rsgi_stop_expecting(self.request.as_ptr()) };
    }

    /// Bytes the kernel takes without waiting; 0 when that is not known.
    pub(crate) fn room(&self) -> usize {
        // SAFETY: the connection of a live request.
        unsafe { ffi::rsgi_connection_room(self.request.record().connection) as usize }
    }

    /// Bytes that can probably be written without waiting; none where nothing is known of the client.
    pub(crate) fn space(&self) -> Option<usize> {
        // SAFETY: the connection of a live request.
        let space = unsafe { ffi::rsgi_connection_space(self.request.record().connection) };
        usize::try_from(space).ok()
    }

    /// Lets no write of this response wait for its client for longer than that, also not those that httpd makes after
    /// the handler; then `Timeout` holds again. Writes of HTTP/2 are its own.
    pub(crate) fn limit_waits(&mut self, patience: Duration) {
        let connection = self.request.record().connection;
        // SAFETY: the live connection of the request.
        if unsafe { !(*connection).master.is_null() } {
            return;
        }
        // SAFETY: as above.
        let socket = unsafe { ffi::ap_get_conn_socket(connection) };
        let Some(pool) = self.request.pool().filter(|_| !socket.is_null()) else {
            return;
        };
        let mut before = 0;
        // SAFETY: the live socket of the connection.
        let known = unsafe { ffi::apr_socket_timeout_get(socket, &raw mut before) };
        if Status::check(known).is_err() {
            return;
        }
        let micros = i64::try_from(patience.as_micros()).unwrap_or(i64::MAX);
        // SAFETY: as above.
        unsafe { ffi::apr_socket_timeout_set(socket, micros) };
        pool.on_cleanup(move || {
            // SAFETY: the connection, and its socket, outlive the requests on it and their pools.
            unsafe { ffi::apr_socket_timeout_set(socket, before) };
        });
    }

    /// Brings what was sent to the network.
    pub(crate) fn flush(&mut self) -> Delivery {
        self.pass(false, true)
    }

    /// Sends borrowed blocks; they are not looked at any more when this returns.
    pub(crate) fn send<'b>(
        &mut self,
        blocks: impl Iterator<Item = &'b [u8]>,
        end: bool,
        flush: bool,
    ) -> Delivery {
        for block in blocks.filter(|block| !block.is_empty()) {
            self.brigade.append_transient(block);
        }
        self.pass(end, flush)
    }

    /// Sends part of a regular file.
    pub(crate) fn send_file(&mut self, part: &FilePart<'_>, end: bool, flush: bool) -> Delivery {
        if part.length > 0 && self.brigade.append_file(part).is_err() {
            self.brigade.clear();
            return Delivery::Failed;
        }
        self.pass(end, flush)
    }

    /// Ends a response that cannot be completed in a way that the client notices: no last chunk, RST_STREAM, a
    /// connection that closes at once.
    pub(crate) fn cut(&mut self) {
        let connection = self.request.record().connection;
        // SAFETY: the live connection of the request, used by this thread.
        let secondary = unsafe { !(*connection).master.is_null() };
        if secondary {
            // The reset of a stream overtakes what its session has not fetched yet, status and headers too.
            self.pass(false, true);
            std::thread::sleep(A_MOMENT);
        }
        self.brigade.append_error(ffi::HTTP_BAD_GATEWAY);
        if secondary {
            // mod_http2 turns the error bucket into RST_STREAM.
            self.pass(false, true);
        } else {
            self.brigade.append_eos();
            self.pass(false, true);
        }
        // SAFETY: as above.
        unsafe { ffi::rsgi_connection_abort(connection) };
    }

    fn is_aborted(&self) -> bool {
        // SAFETY: the connection of a live request.
        unsafe { ffi::rsgi_connection_aborted(self.request.connection()) != 0 }
    }

    fn pass(&mut self, end: bool, flush: bool) -> Delivery {
        if end {
            self.brigade.append_eos();
        }
        // httpd: a flush behind the last bytes lets the worker look for the client's next request at once,
        // without going through the listener. The filter of a subrequest only knows an end that comes last.
        if flush && !(end && self.request.is_subrequest()) {
            self.brigade.append_flush();
        }
        let request = self.request.as_ptr();
        let filters = self.request.record().output_filters;
        // SAFETY: the output filters of a live request and a brigade of its connection.
        let code = unsafe { ffi::ap_pass_brigade(filters, self.brigade.as_ptr()) };
        self.brigade.clear();
        if end {
            // SAFETY: a live request; the end went down above.
            unsafe { ffi::rsgi_mark_eos_sent(request) };
        }
        let aborted = self.is_aborted();
        match Status::check(code) {
            Ok(()) if !aborted => Delivery::Taken,
            // httpd: its core filter calls a connection aborted on which a write waited for too long.
            Err(status) if aborted && status.is_timeout() => Delivery::Silent,
            _ if aborted => Delivery::Gone,
            // A stream of HTTP/2 that its client has reset is not always called aborted.
            Err(status) if status.is_disconnect() => Delivery::Gone,
            _ => Delivery::Failed,
        }
    }
}
