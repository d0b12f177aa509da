//! What holds for one interpreter: what is said for all, and by `<WSGIInterpreterOptions>` for some.

#![deny(unsafe_code)]

use rsgi_bridge::abi;

use crate::process::Facts;

/// One block of the configuration, in owned memory.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The application group that it is for; none for all.
    pub(crate) application_group: Option<Vec<u8>>,
    /// The `START_*` bits that it says something about.
    pub(crate) mask: u32,
    /// What it says about them.
    pub(crate) flags: u32,
    /// In nanoseconds; 0 says nothing.
    pub(crate) switch_interval: u64,
    /// Folders for the front of `sys.path`.
    pub(crate) python_path: Vec<Vec<u8>>,
}

impl Rule {
    fn fits(&self, group: &[u8]) -> bool {
        self.application_group
            .as_deref()
            .is_none_or(|own| own == group)
    }
}

/// A time between switches of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    /// In nanoseconds.
    pub(crate) nanoseconds: u64,
    /// Whether it is said for this application group by its name.
    pub(crate) is_named: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    /// `START_*` bits.
    flags: u32,
    /// None leaves Python's own.
    pub(crate) switch_interval: Option<Interval>,
    /// Lists of folders for the front of `sys.path`, each of which goes before the one before it.
    pub(crate) python_path: Vec<&'a [Vec<u8>]>,
}

impl<'a> Settings<'a> {
    /// What holds for an application group in this process.
    pub(crate) fn of(facts: &'a Facts, group: &[u8]) -> Self {
        let mut own = Self {
            flags: facts.flags,
            switch_interval: interval(facts.switch_interval, false),
            python_path: vec![&facts.python_path],
        };
        for rule in facts.rules.iter().filter(|rule| rule.fits(group)) {
            own.flags = own.flags & !rule.mask | rule.flags;
            own.switch_interval = interval(rule.switch_interval, rule.application_group.is_some())
                .or(own.switch_interval);
            own.python_path.push(&rule.python_path);
        }
        own
    }

    /// Whether a `START_*` bit is set.
    pub(crate) const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

fn interval(nanoseconds: u64, is_named: bool) -> Option<Interval> {
    (nanoseconds > 0).then_some(Interval {
        nanoseconds,
        is_named,
    })
}

/// Whether anything asks for a GIL for each interpreter.
pub(crate) fn want_own_gils(facts: &Facts) -> bool {
    let by_rule = facts
        .rules
        .iter()
        .any(|rule| rule.mask & rule.flags & abi::START_OWN_GIL != 0);
    facts.has(abi::START_OWN_GIL) || by_rule
}
