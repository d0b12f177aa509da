//! Who a daemon process is: limits, chroot, user and groups, folder, environment; in that order, each result checked.
//!
//! Called by the program while it has one thread and nothing of a user's is open. Root that was given up is proven to
//! be gone: what could come back is a reason to end.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rsgi_core::daemon::DaemonOptions;
use rustix::process::{Resource, Rlimit};

use crate::config::{ProcessConfig, ProcessIdentity};
use crate::log;
use crate::sys::identity as sys;
use crate::sys::identity::Ids;

/// Why a process cannot be who it is to be. Trying again at once does not help.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A call failed.
    #[error("{what} failed: {error}")]
    Call {
        /// The call, with what it was given.
        what: String,
        /// Why.
        error: io::Error,
    },
    /// Root is not gone.
    #[error("root's rights could be taken back: {0}")]
    Reversible(&'static str),
    /// The configuration says root.
    #[error("a daemon process never runs as root")]
    Root,
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> IdentityError {
    let what = what.into();
    move |error| IdentityError::Call { what, error }
}

/// Makes the process what its configuration says, up to the folder it is in.
///
/// # Errors
/// [`IdentityError`]: the process has to end.
pub fn assume(config: &ProcessConfig) -> Result<(), IdentityError> {
    let options = &config.options;
    set_priority(options);
    set_limits(options);
    enter_chroot(options)?;
    if let Some(identity) = &config.identity {
        become_user(identity)?;
    }
    if let Some(mask) = options.umask {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
    }
    enter_home(config)
}

fn set_priority(options: &DaemonOptions) {
    if options.cpu_priority == 0 {
        return;
    }
    if let Err(error) = rustix::process::setpriority_process(None, options.cpu_priority) {
        log::warn(format_args!(
            "RSGI0432: cpu-priority={} cannot be set: {error}",
            options.cpu_priority
        ));
    }
}

fn set_limits(options: &DaemonOptions) {
    let cpu = u64::from(options.cpu_time_limit);
    // mod_wsgi: time for an orderly end between the signal and the kernel's kill.
    let grace = 1 + u64::from(options.shutdown_timeout);
    let limits = [
        ("cpu-time-limit", Resource::Cpu, cpu, cpu + grace),
        (
            "memory-limit",
            Resource::Data,
            options.memory_limit,
            options.memory_limit,
        ),
        (
            "virtual-memory-limit",
            Resource::As,
            options.virtual_memory_limit,
            options.virtual_memory_limit,
        ),
    ];
    for (name, resource, soft, hard) in limits {
        if soft == 0 {
            continue;
        }
        let limit = Rlimit {
            current: Some(soft),
            maximum: Some(hard),
        };
        if let Err(error) = rustix::process::setrlimit(resource, limit) {
            log::warn(format_args!(
                "RSGI0432: {name}={soft} cannot be set: {error}"
            ));
        }
    }
}

fn enter_chroot(options: &DaemonOptions) -> Result<(), IdentityError> {
    let Some(root) = &options.chroot else {
        return Ok(());
    };
    let root = Path::new(OsStr::from_bytes(root));
    rustix::process::chroot(root)
        .map_err(io::Error::from)
        .map_err(failed(format!("chroot to `{}`", root.display())))?;
    // What the process stands in may be outside.
    rustix::process::chdir("/")
        .map_err(io::Error::from)
        .map_err(failed("chdir to the chroot"))
}

/// Gives root up, for good.
///
/// # Errors
/// A call failed, or root could be had back.
pub fn become_user(identity: &ProcessIdentity) -> Result<(), IdentityError> {
    if identity.user == 0 {
        return Err(IdentityError::Root);
    }
    // What a supervisor starts that `httpd -X` forked later is that user already, as Apache is: nothing can be changed there,
    // and nothing has to be.
    if prove(identity).is_ok() {
        return Ok(());
    }
    sys::set_groups(&identity.groups)
        .map_err(failed(format!("setting {} groups", identity.groups.len())))?;
    sys::set_group(identity.group).map_err(failed(format!("setting group {}", identity.group)))?;
    sys::set_user(identity.user).map_err(failed(format!("setting user {}", identity.user)))?;
    prove(identity)
}

/// Tries what must not work any more.
fn prove(identity: &ProcessIdentity) -> Result<(), IdentityError> {
    let reversible = |is_so: bool, what| {
        if is_so {
            Err(IdentityError::Reversible(what))
        } else {
            Ok(())
        }
    };
    let users = sys::user_ids().map_err(failed("asking for the user"))?;
    reversible(users != Ids::all(identity.user), "the user ids differ")?;
    let group_ids = sys::group_ids().map_err(failed("asking for the group"))?;
    reversible(
        group_ids != Ids::all(identity.group),
        "the group ids differ",
    )?;
    let mut groups = sys::groups().map_err(failed("asking for the groups"))?;
    let mut wanted = identity.groups.clone();
    groups.sort_unstable();
    wanted.sort_unstable();
    reversible(groups != wanted, "the groups are others")?;
    reversible(sys::set_user(0).is_ok(), "the user could be set to root")?;
    if identity.group != 0 {
        reversible(
            sys::set_group(0).is_ok(),
            "the group could be set to root's",
        )?;
    }
    reversible(sys::set_groups(&[0]).is_ok(), "groups could be added")?;
    let sets = rustix::thread::capabilities(None)
        .map_err(io::Error::from)
        .map_err(failed("asking for the capabilities"))?;
    reversible(
        !(sets.effective | sets.permitted | sets.inheritable).is_empty(),
        "capabilities are left",
    )
}

/// The user's folder by the user database, where the process is of another user than Apache's children.
fn own_home(config: &ProcessConfig) -> Option<&[u8]> {
    let identity = config.identity.as_ref()?;
    if identity.user == config.client_user {
        return None;
    }
    Some(identity.home.as_deref().unwrap_or(b"/"))
}

fn enter_home(config: &ProcessConfig) -> Result<(), IdentityError> {
    let enter = |home: &[u8]| -> io::Result<PathBuf> {
        let path = PathBuf::from(OsStr::from_bytes(home));
        std::env::set_current_dir(&path).map(|()| path)
    };
    if let Some(home) = &config.options.home {
        let text = String::from_utf8_lossy(home);
        return enter(home)
            .map(drop)
            .map_err(failed(format!("entering home=`{text}`")));
    }
    let Some(home) = own_home(config) else {
        return Ok(());
    };
    if let Err(error) = enter(home) {
        log::warn(format_args!(
            "RSGI0431: the home folder `{}` of the process's user cannot be entered ({error}); the process runs in `/`",
            home.escape_ascii()
        ));
        enter(b"/").map_err(failed("entering `/`"))?;
    }
    Ok(())
}

/// Sets the environment and the locale. Only while the process has one thread.
pub fn set_environment(config: &ProcessConfig) {
    let options = &config.options;
    let set = |name: &str, value: &[u8]| sys::set_variable(name, OsStr::from_bytes(value));
    if let Some(lang) = &options.lang {
        set("LANG", lang);
    }
    if let Some(locale) = &options.locale {
        set("LC_ALL", locale);
    }
    if let Some(identity) = &config.identity {
        set("HOME", identity.home.as_deref().unwrap_or(b"/"));
        for name in ["USER", "USERNAME", "LOGNAME"] {
            if std::env::var_os(name).is_some() {
                set(name, &identity.name);
            }
        }
    }
    // mod_wsgi: what is not configured is not complained about; a chroot seldom has locales.
    if !sys::adopt_locale() && (options.lang.is_some() || options.locale.is_some()) {
        let value = |name: &str| std::env::var_os(name).unwrap_or_default();
        log::warn(format_args!(
            "RSGI0079: there is no locale LC_ALL=`{}` LANG=`{}` on this machine",
            value("LC_ALL").display(),
            value("LANG").display()
        ));
    }
}
