//! The option that a misspelt name most likely means.

use super::table;

/// How many letters may be wrong, missing or too many.
const MOST_MISTAKES: usize = 2;

/// The option whose name is most like this one: the same but for case, dashes and a plural, or few mistakes away.
pub(super) fn nearest(name: &[u8]) -> Option<&'static str> {
    let wanted = plain(name);
    let stem = |text: &[u8]| text.strip_suffix(b"s").unwrap_or(text).to_vec();
    let same = table::names().find(|option| stem(&plain(option.as_bytes())) == stem(&wanted));
    // A short word is few mistakes away from many others.
    let allowed = MOST_MISTAKES.min(wanted.len() / 3);
    same.or_else(|| {
        table::names()
            .map(|option| (mistakes(&plain(option.as_bytes()), &wanted), option))
            .filter(|(mistakes, _)| *mistakes <= allowed)
            .min_by_key(|(mistakes, _)| *mistakes)
            .map(|(_, option)| option)
    })
}

/// Letters and digits only, in lower case.
fn plain(text: &[u8]) -> Vec<u8> {
    text.iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(u8::to_ascii_lowercase)
        .collect()
}

/// Levenshtein's distance: how many letters have to be put in, left out or replaced to make one text of the other.
fn mistakes(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut diagonal = at;
        row[0] = at + 1;
        for (column, wanted) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != wanted);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters_put_in_left_out_and_replaced() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("threads", "threads", 0),
            ("proceses", "processes", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(
                mistakes(one.as_bytes(), other.as_bytes()),
                expected,
                "{one}"
            );
            assert_eq!(
                mistakes(other.as_bytes(), one.as_bytes()),
                expected,
                "{one}"
            );
        }
    }
}
