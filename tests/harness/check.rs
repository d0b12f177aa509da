//! What httpd said of a configuration that it only read, or did not serve.

/// What `httpd -t` said.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) is_accepted: bool,
    pub(crate) output: String,
}

impl Check {
    /// Fails unless httpd refused and its message has all of these.
    #[track_caller]
    pub(crate) fn refused_with(&self, parts: &[&str]) {
        assert!(!self.is_accepted, "httpd accepted it: {}", self.output);
        for part in parts {
            assert!(
                self.output.contains(part),
                "no {part:?} in: {}",
                self.output
            );
        }
    }

    /// Fails unless httpd accepted.
    #[track_caller]
    pub(crate) fn accepted(&self) {
        assert!(self.is_accepted, "httpd refused: {}", self.output);
    }
}
