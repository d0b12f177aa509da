//! The module's life: the configuration is read and checked in the parent, children start and end.

use std::ffi::CString;

use rsgi_bridge::abi;
use rsgi_bridge::facts::TargetFacts;
use rsgi_bridge::locate::Found;
use rsgi_bridge::readable::{Identity, Unreadable, check_readable};
use rsgi_core::alias::Import;
use rsgi_daemon::sys::scheduling;

use super::embedded::{self, Starter};
use super::{Rsgi, VERSION, daemons, groups};
use crate::httpd::{Level, Phase, Refused, WebIdentity, log, web_identity};

/// Refuses to be loaded beside mod_wsgi: its symbols and ours would be mixed up.
pub(super) fn pre_config(phase: Phase<'_>) -> Result<(), Refused> {
    if phase
        .other_modules()
        .iter()
        .any(|name| name == "mod_wsgi.c")
    {
        return Err(Refused::because(
            "RSGI0302: mod_wsgi is loaded as well, or mod_rsgi under both of its names: they cannot serve in one \
             httpd. Remove one of the two LoadModule lines (on Debian: `a2dismod wsgi`)",
        ));
    }
    Ok(())
}

/// Finds the Python that the configuration names, so that `httpd -t` says what is wrong with it.
pub(super) fn check_config(phase: Phase<'_>) -> Result<(), Refused> {
    let Some(main) = phase.server else {
        return Ok(());
    };
    let Some(config) = main.config::<Rsgi>() else {
        return Ok(());
    };
    groups::check(main, config)?;
    daemons::check(config)?;
    let needs = groups::children_need_python(main);
    if !needs && config.global.python_home.is_none() {
        return Ok(());
    }
    let found = embedded::find(config)
        .map_err(|reason| Refused::because(&format!("RSGI0100: {reason}")))?;
    // Where all is in process groups, WSGIPythonHome need not be for Apache's children.
    let is_for_children = needs || config.known.get().is_none_or(|known| known.is_empty());
    if let Some(web) = web_identity().filter(|_| is_for_children) {
        check_readable_for(&web, &found).map_err(|blocked| {
            Refused::because(&format!(
                "RSGI0102: Apache's children cannot read the Python they are to run: {blocked}"
            ))
        })?;
    }
    let _ = config.python.set(found);
    Ok(())
}

/// Whether Apache's children can read a Python. Their groups are looked up only where it depends on them.
fn check_readable_for(web: &WebIdentity, found: &Found) -> Result<(), Unreadable> {
    let identity = Identity {
        uid: web.user,
        gid: web.group,
        groups: None,
    };
    check_readable(found, &identity).or_else(|_| {
        let groups = Some(&*web.groups());
        check_readable(found, &Identity { groups, ..identity })
    })
}

/// Finds out what holds for all children, and adds the versions to httpd's banner.
pub(super) fn post_config(phase: Phase<'_>) {
    let config = phase.server.and_then(|main| main.config::<Rsgi>());
    if config.is_some_and(|config| config.global.verbose_debugging.is_some()) {
        log::process(
            Level::Info,
            b"WSGIVerboseDebugging has no effect: `LogLevel wsgi:debug` says more",
        );
    }
    if config.is_some_and(|config| config.global.interpreters.has_vain_free_threading()) {
        log::process(
            Level::Warn,
            b"RSGI0201: WSGIFreeThreading in a <WSGIInterpreterOptions> section with application-group= has no effect: it is \
              for whole processes, write it in a section without",
        );
    }
    if Phase::is_serving() && scheduling::probe().is_err() {
        log::process(
            Level::Info,
            b"A filter of system calls (systemd: SystemCallFilter=) ends processes that change how their threads are \
              scheduled: they are left as the kernel has them, and short requests take a little longer. \
              SystemCallFilter=sched_setaffinity sched_setattr allows it",
        );
    }
    let python = config.and_then(|config| config.python.get());
    let components = [
        Some(format!("mod_rsgi/{VERSION}")),
        python.map(|found| format!("Python/3.{}", found.minor)),
    ];
    for component in components
        .into_iter()
        .flatten()
        .filter_map(|text| CString::new(text).ok())
    {
        phase.add_version(&component);
    }
}

/// Starts Python in a child whose configuration will need it, and loads what is to be loaded ahead of requests.
pub(super) fn child_init(phase: Phase<'_>) {
    let Some(main) = phase.server else { return };
    // Also when a request starts Python later.
    phase.pool.on_cleanup(embedded::stop);
    daemons::join(phase);
    if !groups::children_need_python(main) {
        return;
    }
    let Some(layer) = embedded::start(main, Starter::MainThread) else {
        return;
    };
    for Import {
        script,
        application_group,
        ..
    } in groups::imports(main, b"")
    {
        // The layer logs a failure; the process serves on.
        let _ = layer.load(&TargetFacts {
            application_group,
            script,
            callable: b"",
            resource: script,
            mtime: None,
            flags: abi::TARGET_RELOADING,
        });
    }
}
