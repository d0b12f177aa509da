//! Takes URIs apart into SCRIPT_NAME and PATH_INFO.

use memchr::memmem;

/// Splits the decoded `uri` where `path_info`, as httpd's directory walk found it, begins in it: the script's part.
///
/// httpd may have made one slash of several in `path_info` but not in the URI, so runs of slashes compare equal
/// (httpd: `ap_find_path_info` agrees but for runs in `path_info`, where it cuts too late).
/// Where a rewrite made the two unlike, the part ends at the next slash after what they share, as CGI has it.
#[must_use]
pub fn split_path<'a>(uri: &'a [u8], path_info: &[u8]) -> &'a [u8] {
    if path_info.is_empty() {
        return uri;
    }
    // Nearly always: the URI ends with it, and no run of slashes lies at the border.
    if path_info[0] == b'/'
        && let Some(script) = uri.strip_suffix(path_info)
        && script.last() != Some(&b'/')
    {
        return script;
    }
    let (mut u, mut p) = (uri.len(), path_info.len());
    while u > 0 && p > 0 && uri[u - 1] == path_info[p - 1] {
        if uri[u - 1] == b'/' {
            u = trim_slashes(&uri[..u]);
            p = trim_slashes(&path_info[..p]);
        } else {
            u -= 1;
            p -= 1;
        }
    }
    // The border is looked for from the last byte that is not shared, which may itself be a slash.
    u = u.saturating_sub(1);
    let more = uri[u..].iter().take_while(|&&byte| byte != b'/').count();
    &uri[..u + more]
}

/// Appends `path` with each run of slashes as one.
pub fn push_collapsed(path: &[u8], out: &mut Vec<u8>) {
    let mut rest = path;
    while let Some(at) = memmem::find(rest, b"//") {
        out.extend_from_slice(&rest[..=at]);
        let run = rest[at..].iter().take_while(|&&byte| byte == b'/').count();
        rest = &rest[at + run..];
    }
    out.extend_from_slice(rest);
}

/// Whether [`push_collapsed`] would change it.
pub(super) fn has_runs(path: &[u8]) -> bool {
    path.windows(2).any(|pair| pair == b"//")
}

/// The length without the slashes at the end.
fn trim_slashes(path: &[u8]) -> usize {
    path.iter()
        .rposition(|&byte| byte != b'/')
        .map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_script_name_is_what_stands_before_path_info() {
        for (uri, path_info, expected) in [
            ("/app", "", "/app"),
            ("/app/x", "/x", "/app"),
            ("/app//x", "/x", "/app"),
            ("/app//x//y", "/x/y", "/app"),
            ("/app//x", "//x", "/app"),
            ("/app/x", "//x", "/app"),
            ("/x", "/x", ""),
            ("//x", "/x", ""),
            ("/", "/", ""),
            ("/app/", "/", "/app"),
            ("/a/b", "/zzz", "/a/b"),
            ("/a/b/c", "/q/c", "/a/b"),
            ("/foobar", "bar", "/foobar"),
            ("x", "/y/x", "x"),
            ("a/bbb", "bbb", "a"),
            ("", "/x", ""),
        ] {
            let script = split_path(uri.as_bytes(), path_info.as_bytes());
            assert_eq!(
                String::from_utf8_lossy(script),
                expected,
                "{uri} {path_info}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_tail_that_begins_with_a_slash_is_cut_off(script in "(/[a-c]{1,3}){0,3}", tail in "/|/[a-c]{1,2}(/[a-c]{0,2}){0,2}") {
            let uri = format!("{script}{tail}");
            prop_assert_eq!(split_path(uri.as_bytes(), tail.as_bytes()), script.as_bytes());
        }

        #[test]
        fn any_pair_is_split_at_a_border_of_the_uri(uri in "[/ab]{0,9}", path_info in "[/ab]{0,6}") {
            let script = split_path(uri.as_bytes(), path_info.as_bytes());
            prop_assert!(uri.as_bytes().starts_with(script));
            prop_assert!(matches!(uri.as_bytes().get(script.len()), None | Some(b'/')));
        }

        #[test]
        fn collapsing_is_what_replacing_pairs_until_none_is_left_gives(path in "[/ab]{0,16}") {
            let mut expected = path.clone();
            while expected.contains("//") {
                expected = expected.replace("//", "/");
            }
            let mut out = Vec::new();
            push_collapsed(path.as_bytes(), &mut out);
            prop_assert_eq!(has_runs(path.as_bytes()), path.contains("//"));
            prop_assert_eq!(out, expected.into_bytes());
        }
    }
}
