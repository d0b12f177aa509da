//! Memory files: shared ones that are mapped, and sealed ones that nobody can change any more.
//!
//! The seals make a file of another process safe to use: one that cannot shrink never raises SIGBUS under a mapping, one
//! that cannot be written does not change between the check and the use. The scoreboard is a shared one,
//! configurations and request bodies are sealed ones.

use std::ffi::c_void;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create,
};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// Seals of a file that is mapped and written by several processes.
const SHARED: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::SEAL);
/// Seals of a file that nobody changes any more.
const CONSTANT: SealFlags = SHARED.union(SealFlags::WRITE);

/// Makes a memory file of `length` zeros that keeps its length.
///
/// # Errors
/// No memory, no descriptors, or a kernel that cannot.
pub fn shared(name: &str, length: usize) -> io::Result<OwnedFd> {
    let file = create(name)?;
    ftruncate(&file, length as u64)?;
    fcntl_add_seals(&file, SHARED)?;
    Ok(file)
}

/// Whether a file is a memory file that keeps its length of exactly `length`.
#[must_use]
pub fn is_shared(file: BorrowedFd<'_>, length: usize) -> bool {
    has_seals(file, SHARED) && size(file).is_ok_and(|size| size == length as u64)
}

/// Makes a memory file with these bytes that nobody can change, its maker included.
///
/// # Errors
/// As [`shared`].
pub fn sealed(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut writer = SealedWriter::new(name)?;
    writer.write_all(bytes)?;
    writer.seal()
}

/// The length of a memory file that nobody can change; none for any other file.
#[must_use]
pub fn sealed_length(file: BorrowedFd<'_>) -> Option<u64> {
    if has_seals(file, CONSTANT) {
        size(file).ok()
    } else {
        None
    }
}

