//! `--with-php5`: the PHP module of the Apache that is installed, or a stand-in that shows which requests are PHP's.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Launcher;
use crate::harness::{needs, only_rsgi};

/// What PHP's handler is asked for, it answers itself. PHP 8 calls its module so.
const STAND_IN: &str = r#"
#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"
static int answer(request_rec *r) {
    if (!r->handler || strcmp(r->handler, "application/x-httpd-php")) return DECLINED;
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "PHP for %s", r->filename);
    return OK;
}
static void hooks(apr_pool_t *p) { ap_hook_handler(answer, NULL, NULL, APR_HOOK_MIDDLE); }
AP_DECLARE_MODULE(php) = { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks };
"#;

/// Where the launcher finds this Apache's modules.
pub(super) fn modules_of_apache(launcher: &Launcher) -> PathBuf {
    launcher.setup();
    let conf = std::fs::read_to_string(launcher.root().join("httpd.conf")).unwrap();
    let line = conf.lines().find(|line| line.contains("mod_alias.so"));
    let module = line.and_then(|line| line.split('"').nth(1)).unwrap();
    Path::new(module).parent().unwrap().to_owned()
}

/// A launcher that takes Apache's modules from a folder of its own.
pub(super) fn with_own_modules(launcher: Launcher) -> Launcher {
    let modules = modules_of_apache(&launcher);
    let copied = Command::new("cp")
        .arg("-R")
        .arg(modules)
        .arg(launcher.path("modules"))
        .status();
    assert!(copied.unwrap().success());
    launcher.args(&["--modules-directory", "modules"])
}

fn without_php() -> Launcher {
    let launcher = with_own_modules(Launcher::new().arg("hello.py"));
    for entry in std::fs::read_dir(launcher.path("modules")).unwrap() {
        let path = entry.unwrap().path();
        if php_modules(&path).next().is_some() {
            std::fs::remove_file(path).unwrap();
        }
    }
    launcher.arg("--with-php5")
}

/// The path, where it is that of a PHP module.
fn php_modules(path: &Path) -> impl Iterator<Item = &Path> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_php = name.starts_with("libphp") || name.starts_with("mod_php");
    is_php.then_some(path).into_iter()
}

/// Compiles the stand-in as `modules/NAME`; whether it could be.
fn compile(launcher: &Launcher, name: &str) -> bool {
    let source = launcher.path("php.c");
    std::fs::write(&source, STAND_IN).unwrap();
    let apxs = ["apxs", "apxs2"].into_iter().find(|program| {
        Command::new(program)
            .arg("-q")
            .arg("INCLUDEDIR")
            .output()
            .is_ok()
    });
    let Some(apxs) = apxs else {
        return false;
    };
    let query = |name: &str| {
        let output = Command::new(apxs).args(["-q", name]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-o"]);
    command.arg(launcher.path("modules").join(name)).arg(source);
    for name in ["INCLUDEDIR", "APR_INCLUDEDIR"] {
        command.arg(format!("-I{}", query(name)));
    }
    command.args(query("EXTRA_CPPFLAGS").split_whitespace());
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn files_of_php_are_its_module_s_and_everything_else_is_served_as_without() {
    only_rsgi!("the option of the original knows PHP 5 alone");
    let launcher = without_php();
    needs!(
        compile(&launcher, "libphp8.2.so"),
        "no cc, or no headers of Apache"
    );
    let run = launcher
        .file("public/page.php", "<?php echo 6 * 7; ?>")
        .file("public/page.txt", "text")
        // Whatever is asked for, as PHP does without threads.
        .args(&["--document-root", "public", "--server-mpm", "event"])
        .start();
    let script = run.launcher.path("public/page.php");
    assert_eq!(
        run.text("/page.php"),
        format!("PHP for {}", script.display())
    );
    assert_eq!(run.text("/page.txt"), "text");
    assert_eq!(run.text("/other.php"), "|/other.php|");
    let conf = std::fs::read_to_string(run.launcher.root().join("httpd.conf")).unwrap();
    assert!(conf.contains("LoadModule mpm_prefork_module "), "{conf}");
}

#[test]
fn without_a_module_of_php_there_is_no_server() {
    only_rsgi!("the original lets Apache fail");
    without_php().refused(
        4,
        &[
            "`--with-php5`: there is no PHP module",
            "libapache2-mod-php",
        ],
    );
}

#[test]
fn a_php_that_is_installed_runs() {
    only_rsgi!("the option of the original knows PHP 5 alone");
    let launcher = Launcher::new().arg("hello.py");
    let modules = modules_of_apache(&launcher);
    let mut entries = std::fs::read_dir(modules).unwrap().flatten();
    let is_there = entries.any(|entry| php_modules(&entry.path()).next().is_some());
    needs!(is_there, "no libapache2-mod-php");
    let run = launcher
        .file(
            "public/page.php",
            "<?php echo 'six times seven is ', 6 * 7; ?>",
        )
        .args(&["--document-root", "public", "--with-php5"])
        .start();
    assert_eq!(run.text("/page.php"), "six times seven is 42");
    assert_eq!(run.text("/other.php"), "|/other.php|");
}
