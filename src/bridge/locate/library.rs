//! The standard library and the shared library of an installed Python.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::elf::{self, Fit};
use super::error::{Distribution, LocateError};
use super::files;
use super::text::{self, Version};

/// Larger than any sysconfig data.
const SYSCONFIG_LIMIT: usize = 1 << 20;
/// Larger than any `patchlevel.h` or os-release.
const SMALL_LIMIT: usize = 64 << 10;

/// A shared library and how it was found.
pub(super) struct Library {
    pub(super) path: PathBuf,
    /// The prefix that it belongs to.
    pub(super) base: PathBuf,
    pub(super) how: &'static str,
}

/// The folder (or zip file) with the standard library of `version` under a prefix.
pub(super) fn standard_library(base: &Path, version: Version) -> Option<PathBuf> {
    let folders = library_folders(base, version);
    let zip = base.join(format!("lib/python{}{}.zip", version.major, version.minor));
    folders
        .into_iter()
        .find(|folder| folder.join("os.py").is_file() || folder.join("os.pyc").is_file())
        .or_else(|| zip.is_file().then_some(zip))
}

fn library_folders(base: &Path, version: Version) -> [PathBuf; 2] {
    let name = format!("python{}", version.tag());
    ["lib", "lib64"].map(|lib| base.join(lib).join(&name))
}

/// The full version of the Python at a prefix, if its headers are there.
pub(super) fn full_version(base: &Path, version: Version) -> Option<String> {
    let header = format!("include/python{}/patchlevel.h", version.tag());
    let text = files::text(&base.join(header), SMALL_LIMIT)?;
    text::patchlevel_version(&text).filter(|full| {
        Version::from_number(full)
            .is_some_and(|known| (known.major, known.minor) == (version.major, version.minor))
    })
}

/// Looks for the shared library of one version under one prefix after the other.
pub(super) struct Search<'a> {
    version: Version,
    program: &'a Path,
    /// The first library that is there but is of no use.
    wrong: Option<(PathBuf, String)>,
    /// A prefix whose sysconfig says that there is no shared library.
    is_static: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(version: Version, program: &'a Path) -> Self {
        Self {
            version,
            program,
            wrong: None,
            is_static: false,
        }
    }

    /// The library of the first of `bases` that has one.
    pub(super) fn run(mut self, bases: &[PathBuf]) -> Result<Library, LocateError> {
        for base in bases {
            if let Some(found) = self.under(base)? {
                return Ok(found);
            }
        }
        Err(self.failure(bases.first().map_or(Path::new("/"), PathBuf::as_path)))
    }

    fn name(&self) -> String {
        format!("libpython{}.so.1.0", self.version.tag())
    }

    fn under(&mut self, base: &Path) -> Result<Option<Library>, LocateError> {
        let name = self.name();
        for (folder, how) in usual_folders(base) {
            if let Some(found) = self.take(base, folder.join(&name), how)? {
                return Ok(Some(found));
            }
        }
        for data in sysconfig_data(base, self.version) {
            for path in named_by_sysconfig(base, &data, &name) {
                if let Some(found) = self.take(base, path, "sysconfig's LIBDIR")? {
                    return Ok(Some(found));
                }
            }
            let shared = text::sysconfig_variable(&data, "Py_ENABLE_SHARED");
            self.is_static |= shared.as_deref() == Some("0");
        }
        Ok(None)
    }

    fn take(
        &mut self,
        base: &Path,
        path: PathBuf,
        how: &'static str,
    ) -> Result<Option<Library>, LocateError> {
        match elf::examine(&path) {
            Fit::Fits => {
                let base = base.to_path_buf();
                return Ok(Some(Library { path, base, how }));
            }
            Fit::Wrong(problem) => {
                self.wrong.get_or_insert((path, problem));
            }
            Fit::Denied => {
                let error = ErrorKind::PermissionDenied.into();
                return Err(LocateError::Unreadable { path, error });
            }
            Fit::Absent => {}
        }
        Ok(None)
    }

    fn failure(self, base: &Path) -> LocateError {
        let minor = self.version.minor;
        if let Some((library, problem)) = self.wrong {
            return LocateError::Foreign { library, problem };
        }
        if elf::is_foreign(self.program) {
            return LocateError::Foreign {
                library: self.program.to_path_buf(),
                problem: "is built for another processor".to_owned(),
            };
        }
        if self.is_static {
            let is_pyenv = base
                .parent()
                .is_some_and(|versions| versions.ends_with("versions"));
            return LocateError::Static {
                base: base.to_path_buf(),
                minor,
                is_pyenv,
            };
        }
        LocateError::MissingLibrary {
            base: base.to_path_buf(),
            minor,
            name: self.name(),
            distribution: (base == Path::new("/usr")).then(distribution),
        }
    }
}

