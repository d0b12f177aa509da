//! The connections of a process, each at a place whose number is its name in the epoll set.
//!
//! A connection is at its place while it waits for a request and in a thread's hands otherwise, so nobody needs a lock
//! for longer than a move. A late event finds the place empty, or another connection there without anything to read.

use parking_lot::Mutex;

use super::connection::Connection;

/// The most connections of a process, whatever httpd's limits are.
const MOST: usize = 16 * 1024;

/// All places.
pub(super) struct Table {
    places: Box<[Mutex<Option<Connection>>]>,
    free: Mutex<Vec<u32>>,
}

impl Table {
    /// With as many places as there may be connections.
    pub(super) fn new(size: usize) -> Self {
        let size = size.clamp(16, MOST);
        Self {
            places: (0..size).map(|_| Mutex::new(None)).collect(),
            // Lossless, see MOST. The lowest number is taken first.
            free: Mutex::new((0..size as u32).rev().collect()),
        }
    }

    /// A place for a new connection, still empty; none where all are taken.
    pub(super) fn reserve(&self) -> Option<u32> {
        self.free.lock().pop()
    }

    /// The place is nobody's any more.
    pub(super) fn release(&self, place: u32) {
        self.free.lock().push(place);
    }

    /// Takes the connection from a place, which stays its own.
    pub(super) fn take(&self, place: u32) -> Option<Connection> {
        self.places.get(place as usize)?.lock().take()
    }

    /// Puts a connection to its place.
    pub(super) fn put(&self, place: u32, connection: Connection) {
        if let Some(slot) = self.places.get(place as usize) {
            *slot.lock() = Some(connection);
        }
    }

    /// Takes the first connection for which `is_it` holds, from the place `from` on, and says which place that is.
    pub(super) fn take_if(
        &self,
        from: u32,
        is_it: impl Fn(&Connection) -> bool,
    ) -> Option<(u32, Connection)> {
        (from..)
            .zip(self.places.iter().skip(from as usize))
            .find_map(|(place, slot)| {
                let mut slot = slot.lock();
                let connection = slot.take_if(|connection| is_it(connection))?;
                Some((place, connection))
            })
    }

    /// Runs `body` with the connection at a place.
    pub(super) fn with<R>(&self, place: u32, body: impl FnOnce(&Connection) -> R) -> Option<R> {
        self.places.get(place as usize)?.lock().as_ref().map(body)
    }
}
