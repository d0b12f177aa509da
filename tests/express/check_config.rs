//! `check-config`: what is said of a configuration for mod_wsgi, in which form, and with which exit code; what it calls
//! an error is one to Apache, too.

use std::process::{Command, Output};

use super::launcher::{program, text};
use crate::harness::{Server, only_rsgi};

const CASES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/express/src/check_config/tests/cases"
);

fn check(arguments: &[&str]) -> Output {
    Command::new(program())
        .arg("check-config")
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn a_configuration_that_works_ends_with_0_and_names_the_line_to_change() {
    only_rsgi!("the launcher is ours");
    let folder = std::env::temp_dir().join(format!("rsgi-check-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("httpd.conf");
    let conf = "LoadModule wsgi_module modules/mod_wsgi.so\nWSGIPythonHome /usr\n\
                WSGIScriptAlias / /srv/app/wsgi.py application-group=%{GLOBAL}\n";
    std::fs::write(&file, conf).unwrap();
    let output = check(&[file.to_str().unwrap()]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in [
        "change[load-module]",
        "httpd.conf:1",
        "1 - LoadModule wsgi_module modules/mod_wsgi.so",
        "mod_rsgi.so\n",
        "0 errors",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    std::fs::remove_dir_all(&folder).ok();
}

#[test]
fn errors_end_with_1_and_are_an_object_for_programs() {
    only_rsgi!("the launcher is ours");
    let root = format!("{CASES}/tenants");
    let file = format!("{root}/httpd.conf");
    let output = check(&[
        &file,
        "--server-root",
        &root,
        "-D",
        "DEBUG",
        "--format",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    for part in [
        "\"level\": \"error\"",
        "\"code\": \"defined-twice\"",
        "\"line\": 3",
        "sites/two.conf",
        "\"instead\": \"LoadModule wsgi_module ",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    let output = check(&["/not/there.conf"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("cannot read `/not/there.conf`"));
}

#[test]
fn what_is_called_an_error_is_one_to_apache() {
    only_rsgi!("the launcher is ours");
    for line in [
        "WSGILazyInitialization On",
        "WSGIPassAuthorization yes",
        "WSGIPasAuthorization On",
        "WSGIScriptReloading On Off",
        "WSGIDaemonProcess a\nWSGIDaemonProcess a",
        "WSGIDaemonProcess a user=root",
        "<VirtualHost *:@PORT@>\nWSGIPythonOptimize 1\n</VirtualHost>",
        "<Directory @APPS@>\nWSGIDaemonProcess a\n</Directory>",
        "WSGIAccessScript /a",
        "<Location /x>\nWSGIPythonHome /usr\n</Location>",
        "<Location /x>",
        "Include not-there.conf",
    ] {
        let builder = Server::builder().python_home(None);
        let filled = builder.fill(line);
        let file = builder.root().join("piece.conf");
        std::fs::write(&file, &filled).unwrap();
        let output = check(&[file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{line}: {}", text(&output));
        assert!(!builder.conf(&filled).check().is_accepted, "{line}");
    }
}
