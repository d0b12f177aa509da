//! Text that can be carried into every generated file: paths, URLs, names.

use std::path::{Component, Path, PathBuf};

use crate::error::Error;

/// Checks each item.
///
/// # Errors
/// The first that does not pass.
pub(super) fn each<T, R>(
    items: &[T],
    check: impl Fn(&T) -> Result<R, Error>,
) -> Result<Vec<R>, Error> {
    items.iter().map(check).collect()
}

/// A URL path with a slash in front, as it is written down.
///
/// # Errors
/// It has a query, or a character that cannot be written.
pub(super) fn url_path(option: &str, url: &str) -> Result<String, Error> {
    if url.contains(['?', '#']) {
        return Err(Error::Usage(format!(
            "`{option}`: `{url}` is not the path of a URL"
        )));
    }
    printable(option, format!("/{}", url.trim_start_matches('/')))
}

/// A path that can be written into the generated files: absolute, tidy, in UTF-8 and on one line.
pub(crate) fn usable(option: &str, path: &Path) -> Result<String, Error> {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        // `..` stays: what it means depends on links.
        if component != Component::CurDir {
            tidy.push(component);
        }
    }
    match tidy.into_os_string().into_string() {
        Ok(text) => printable(option, text),
        Err(_) => Err(Error::Usage(format!(
            "`{option}`: `{}` is not valid UTF-8",
            path.display()
        ))),
    }
}

/// A path that also goes into a list separated by colons.
pub(super) fn importable(option: &str, path: &Path) -> Result<String, Error> {
    let text = usable(option, path)?;
    if text.contains(':') {
        return Err(Error::Usage(format!(
            "`{option}`: `{text}` has a colon in it, which separates the entries of Python's path"
        )));
    }
    Ok(text)
}

/// Refuses what no quoting can carry through Apache's configuration.
pub(crate) fn printable(option: &str, text: String) -> Result<String, Error> {
    if text.chars().any(char::is_control) {
        return Err(Error::Usage(format!(
            "`{option}`: `{}` has a control character in it",
            text.escape_debug()
        )));
    }
    if text.contains("${") {
        return Err(Error::Usage(format!(
            "`{option}`: `{text}` has `${{` in it, which Apache would replace"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_cannot_be_quoted_are_refused() {
        for refused in ["/a\nb", "/a\0b", "/${HOME}/x"] {
            assert!(usable("--x", Path::new(refused)).is_err(), "{refused:?}");
        }
        assert_eq!(
            usable("--x", Path::new("/a b/./\"c\"/é/")).unwrap(),
            "/a b/\"c\"/é"
        );
        assert!(importable("--x", Path::new("/a:b")).is_err());
    }
}
