//! Tables for alias matching, and a second, naive way to say the same.

use proptest::prelude::*;

use super::*;

#[test]
fn prefixes_match_as_in_mod_alias() {
    let table: &[(&str, &str, Option<usize>)] = &[
        ("/", "/", Some(1)),
        ("/", "/x", Some(1)),
        ("/", "//x", Some(2)),
        ("/", "", None),
        ("/app", "/app", Some(4)),
        ("/app", "/app/", Some(4)),
        ("/app", "/app/x", Some(4)),
        ("/app", "/apple", None),
        ("/app", "/App", None),
        ("/app", "//app", Some(5)),
        ("/app", "/ap", None),
        ("/app/", "/app", None),
        ("/app/", "/app/", Some(5)),
        ("/app/", "/app//x", Some(6)),
        ("/app/", "/app/x", Some(5)),
        ("//a///b", "/a/b", Some(4)),
        ("/a/b", "//a//b/c", Some(6)),
        ("", "/x", None),
        ("", "", None),
        ("app", "/app", None),
    ];
    for (alias, uri, expected) in table {
        assert_eq!(
            match_prefix(alias.as_bytes(), uri.as_bytes()),
            *expected,
            "{alias} {uri}"
        );
    }
}

#[test]
fn the_script_is_known_beforehand_only_where_a_plain_path_follows_it() {
    let target = "/srv/a.wsgi";
    for (rest, splits) in [
        ("/", true),
        ("/x", true),
        ("/x/y.d/", true),
        ("/...", true),
        ("", false),
        ("x", false),
        ("//", false),
        ("//x", false),
        ("/x//", false),
        ("/x//y", false),
        ("/.", false),
        ("/x/./y", false),
        ("/../x", false),
        ("/x/..", false),
        ("/x/../", false),
    ] {
        let path = format!("{target}{rest}");
        let expected = splits.then_some((target.as_bytes(), rest.as_bytes()));
        let found = split_prefix_target(target.as_bytes(), path.as_bytes());
        assert_eq!(found, expected, "{rest}");
    }
    assert_eq!(split_prefix_target(b"/srv/", b"/srv//x"), None);
}

#[test]
fn the_rest_of_the_uri_follows_the_target() {
    for (target, alias, uri, expected) in [
        ("/srv/a.wsgi", "/", "/", "/srv/a.wsgi/"),
        ("/srv/a.wsgi", "/", "/x/y", "/srv/a.wsgi/x/y"),
        ("/srv/a.wsgi", "/app", "/app", "/srv/a.wsgi"),
        ("/srv/a.wsgi", "/app", "//app/x", "/srv/a.wsgi/x"),
        ("/srv/dir/", "/app/", "/app/x.wsgi/y", "/srv/dir/x.wsgi/y"),
    ] {
        let matched = match_prefix(alias.as_bytes(), uri.as_bytes()).unwrap();
        let mut path = Vec::new();
        push_prefix_target(
            target.as_bytes(),
            alias.as_bytes(),
            uri.as_bytes(),
            matched,
            &mut path,
        );
        assert_eq!(String::from_utf8(path).unwrap(), expected);
    }
}

#[test]
fn captures_take_the_place_of_their_numbers() {
    let uri = b"/user/ann/site/index";
    // ^/user/([a-z]+)/(x)?site
    let captures = [Some(0..14), Some(6..9), None];
    for (target, expected) in [
        ("/home/$1/site.wsgi", "/home/ann/site.wsgi/index"),
        ("$0", "/user/ann/site/index"),
        ("/a$2b", "/ab/index"),
        ("/a$9b", "/ab/index"),
        ("/$1$1", "/annann/index"),
        ("/cost\\$1", "/cost$1/index"),
        ("/$", "/$/index"),
        ("/$x", "/$x/index"),
        ("/a\\\\b", "/a\\b/index"),
        ("/end\\", "/end\\/index"),
    ] {
        let mut path = Vec::new();
        let taken = push_regex_target(target.as_bytes(), uri, &captures, &mut path);
        assert_eq!(taken, Some(14));
        assert_eq!(String::from_utf8(path).unwrap(), expected, "{target}");
    }
}

#[test]
fn captures_that_make_no_sense_give_no_path() {
    let mut path = Vec::new();
    assert_eq!(push_regex_target(b"/a", b"/x", &[], &mut path), None);
    assert_eq!(push_regex_target(b"/a", b"/x", &[None], &mut path), None);
    assert_eq!(
        push_regex_target(b"/a", b"/x", &[Some(0..9)], &mut path),
        None
    );
    assert!(path.is_empty());
}

