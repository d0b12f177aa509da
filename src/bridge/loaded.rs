//! What this process has mapped already: a libpython that somebody else brought, and where this code lies.

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Paths of all shared objects of this process; the executable's own is left out.
fn objects() -> Vec<PathBuf> {
    unsafe extern "C" fn collect(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        list: *mut c_void,
    ) -> c_int {
        // SAFETY: `list` is the Vec that `objects` passes, which nothing else uses meanwhile.
        let list = unsafe { &mut *list.cast::<Vec<PathBuf>>() };
        // SAFETY: the linker passes a valid structure.
        let name = unsafe { (*info).dlpi_name };
        if !name.is_null() {
            // SAFETY: a C string owned by the linker, which holds its lock meanwhile.
            let name = unsafe { CStr::from_ptr(name) };
            if !name.is_empty() {
                list.push(PathBuf::from(OsStr::from_bytes(name.to_bytes())));
            }
        }
        0
    }
    let mut list: Vec<PathBuf> = Vec::new();
    // SAFETY: `collect` matches the type of list that it is given, and does not unwind (it only allocates).
    unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut list).cast()) };
    list
}

/// Whether the path is that of a versioned libpython (the stable ABI's stub `libpython3.so` is not one).
fn is_libpython(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let name = name.as_bytes();
        let rest = name
            .strip_prefix(b"libpython3.")
            .or_else(|| name.strip_prefix(b"libpython2."));
        rest.is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
    })
}

/// A libpython other than `wanted` that is mapped already, or whatever other object defines Python's functions.
#[must_use]
pub fn other_libpython(wanted: &Path) -> Option<PathBuf> {
    let wanted = std::fs::canonicalize(wanted).unwrap_or_else(|_| wanted.to_path_buf());
    let is_other = |path: &PathBuf| std::fs::canonicalize(path).map_or(true, |path| path != wanted);
    objects()
        .into_iter()
        .filter(|path| is_libpython(path))
        .chain(definer_of_python())
        .find(is_other)
}

/// The object that defines `Py_GetVersion` for all, if one does: a module may have libpython inside.
fn definer_of_python() -> Option<PathBuf> {
    // SAFETY: a lookup by a C string.
    let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"Py_GetVersion".as_ptr()) };
    object_of(symbol)
}

/// The path of the object that `address` lies in.
pub(crate) fn object_of(address: *const c_void) -> Option<PathBuf> {
    if address.is_null() {
        return None;
    }
    let mut info = core::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `info` is writable; any address may be asked for.
    if unsafe { libc::dladdr(address, info.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: zeroed is valid for this type of pointers, and dladdr succeeded.
    let name = unsafe { info.assume_init() }.dli_fname;
    if name.is_null() {
        return None;
    }
    // SAFETY: a C string that lives as long as the object, which is not closed.
    let name = unsafe { CStr::from_ptr(name) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}

/// The file name of the Apache module that likely brought `library`: one that is mapped and names it.
#[must_use]
pub fn likely_bringer(library: &Path) -> Option<String> {
    let soname = library.file_name()?.as_bytes();
    objects()
        .into_iter()
        .filter(|path| path.as_path() != library)
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.as_bytes().starts_with(b"mod_"))
        })
        .find(|path| mentions(path, soname))
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
}

/// Whether a file of reasonable size contains `needle`.
fn mentions(path: &Path, needle: &[u8]) -> bool {
    const LIMIT: u64 = 64 << 20;
    let Ok(metadata) = std::fs::metadata(path) else {
        return false;
    };
    if !metadata.is_file() || metadata.len() > LIMIT {
        return false;
    }
    std::fs::read(path)
        .is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_versioned_libpython_counts_as_one() {
        assert!(is_libpython(Path::new("/usr/lib/libpython3.11.so.1.0")));
        assert!(is_libpython(Path::new("/usr/lib/libpython2.7.so.1.0")));
        assert!(!is_libpython(Path::new("/usr/lib/libpython3.so")));
        assert!(!is_libpython(Path::new("/usr/lib/libpythonic.so")));
    }

    #[test]
    fn the_objects_of_this_process_have_a_libc() {
        assert!(objects().iter().any(|path| {
            path.file_name()
                .is_some_and(|name| name.as_bytes().starts_with(b"libc."))
        }));
    }
}
