//! What is told of an interpreter's garbage collector; ids of fields are those of the reference.

use super::wire::Datagram;

/// The longest name of an interpreter.
const NAME: usize = 256;

/// What a generation's passes came to, ever since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passes {
    /// How many there were.
    pub collections: u64,
    /// Objects that they freed.
    pub collected: u64,
    /// Objects that they could not free.
    pub uncollectable: u64,
}

/// The collector of an interpreter at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collector {
    /// `gc.get_count()`.
    pub counts: [u64; 3],
    /// `gc.get_threshold()`.
    pub thresholds: [u64; 3],
    /// `gc.get_stats()`.
    pub passes: [Passes; 3],
    /// `gc.isenabled()`.
    pub is_enabled: bool,
    /// `gc.get_freeze_count()`.
    pub frozen: u64,
    /// Passes that are not told of, ever since: there were too many between two intervals.
    pub dropped: u64,
}

/// One pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Collection {
    /// When it began, in seconds since the epoch.
    pub start: f64,
    /// Seconds that it took.
    pub duration: f64,
    /// The oldest generation that it looked at.
    pub generation: u64,
    /// Objects that it freed.
    pub collected: u64,
    /// Objects that it could not free.
    pub uncollectable: u64,
}

/// mod_wsgi: the main interpreter, which is all there is in many processes, has no name.
fn put_interpreter(name: &[u8], datagram: &mut Datagram) {
    if !name.is_empty() {
        datagram.text(8, name, NAME);
    }
}

impl Collector {
    /// Fills its datagram.
    pub fn fill(&self, interpreter: &[u8], datagram: &mut Datagram) {
        let figures: [fn(&Passes) -> u64; 3] = [
            |passes| passes.collections,
            |passes| passes.collected,
            |passes| passes.uncollectable,
        ];
        let figures = figures.map(|figure| self.passes.each_ref().map(figure));
        let lists = [self.counts, self.thresholds].into_iter().chain(figures);
        for (id, count) in (300..).zip(lists.flatten()) {
            datagram.number(id, count);
        }
        datagram.number(315, self.is_enabled.into());
        datagram.number(316, self.frozen);
        datagram.number(317, self.dropped);
        put_interpreter(interpreter, datagram);
    }
}

impl Collection {
    /// Fills its datagram.
    pub fn fill(&self, interpreter: &[u8], datagram: &mut Datagram) {
        datagram.float(320, self.start);
        datagram.float(321, self.duration);
        datagram.number(322, self.generation);
        datagram.number(323, self.collected);
        datagram.number(324, self.uncollectable);
        put_interpreter(interpreter, datagram);
    }
}
