//! `<WSGIInterpreterOptions>`: settings that hold for some interpreters only, and which hold for whom.
//!
//! A block names a process group, an application group, both or none; what is left out fits any. For each setting the
//! block that names most wins, of equal ones the later; folders of all fitting blocks are put in front, one block
//! after the other. Which process group is meant is known when a process is made, which application group when an
//! interpreter is: so a process is given its [rules](InterpreterRules::for_process) in the order in which they apply.

use serde::{Deserialize, Serialize};

use super::GlobalSetting;

/// One block. Nothing it leaves unset is changed by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterpreterRule {
    /// The process group that it is for, empty for Apache's children; none for any.
    pub process_group: Option<Vec<u8>>,
    /// The application group that it is for, empty for the main interpreter; none for any.
    pub application_group: Option<Vec<u8>>,
    /// `WSGIPerInterpreterGIL`
    pub own_gil: Option<bool>,
    /// `WSGIFreeThreading`
    pub free_threading: Option<bool>,
    /// `WSGIRestrictStdin`
    pub restrict_stdin: Option<bool>,
    /// `WSGIRestrictStdout`
    pub restrict_stdout: Option<bool>,
    /// `WSGIRestrictSignal`
    pub restrict_signal: Option<bool>,
    /// `WSGISwitchInterval`, in nanoseconds
    pub switch_interval: Option<u64>,
    /// `WSGIPythonPath`, split; several lines add up
    pub python_path: Vec<Vec<u8>>,
}

impl InterpreterRule {
    /// Whether it is for that process group.
    fn fits(&self, process_group: &[u8]) -> bool {
        self.process_group
            .as_deref()
            .is_none_or(|name| name == process_group)
    }

    /// How much it names.
    fn precision(&self) -> u8 {
        u8::from(self.process_group.is_some()) + u8::from(self.application_group.is_some())
    }

    /// Takes a setting in, or gives one back that is not for blocks.
    fn take(&mut self, setting: GlobalSetting) -> Option<GlobalSetting> {
        match setting {
            GlobalSetting::PerInterpreterGil(value) => self.own_gil = Some(value),
            GlobalSetting::FreeThreading(value) => self.free_threading = Some(value),
            GlobalSetting::RestrictStdin(value) => self.restrict_stdin = Some(value),
            GlobalSetting::RestrictStdout(value) => self.restrict_stdout = Some(value),
            GlobalSetting::RestrictSignal(value) => self.restrict_signal = Some(value),
            GlobalSetting::SwitchInterval(value) => self.switch_interval = Some(value),
            GlobalSetting::PythonPath(folders) => self
                .python_path
                .extend(folders.iter().map(|folder| folder.to_vec())),
            other => return Some(other),
        }
        None
    }
}

/// All blocks of a configuration, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterpreterRules {
    rules: Vec<InterpreterRule>,
    /// Whether the last one is being read.
    is_open: bool,
}

impl InterpreterRules {
    /// A block begins: settings go to it until it ends.
    pub fn open(&mut self, rule: InterpreterRule) {
        self.rules.push(rule);
        self.is_open = true;
    }

    /// The block ends.
    pub const fn close(&mut self) {
        self.is_open = false;
    }

    /// Takes a setting of a block; gives back one that stands outside of every block.
    pub(super) fn take(&mut self, setting: GlobalSetting) -> Option<GlobalSetting> {
        match self.rules.last_mut() {
            Some(rule) if self.is_open => rule.take(setting),
            _ => Some(setting),
        }
    }

    /// The blocks for the processes of a group (empty: Apache's children), in the order in which they apply: each goes
    /// before those that come earlier.
    #[must_use]
    pub fn for_process(&self, process_group: &[u8]) -> Vec<InterpreterRule> {
        let mut rules: Vec<InterpreterRule> = self
            .rules
            .iter()
            .filter(|rule| rule.fits(process_group))
            .cloned()
            .collect();
        rules.sort_by_key(InterpreterRule::precision);
        rules
    }

    /// Whether the processes of a group run without the GIL, where their Python can; `otherwise` is what is said outside
    /// of all blocks. One for a process, so blocks for an application group say nothing about it.
    #[must_use]
    pub fn free_threading(&self, process_group: &[u8], otherwise: bool) -> bool {
        self.for_process(process_group)
            .iter()
            .filter(|rule| rule.application_group.is_none())
            .filter_map(|rule| rule.free_threading)
            .next_back()
            .unwrap_or(otherwise)
    }

    /// Whether a block for an application group says `WSGIFreeThreading`, which has no effect there.
    #[must_use]
    pub fn has_vain_free_threading(&self) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.application_group.is_some() && rule.free_threading.is_some())
    }
}
