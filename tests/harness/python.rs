//! Small applications in Python that many tests share, and reading what they answer.

use std::collections::BTreeMap;

/// Answers with its environ, one `key=repr(value)` a line; bytes of the body are not touched.
pub(crate) const ENVIRON_APP: &str = r#"
def application(environ, start_response):
    lines = ["%s=%r\n" % (key, environ[key]) for key in sorted(environ)]
    body = "".join(lines).encode("utf-8")
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"),
                              ("Content-Length", str(len(body)))])
    return [body]
"#;

/// What [`ENVIRON_APP`] said.
#[derive(Debug)]
pub(crate) struct Environ(BTreeMap<String, String>);

impl Environ {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    /// `repr` of the value, or `None` where the key is absent.
    pub(crate) fn repr(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A value without its quotes.
    #[track_caller]
    pub(crate) fn text(&self, key: &str) -> &str {
        let Some(value) = self.repr(key) else {
            panic!("environ has no {key}: {:?}", self.0.keys());
        };
        value.trim_matches('\'')
    }

    /// Fails unless the key has that `repr`.
    #[track_caller]
    pub(crate) fn is(&self, key: &str, repr: &str) {
        assert_eq!(self.repr(key), Some(repr), "environ[{key:?}]");
    }

    /// Fails when the key is there.
    #[track_caller]
    pub(crate) fn lacks(&self, key: &str) {
        assert_eq!(self.repr(key), None, "environ[{key:?}]");
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
