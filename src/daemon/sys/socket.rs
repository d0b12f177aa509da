//! UNIX sockets between Apache's children, the supervisor and daemon processes: pairs, descriptors that go with
//! bytes, and who is at the other end.
//!
//! Used by `server` and `client`. Nothing here waits unless it is asked to, and nothing raises SIGPIPE.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair, sockopt,
};

/// Both ends of a connection; closed on exec.
///
/// # Errors
/// No descriptors or no memory.
pub fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair(SocketType::STREAM)
}

/// Both ends of a line that keeps messages apart; closed on exec.
///
/// # Errors
/// No descriptors or no memory.
pub fn message_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair(SocketType::SEQPACKET)
}

fn pair(kind: SocketType) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        kind,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Whether a call may wait for room or for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// It fails with `WouldBlock` instead.
    Never,
    /// It waits for as long as the socket does.
    Allowed,
}

/// Sends the slices in order, the descriptors with their first byte; gives how many bytes were taken.
///
/// # Errors
/// `WouldBlock` where it may not wait and nothing was taken; `BrokenPipe` where the other end is closed.
pub fn send_with_fds(
    socket: BorrowedFd<'_>,
    slices: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
    waiting: Waiting,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let is_taken = fds.is_empty() || control.push(SendAncillaryMessage::ScmRights(fds));
    if fds.len() > MOST_FDS || !is_taken {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut flags = SendFlags::NOSIGNAL;
    if waiting == Waiting::Never {
        flags |= SendFlags::DONTWAIT;
    }
    Ok(rustix::io::retry_on_intr(|| {
        sendmsg(socket, slices, &mut control, flags)
    })?)
}

/// The most descriptors that one call sends or takes.
pub const MOST_FDS: usize = 2;

/// What one call received.
#[derive(Debug, Default)]
pub struct Received {
    /// Bytes in the buffer; 0 is the end.
    pub bytes: usize,
    /// The descriptors that came with them, closed on exec.
    pub fds: Vec<OwnedFd>,
    /// More descriptors were sent than are taken at once, or there was no room for them: they are closed.
    pub fds_lost: bool,
    /// A message was longer than the buffer (not on a stream).
    pub is_cut: bool,
}

/// Receives into `buffer`. On a stream the kernel ends a call at bytes that descriptors came with, so those of one
/// call belong to its last bytes.
///
/// # Errors
/// `WouldBlock` where it may not wait and nothing is there; `ConnectionReset` where the other end was closed with
/// bytes that it had not read.
pub fn recv_with_fds(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    waiting: Waiting,
) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut flags = RecvFlags::CMSG_CLOEXEC;
    if waiting == Waiting::Never {
        flags |= RecvFlags::DONTWAIT;
    }
    let mut slices = [IoSliceMut::new(buffer)];
    let message = rustix::io::retry_on_intr(|| recvmsg(socket, &mut slices, &mut control, flags))?;
    let mut received = Received {
        bytes: message.bytes,
        fds: Vec::new(),
        fds_lost: message.flags.contains(ReturnFlags::CTRUNC),
        is_cut: message.flags.contains(ReturnFlags::TRUNC),
    };
    for item in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = item {
            received.fds.extend(fds);
        }
    }
    // The space is rounded up, so one more may have come.
    received.fds_lost |= received.fds.len() > MOST_FDS;
    if received.fds_lost {
        received.fds.clear();
    }
    Ok(received)
}

/// Who made a connection, as the kernel noted it then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Process id.
    pub pid: i32,
    /// User id.
    pub user: u32,
}

/// Who made the connection: of a pair, the process that made it.
///
/// # Errors
/// It is no UNIX socket.
pub fn peer(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    let credentials = sockopt::socket_peercred(socket)?;
    Ok(Peer {
        pid: credentials.pid.as_raw_nonzero().get(),
        user: credentials.uid.as_raw(),
    })
}

/// What is waited for on one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Bytes, or the end.
    Readable,
    /// Room.
    Writable,
}

/// Waits until a descriptor is as wanted (or broken: the next call tells); false when `patience` is over.
///
/// # Errors
/// No memory.
pub fn wait_for(fd: BorrowedFd<'_>, interest: Interest, patience: Duration) -> io::Result<bool> {
    let events = match interest {
        Interest::Readable => PollFlags::IN,
        Interest::Writable => PollFlags::OUT,
    };
    let end = Instant::now().checked_add(patience);
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), events)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What the other end of a connection has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HungUp {
    /// Nothing, or it cannot be known.
    No,
    /// It sends no more. Whether it still reads cannot be known before something is sent.
    Half,
    /// Everything: it is reset, or gone.
    Whole,
}