fn alias(pattern: Pattern, target: &[u8], process: &[u8], application: &[u8]) -> Alias {
    let group = |value: &[u8]| (!value.is_empty()).then(|| GroupName::parse(value));
    Alias {
        pattern,
        target: target.into(),
        options: ScriptOptions {
            process_group: group(process),
            application_group: group(application),
            ..ScriptOptions::default()
        },
    }
}

#[test]
fn an_alias_with_both_groups_known_is_loaded_ahead() {
    let prefix = || Pattern::Prefix(b"/".as_slice().into());
    let regex = || Pattern::Regex(b"^/".as_slice().into());
    let import = alias(prefix(), b"/a.wsgi", b"%{GLOBAL}", b"shop")
        .preload()
        .unwrap();
    assert_eq!(import.script.as_ref(), b"/a.wsgi");
    assert_eq!(import.process_group.as_ref(), b"");
    assert_eq!(import.application_group.as_ref(), b"shop");
    let global = alias(regex(), b"/a.wsgi", b"%{GLOBAL}", b"%{GLOBAL}")
        .preload()
        .unwrap();
    assert_eq!(global.application_group.as_ref(), b"");
    for (pattern, target, process, application) in [
        (prefix(), &b"/a.wsgi"[..], &b""[..], &b"x"[..]),
        (prefix(), b"/a.wsgi", b"x", b""),
        (prefix(), b"/a.wsgi", b"%{GLOBAL}", b"%{SERVER}"),
        (prefix(), b"/a.wsgi", b"%{GLOBAL}", b"%{ENV:x}"),
        (prefix(), b"/dir/", b"%{GLOBAL}", b"x"),
        (regex(), b"/$1.wsgi", b"%{GLOBAL}", b"x"),
    ] {
        assert_eq!(alias(pattern, target, process, application).preload(), None);
    }
    assert!(
        alias(prefix(), b"/$1.wsgi", b"%{GLOBAL}", b"x")
            .preload()
            .is_some()
    );
}

/// The same rule, said by prefixes: some prefix of the URI collapses to the collapsed alias, and the longest does.
fn naive(alias: &[u8], uri: &[u8]) -> Option<usize> {
    let collapse = |bytes: &[u8]| {
        let mut out = Vec::new();
        crate::environ::push_collapsed(bytes, &mut out);
        out
    };
    let wanted = collapse(alias);
    let end = (1..=uri.len())
        .rev()
        .find(|&end| collapse(&uri[..end]) == wanted)?;
    let at_border = wanted.ends_with(b"/") || end == uri.len() || uri[end] == b'/';
    at_border.then_some(end)
}

proptest! {
    #[test]
    fn a_prefix_matches_as_the_naive_rule_says(alias in "[/a]{0,6}", uri in "[/a]{0,9}") {
        prop_assert_eq!(
            match_prefix(alias.as_bytes(), uri.as_bytes()),
            naive(alias.as_bytes(), uri.as_bytes()),
        );
    }

    #[test]
    fn an_alias_matches_what_lies_below_it(alias in "(/[a-z]{1,3}){1,3}", below in "(/[a-z]{0,3}){0,3}") {
        let uri = format!("{alias}{below}");
        prop_assert_eq!(match_prefix(alias.as_bytes(), uri.as_bytes()), Some(alias.len()));
    }

    #[test]
    fn a_target_without_dollar_or_backslash_is_only_followed_by_the_rest(
        target in "/[a-z./]{0,9}", uri in "/[a-z/]{0,9}", end in 0usize..10,
    ) {
        let end = end.min(uri.len());
        let mut path = Vec::new();
        let captures = std::slice::from_ref(&Some(0..end)).to_vec();
        prop_assert_eq!(push_regex_target(target.as_bytes(), uri.as_bytes(), &captures, &mut path), Some(end));
        prop_assert_eq!(path, format!("{target}{}", &uri[end..]).into_bytes());
    }

    #[test]
    fn any_target_and_captures_are_joined_without_a_panic(
        target in "[$\\\\0-9a]{0,12}",
        ranges in prop::collection::vec(prop::option::of((0usize..9, 0usize..9)), 0..11),
    ) {
        let captures: Vec<_> = ranges.into_iter().map(|range| range.map(|(a, b)| a..b)).collect();
        let mut path = Vec::new();
        push_regex_target(target.as_bytes(), b"/abcdef", &captures, &mut path);
    }
}
