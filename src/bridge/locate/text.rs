//! Parsers of what an environment's files say: `pyvenv.cfg`, sysconfig's data, `patchlevel.h`, file names.
//!
//! All of it is text that a user may have written: anything is accepted, nothing panics.

use std::path::PathBuf;

use super::{NEWEST_MINOR, OLDEST_MINOR, files};

/// Major and minor version, and whether it is a build without the GIL.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Version {
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) free_threaded: bool,
}

impl Version {
    /// From a file name: `python3.11`, `python3.14t`, `python2.7`; not `python3` or `python3.11-config`.
    pub(super) fn from_file_name(name: &str) -> Option<Self> {
        let (version, suffix) = Self::split(name.strip_prefix("python")?)?;
        if !suffix.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return None;
        }
        Some(Self {
            free_threaded: suffix.starts_with('t'),
            ..version
        })
    }

    /// From a version: `3.11`, `3.14.7.final.0`, `3.15.0rc2`.
    pub(super) fn from_number(text: &str) -> Option<Self> {
        let (version, rest) = Self::split(text.trim())?;
        (rest.is_empty() || !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
            .then_some(version)
    }

    /// The two numbers at the start, and what follows them.
    fn split(text: &str) -> Option<(Self, &str)> {
        let (major, rest) = number(text)?;
        let (minor, rest) = number(rest.strip_prefix('.')?)?;
        let version = Self {
            major,
            minor,
            free_threaded: false,
        };
        Some((version, rest))
    }

    /// Whether this version can be used.
    pub(super) fn is_supported(self) -> bool {
        self.major == 3 && (OLDEST_MINOR..=NEWEST_MINOR).contains(&self.minor)
    }

    /// `3.11` or `3.14t`, as in names of folders and libraries.
    pub(super) fn tag(self) -> String {
        let suffix = if self.free_threaded { "t" } else { "" };
        format!("{}.{}{suffix}", self.major, self.minor)
    }
}

/// A decimal number at the start of `text`, and the rest.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// A `pyvenv.cfg`.
#[derive(Debug, Default)]
pub(super) struct VenvConfig {
    entries: Vec<(String, Vec<u8>)>,
}

impl VenvConfig {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let entries = bytes
            .split(|byte| *byte == b'\n')
            .filter_map(|line| {
                let at = line.iter().position(|byte| *byte == b'=')?;
                let (key, value) = line.split_at_checked(at)?;
                let key = String::from_utf8_lossy(key.trim_ascii()).to_ascii_lowercase();
                let value = value.get(1..)?.trim_ascii();
                (!value.is_empty()).then(|| (key, value.to_vec()))
            })
            .collect();
        Self { entries }
    }

    /// The first value of a key, compared without case as Python does.
    fn value(&self, key: &str) -> Option<&[u8]> {
        self.entries
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_slice())
    }

    /// A value that is an absolute path.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        self.value(key)
            .map(files::path_from)
            .filter(|path| path.is_absolute())
    }

    /// The version that it was made for.
    pub(super) fn version(&self) -> Option<Version> {
        ["version_info", "version"]
            .iter()
            .find_map(|key| Version::from_number(core::str::from_utf8(self.value(key)?).ok()?))
    }

    /// The implementation, where it is named and is not CPython.
    pub(super) fn other_implementation(&self) -> Option<String> {
        let name = self.value("implementation")?;
        (!name.eq_ignore_ascii_case(b"cpython")).then(|| String::from_utf8_lossy(name).into_owned())
    }
}

/// A variable of sysconfig's data, a Python dict of one entry a line.
pub(super) fn sysconfig_variable(data: &str, name: &str) -> Option<String> {
    data.lines().find_map(|line| {
        let rest = match line.split_once('{') {
            Some((_, rest)) if line.starts_with("build_time_vars") => rest,
            _ => line,
        };
        let rest = unquote(rest.trim_start(), name)?;
        let value = rest.strip_prefix(':')?.trim();
        let value = value.trim_end_matches([',', '}', ' ']);
        let inner = ['\'', '"']
            .iter()
            .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        Some(inner.unwrap_or(value).to_owned())
    })
}

/// What follows a quoted `name` at the start of `text`.
fn unquote<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text.strip_prefix(quote)?
        .strip_prefix(name)?
        .strip_prefix(quote)
}