/// Where a prefix has its libraries; the multiarch folders are those that are there.
fn usual_folders(base: &Path) -> Vec<(PathBuf, &'static str)> {
    let lib = base.join("lib");
    let mut multiarch: Vec<PathBuf> = files::names(&lib)
        .filter(|name| name.to_string_lossy().contains("-linux-"))
        .map(|name| lib.join(name))
        .collect();
    multiarch.sort_unstable();
    let mut folders = vec![
        (lib, "the prefix's lib"),
        (base.join("lib64"), "the prefix's lib64"),
    ];
    folders.extend(
        multiarch
            .into_iter()
            .map(|folder| (folder, "the prefix's multiarch folder")),
    );
    folders
}

/// The texts of a prefix's sysconfig data. Debian's `_sysconfigdata_d_` is the debug build's.
fn sysconfig_data(base: &Path, version: Version) -> Vec<String> {
    const PREFIX: &str = "_sysconfigdata_";
    library_folders(base, version)
        .iter()
        .flat_map(|folder| files::names(folder).map(|name| folder.join(name)))
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| {
                    name.starts_with(PREFIX)
                        && name.ends_with(".py")
                        && !name.starts_with("_sysconfigdata_d_")
                })
        })
        .filter_map(|path| files::text(&path, SYSCONFIG_LIMIT))
        .collect()
}

/// Where sysconfig says the library is. Only a Python that lies where it was built for is believed: a copied
/// one names folders that may hold another build's library.
fn named_by_sysconfig(base: &Path, data: &str, name: &str) -> Vec<PathBuf> {
    let variable = |key| text::sysconfig_variable(data, key);
    let is_at_home = variable("prefix").is_some_and(|prefix| is_same(Path::new(&prefix), base));
    let file = variable("INSTSONAME")
        .filter(|file| {
            file.starts_with("libpython3.") && file.contains(".so") && !file.contains('/')
        })
        .unwrap_or_else(|| name.to_owned());
    ["LIBDIR", "LIBPL"]
        .iter()
        .filter_map(|key| variable(key).map(PathBuf::from))
        .filter(|folder| folder.is_absolute() && (is_at_home || folder.starts_with(base)))
        .flat_map(|folder| [folder.join(name), folder.join(&file)])
        .collect()
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other
        || std::fs::canonicalize(one)
            .is_ok_and(|one| std::fs::canonicalize(other).is_ok_and(|other| one == other))
}

/// Whose packages this system has.
fn distribution() -> Distribution {
    ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| files::text(Path::new(path), SMALL_LIMIT))
        .map_or(Distribution::Other, |text| {
            Distribution::from_os_release(&text)
        })
}

impl Distribution {
    /// From the text of os-release: `ID`, then `ID_LIKE`.
    pub(super) fn from_os_release(text: &str) -> Self {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .map_or("", |value| value.trim_matches(['"', '\'']))
        };
        value("ID")
            .split_whitespace()
            .chain(value("ID_LIKE").split_whitespace())
            .find_map(|id| match id {
                "debian" | "ubuntu" => Some(Self::Debian),
                "fedora" | "rhel" | "centos" => Some(Self::Fedora),
                "alpine" => Some(Self::Alpine),
                "arch" => Some(Self::Arch),
                "suse" | "opensuse" => Some(Self::Suse),
                _ => None,
            })
            .unwrap_or(Self::Other)
    }
}
