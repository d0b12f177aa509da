//! httpd's regular expressions (ap_regex.h, PCRE): what AliasMatch-like directives use.

use std::ffi::CString;
use std::ops::Range;

use crate::ffi;

/// A compiled expression.
///
/// # Invariants
/// `raw` was filled by a successful `ap_regcomp`.
pub(crate) struct Regex {
    raw: Box<ffi::ap_regex_t>,
}

// SAFETY: a compiled expression is only read by ap_regexec_len (PCRE documents compiled patterns as shareable).
unsafe impl Send for Regex {}
// SAFETY: as above.
unsafe impl Sync for Regex {}

/// Groups that can be referred to: `$0` to `$9`.
pub(crate) const GROUPS: usize = 10;

impl Regex {
    /// Compiles an extended regular expression.
    ///
    /// # Errors
    /// It does not compile, or holds a NUL: what PCRE says of it.
    pub(crate) fn compile(pattern: &[u8]) -> Result<Self, String> {
        let pattern = CString::new(pattern).map_err(|_| "it contains a NUL".to_owned())?;
        // SAFETY: an ap_regex_t of zeros is what ap_regcomp expects to fill.
        let mut raw: Box<ffi::ap_regex_t> = Box::new(unsafe { std::mem::zeroed() });
        // SAFETY: a number of httpd's (shim.c).
        let flags = unsafe { ffi::rsgi_regex_flags() };
        // SAFETY: a place for the expression and a C string.
        let code = unsafe { ffi::ap_regcomp(&raw mut *raw, pattern.as_ptr(), flags) };
        if code == 0 {
            // INVARIANT: just compiled.
            return Ok(Self { raw });
        }
        let mut text = [0 as std::ffi::c_char; 256];
        // SAFETY: the expression that failed, and room for 256 bytes with a NUL.
        unsafe { ffi::ap_regerror(code, &raw const *raw, text.as_mut_ptr(), text.len() as _) };
        // SAFETY: ap_regerror ends its text with a NUL.
        Err(unsafe { std::ffi::CStr::from_ptr(text.as_ptr()) }
            .to_string_lossy()
            .into_owned())
    }

    /// Where the whole and its groups matched in `subject`.
    pub(crate) fn captures(&self, subject: &[u8]) -> Option<[Option<Range<usize>>; GROUPS]> {
        let mut matches = [ffi::ap_regmatch_t {
            rm_so: -1,
            rm_eo: -1,
        }; GROUPS];
        // SAFETY: a compiled expression (type invariant), the subject with its length, and room for GROUPS matches.
        let code = unsafe {
            ffi::ap_regexec_len(
                &raw const *self.raw,
                subject.as_ptr().cast(),
                subject.len() as _,
                GROUPS as _,
                matches.as_mut_ptr(),
                0,
            )
        };
        (code == 0).then(|| {
            matches.map(|group| {
                let (start, end) = (
                    usize::try_from(group.rm_so).ok()?,
                    usize::try_from(group.rm_eo).ok()?,
                );
                (start <= end && end <= subject.len()).then_some(start..end)
            })
        })
    }
}

impl Drop for Regex {
    fn drop(&mut self) {
        // SAFETY: compiled (type invariant) and freed once.
        unsafe { ffi::ap_regfree(&raw mut *self.raw) };
    }
}
