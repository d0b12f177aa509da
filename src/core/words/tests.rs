//! Tables and properties of the argument splitter.

use proptest::prelude::*;

use super::*;

fn words(line: &[u8]) -> Vec<Vec<u8>> {
    Words::new(line).map(Cow::into_owned).collect()
}

#[test]
fn words_are_split_as_httpd_splits_them() {
    let table: &[(&[u8], &[&[u8]])] = &[
        (b"", &[]),
        (b" \t ", &[]),
        (b"a", &[b"a"]),
        (b"  a\t b ", &[b"a", b"b"]),
        (b"\"a b\" c", &[b"a b", b"c"]),
        (b"'a \"b\"' c", &[b"a \"b\"", b"c"]),
        (b"\"a\\\"b\"", &[b"a\"b"]),
        (b"\"a\\'b\"", &[b"a\\'b"]),
        (b"\"a\\\\\" b", &[b"a\\", b"b"]),
        (b"a\\\\b", &[b"a\\b"]),
        (b"a\\nb", &[b"a\\nb"]),
        (b"a\\", &[b"a\\"]),
        (b"\"\" a", &[b"", b"a"]),
        (b"\"never closed", &[b"never closed"]),
        (b"\"ends in backslash\\", &[b"ends in backslash\\"]),
        (b"\"ab\"cd", &[b"ab", b"cd"]),
        (b"a\"b c\"d", &[b"a\"b", b"c\"d"]),
        (b"caf\xe9 \xff", &[b"caf\xe9", b"\xff"]),
        (b"^/a(.*)\\.py$ /srv/$1", &[b"^/a(.*)\\.py$", b"/srv/$1"]),
    ];
    for (line, expected) in table {
        assert_eq!(
            words(line),
            expected.to_vec(),
            "{:?}",
            String::from_utf8_lossy(line)
        );
    }
}

#[test]
fn a_pair_may_be_quoted_and_keeps_the_case_of_its_key() {
    let mut words = Words::new(b" user=me  Path=\"/a b\" q='it\\'s' last=");
    let mut next = || {
        let pair = words.next_pair().unwrap().unwrap();
        (pair.key, pair.value.into_owned())
    };
    assert_eq!(next(), (&b"user"[..], b"me".to_vec()));
    assert_eq!(next(), (&b"Path"[..], b"/a b".to_vec()));
    assert_eq!(next(), (&b"q"[..], b"it's".to_vec()));
    assert_eq!(next(), (&b"last"[..], b"".to_vec()));
    assert_eq!(words.next_pair(), None);
}

#[test]
fn what_is_no_pair_is_told_apart() {
    let table: &[(&[u8], PairError<'_>)] = &[
        (b"word", PairError::NoValue(b"word")),
        (b"word other=1", PairError::NoValue(b"word")),
        (b"key =1", PairError::NoValue(b"key")),
        (b"=1 b=2", PairError::NoKey(b"=1")),
        (b"key= 1", PairError::Blank(b"key")),
    ];
    for (line, expected) in table {
        assert_eq!(Words::new(line).next_pair(), Some(Err(*expected)));
    }
}

#[test]
fn options_follow_leading_words() {
    let mut words = Words::new(b"/app \"/srv/my app.wsgi\" a=1");
    assert_eq!(words.next().as_deref(), Some(&b"/app"[..]));
    assert_eq!(words.next().as_deref(), Some(&b"/srv/my app.wsgi"[..]));
    assert_eq!(words.next_pair().unwrap().unwrap().key, b"a");
    assert_eq!(words.next_pair(), None);
}

/// Writes a word so that it reads back as itself.
fn quote(word: &[u8], mark: u8) -> Vec<u8> {
    let mut text = vec![mark];
    for &byte in word {
        if byte == mark || byte == b'\\' {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text.push(mark);
    text
}

fn mark() -> impl Strategy<Value = u8> {
    prop_oneof![Just(b'"'), Just(b'\'')]
}

proptest! {
    #[test]
    fn quoted_words_come_back_whole(
        list in prop::collection::vec((prop::collection::vec(1u8.., 0..12), mark()), 0..6),
    ) {
        let line: Vec<u8> = list.iter()
            .map(|(word, mark)| quote(word, *mark))
            .collect::<Vec<_>>()
            .join(&b' ');
        let expected: Vec<Vec<u8>> = list.into_iter().map(|(word, _)| word).collect();
        prop_assert_eq!(words(&line), expected);
    }

    #[test]
    fn quoted_pairs_come_back_whole(
        list in prop::collection::vec(("[a-z-]{1,9}", prop::collection::vec(1u8.., 0..12), mark()), 0..6),
    ) {
        let mut line = Vec::new();
        for (key, value, mark) in &list {
            line.extend_from_slice(key.as_bytes());
            line.push(b'=');
            line.extend(quote(value, *mark));
            line.push(b' ');
        }
        let mut words = Words::new(&line);
        for (key, value, _) in &list {
            let pair = words.next_pair().unwrap().unwrap();
            prop_assert_eq!(pair.key, key.as_bytes());
            prop_assert_eq!(pair.value.as_ref(), value.as_slice());
        }
        prop_assert_eq!(words.next_pair(), None);
    }

    #[test]
    fn any_line_is_split_without_a_panic_and_ends(line in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assert!(Words::new(&line).count() <= line.len());
        let mut words = Words::new(&line);
        let mut pairs = 0;
        while let Some(Ok(_)) = words.next_pair() {
            pairs += 1;
        }
        prop_assert!(pairs <= line.len());
    }
}
