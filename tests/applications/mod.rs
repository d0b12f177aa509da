//! Applications that others wrote, from PyPI, each with the client it is made for: in Apache's children and in a
//! process group. What installs for long runs with `RSGI_TEST_SOAK=1` only.

mod caldav;
mod graphite;
mod hgweb;
mod numbers;
mod trac;
mod wagtail;

use std::path::Path;
use std::process::Command;

use crate::harness::{Builder, is_root, web_user};
use crate::kit::run;
use crate::visitor::in_environment;

/// Where the application of a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In Apache's children.
    Children,
    /// In two processes with five threads each.
    Group,
}

impl Place {
    const BOTH: [Self; 2] = [Self::Children, Self::Group];

    /// A server that runs in this environment, with what is common to sites: MIME types, folders, aliases.
    fn server(self, home: &Path) -> Builder {
        self.server_with(home, None)
    }

    /// The same with a folder of modules.
    fn server_with(self, home: &Path, modules: Option<&str>) -> Builder {
        let builder = in_environment(home)
            .modules(&["alias", "mime", "dir"])
            .conf("TypesConfig /etc/mime.types\nTimeout 60");
        let path = modules.map(|folder| format!("python-path=\"{folder}\""));
        match self {
            Self::Children => modules
                .into_iter()
                .fold(builder.embedded(), Builder::python_path),
            Self::Group => builder.daemon(
                "site",
                &format!("processes=2 threads=5 {}", path.unwrap_or_default()),
            ),
        }
    }
}

/// Gives a folder and all below to whom applications run as.
fn give_to_web_user(folder: &Path) {
    if is_root() {
        let owner = format!("{0}:{0}", web_user());
        run(Command::new("chown").args(["-R", &owner]).arg(folder));
    }
}

/// Authorization of HTTP for a user whose password is `secret`.
const ADA: (&str, &str) = ("Authorization", "Basic YWRhOnNlY3JldA==");

/// A file of passwords in which `ada` has `secret`.
fn passwords(builder: Builder) -> Builder {
    // htpasswd -nbs ada secret
    builder
        .file("conf/passwords", b"ada:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
        .modules(&["auth_basic", "authn_core", "authn_file", "authz_user"])
}

/// Whether what installs for long is wanted.
fn is_long_run() -> bool {
    std::env::var_os("RSGI_TEST_SOAK").is_some()
}
