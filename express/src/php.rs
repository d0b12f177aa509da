//! The PHP module of an installed Apache, for `--with-php5`.
//!
//! mod_wsgi: its option knows `libphp5.so` alone, which no distribution has any more. Here that file still comes first,
//! and else the newest PHP is taken.

use std::fs;

use crate::apache::Apache;
use crate::context::Module;
use crate::error::Error;

/// The file that mod_wsgi-express loads.
const ORIGINAL: &str = "libphp5.so";

/// What to load, or nothing where PHP is compiled into Apache.
///
/// # Errors
/// There is no PHP.
pub(crate) fn module(apache: &Apache) -> Result<Option<Module>, Error> {
    if apache.is_built_in(|name| name.starts_with("mod_php")) {
        return Ok(None);
    }
    let directory = &apache.modules_directory;
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    let Some((_, name)) = names.filter_map(|name| Some((rank(&name)?, name))).max() else {
        return Err(Error::Installation(format!(
            "`--with-php5`: there is no PHP module, `libphp*.so`, in `{}`\n`apt install libapache2-mod-php` (Debian, \
             Ubuntu), `zypper install apache2-mod_php8` (SUSE), `apk add php-apache2` (Alpine), or run PHP as a server \
             of its own and put it behind `--proxy-mount-point`",
            directory.display()
        )));
    };
    let symbol = match version(&name) {
        Some([5, _]) => "php5_module",
        Some([7, _]) => "php7_module",
        _ => "php_module",
    };
    Ok(Some(Module {
        name: symbol.to_owned(),
        path: directory.join(&name).to_string_lossy().into_owned(),
    }))
}

/// Whether a file is a PHP module, and which of two is taken: that of the original, else the higher version.
fn rank(name: &str) -> Option<(bool, [u32; 2])> {
    Some((name == ORIGINAL, version(name)?))
}

/// The version in a module's name; PHP 8 and later have it in the names of distributions alone.
fn version(name: &str) -> Option<[u32; 2]> {
    let stem = name.strip_suffix(".so")?;
    let text = stem
        .strip_prefix("lib")
        .or_else(|| stem.strip_prefix("mod_"))?
        .strip_prefix("php")?;
    if text.is_empty() {
        return Some([8, 0]);
    }
    let mut numbers = text.split('.').map(str::parse);
    let major = numbers.next()?.ok()?;
    Some([major, numbers.next().unwrap_or(Ok(0)).ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_s_file_comes_first_and_then_the_newest() {
        let chosen = |names: &[&'static str]| {
            let ranked = names.iter().filter_map(|name| Some((rank(name)?, *name)));
            ranked.max().map(|(_, name)| name)
        };
        for (names, expected) in [
            (&["libphp8.2.so", "libphp7.4.so"][..], Some("libphp8.2.so")),
            (&["libphp8.2.so", "libphp8.10.so"], Some("libphp8.10.so")),
            (&["libphp.so", "libphp7.so"], Some("libphp.so")),
            (&["mod_php8.so", "mod_proxy.so"], Some("mod_php8.so")),
            (&["libphp5.so", "libphp8.2.so"], Some("libphp5.so")),
            (&["mod_phpx.so", "libphp8.2.so.bak", "mod_mime.so"], None),
        ] {
            assert_eq!(chosen(names), expected, "{names:?}");
        }
    }
}
