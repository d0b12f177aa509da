//! What an Apache child has of its generation: the way to each group, and for a start to the processes of the
//! generation before.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::client::GroupHandle;
use crate::scoreboard::{Scoreboard, SlotState};

/// The groups of a child.
#[derive(Debug)]
pub struct Membership {
    groups: BTreeMap<Vec<u8>, Joined>,
    /// Open for as long as this process may send requests.
    _life: OwnedFd,
}

#[derive(Debug)]
struct Joined {
    own: GroupHandle,
    /// A process of this generation was ready once.
    was_ready: AtomicBool,
    previous: Mutex<Option<Arc<GroupHandle>>>,
}

/// The group that a request goes to.
#[derive(Debug)]
pub enum Chosen<'m> {
    /// This generation's.
    Own(&'m GroupHandle),
    /// That of the generation before, as long as this one has no process, and this one's.
    Previous(Arc<GroupHandle>, &'m GroupHandle),
}

impl<'m> Chosen<'m> {
    /// Where to go when the group has no process any more: the generation before ends when it is not needed.
    #[must_use]
    pub fn otherwise(&self) -> Option<&'m GroupHandle> {
        match self {
            Self::Own(_) => None,
            Self::Previous(_, own) => Some(own),
        }
    }
}

impl Deref for Chosen<'_> {
    type Target = GroupHandle;

    fn deref(&self) -> &GroupHandle {
        match self {
            Self::Own(group) => group,
            Self::Previous(group, _) => group,
        }
    }
}

impl Membership {
    /// The groups of this generation, and those of the one before whose definition is the same.
    pub(super) fn new(groups: Vec<GroupHandle>, previous: Vec<GroupHandle>, life: OwnedFd) -> Self {
        let mut previous: BTreeMap<Vec<u8>, Arc<GroupHandle>> = previous
            .into_iter()
            .map(|mut group| {
                // Its processes are there or gone for good.
                group.options.connect_timeout = 0;
                (group.name.clone(), Arc::new(group))
            })
            .collect();
        let groups = groups.into_iter().map(|own| {
            let name = own.name.clone();
            let joined = Joined {
                previous: Mutex::new(previous.remove(&name)),
                was_ready: AtomicBool::new(false),
                own,
            };
            (name, joined)
        });
        Self {
            groups: groups.collect(),
            _life: life,
        }
    }

    /// All groups of this generation, in the order of their names.
    pub fn groups(&self) -> impl Iterator<Item = &GroupHandle> {
        self.groups.values().map(|joined| &joined.own)
    }

    /// The group of that name, for one request.
    #[must_use]
    pub fn group(&self, name: &[u8]) -> Option<Chosen<'_>> {
        self.groups.get(name).map(Joined::choose)
    }
}

impl Joined {
    fn choose(&self) -> Chosen<'_> {
        if self.was_ready.load(Ordering::Relaxed) {
            return Chosen::Own(&self.own);
        }
        let mut previous = self.previous.lock();
        if has_ready(&self.own.board) {
            // Requests that run there keep it until they are done.
            *previous = None;
            self.was_ready.store(true, Ordering::Relaxed);
            return Chosen::Own(&self.own);
        }
        match &*previous {
            Some(group) if has_ready(&group.board) => {
                Chosen::Previous(Arc::clone(group), &self.own)
            }
            _ => Chosen::Own(&self.own),
        }
    }
}

/// Whether some process of the group takes requests.
pub(super) fn has_ready(board: &Scoreboard) -> bool {
    board.slots().any(|slot| slot.state() == SlotState::Ready)
}