/// `PY_VERSION` of a `patchlevel.h`.
pub(super) fn patchlevel_version(header: &str) -> Option<String> {
    header.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        if words.next() != Some("#define") || words.next() != Some("PY_VERSION") {
            return None;
        }
        let version = words.next()?.strip_prefix('"')?.strip_suffix('"')?;
        Version::from_number(version).map(|_| version.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn version(major: u32, minor: u32, free_threaded: bool) -> Option<Version> {
        Some(Version {
            major,
            minor,
            free_threaded,
        })
    }

    #[test]
    fn file_names_tell_versions() {
        for (name, expected) in [
            ("python3.11", version(3, 11, false)),
            ("python3.14t", version(3, 14, true)),
            ("python2.7", version(2, 7, false)),
            ("python3.7m", version(3, 7, false)),
            ("python3", None),
            ("python", None),
            ("python3.11-config", None),
            ("python3.", None),
            ("python3.99999999999", None),
            ("pypy3.10", None),
        ] {
            assert_eq!(Version::from_file_name(name), expected, "{name}");
        }
    }

    #[test]
    fn numbers_tell_versions() {
        for (text, expected) in [
            ("3.11", version(3, 11, false)),
            ("3.14.7.final.0", version(3, 14, false)),
            (" 3.15.0rc2 ", version(3, 15, false)),
            ("3", None),
            ("3.x", None),
            ("3.11rc", None),
            ("", None),
        ] {
            assert_eq!(Version::from_number(text), expected, "{text}");
        }
    }

    #[test]
    fn a_venv_config_is_read_as_python_reads_it() {
        let config = VenvConfig::parse(
            b"HOME = /usr/bin\r\nimplementation=CPython\nversion_info = 3.12.1.final.0\nbase-prefix = rel\nx\n=\nempty =\n",
        );
        assert_eq!(config.path("home").as_deref(), Some(Path::new("/usr/bin")));
        assert_eq!(config.path("base-prefix"), None);
        assert_eq!(config.path("empty"), None);
        assert_eq!(config.version(), version(3, 12, false));
        assert_eq!(config.other_implementation(), None);
        let pypy = VenvConfig::parse(b"implementation = PyPy");
        assert_eq!(pypy.other_implementation().as_deref(), Some("PyPy"));
    }

    #[test]
    fn sysconfig_variables_are_found_in_both_styles() {
        let old = "# x\nbuild_time_vars = {'ABIFLAGS': '',\n 'LIBDIR': '/usr/lib',\n 'Py_ENABLE_SHARED': 1,\n 'prefix': '/usr'}\n";
        let new = "# x\nbuild_time_vars = {\n    'ABIFLAGS': '',\n    'LIBDIR': \"/usr/lib\",\n    'Py_ENABLE_SHARED': 1,\n    'prefix': '/usr',\n}\n";
        for data in [old, new] {
            for (name, expected) in [
                ("ABIFLAGS", Some("")),
                ("LIBDIR", Some("/usr/lib")),
                ("Py_ENABLE_SHARED", Some("1")),
                ("prefix", Some("/usr")),
                ("LIB", None),
                ("usr", None),
            ] {
                assert_eq!(
                    sysconfig_variable(data, name).as_deref(),
                    expected,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn patchlevel_tells_the_full_version() {
        let header = "/* x */\n#define PY_MICRO_VERSION 2\n#define PY_VERSION      \t\"3.11.2\"\n#define PY_VERSION_HEX 1\n";
        assert_eq!(patchlevel_version(header).as_deref(), Some("3.11.2"));
        assert_eq!(patchlevel_version("#define PY_VERSION nothing"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), text in ".{0,200}") {
            let config = VenvConfig::parse(&bytes);
            let _ = (config.path("home"), config.version(), config.other_implementation());
            let _ = (Version::from_file_name(&text), Version::from_number(&text), patchlevel_version(&text));
            let lossy = String::from_utf8_lossy(&bytes);
            let _ = sysconfig_variable(&lossy, "LIBDIR");
        }

        #[test]
        fn what_looks_like_sysconfig_never_panics(text in "(build_time_vars = \\{)?(['\" {}:,a-zA-Z0-9/\n]|'LIBDIR'){0,60}") {
            let _ = sysconfig_variable(&text, "LIBDIR");
        }

        #[test]
        fn every_version_survives_being_written(major in 2u32..4, minor in 0u32..100, free_threaded: bool) {
            let version = Version { major, minor, free_threaded };
            prop_assert_eq!(Version::from_file_name(&format!("python{}", version.tag())), Some(version));
        }
    }
}
