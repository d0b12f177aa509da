//! New connections: passed through the slot's intake by Apache's children, each with a hello.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;

use rsgi_core::wire::{HELLO, Hello, WireError};
use rustix::event::epoll;
use rustix::net::sockopt;

use super::connection::Connection;
use super::{Seat, Server};
use crate::log;
use crate::sys::socket::{Received, Waiting, peer, recv_with_fds};

/// Why a connection is not taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("{0} descriptors came, not one")]
    Descriptors(usize),
    #[error("it is of user {0}")]
    User(u32),
    #[error("there are too many")]
    Full,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Server {
    /// Takes all connections that are there.
    pub(super) fn take_connections(&self) {
        loop {
            // One byte more than a hello, so that a longer message is seen to be one.
            let mut message = [0; HELLO + 1];
            let received = match recv_with_fds(self.intake.as_fd(), &mut message, Waiting::Never) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    return log::warn(format_args!("RSGI0424: the intake cannot be read: {error}"));
                }
            };
            if received.bytes == 0 && received.fds.is_empty() {
                // An empty message, or the end: the event says which.
                return;
            }
            let count = received.bytes;
            match self.take_connection(&message[..count], received) {
                Ok(()) => {}
                // Once: whoever makes so many makes more.
                Err(Refused::Full) if self.is_full_told.swap(true, Ordering::Relaxed) => {}
                Err(refused) => log::warn(format_args!(
                    "RSGI0425: a new connection is refused: {refused}"
                )),
            }
        }
    }

    fn take_connection(&self, message: &[u8], mut received: Received) -> Result<(), Refused> {
        let hello = Hello::decode(message)?;
        let count = received.fds.len();
        let socket = match received.fds.pop() {
            Some(socket) if count == 1 => socket,
            _ => return Err(Refused::Descriptors(count)),
        };
        if hello.incarnation != self.settings.incarnation {
            // It was meant for the process before this one: closed with what is in it, so the child tries again.
            return Ok(());
        }
        let user = peer(socket.as_fd())?.user;
        if user != self.settings.client_user && user != self.own_user {
            return Err(Refused::User(user));
        }
        self.set_buffers(&socket)?;
        let place = self.connections.reserve().ok_or(Refused::Full)?;
        let seat = Seat {
            server: self,
            place,
        };
        let data = epoll::EventData::new_u64(place.into());
        // Armed later: an event could come before the connection is at its place.
        epoll::add(&self.epoll, &socket, data, epoll::EventFlags::ONESHOT)
            .map_err(io::Error::from)?;
        seat.arm(Connection::new(socket, &hello));
        Ok(())
    }

    fn set_buffers(&self, socket: &OwnedFd) -> io::Result<()> {
        let Self { settings, .. } = self;
        if settings.send_buffer > 0 {
            sockopt::set_socket_send_buffer_size(socket, settings.send_buffer as usize)?;
        }
        if settings.receive_buffer > 0 {
            sockopt::set_socket_recv_buffer_size(socket, settings.receive_buffer as usize)?;
        }
        Ok(())
    }
}
