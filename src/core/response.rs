//! How much of what an application gives is sent, and whether it was enough (RFC 9110 6.4.1, 8.6).

/// Accounts for a response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyPlan {
    declared: Option<u64>,
    taken: u64,
    has_body: bool,
}

impl BodyPlan {
    /// For a status, the length that the application declared, and whether the client asked with HEAD.
    #[must_use]
    pub const fn new(status: u16, declared: Option<u64>, is_head: bool) -> Self {
        let has_body = !is_head && !matches!(status, 204 | 205 | 304);
        Self {
            declared,
            taken: 0,
            has_body,
        }
    }

    /// How many bytes of a block go out: all, or what the declared length leaves; nothing where there is no body.
    pub fn admit(&mut self, length: usize) -> usize {
        let left = self
            .declared
            .map_or(u64::MAX, |declared| declared - self.taken.min(declared));
        let admitted = (length as u64).min(left);
        self.taken += admitted;
        if self.has_body {
            usize::try_from(admitted).unwrap_or(usize::MAX)
        } else {
            0
        }
    }

    /// Whether a declared length has been reached: whatever comes now is dropped.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self.declared, Some(declared) if self.taken >= declared)
    }

    /// Whether the body, now at its end, is shorter than declared: the client has to be told.
    #[must_use]
    pub const fn is_short(&self) -> bool {
        self.has_body && matches!(self.declared, Some(declared) if self.taken < declared)
    }

    /// Whether any body goes out at all.
    #[must_use]
    pub const fn has_body(&self) -> bool {
        self.has_body
    }
}
