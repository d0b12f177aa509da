//! The module name of a script.

use md5::{Digest, Md5};

/// What every such name begins with; applications recognise mod_wsgi by it.
pub const PREFIX: &str = "_mod_wsgi_";

/// The name of the module that a script is loaded as: [`PREFIX`] and the MD5 of its path in hexadecimal.
/// Where file names have no case (`WSGICaseSensitivity Off`) the path is taken in lower case.
#[must_use]
pub fn module_name(path: &[u8], is_case_insensitive: bool) -> String {
    let digest = if is_case_insensitive {
        Md5::digest(path.to_ascii_lowercase())
    } else {
        Md5::digest(path)
    };
    let mut name = String::with_capacity(PREFIX.len() + 32);
    name.push_str(PREFIX);
    for byte in digest {
        for nibble in [byte >> 4, byte & 15] {
            name.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_name_is_the_md5_of_the_path() {
        assert_eq!(
            module_name(b"", false),
            "_mod_wsgi_d41d8cd98f00b204e9800998ecf8427e"
        );
        assert_eq!(
            module_name(b"abc", false),
            "_mod_wsgi_900150983cd24fb0d6963f7d28e17f72"
        );
    }

    proptest! {
        #[test]
        fn names_are_identifiers_and_case_matters_only_where_it_should(path: Vec<u8>) {
            let name = module_name(&path, false);
            prop_assert_eq!(name.len(), PREFIX.len() + 32);
            prop_assert!(name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit()));
            prop_assert_eq!(module_name(&path.to_ascii_uppercase(), true), module_name(&path.to_ascii_lowercase(), true));
        }
    }
}
