//! How many bytes of a body may still go out, and whether the body is complete.
//!
//! One [`Body`] a response: the layer asks it before each block. Excess is dropped, a short body is told, and
//! responses that have none (HEAD, 204, 205, 304) take everything and send nothing.

/// What is to be done with a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Taken {
    /// Bytes of the block that go out, from its start.
    pub send: usize,
    /// Whether the body is complete with them: nothing more can be sent.
    pub is_last: bool,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// All that was declared went out.
    Complete,
    /// The application declared more than it gave.
    Short {
        /// Bytes declared and not given.
        missing: u64,
    },
}

/// The length of one response's body.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    declared: Option<u64>,
    taken: u64,
    has_body: bool,
}

impl Body {
    /// For a response with this status and declared length.
    #[must_use]
    pub const fn new(status: u16, declared: Option<u64>, is_head: bool) -> Self {
        Self {
            declared,
            taken: 0,
            has_body: !is_head && !matches!(status, 204 | 205 | 304),
        }
    }

    /// Whether anything of the body goes out at all.
    #[must_use]
    pub const fn has_body(&self) -> bool {
        self.has_body
    }

    /// Takes a block of `length` bytes.
    pub fn take(&mut self, length: usize) -> Taken {
        if !self.has_body {
            return Taken {
                send: 0,
                is_last: true,
            };
        }
        let left = self.left();
        let send = left
            .and_then(|left| usize::try_from(left).ok())
            .map_or(length, |left| left.min(length));
        self.taken = self.taken.saturating_add(send as u64);
        Taken {
            send,
            is_last: self.left() == Some(0),
        }
    }

    /// Bytes that are declared and not taken yet; none where no length was declared.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        self.declared
            .map(|declared| declared.saturating_sub(self.taken))
    }

    /// What is to be said when the application has no more.
    #[must_use]
    pub fn end(&self) -> Ending {
        match self.left() {
            Some(missing) if missing > 0 && self.has_body => Ending::Short { missing },
            _ => Ending::Complete,
        }
    }
}

/// The length that goes into the head: what was declared, or `known`, as far as the status allows one.
#[must_use]
pub const fn head_length(status: u16, declared: Option<u64>, known: Option<u64>) -> Option<u64> {
    match status {
        // RFC 9110: 8.6 none with 204; 15.3.6 an empty body with 205; 15.4.5 that of the 200 with 304.
        204 => None,
        205 => Some(0),
        304 => declared,
        _ => match declared {
            Some(_) => declared,
            None => known,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn excess_is_dropped_and_the_last_byte_is_known() {
        let mut body = Body::new(200, Some(5), false);
        let taken = |send, is_last| Taken { send, is_last };
        assert_eq!(body.take(3), taken(3, false));
        assert_eq!(body.end(), Ending::Short { missing: 2 });
        assert_eq!(body.take(3), taken(2, true));
        assert_eq!(body.take(3), taken(0, true));
        assert_eq!(body.end(), Ending::Complete);
    }

    #[test]
    fn a_length_of_zero_is_complete_at_once() {
        let mut body = Body::new(200, Some(0), false);
        assert_eq!(body.end(), Ending::Complete);
        assert!(body.take(0).is_last);
    }

    #[test]
    fn without_a_length_everything_goes_out() {
        let mut body = Body::new(200, None, false);
        assert_eq!(body.take(7).send, 7);
        assert!(!body.take(7).is_last);
        assert_eq!(body.end(), Ending::Complete);
    }

    #[test]
    fn head_and_statuses_without_a_body_send_nothing_and_are_never_short() {
        for (status, is_head) in [(200, true), (204, false), (205, false), (304, false)] {
            let mut body = Body::new(status, Some(10), is_head);
            assert!(!body.has_body());
            assert_eq!(body.take(10).send, 0);
            assert_eq!(body.end(), Ending::Complete);
        }
    }

    #[test]
    fn the_head_says_what_the_status_allows() {
        assert_eq!(head_length(200, None, Some(3)), Some(3));
        assert_eq!(head_length(200, Some(5), Some(3)), Some(5));
        assert_eq!(head_length(204, Some(5), Some(3)), None);
        assert_eq!(head_length(205, None, Some(3)), Some(0));
        assert_eq!(head_length(304, None, Some(3)), None);
        assert_eq!(head_length(304, Some(5), None), Some(5));
    }

    proptest! {
        #[test]
        fn never_more_than_declared_goes_out(declared in 0u64..5000, blocks in proptest::collection::vec(0usize..700, 0..20)) {
            let mut body = Body::new(200, Some(declared), false);
            let given: u64 = blocks.iter().map(|&b| b as u64).sum();
            let sent: u64 = blocks.iter().map(|&b| body.take(b).send as u64).sum();
            prop_assert_eq!(sent, given.min(declared));
            let expected = if given < declared { Ending::Short { missing: declared - given } } else { Ending::Complete };
            prop_assert_eq!(body.end(), expected);
        }
    }
}
