//! Arguments that are one value: switches, numbers, paths, names out of a list.

use std::sync::Arc;

use super::{Result, filled, missing, value};
use crate::directive::Kind;
use crate::environ::HeadMapping;
use crate::group::GroupName;
use crate::options::{AcceptMutex, HashSeed};
use crate::words::Words;

/// Most of a body that is taken in ahead; it lies in a memory file.
const LARGEST_BUFFER: u64 = 1 << 30;

/// The names of a list; `%{GLOBAL}` is the empty name, as requests have it.
pub(super) fn process_groups(line: &[u8]) -> Arc<[Arc<[u8]>]> {
    Words::new(line)
        .map(|name| match GroupName::parse(&name) {
            GroupName::Global => Arc::from(&b""[..]),
            _ => Arc::from(name.as_ref()),
        })
        .collect()
}

pub(super) fn request_buffer(kind: Kind, word: &[u8]) -> Result<u64> {
    if word.eq_ignore_ascii_case(b"off") {
        return Ok(0);
    }
    std::str::from_utf8(word)
        .ok()
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|&bytes| bytes <= LARGEST_BUFFER)
        .ok_or_else(|| value(kind, "Off or a number of bytes from 0 to 1073741824", word))
}

pub(super) fn accept_mutex(kind: Kind, word: &[u8]) -> Result<AcceptMutex> {
    AcceptMutex::named(word).ok_or_else(|| {
        value(
            kind,
            "Default, flock, fcntl, sysvsem, posixsem or pthread",
            word,
        )
    })
}

pub(super) fn flag(kind: Kind, word: &[u8]) -> Result<bool> {
    on_off(word).ok_or_else(|| value(kind, "On or Off", word))
}

pub(super) fn on_off(word: &[u8]) -> Option<bool> {
    if word.eq_ignore_ascii_case(b"on") {
        Some(true)
    } else if word.eq_ignore_ascii_case(b"off") {
        Some(false)
    } else {
        None
    }
}

pub(super) fn head_mapping(kind: Kind, word: &[u8]) -> Result<HeadMapping> {
    if word.eq_ignore_ascii_case(b"auto") {
        return Ok(HeadMapping::Auto);
    }
    match on_off(word) {
        Some(true) => Ok(HeadMapping::On),
        Some(false) => Ok(HeadMapping::Off),
        None => Err(value(kind, "On, Off or Auto", word)),
    }
}

pub(super) fn python_home(kind: Kind, word: &[u8]) -> Result<Arc<[u8]>> {
    let path = filled(kind, word, "the folder of a Python")?;
    if !path.starts_with(b"/") {
        return Err(value(kind, "a path that starts with `/`", path));
    }
    Ok(path.into())
}

pub(super) fn python_path(kind: Kind, word: &[u8]) -> Result<Vec<Arc<[u8]>>> {
    let folders: Vec<Arc<[u8]>> = word
        .split(|&byte| byte == b':')
        .filter(|folder| !folder.is_empty())
        .map(Into::into)
        .collect();
    if folders.is_empty() {
        return Err(missing(kind, "at least one folder"));
    }
    Ok(folders)
}

pub(super) fn switch_interval(kind: Kind, word: &[u8]) -> Result<u64> {
    crate::daemon::nanoseconds(word)
        .ok_or_else(|| value(kind, "a number of seconds above 0, such as 0.005", word))
}

pub(super) fn optimize(kind: Kind, word: &[u8]) -> Result<u8> {
    match word {
        [level @ b'0'..=b'2'] => Ok(level - b'0'),
        _ => Err(value(kind, "0, 1 or 2", word)),
    }
}

pub(super) fn hash_seed(kind: Kind, word: &[u8]) -> Result<HashSeed> {
    if word.eq_ignore_ascii_case(b"random") {
        return Ok(HashSeed::Random);
    }
    std::str::from_utf8(word)
        .ok()
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .map(HashSeed::Fixed)
        .ok_or_else(|| value(kind, "`random` or a number from 0 to 4294967295", word))
}