/// Reads a sealed memory file from its beginning, wherever its offset is.
///
/// # Errors
/// It is not sealed, is longer than `limit`, or cannot be read.
pub fn read_sealed(file: BorrowedFd<'_>, limit: usize) -> io::Result<Vec<u8>> {
    let length = sealed_length(file).ok_or(io::ErrorKind::InvalidInput)?;
    let length = usize::try_from(length)
        .ok()
        .filter(|&length| length <= limit)
        .ok_or(io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; length];
    let mut done = 0;
    while done < length {
        match rustix::io::pread(file, &mut bytes[done..], done as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => done += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}

/// A memory file that is being filled; [`SealedWriter::seal`] ends that.
#[derive(Debug)]
pub struct SealedWriter {
    file: OwnedFd,
}

impl SealedWriter {
    /// Makes an empty one.
    ///
    /// # Errors
    /// As [`shared`].
    pub fn new(name: &str) -> io::Result<Self> {
        create(name).map(|file| Self { file })
    }

    /// Seals what was written. The offset is set back, so that whoever reads on gets all of it.
    ///
    /// # Errors
    /// A mapping that can write exists, which is not so here.
    pub fn seal(self) -> io::Result<OwnedFd> {
        rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Start(0))?;
        fcntl_add_seals(&self.file, CONSTANT)?;
        Ok(self.file)
    }
}

impl Write for SealedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.file, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn create(name: &str) -> io::Result<OwnedFd> {
    // Only a name for people who look at /proc; the kernel takes 249 bytes without NUL.
    let mut shown: String = name.chars().filter(|letter| *letter != '\0').collect();
    while shown.len() > 200 {
        shown.pop();
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Without this a kernel from 6.3 on may complain or, by its setting, refuse; an older one does not know it.
    match memfd_create(&shown, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(rustix::io::Errno::INVAL) => Ok(memfd_create(&shown, flags)?),
        made => Ok(made?),
    }
}

fn has_seals(file: BorrowedFd<'_>, wanted: SealFlags) -> bool {
    fcntl_get_seals(file).is_ok_and(|seals| seals.contains(wanted))
}

fn size(file: BorrowedFd<'_>) -> io::Result<u64> {
    u64::try_from(fstat(file)?.st_size).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// A shared mapping of a memory file that keeps its length.
///
/// # Invariants
/// `start` is the beginning of a mapping of `length` bytes, readable and writable, which lives until this is dropped
/// and whose file, if it has one, can neither shrink nor grow. Other processes write it at any time: it is only to be accessed
/// through atomics.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only accessed through atomics (invariant).
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps all of a memory file of [`shared`], `length` bytes.
    ///
    /// # Errors
    /// It is not such a file, or there is no address space.
    pub fn new(file: impl AsFd, length: usize) -> io::Result<Self> {
        let file = file.as_fd();
        if length == 0 || !is_shared(file, length) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: the kernel chooses the address, so no memory in use is replaced.
        let start = unsafe { mmap(ptr::null_mut(), length, access, flags, file, 0) }?;
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        // INVARIANT: as long as was asked for; the seals were checked above.
        Ok(Self { start, length })
    }

    /// Maps `length` zeros that only processes see which are forked from this one.
    ///
    /// # Errors
    /// There is no memory or address space.
    pub fn anonymous(length: usize) -> io::Result<Self> {
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: the kernel chooses the address, so no memory in use is replaced.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), length, access, flags) }?;
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        // INVARIANT: as long as was asked for; there is no file.
        Ok(Self { start, length })
    }

    /// Where it begins: at a page.
    #[must_use]
    pub fn start(&self) -> NonNull<u8> {
        self.start.cast()
    }

    /// How long it is.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by `mmap` with this length (invariant); whoever borrowed from it borrowed this value.
        // Nothing can be done about an error, and there is none for such arguments.
        let _ = unsafe { munmap(self.start.as_ptr(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_file_has_its_bytes_and_cannot_be_changed() {
        let file = sealed("test", b"configuration").unwrap();
        assert_eq!(sealed_length(file.as_fd()), Some(13));
        assert_eq!(read_sealed(file.as_fd(), 13).unwrap(), b"configuration");
        assert!(read_sealed(file.as_fd(), 12).is_err());
        assert!(rustix::io::pwrite(&file, b"x", 0).is_err());
        assert!(ftruncate(&file, 1).is_err());
        assert!(ftruncate(&file, 100).is_err());
    }

    #[test]
    fn a_body_in_pieces_is_read_from_its_beginning() {
        let mut writer = SealedWriter::new("body\0of a request").unwrap();
        writer.write_all(&[1; 70_000]).unwrap();
        writer.write_all(&[2; 3]).unwrap();
        let file = writer.seal().unwrap();
        let mut first = [0; 8];
        assert_eq!(rustix::io::read(&file, &mut first).unwrap(), 8);
        let all = read_sealed(file.as_fd(), 1 << 20).unwrap();
        assert_eq!(
            (first, all.len(), &all[70_000..]),
            ([1; 8], 70_003, &[2, 2, 2][..])
        );
    }

    #[test]
    fn only_sealed_memory_files_are_taken() {
        let plain = create("plain").unwrap();
        assert_eq!(sealed_length(plain.as_fd()), None);
        assert!(read_sealed(plain.as_fd(), 10).is_err());
        assert!(Mapping::new(&plain, 4096).is_err());
        let zero = std::fs::File::open("/dev/zero").unwrap();
        assert_eq!(sealed_length(zero.as_fd()), None);
        assert!(Mapping::new(&zero, 4096).is_err());
        let regular = tempfile::tempfile().unwrap();
        assert!(Mapping::new(&regular, 4096).is_err());
    }

    #[test]
    fn a_shared_file_is_written_but_keeps_its_length() {
        let file = shared(&"long ".repeat(100), 8192).unwrap();
        assert!(is_shared(file.as_fd(), 8192));
        assert!(!is_shared(file.as_fd(), 4096));
        assert!(Mapping::new(&file, 4096).is_err());
        let mapping = Mapping::new(&file, 8192).unwrap();
        assert_eq!(mapping.length(), 8192);
        assert!(rustix::io::pwrite(&file, b"x", 0).is_ok());
        assert!(ftruncate(&file, 100).is_err());
        assert!(fcntl_add_seals(&file, SealFlags::WRITE).is_err());
    }
}
