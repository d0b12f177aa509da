//! The templates: one for each generated file, and the parts that they are put together from.

use crate::settings::Settings;

/// A generated file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Template {
    /// Its name in the server root.
    pub(crate) name: &'static str,
    pub(super) text: &'static str,
    /// Its permissions.
    pub(crate) mode: u32,
    /// Whether a file that is already there is the user's, to be left alone.
    pub(crate) is_users: bool,
    /// Whether these settings need it.
    pub(crate) is_needed: fn(&Settings) -> bool,
}

macro_rules! generated {
    ($name:literal, $is_needed:expr) => {
        Template {
            name: $name,
            text: include_str!(concat!("../../templates/", $name)),
            mode: 0o644,
            is_users: false,
            is_needed: $is_needed,
        }
    };
}

/// All of them.
pub(crate) const TEMPLATES: [Template; 10] = [
    generated!("httpd.conf", |_| true),
    Template {
        mode: 0o755,
        ..generated!("apachectl", |_| true)
    },
    generated!("handler.wsgi", Settings::has_application),
    generated!("resource.wsgi", |settings| !settings
        .files
        .handlers
        .is_empty()),
    generated!("default.wsgi", |settings| settings.application.is_welcome),
    generated!("telemetry-service.py", |settings| settings
        .metrics
        .own_service()
        .is_some()),
    generated!("gdb.cmds", |settings| settings.debug.gdb.is_some()),
    Template {
        is_users: true,
        ..generated!("envvars", |settings| settings.tree.envvars_script.is_none())
    },
    // The user's script is read by the file that its own would be.
    Template {
        name: "envvars",
        text: ". {{ tree.envvars_script | sh }}\n",
        ..generated!("envvars", |settings| settings.tree.envvars_script.is_some())
    },
    Template {
        is_users: true,
        ..generated!("rewrite.conf", |settings| settings.files.has_own_rules)
    },
];

macro_rules! parts {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/", $name)))),*]
    };
}

/// The sections of httpd.conf, and what debugging adds to handler.wsgi.
pub(super) const PARTS: [(&str, &str); 24] = parts![
    "conf/server.conf",
    "conf/modules.conf",
    "conf/capacity.conf",
    "conf/clients.conf",
    "conf/logs.conf",
    "conf/python.conf",
    "conf/metrics.conf",
    "conf/group.conf",
    "conf/application.conf",
    "conf/handlers.conf",
    "conf/files.conf",
    "conf/docs.conf",
    "conf/aliases.conf",
    "conf/errors.conf",
    "conf/proxy.conf",
    "conf/access.conf",
    "conf/status.conf",
    "conf/services.conf",
    "conf/hosts.conf",
    "handler/load.py",
    "handler/debugger.py",
    "handler/coverage.py",
    "handler/profiler.py",
    "handler/recorder.py",
];
