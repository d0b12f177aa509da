//! A histogram of times with the borders of mod_wsgi's.

/// How many buckets there are: one for less than a millisecond, four for each of sixteen octaves from there.
pub const BUCKETS: usize = 65;

/// Microseconds in the first octave's unit.
const MILLISECOND: u64 = 1000;
/// Parts of an octave.
const PARTS: u64 = 4;

/// The bucket of a time in microseconds. Everything from 65,536 ms on is in the last.
#[must_use]
pub const fn bucket(micros: u64) -> usize {
    let millis = micros / MILLISECOND;
    if millis == 0 {
        return 0;
    }
    if millis >= 1 << 16 {
        return BUCKETS - 1;
    }
    let octave = millis.ilog2();
    let border = MILLISECOND << octave;
    let part = (micros - border) * PARTS / border;
    1 + (octave as u64 * PARTS + part) as usize
}

/// Times with their sum and bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    count: u64,
    sum: u64,
    bounds: Option<(u64, u64)>,
    buckets: [u64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            count: 0,
            sum: 0,
            bounds: None,
            buckets: [0; BUCKETS],
        }
    }
}

impl Histogram {
    /// Takes a time in microseconds in.
    pub fn add(&mut self, micros: u64) {
        self.count += 1;
        self.sum = self.sum.saturating_add(micros);
        let (least, most) = self.bounds.unwrap_or((micros, micros));
        self.bounds = Some((least.min(micros), most.max(micros)));
        self.buckets[bucket(micros)] += 1;
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// All of them together, in microseconds.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// The mean in seconds; 0 of none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self.count {
            0 => 0.0,
            count => self.sum as f64 / count as f64 / 1e6,
        }
    }

    /// The least and the most, in microseconds.
    #[must_use]
    pub const fn bounds(&self) -> Option<(u64, u64)> {
        self.bounds
    }

    /// How many fell into each bucket.
    #[must_use]
    pub const fn buckets(&self) -> &[u64; BUCKETS] {
        &self.buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_below_a_millisecond_share_the_first_bucket() {
        for micros in [0, 1, 999] {
            assert_eq!(bucket(micros), 0);
        }
    }

    #[test]
    fn an_octave_has_four_equal_parts() {
        let millis = [(1000, 1), (1249, 1), (1250, 2), (1500, 3), (1750, 4)];
        for (micros, expected) in millis {
            assert_eq!(bucket(micros), expected, "{micros}");
        }
        assert_eq!(bucket(2000), 5);
        assert_eq!(bucket(2500), 6);
        assert_eq!(bucket(3999), 8);
        assert_eq!(bucket(4000), 9);
    }

    #[test]
    fn the_last_bucket_has_no_end() {
        assert_eq!(bucket(65_535_999), 64);
        assert_eq!(bucket(65_536_000), 64);
        assert_eq!(bucket(u64::MAX), 64);
        assert_eq!(bucket(32_768_000), 61);
    }

    #[test]
    fn buckets_grow_with_times() {
        let mut before = 0;
        for step in 0..2000 {
            let now = bucket(step * 37_000);
            assert!(now >= before && now < BUCKETS);
            before = now;
        }
        assert_eq!(before, 64);
    }

    #[test]
    fn bounds_and_mean_are_of_all_times() {
        let mut times = Histogram::default();
        assert_eq!((times.bounds(), times.mean()), (None, 0.0));
        for micros in [3000, 1000, 2000] {
            times.add(micros);
        }
        assert_eq!(times.bounds(), Some((1000, 3000)));
        assert!((times.mean() - 0.002).abs() < 1e-12);
        assert_eq!((times.count(), times.sum()), (3, 6000));
        assert_eq!(times.buckets().iter().sum::<u64>(), 3);
    }
}
