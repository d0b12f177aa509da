//! `systemd-unit`: a unit that serves with the same options, hardened, ready when the server answers.
//!
//! The launcher is the main process and never root: what root would be needed for, a port below 1024, is a capability
//! of the unit. Its words are written as they were typed; a file of `--config` is read again at each start, and options
//! that came from the environment become the unit's own.

use std::env;
use std::path::{Path, PathBuf};

use crate::apache::Apache;
use crate::error::Error;
use crate::message;
use crate::privileges;
use crate::settings::{Settings, printable};
use crate::sources::{Given, Origin};

/// Below it a port needs a capability.
const FIRST_FREE_PORT: u16 = 1024;
/// What Apache and the launcher themselves need to end, beyond the application.
const MARGIN: u64 = 25;

/// What else of the environment the launcher heeds.
const HEEDED: [&str; 11] = [
    "RSGI_MODULE",
    "RSGI_RELOAD_POLLING",
    "VIRTUAL_ENV",
    "HTTPD",
    "MOD_WSGI_USER",
    "WSGI_RUN_USER",
    "MOD_WSGI_GROUP",
    "WSGI_RUN_GROUP",
    "LANG",
    "LC_CTYPE",
    "LC_ALL",
];

/// Prints the unit.
///
/// # Errors
/// An option cannot be written into a unit, or this program's file cannot be found.
pub(crate) fn print(settings: &Settings, given: &Given) -> Result<(), Error> {
    message::output(&text(settings, given)?);
    Ok(())
}

fn text(settings: &Settings, given: &Given) -> Result<String, Error> {
    let here = env::current_dir().map_err(Error::system("find the current directory"))?;
    let application = given
        .value("entry-point")
        .or_else(|| given.value("script"))
        .unwrap_or_default();
    Ok(format!(
        "# Written by rsgi-express {}: systemd-unit; `systemctl reload` restarts gracefully.\n{}\n\
         [Unit]\n\
         Description=WSGI application {} (rsgi-express)\n\
         Wants=network-online.target\n\
         After=network-online.target\n\n\
         [Service]\n{}{}\n\
         [Install]\nWantedBy=multi-user.target",
        env!("CARGO_PKG_VERSION"),
        sockets(settings),
        specifiers(&printable("SCRIPT", application.clone())?),
        service(settings, given, &here)?,
        hardening(settings.listening.port, &here, &application),
    ))
}

/// What is run, as whom, with what to write to.
fn service(settings: &Settings, given: &Given, here: &Path) -> Result<String, Error> {
    let number = |option: &str| {
        given
            .value(option)
            .and_then(|text| text.parse::<u64>().ok())
    };
    let name = format!("rsgi-{}", settings.listening.port);
    let own_root = given.value("server-root").is_none();
    let mut unit = String::from(
        "# Started when the server answers: the launcher tells.\n\
         Type=notify\n\
         NotifyAccess=main\n",
    );
    unit += &format!("WorkingDirectory={}\n", specifiers(&shown(here)?));
    for variable in variables(given)? {
        unit += &format!("Environment={variable}\n");
    }
    unit += &format!("ExecStart={}\n", command(given, own_root, &name)?);
    unit += "ExecReload=/bin/kill -USR1 $MAINPID\n";
    unit += "# The launcher stops Apache in order; what is left after TimeoutStopSec is killed.\nKillMode=mixed\n";
    let start = number("startup-timeout").unwrap_or(15) + 60;
    let stop = number("stop-timeout").unwrap_or(8) + number("shutdown-timeout").unwrap_or(5);
    unit += &format!(
        "TimeoutStartSec={start}\nTimeoutStopSec={}\n",
        stop + MARGIN
    );
    unit += "Restart=on-failure\nRestartSec=2\n\n";
    let user = settings.tree.user.clone();
    let user = user.unwrap_or_else(privileges::serving_user);
    unit += &format!("User={}\n", specifiers(&printable("--user", user)?));
    if let Some(group) = settings.tree.group.clone() {
        unit += &format!("Group={}\n", specifiers(&printable("--group", group)?));
    }
    if own_root {
        unit +=
            &format!("# The server root.\nRuntimeDirectory={name}\nRuntimeDirectoryMode=0755\n");
    }
    for folder in writable(given, here)? {
        unit += &format!("ReadWritePaths={folder}\n");
    }
    Ok(unit)
}

/// Why there is no socket unit.
fn sockets(settings: &Settings) -> String {
    let tree = &settings.tree;
    let apache = Apache::find(tree.httpd.as_deref(), tree.modules_directory.as_deref()).ok();
    let has_systemd =
        apache.is_some_and(|apache| apache.modules_directory.join("mod_systemd.so").is_file());
    if has_systemd {
        "# No socket unit: Apache binds its ports itself, so that they are the ones of the options."
            .to_owned()
    } else {
        "# No socket unit: only an Apache with mod_systemd takes its sockets from systemd, and this one has none.".to_owned()
    }
}

