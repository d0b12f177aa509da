//! The server root: a directory only its owner can change, and the files written into it.
//!
//! Its default place is under /tmp, where anybody may have put something before: a directory of somebody else or
//! a link is refused, because Apache, perhaps started as root, does what the files in it say.

use std::fs;
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Pid, Uid};

use crate::context::Context;
use crate::error::Error;
use crate::privileges::Identity;
use crate::render::{TEMPLATES, Template};
use crate::settings::Settings;

/// A server root that can be trusted.
#[derive(Debug)]
pub(crate) struct ServerRoot {
    path: PathBuf,
    /// Where Apache writes its number.
    pub(crate) pid_file: PathBuf,
}

impl ServerRoot {
    /// Makes the directory, or takes one that is there if nobody else can write to it.
    ///
    /// # Errors
    /// It cannot be made or trusted, or a server runs in it.
    pub(crate) fn prepare(path: &str, pid_file: &str) -> Result<Self, Error> {
        let root = Self {
            path: path.into(),
            pid_file: pid_file.into(),
        };
        let mut builder = fs::DirBuilder::new();
        match builder.mode(0o755).create(&root.path) {
            Ok(()) => root.set_mode(&root.path, 0o755)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => root.trust()?,
            Err(error) => {
                return Err(Error::file("make the directory", &root.path)(error));
            }
        }
        root.refuse_running()?;
        root.forget_earlier();
        Ok(root)
    }

