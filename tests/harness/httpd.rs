//! The httpd of this machine: its program, its modules, its user.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The program of the web server.
pub(crate) fn httpd() -> PathBuf {
    if let Some(path) = std::env::var_os("RSGI_TEST_HTTPD") {
        return path.into();
    }
    let places = [
        "/usr/sbin/apache2",
        "/usr/sbin/httpd",
        "/usr/local/apache2/bin/httpd",
    ];
    let found = places.iter().map(Path::new).find(|p| p.exists());
    found.expect("an httpd is installed (ci/setup)").to_owned()
}

/// LoadModule for a module that is not compiled in; nothing where it is.
pub(crate) fn load_line(name: &str) -> String {
    static BUILT_IN: OnceLock<String> = OnceLock::new();
    let built_in = BUILT_IN.get_or_init(|| {
        let output = Command::new(httpd())
            .arg("-l")
            .output()
            .expect("httpd starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    if built_in.contains(&format!("mod_{name}.c")) {
        return String::new();
    }
    let file = modules_folder().join(format!("mod_{name}.so"));
    format!("LoadModule {name}_module \"{}\"\n", file.display())
}

/// Where the distribution keeps httpd's modules.
pub(crate) fn modules_folder() -> PathBuf {
    if let Some(path) = std::env::var_os("RSGI_TEST_HTTPD_MODULES") {
        return path.into();
    }
    let places = [
        "/usr/lib/apache2/modules",
        "/usr/lib64/httpd/modules",
        "/usr/local/apache2/modules",
    ];
    let found = places.iter().map(Path::new).find(|p| p.exists());
    found.expect("httpd's modules are installed").to_owned()
}

pub(crate) fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// The unprivileged user that the distribution's httpd runs as.
pub(crate) fn web_user() -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let names = ["www-data", "apache", "_www", "nobody"];
    let has = |name: &&str| passwd.lines().any(|l| l.starts_with(&format!("{name}:")));
    (*names
        .iter()
        .find(|n| has(n))
        .expect("there is a user for the web server"))
    .to_owned()
}
