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
        "Include not-there/*.conf",
        "Include conf/*.nothing",
        "Use None",
        "<Macro A $x>\nWSGIPythonHome $x\n</Macro>\nUse A",
        "<Macro A>\nUse A\n</Macro>\nUse A",
        "<Macro A $x>\nWSGIScriptReloading $x\n</Macro>\nUse A perhaps",
        "UndefMacro A",
        "WSGIImportScript @APPS@/a process-group=a application-group=b",
        "WSGIScriptAlias / /a process-group=a application-group=b\nWSGIDaemonProcess a",
        "<WSGIInterpreterOptions application-group=a>\nWSGIScriptReloading On\n</WSGIInterpreterOptions>",
    ] {
        let builder = Server::builder().python_home(None).modules(&["macro"]);
        let filled = builder.fill(line);
        let file = builder.root().join("piece.conf");
        std::fs::write(&file, &filled).unwrap();
        let output = check(&[file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{line}: {}", text(&output));
        assert!(!builder.conf(&filled).check().is_accepted, "{line}");
    }
}

#[test]
fn what_may_not_stand_in_the_file_of_a_folder_is_a_500_to_apache() {
    only_rsgi!("the launcher is ours");
    for (overrides, line, is_fine) in [
        ("AllowOverride FileInfo", "WSGIScriptReloading Off", true),
        ("AllowOverride All", "WSGIPassAuthorization On", true),
        (
            "AllowOverride AuthConfig",
            "WSGIAuthUserScript @APPS@/app.wsgi",
            true,
        ),
        (
            "AllowOverrideList WSGIScriptReloading",
            "WSGIScriptReloading Off",
            true,
        ),
        ("AllowOverride None", "WSGINonsense", true),
        ("AllowOverride AuthConfig", "WSGIScriptReloading Off", false),
        (
            "AllowOverride FileInfo",
            "WSGIAuthUserScript @APPS@/app.wsgi",
            false,
        ),
        ("AllowOverride All", "WSGIProcessGroup %{GLOBAL}", false),
        ("AllowOverride All", "WSGIPythonHome /usr", false),
        ("AllowOverride All", "WSGIScriptReloading perhaps", false),
        ("AllowOverride All", "WSGINonsense", false),
        ("AllowOverride All", "WSGILazyInitialization On", false),
    ] {
        let builder = Server::builder().embedded().python_home(None);
        let file = builder.fill(line);
        let server = builder
            .file("htdocs/.htaccess", file.as_bytes())
            .file("htdocs/page.txt", b"page")
            .conf(&format!(
                "<Directory @ROOT@/htdocs>\n{overrides}\n</Directory>"
            ))
            .start();
        let conf = server.root().join("conf/httpd.conf");
        let output = check(&[conf.to_str().unwrap()]);
        let (code, status) = if is_fine { (0, 200) } else { (1, 500) };
        let said = text(&output);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{overrides}, {line}: {said}"
        );
        assert_eq!(
            server.get("/page.txt").status,
            status,
            "{overrides}, {line}"
        );
        if !is_fine {
            assert!(said.contains("htdocs/.htaccess:1"), "{said}");
            server.allow_log("/htdocs/.htaccess: ");
        }
        server.finish();
    }
}
