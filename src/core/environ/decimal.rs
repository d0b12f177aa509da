//! Small numbers as text, without the heap.

/// A number in decimal digits.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: [u8; 10],
    start: usize,
}

impl Decimal {
    /// Spells `number`.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        let mut digits = [b'0'; 10];
        let mut start = digits.len() - 1;
        let mut rest = number;
        while rest >= 10 {
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            start -= 1;
        }
        digits[start] = b'0' + rest as u8;
        Self { digits, start }
    }

    /// The digits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    #[test]
    fn numbers_are_spelled_without_leading_zeros() {
        for number in [0, 1, 9, 10, 80, 443, 65535, 1_000_000_000, u32::MAX] {
            assert_eq!(
                Decimal::new(number).as_bytes(),
                number.to_string().as_bytes()
            );
        }
    }
}
