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

    /// Keeps a connection over which nothing more comes for the last request, unless those that are here are to a later
    /// process.
    pub(super) fn put(&self, slot: u32, mut connection: Connection) {
        connection.is_new = false;
        if let Some(idle) = self.slots.get(slot as usize) {
            let mut idle = idle.lock();
            match idle.last().map(|last| last.incarnation) {
                Some(theirs) if theirs > connection.incarnation => return,
                Some(theirs) if theirs < connection.incarnation => idle.clear(),
                _ => {}
            }
            idle.push(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rsgi_core::wire::Hello;

    use super::*;
    use crate::client::connection::BufferSizes;
    use crate::sys::socket::message_pair;

    fn connection(incarnation: u32) -> Connection {
        let (intake, _theirs) = message_pair().unwrap();
        let hello = Hello {
            row: 0,
            incarnation,
            pid: 1,
        };
        Connection::open(intake.as_fd(), hello, BufferSizes::default()).unwrap()
    }

    #[test]
    fn a_connection_to_an_earlier_process_does_not_close_those_to_the_present_one() {
        let pool = Pool::new(1);
        pool.put(0, connection(2));
        pool.put(0, connection(1));
        pool.put(0, connection(2));
        assert!(pool.take(0, 2).is_some() && pool.take(0, 2).is_some());
        assert!(pool.take(0, 2).is_none());
    }

    #[test]
    fn a_connection_to_a_new_process_closes_those_to_earlier_ones() {
        let pool = Pool::new(1);
        pool.put(0, connection(1));
        pool.put(0, connection(2));
        assert!(pool.take(0, 1).is_none());
        pool.put(0, connection(2));
        assert!(pool.take(0, 2).is_some() && pool.take(0, 2).is_none());
    }
}
