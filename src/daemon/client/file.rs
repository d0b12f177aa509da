//! Files without a name: long request bodies on their way to a process, responses that wait for a slow client.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{FileType, MemfdFlags, SealFlags, fcntl_add_seals, fstat, memfd_create};

/// A memory file that grows.
#[derive(Debug)]
pub struct MemoryFile {
    file: File,
    length: u64,
}

impl MemoryFile {
    /// An empty one.
    ///
    /// # Errors
    /// No descriptors or memory.
    pub fn new() -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        Ok(Self {
            file: memfd_create(c"rsgi-body", flags)?.into(),
            length: 0,
        })
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// Memory.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Bytes in it.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Lets nobody change it any more, this process included.
    ///
    /// # Errors
    /// The system's.
    pub fn seal(&self) -> io::Result<()> {
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        Ok(fcntl_add_seals(&self.file, seals)?)
    }

    /// Reads from a place.
    ///
    /// # Errors
    /// The system's.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
}

impl AsFd for MemoryFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whether a descriptor that somebody else sent is a regular file with that part.
pub(super) fn has_part(file: BorrowedFd<'_>, offset: u64, length: u64) -> bool {
    fstat(file).is_ok_and(|about| {
        let size = u64::try_from(about.st_size).unwrap_or(0);
        FileType::from_raw_mode(about.st_mode) == FileType::RegularFile
            && offset.checked_add(length).is_some_and(|end| end <= size)
    })
}
