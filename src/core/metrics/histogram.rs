//! Histograms with fixed buckets: from a tenth of a millisecond to a minute.

/// Upper bounds of all buckets but the last, in microseconds.
pub(super) const BOUNDS: [u64; 18] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// How many buckets there are: the last has no bound.
pub const BUCKETS: usize = BOUNDS.len() + 1;

/// The bucket that a time belongs to.
#[must_use]
pub fn bucket(micros: u64) -> usize {
    BOUNDS.partition_point(|&bound| bound < micros)
}

/// How often times of each size were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Of each bucket, without those below it.
    pub counts: [u64; BUCKETS],
    /// All times together, in microseconds.
    pub sum: u64,
}

impl Histogram {
    /// Takes one time in.
    pub fn observe(&mut self, micros: u64) {
        self.counts[bucket(micros)] += 1;
        self.sum = self.sum.wrapping_add(micros);
    }

    /// Takes another histogram in. Counts of shared memory are what others wrote there: they wrap.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.wrapping_add(more);
        }
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// How many times were seen.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, &count| sum.wrapping_add(count))
    }
}
