//! Connections that wait for their next request, by slot.

use parking_lot::Mutex;

use super::connection::Connection;

/// Idle connections of one Apache child to one group. Their number is bounded by the child's threads.
#[derive(Debug)]
pub(super) struct Pool {
    slots: Vec<Mutex<Vec<Connection>>>,
}

impl Pool {
    /// A pool for that many slots.
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots: (0..slots).map(|_| Mutex::default()).collect(),
        }
    }

    /// The connection to that process that was used last; those to earlier ones are closed.
    pub(super) fn take(&self, slot: u32, incarnation: u32) -> Option<Connection> {
        let mut idle = self.slots.get(slot as usize)?.lock();
        while let Some(connection) = idle.pop() {
            if connection.incarnation == incarnation {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection over which nothing more comes for the last request.
    pub(super) fn put(&self, slot: u32, mut connection: Connection) {
        connection.is_new = false;
        if let Some(idle) = self.slots.get(slot as usize) {
            let mut idle = idle.lock();
            let is_other = |other: &Connection| other.incarnation != connection.incarnation;
            if idle.last().is_some_and(is_other) {
                idle.clear();
            }
            idle.push(connection);
        }
    }
}
