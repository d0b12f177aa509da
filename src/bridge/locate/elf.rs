//! Whether a file is a shared object that this process could open, by its ELF header.

use std::io;
use std::path::Path;

use super::files;

/// Up to and including `e_machine`.
const HEADER: usize = 20;
/// `e_type` of a shared object.
const ET_DYN: u16 = 3;

/// What a library's header says.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Fit {
    /// It is for this machine.
    Fits,
    /// It is there but cannot be opened; the text follows its name.
    Wrong(String),
    /// It is not there (or is a link to nothing).
    Absent,
    /// It may not be read.
    Denied,
}

/// Examines a file that should be a shared object.
pub(super) fn examine(path: &Path) -> Fit {
    match files::beginning::<HEADER>(path) {
        Ok(header) => match problem(&header) {
            None => Fit::Fits,
            Some(problem) => Fit::Wrong(problem),
        },
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Fit::Denied,
        Err(_) => Fit::Absent,
    }
}

/// Whether a file is an ELF file of another processor.
pub(super) fn is_foreign(path: &Path) -> bool {
    files::beginning::<HEADER>(path)
        .is_ok_and(|header| Elf::read(&header).is_some_and(|elf| !elf.is_native()))
}

fn problem(header: &[u8]) -> Option<String> {
    let Some(elf) = Elf::read(header) else {
        return Some("is not a shared library".to_owned());
    };
    if !elf.is_native() {
        return Some(format!("is built for another processor ({})", elf.name()));
    }
    (elf.kind != ET_DYN).then(|| "is not a shared library".to_owned())
}

/// What matters of a header.
struct Elf {
    is_64: bool,
    is_little: bool,
    kind: u16,
    machine: u16,
}

impl Elf {
    fn read(header: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = header.first_chunk()?;
        let rest = header.strip_prefix(b"\x7fELF")?;
        let is_64 = rest[0] == 2;
        let is_little = rest[1] == 1;
        let word = |at: usize| {
            let bytes = [header[at], header[at + 1]];
            if is_little {
                u16::from_le_bytes(bytes)
            } else {
                u16::from_be_bytes(bytes)
            }
        };
        Some(Self {
            is_64,
            is_little,
            kind: word(16),
            machine: word(18),
        })
    }

    fn is_native(&self) -> bool {
        self.is_64 == cfg!(target_pointer_width = "64")
            && self.is_little == cfg!(target_endian = "little")
            && native_machine().is_none_or(|machine| machine == self.machine)
    }

    /// The processor's name, or its number.
    fn name(&self) -> String {
        MACHINES
            .iter()
            .find(|(_, machine)| *machine == self.machine)
            .map_or_else(
                || format!("machine {}", self.machine),
                |(name, _)| (*name).to_owned(),
            )
    }
}

/// Rust's names of processors and ELF's numbers.
const MACHINES: [(&str, u16); 10] = [
    ("x86_64", 62),
    ("aarch64", 183),
    ("x86", 3),
    ("arm", 40),
    ("riscv64", 243),
    ("powerpc64", 21),
    ("powerpc", 20),
    ("s390x", 22),
    ("loongarch64", 258),
    ("sparc64", 43),
];

/// This program's own number, where it is known: otherwise the linker will tell.
fn native_machine() -> Option<u16> {
    MACHINES
        .iter()
        .find(|(name, _)| *name == std::env::consts::ARCH)
        .map(|(_, machine)| *machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_header() -> Vec<u8> {
        files::beginning::<HEADER>(Path::new("/proc/self/exe")).unwrap()
    }

    #[test]
    fn this_program_is_native_and_a_changed_machine_is_not() {
        let mut header = own_header();
        assert!(Elf::read(&header).unwrap().is_native());
        header[18] ^= 0x55;
        assert!(
            problem(&header)
                .unwrap()
                .starts_with("is built for another processor")
        );
    }

    #[test]
    fn another_word_size_or_byte_order_is_foreign() {
        for at in [4, 5] {
            let mut header = own_header();
            header[at] = 3 - header[at];
            assert!(!Elf::read(&header).unwrap().is_native());
        }
    }

    #[test]
    fn what_is_no_shared_object_is_told() {
        let mut header = own_header();
        header[16..18].copy_from_slice(&1u16.to_ne_bytes());
        assert_eq!(problem(&header).unwrap(), "is not a shared library");
        assert_eq!(problem(b"").unwrap(), "is not a shared library");
        assert_eq!(
            problem(b"/* GNU ld script */....").unwrap(),
            "is not a shared library"
        );
    }

    #[test]
    fn a_folder_or_a_missing_file_is_absent() {
        assert_eq!(examine(Path::new("/usr")), Fit::Absent);
        assert_eq!(examine(Path::new("/no/such/file")), Fit::Absent);
    }
}