/// Looks what the other end has closed; nothing is read.
#[must_use]
pub fn hung_up(socket: BorrowedFd<'_>) -> HungUp {
    let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)];
    let seen = rustix::io::retry_on_intr(|| poll(&mut fds, Some(&Timespec::default())));
    let flags = match seen {
        Ok(1) => fds[0].revents(),
        _ => PollFlags::empty(),
    };
    if flags.intersects(PollFlags::HUP | PollFlags::ERR) {
        HungUp::Whole
    } else if flags.contains(PollFlags::RDHUP) {
        HungUp::Half
    } else {
        HungUp::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};

    fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Received {
        recv_with_fds(socket.as_fd(), buffer, Waiting::Never).unwrap()
    }

    #[test]
    fn descriptors_arrive_with_the_bytes_they_were_sent_with() {
        let (ours, theirs) = stream_pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"contents").unwrap();
        file.rewind().unwrap();
        let plain = [IoSlice::new(b"plain")];
        let with = [IoSlice::new(b"wi"), IoSlice::new(b"th")];
        send_with_fds(ours.as_fd(), &plain, &[], Waiting::Never).unwrap();
        assert_eq!(
            send_with_fds(ours.as_fd(), &with, &[file.as_fd()], Waiting::Never).unwrap(),
            4
        );
        send_with_fds(ours.as_fd(), &plain, &[], Waiting::Never).unwrap();
        let mut buffer = [0; 64];
        let mut seen = Vec::new();
        let mut files = Vec::new();
        while seen.len() < 14 {
            let received = receive(&theirs, &mut buffer);
            seen.extend_from_slice(&buffer[..received.bytes]);
            if !received.fds.is_empty() {
                assert!(seen.ends_with(b"with"), "the call ends with their bytes");
            }
            files.extend(received.fds);
        }
        assert_eq!(seen, b"plainwithplain");
        let mut contents = String::new();
        std::fs::File::from(files.remove(0))
            .read_to_string(&mut contents)
            .unwrap();
        assert_eq!(contents, "contents");
    }

    #[test]
    fn too_many_descriptors_are_all_closed() {
        let (ours, theirs) = stream_pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        for _ in 0..2 {
            let many = [file.as_fd(), file.as_fd()];
            send_with_fds(ours.as_fd(), &[IoSlice::new(b"a")], &many, Waiting::Never).unwrap();
        }
        let received = receive(&theirs, &mut [0; 8]);
        assert_eq!((received.bytes, received.fds.len()), (1, 2));
        let three = [file.as_fd(), file.as_fd(), file.as_fd()];
        let slices = [IoSlice::new(b"a")];
        assert!(send_with_fds(ours.as_fd(), &slices, &three, Waiting::Never).is_err());
    }

    #[test]
    fn a_close_with_unread_bytes_is_a_reset_and_one_without_is_the_end() {
        let (ours, theirs) = stream_pair().unwrap();
        send_with_fds(
            ours.as_fd(),
            &[IoSlice::new(b"unread")],
            &[],
            Waiting::Never,
        )
        .unwrap();
        drop(theirs);
        let error = recv_with_fds(ours.as_fd(), &mut [0; 8], Waiting::Never).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

        let (ours, theirs) = stream_pair().unwrap();
        drop(theirs);
        assert_eq!(receive(&ours, &mut [0; 8]).bytes, 0);
        let error = send_with_fds(ours.as_fd(), &[IoSlice::new(b"a")], &[], Waiting::Never);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn who_hangs_up_is_seen_at_once() {
        let (ours, theirs) = stream_pair().unwrap();
        send_with_fds(theirs.as_fd(), &[IoSlice::new(b"a")], &[], Waiting::Never).unwrap();
        assert_eq!(hung_up(ours.as_fd()), HungUp::No);
        rustix::net::shutdown(&theirs, rustix::net::Shutdown::Write).unwrap();
        assert_eq!(
            hung_up(ours.as_fd()),
            HungUp::Half,
            "with bytes to be read, too"
        );
        drop(theirs);
        assert_eq!(hung_up(ours.as_fd()), HungUp::Whole);
    }

    #[test]
    fn what_may_not_wait_says_so_and_waiting_ends_with_patience() {
        let (ours, theirs) = stream_pair().unwrap();
        let error = recv_with_fds(ours.as_fd(), &mut [0; 8], Waiting::Never).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let patience = Duration::from_millis(20);
        assert!(!wait_for(ours.as_fd(), Interest::Readable, patience).unwrap());
        assert!(wait_for(ours.as_fd(), Interest::Writable, patience).unwrap());
        drop(theirs);
        assert!(wait_for(ours.as_fd(), Interest::Readable, patience).unwrap());
    }

    #[test]
    fn the_peer_of_a_pair_is_the_process_that_made_it() {
        let (ours, _theirs) = stream_pair().unwrap();
        let peer = peer(ours.as_fd()).unwrap();
        assert_eq!(u32::try_from(peer.pid), Ok(std::process::id()));
        assert_eq!(peer.user, rustix::process::getuid().as_raw());
    }
}
