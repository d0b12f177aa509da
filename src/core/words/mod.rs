//! Splits directive arguments into words and `key=value` options, as httpd's own parser does.
//!
//! httpd hands a "raw" directive its argument line unparsed. The rules here are those of `ap_getword_conf`
//! (httpd.h): blanks separate words, a word may stand in single or double quotes, inside quotes a backslash
//! protects the quote and itself, outside of quotes two backslashes make one. Called by `directive`.

use std::borrow::Cow;

use thiserror::Error;

/// The words of an argument line, in order.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    rest: &'a [u8],
}

/// One `key=value` option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// What stands before the `=`; case matters.
    pub key: &'a [u8],
    /// The word after the `=`, without its quotes; may be empty.
    pub value: Cow<'a, [u8]>,
}

/// Why something is no `key=value` option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PairError<'a> {
    /// A word without `=`.
    #[error("no `=` follows")]
    NoValue(&'a [u8]),
    /// Nothing stands before the `=`.
    #[error("nothing stands before `=`")]
    NoKey(&'a [u8]),
    /// A blank stands after the `=`.
    #[error("a blank follows `=`")]
    Blank(&'a [u8]),
}

impl<'a> Words<'a> {
    /// Splits `line`.
    #[must_use]
    pub const fn new(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// The next `key=value` option, or `None` at the end of the line.
    ///
    /// # Errors
    /// The next word is no such option: it has no `=`, begins with `=`, or a blank stands beside the `=`.
    pub fn next_pair(&mut self) -> Option<Result<Pair<'a>, PairError<'a>>> {
        self.skip_blanks();
        let line = self.rest;
        if line.is_empty() {
            return None;
        }
        let end = position(line, |byte| byte == b'=' || is_blank(byte));
        let (key, after) = line.split_at(end);
        if key.is_empty() {
            let word_end = position(line, is_blank);
            return Some(Err(PairError::NoKey(&line[..word_end])));
        }
        let Some((b'=', value)) = after.split_first() else {
            return Some(Err(PairError::NoValue(key)));
        };
        self.rest = value;
        let value = match value.first() {
            None => Cow::Borrowed(&value[..0]),
            Some(&byte) if !is_blank(byte) => self.take_word(),
            Some(_) if value.iter().all(|&byte| is_blank(byte)) => Cow::Borrowed(&value[..0]),
            Some(_) => return Some(Err(PairError::Blank(key))),
        };
        Some(Ok(Pair { key, value }))
    }

    fn skip_blanks(&mut self) {
        let start = position(self.rest, |byte| !is_blank(byte));
        self.rest = &self.rest[start..];
    }

    /// Takes the word that begins right here; `rest` is not empty and begins with no blank.
    fn take_word(&mut self) -> Cow<'a, [u8]> {
        let line = self.rest;
        match line.split_first() {
            Some((&quote @ (b'"' | b'\''), body)) => {
                let end = closing_quote(body, quote);
                self.rest = body.get(end + 1..).unwrap_or_default();
                unescape(&body[..end], Some(quote))
            }
            _ => {
                let (word, rest) = line.split_at(position(line, is_blank));
                self.rest = rest;
                unescape(word, None)
            }
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Cow<'a, [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blanks();
        if self.rest.is_empty() {
            return None;
        }
        Some(self.take_word())
    }
}

/// What C's `isspace` takes for a blank.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn position(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> usize {
    bytes
        .iter()
        .position(|&byte| wanted(byte))
        .unwrap_or(bytes.len())
}

/// Where the quoted text ends; at the end of the line where the quote is never closed (httpd: that is no error).
fn closing_quote(body: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < body.len() && body[at] != quote {
        let escapes = body[at] == b'\\'
            && body
                .get(at + 1)
                .is_some_and(|&next| next == quote || next == b'\\');
        at += if escapes { 2 } else { 1 };
    }
    at.min(body.len())
}

fn unescape(text: &[u8], quote: Option<u8>) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let escaped = if byte == b'\\' {
            bytes.next_if(|&next| next == b'\\' || Some(next) == quote)
        } else {
            None
        };
        plain.push(escaped.unwrap_or(byte));
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests;
