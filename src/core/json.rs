//! Writing JSON: objects of texts and numbers, for what programs read of us.

use std::fmt::{Display, Write as _};
use std::time::Duration;

/// An object in the making.
#[derive(Debug, Default)]
pub struct Object {
    text: String,
}

impl Object {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text, which need not be UTF-8: bytes that are not are replaced.
    #[must_use]
    pub fn text(self, key: &str, value: &[u8]) -> Self {
        self.raw(key, &string(value))
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, key: &str, value: impl Display) -> Self {
        self.raw(key, &value.to_string())
    }

    /// Adds a time in seconds, null for none.
    #[must_use]
    pub fn seconds(self, key: &str, value: Option<Duration>) -> Self {
        match value {
            Some(value) => self.raw(key, &format!("{:.3}", value.as_secs_f64())),
            None => self.raw(key, "null"),
        }
    }

    /// Adds what is JSON already.
    #[must_use]
    pub fn raw(mut self, key: &str, json: &str) -> Self {
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        self.text.push_str(&string(key.as_bytes()));
        self.text.push(':');
        self.text.push_str(json);
        self
    }

    /// The object's text.
    #[must_use]
    pub fn finish(self) -> String {
        if self.text.is_empty() {
            return "{}".to_owned();
        }
        self.text + "}"
    }
}

/// A list of what is JSON already.
#[must_use]
pub fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

fn string(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in String::from_utf8_lossy(value).chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            c if c.is_control() => {
                // A String takes everything.
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_nest_and_odd_texts_are_escaped() {
        let inner = Object::new().number("n", 1).seconds("t", None).finish();
        let text = Object::new()
            .text("a\"", b"x\n\\\xff")
            .seconds("s", Some(Duration::from_millis(1500)))
            .raw("l", &list([inner, Object::new().finish()]))
            .finish();
        assert_eq!(
            text,
            "{\"a\\\"\":\"x\\u000a\\\\\u{fffd}\",\"s\":1.500,\"l\":[{\"n\":1,\"t\":null},{}]}"
        );
    }
}
