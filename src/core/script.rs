//! How a script becomes a module: its name.

use md5::{Digest, Md5};

/// The name of the module that a script is executed as: `_mod_wsgi_` and the MD5 of its full path in hex.
#[must_use]
pub fn module_name(path: &[u8], is_case_sensitive: bool) -> String {
    let digest = if is_case_sensitive {
        Md5::digest(path)
    } else {
        Md5::digest(path.to_ascii_lowercase())
    };
    digest
        .iter()
        .fold(String::from("_mod_wsgi_"), |mut name, byte| {
            use std::fmt::Write as _;
            let _ = write!(name, "{byte:02x}");
            name
        })
}
