//! Status and headers of an application's response, given to httpd; the same wherever the application runs.

use crate::httpd::Response;

/// Gives status and headers to httpd.
pub(super) fn commit<'h>(
    response: &mut Response<'_>,
    status: u16,
    line: &[u8],
    headers: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    content_length: Option<u64>,
) {
    response.set_status(status, line);
    for (name, value) in headers {
        if name.eq_ignore_ascii_case(b"Content-Type") {
            response.set_content_type(value);
        } else {
            response.add_header(name, value, survives_errors(name));
        }
    }
    if let Some(length) = content_length {
        response.set_content_length(length);
    }
    response.leave_ranges_alone();
    response.stop_expecting();
}

/// Error pages keep the challenge, or the client could not answer it.
pub(super) fn survives_errors(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"WWW-Authenticate")
}