/// The line that starts it.
fn command(given: &Given, own_root: bool, name: &str) -> Result<String, Error> {
    let program = env::current_exe().map_err(Error::system("find this program's file"))?;
    let mut words = vec![shown(&program)?, "start-server".to_owned()];
    for word in given.typed() {
        words.push(printable("an option", word.to_string_lossy().into_owned())?);
    }
    if own_root {
        words.push("--server-root".to_owned());
        // %t is /run.
        let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        return Ok(format!("{} %t/{name}", words.join(" ")));
    }
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    Ok(words.join(" "))
}

/// The options that came from the environment, and what else of it the launcher heeds.
fn variables(given: &Given) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = HEEDED.map(str::to_owned).to_vec();
    names.extend(given.origins().filter_map(|origin| match origin {
        Origin::Variable(name) => Some(name.clone()),
        Origin::Line(..) => None,
    }));
    names
        .into_iter()
        .filter_map(|name| {
            let value = env::var(&name).ok().filter(|value| !value.is_empty())?;
            Some(printable(&name, value).map(|value| {
                let pair = format!("{name}={value}");
                quoted(&pair).replace("$$", "$")
            }))
        })
        .collect()
}

/// Folders that options let the server write to.
fn writable(given: &Given, here: &Path) -> Result<Vec<String>, Error> {
    let options = [
        "server-root",
        "log-directory",
        "python-eggs",
        "profiler-directory",
        "coverage-directory",
        "recorder-directory",
    ];
    let mut folders = vec![];
    for option in options {
        if let Some(folder) = given.value(option).filter(|folder| !folder.is_empty()) {
            folders.push(here.join(folder));
        }
    }
    // Apache makes the file anew at each start, so it is its folder that counts.
    let pid_file = given.value("pid-file").map(|file| here.join(file));
    folders.extend(pid_file.and_then(|file| Some(file.parent()?.to_path_buf())));
    // A dash: one that is not there yet is no error.
    let path = |folder: &PathBuf| Ok(format!("-{}", specifiers(&shown(folder)?)));
    folders.iter().map(path).collect()
}

/// What the unit may not do: all but serving.
fn hardening(port: u16, here: &Path, application: &str) -> String {
    let is_at_home = [here.to_path_buf(), here.join(application)]
        .iter()
        .any(|path| {
            ["/home", "/root", "/run/user"]
                .iter()
                .any(|home| path.starts_with(home))
        });
    let home = if is_at_home { "read-only" } else { "yes" };
    // Its own /tmp would hide an application that lives there.
    let is_temporary = here.starts_with("/tmp") || here.starts_with("/var/tmp");
    let temporary = if is_temporary { "no" } else { "yes" };
    let capabilities = if port < FIRST_FREE_PORT {
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"
    } else {
        "CapabilityBoundingSet=\n"
    };
    format!(
        "\n{capabilities}NoNewPrivileges=yes\n\
         ProtectSystem=strict\n\
         ProtectHome={home}\n\
         PrivateTmp={temporary}\n\
         PrivateDevices=yes\n\
         ProtectClock=yes\n\
         ProtectHostname=yes\n\
         ProtectControlGroups=yes\n\
         ProtectKernelLogs=yes\n\
         ProtectKernelModules=yes\n\
         ProtectKernelTunables=yes\n\
         RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n\
         RestrictNamespaces=yes\n\
         RestrictRealtime=yes\n\
         RestrictSUIDSGID=yes\n\
         LockPersonality=yes\n\
         SystemCallArchitectures=native\n\
         SystemCallFilter=@system-service\n\
         LimitNOFILE=65536\n\
         UMask=0022\n"
    )
}

fn shown(path: &Path) -> Result<String, Error> {
    printable("a path", path.to_string_lossy().into_owned())
}

/// Text in which systemd finds no specifiers.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// A word of a command line in a unit.
fn quoted(word: &str) -> String {
    let text = specifiers(word).replace('$', "$$");
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=+,@%$".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_systemds_own_quoting() {
        for (given, expected) in [
            ("--threads=8", "--threads=8"),
            ("%{GLOBAL}", "\"%%{GLOBAL}\""),
            ("a b\"c\\", "\"a b\\\"c\\\\\""),
            ("$HOME", "$$HOME"),
            ("", "\"\""),
            ("é;x", "\"é;x\""),
        ] {
            assert_eq!(quoted(given), expected, "{given}");
        }
    }
}