    /// Looks at a directory as [`Self::prepare`] does, without making it.
    ///
    /// # Errors
    /// It cannot be made or trusted, or a server runs in it.
    pub(crate) fn examine(path: &str, pid_file: &str) -> Result<(), Error> {
        let root = Self {
            path: path.into(),
            pid_file: pid_file.into(),
        };
        if root.path.symlink_metadata().is_ok() {
            root.trust()?;
            return root.refuse_running();
        }
        let parent = root.path.parent().unwrap_or(Path::new("/"));
        let flags = nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK;
        nix::unistd::access(parent, flags)
            .map_err(|errno| Error::file("make a directory in", parent)(errno.into()))
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a directory in it that everybody can read.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.file(name);
        match fs::create_dir(&path) {
            Ok(()) => self.set_mode(&path, 0o755)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::file("make the directory", &path)(error)),
        }
        Ok(path)
    }

    /// Makes a directory, in it or elsewhere, that belongs to whoever serves.
    ///
    /// # Errors
    /// It cannot be made or given away.
    pub(crate) fn directory_of(
        &self,
        path: &str,
        identity: Option<&Identity>,
    ) -> Result<(), Error> {
        let path = Path::new(path);
        let is_ours = path.parent() == Some(&self.path);
        match fs::create_dir(path) {
            Ok(()) => self.set_mode(path, 0o755)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_ours => {}
            // Somebody's own directory stays as it is.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(Error::file("make the directory", path)(error)),
        }
        if let Some(identity) = identity {
            // It is new, or in the server root, which is root's alone: nobody has put a link here.
            nix::unistd::chown(path, Some(identity.uid), Some(identity.gid))
                .map_err(Error::system("give a directory to the serving user"))?;
        }
        Ok(())
    }

    /// Makes a directory in it that somebody writes to and a group can enter: nobody else can.
    ///
    /// # Errors
    /// It cannot be made or given away.
    pub(crate) fn shared_directory(
        &self,
        path: &str,
        ids: Option<(Uid, Gid)>,
    ) -> Result<(), Error> {
        let path = Path::new(path);
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::file("make the directory", path)(error));
            }
            _ => self.set_mode(path, 0o710)?,
        }
        if let Some((user, group)) = ids {
            // The server root is root's alone: nobody has put a link here.
            nix::unistd::chown(path, Some(user), Some(group))
                .map_err(Error::system("give a directory to a service"))?;
        }
        Ok(())
    }

    /// Writes all generated files, leaving the user's own ones alone.
    ///
    /// # Errors
    /// A file cannot be generated or written.
    pub(crate) fn write(&self, settings: &Settings, context: &Context<'_>) -> Result<(), Error> {
        for template in TEMPLATES.iter().filter(|one| (one.is_needed)(settings)) {
            let path = self.file(template.name);
            if template.is_users && path.exists() {
                continue;
            }
            let text = template.render(context)?;
            self.replace(template, &path, &text)
                .map_err(Error::file("write", &path))?;
        }
        Ok(())
    }

    /// Writes a file that only its owner can read, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write_private(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.file(name);
        let fresh = self.file(&format!(".{name}.new"));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(&fresh)
            .and_then(|mut file| {
                file.set_permissions(fs::Permissions::from_mode(0o600))?;
                io::Write::write_all(&mut file, text.as_bytes())
            })
            .and_then(|()| fs::rename(&fresh, &path))
            .map_err(Error::file("write", &path))
    }

    /// The process that the pid file names, if it is alive.
    pub(crate) fn running(&self) -> Option<Pid> {
        let text = fs::read_to_string(&self.pid_file).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok().filter(|pid| *pid > 1)?);
        // A signal that may not be sent was still addressed to somebody.
        let is_alive = nix::sys::signal::kill(pid, None) != Err(nix::errno::Errno::ESRCH);
        is_alive.then_some(pid)
    }

    /// The whole file is there under its name or the old one is.
    fn replace(&self, template: &Template, path: &Path, text: &str) -> io::Result<()> {
        let fresh = self.file(&format!(".{}.new", template.name));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = options.mode(template.mode).open(&fresh)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.set_permissions(fs::Permissions::from_mode(template.mode))?;
        fs::rename(&fresh, path)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), Error> {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(Error::file("set the permissions of", path))
    }

    fn trust(&self) -> Result<(), Error> {
        let metadata =
            fs::symlink_metadata(&self.path).map_err(Error::file("look at", &self.path))?;
        let others_write = if Uid::effective().is_root() {
            0o022
        } else {
            0o002
        };
        let problem = if metadata.is_symlink() {
            "is a link\nremove it or name the directory itself".to_owned()
        } else if !metadata.is_dir() {
            "is no directory".to_owned()
        } else if metadata.uid() != Uid::effective().as_raw() {
            format!(
                "belongs to user number {}\nchoose another one with `--server-root`",
                metadata.uid()
            )
        } else if metadata.mode() & others_write != 0 {
            "can be written to by others\n`chmod go-w` it or choose another one with `--server-root`"
                .to_owned()
        } else {
            return Ok(());
        };
        Err(self.refused(problem))
    }

    fn refuse_running(&self) -> Result<(), Error> {
        let Some(pid) = self.running() else {
            return Ok(());
        };
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if !matches!(name.trim(), "httpd" | "apache2") {
            return Ok(());
        }
        Err(self.refused(format!(
            "is in use by process {pid}\nstop it with `{} stop`",
            self.file("apachectl").display()
        )))
    }

    /// Removes a pid file that an earlier server has left: with a number that has been given away since, Apache would
    /// believe that it runs already, and with half of one it would not start. A file elsewhere that holds something
    /// else is not ours to remove.
    fn forget_earlier(&self) {
        let is_ours = self.pid_file.parent() == Some(&self.path);
        let text = fs::read_to_string(&self.pid_file).unwrap_or_default();
        if is_ours || text.trim().parse::<i32>().is_ok() {
            // What cannot be removed is told by Apache.
            fs::remove_file(&self.pid_file).ok();
        }
    }

    fn refused(&self, problem: String) -> Error {
        Error::ServerRoot {
            path: self.path.clone(),
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(path: &Path) -> String {
        ServerRoot::prepare(path.to_str().unwrap(), "/nowhere/httpd.pid")
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_link_a_file_and_a_directory_others_can_write_are_refused() {
        let here = tempfile::tempdir().unwrap();
        let link = here.path().join("link");
        std::os::unix::fs::symlink(here.path(), &link).unwrap();
        assert!(problem(&link).contains("is a link"));

        let file = here.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(problem(&file).contains("is no directory"));

        let open = here.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(problem(&open).contains("written to by others"));
    }

    #[test]
    fn a_directory_of_our_own_is_used_again() {
        let here = tempfile::tempdir().unwrap();
        let path = here.path().join("root");
        for _ in 0..2 {
            assert!(ServerRoot::prepare(path.to_str().unwrap(), "/nowhere/httpd.pid").is_ok());
        }
    }
}
