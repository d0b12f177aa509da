//! The text of an exposition: families of samples, in either format.
//!
//! Names are given without the endings that the formats want (`_total`, `_info`). Values of labels may be any bytes;
//! what is no UTF-8 is replaced.

use std::fmt::Write as _;
use std::time::Duration;

use super::accept::Format;
use super::histogram::{BOUNDS, Histogram};
use crate::micros::seconds;

/// The kind of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until it begins anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Times in buckets.
    Histogram,
    /// Always 1; the labels say it.
    Info,
}

/// Labels of a sample: names and values.
pub type Labels<'l> = &'l [(&'l str, &'l [u8])];

/// A text in the making.
#[derive(Debug)]
pub struct Exposition {
    format: Format,
    text: String,
}

/// The samples of one name.
#[derive(Debug)]
pub struct Family<'e> {
    exposition: &'e mut Exposition,
    name: &'static str,
    kind: Kind,
}

impl Exposition {
    /// An empty text.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            text: String::new(),
        }
    }

    /// Begins a family; the one before is complete.
    pub fn family(&mut self, kind: Kind, name: &'static str, help: &str) -> Family<'_> {
        let is_open = self.format == Format::OpenMetrics;
        let kind_name = match kind {
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            Kind::Info if is_open => "info",
            Kind::Gauge | Kind::Info => "gauge",
        };
        // OpenMetrics: the metadata has the name of the family, not of its samples.
        let ending = if is_open { "" } else { kind.ending() };
        let text = &mut self.text;
        // A String takes everything.
        let _ = writeln!(text, "# HELP {name}{ending} {help}");
        let _ = writeln!(text, "# TYPE {name}{ending} {kind_name}");
        let unit = ["seconds", "bytes"].into_iter().find(|unit| {
            name.strip_suffix(unit)
                .is_some_and(|rest| rest.ends_with('_'))
        });
        if let Some(unit) = unit.filter(|_| is_open) {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        Family {
            exposition: self,
            name,
            kind,
        }
    }

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn sample(&mut self, name: [&str; 2], labels: Labels<'_>, bound: Option<&str>, value: &str) {
        self.text.push_str(name[0]);
        self.text.push_str(name[1]);
        let bound = bound.map(|bound| ("le", bound.as_bytes()));
        let mut separator = '{';
        for (key, value) in labels.iter().copied().chain(bound) {
            self.text.push(separator);
            separator = ',';
            self.text.push_str(key);
            self.text.push_str("=\"");
            escape(value, &mut self.text);
            self.text.push('"');
        }
        if separator == ',' {
            self.text.push('}');
        }
        self.text.push(' ');
        self.text.push_str(value);
        self.text.push('\n');
    }
}

impl Kind {
    const fn ending(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

impl Family<'_> {
    /// Adds a number.
    pub fn number(&mut self, labels: Labels<'_>, value: u64) {
        let name = [self.name, self.kind.ending()];
        self.exposition
            .sample(name, labels, None, &value.to_string());
    }

    /// Adds a time in seconds.
    pub fn seconds(&mut self, labels: Labels<'_>, value: Duration) {
        let name = [self.name, self.kind.ending()];
        let value = format!("{:?}", value.as_secs_f64());
        self.exposition.sample(name, labels, None, &value);
    }

    /// Adds a histogram of times.
    pub fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        let mut below = 0_u64;
        let bounds = BOUNDS.map(|bound| format!("{:?}", seconds(bound)));
        let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
        for (bound, &count) in bounds.zip(&histogram.counts) {
            // What others wrote may be anything; the buckets still have to grow.
            below = below.saturating_add(count);
            let name = [self.name, "_bucket"];
            self.exposition
                .sample(name, labels, Some(bound), &below.to_string());
        }
        let count = [self.name, "_count"];
        self.exposition
            .sample(count, labels, None, &below.to_string());
        let sum = format!("{:?}", seconds(histogram.sum));
        self.exposition
            .sample([self.name, "_sum"], labels, None, &sum);
    }
}

fn escape(value: &[u8], text: &mut String) {
    for letter in String::from_utf8_lossy(value).chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            // Parsers that go line by line take it for an end.
            '\r' => text.push('\u{fffd}'),
            letter => text.push(letter),
        }
    }
}
