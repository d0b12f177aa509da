//! The locale that the server and its processes run in.

use std::env;
use std::process::{Command, Stdio};

/// One that is everywhere and has UTF-8.
const FALLBACK: &str = if cfg!(target_vendor = "apple") {
    "en_US.UTF-8"
} else {
    "C.UTF-8"
};

/// The locale of the environment, or one with UTF-8 where that is C or POSIX, or is not installed here: names come along
/// over ssh, and the group's process would have to do without.
pub(crate) fn of_environment() -> String {
    let value = |name| {
        env::var(name)
            .ok()
            .filter(|value: &String| !value.is_empty())
    };
    let usual = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(value);
    match usual {
        Some(locale)
            if locale != "C" && locale != "POSIX" && is_plain(&locale) && is_installed(&locale) =>
        {
            locale
        }
        _ => FALLBACK.to_owned(),
    }
}

fn is_plain(locale: &str) -> bool {
    locale
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-@".contains(c))
}

/// Whether `locale -a` lists it; where nobody can say, it is believed.
fn is_installed(locale: &str) -> bool {
    if locale == FALLBACK {
        return true;
    }
    let output = Command::new("locale")
        .arg("-a")
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        return true;
    };
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    !output.status.success() || lists(&listed, locale)
}

/// The list spells `en_US.UTF-8` as `en_US.utf8`.
fn lists(listed: &str, locale: &str) -> bool {
    let plain = |name: &str| name.to_lowercase().replace('-', "");
    listed
        .lines()
        .any(|name| plain(name.trim()) == plain(locale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_found_in_either_spelling() {
        let listed = "C\nC.utf8\nPOSIX\nen_US.utf8\n";
        assert!(lists(listed, "en_US.UTF-8"));
        assert!(lists(listed, "C.UTF-8"));
        assert!(!lists(listed, "de_DE.UTF-8"));
    }

    #[test]
    fn a_name_with_odd_characters_is_none() {
        assert!(is_plain("sr_RS.UTF-8@latin"));
        assert!(!is_plain("a\nb"));
        assert!(!is_plain("a\"b"));
    }
}
