//! Sections that are directives, the order of lines, and what Apache takes in another way than it was meant.

use super::{codes, findings};

const HEAD: &str =
    "LoadModule rsgi_module mod_rsgi.so\nWSGIPythonHome /x\nWSGIRestrictEmbedded Off\n";

/// The kinds of what is an error or was not meant.
fn told(text: &str) -> Vec<&'static str> {
    let mut codes = codes(&format!("{HEAD}{text}"));
    codes.retain(|code| {
        [
            "refused",
            "unknown",
            "misplaced",
            "no-group",
            "defined-later",
            "quote",
            "name-form",
            "relative-path",
            "option-twice",
            "nothing-allowed",
            "overridden",
            "shadowed",
        ]
        .contains(code)
    });
    codes
}

#[test]
fn sections_for_interpreters_are_understood() {
    let section = |head: &str, lines: &str| {
        format!("<WSGIInterpreterOptions{head}\n{lines}</WSGIInterpreterOptions>\n")
    };
    for (text, expected) in [
        (
            section(
                " application-group=a>",
                "WSGIRestrictStdout On\nWSGIPythonPath /x\n",
            ),
            &[] as &[&str],
        ),
        (
            section(" process-group=%{GLOBAL} application-group='a b'>", ""),
            &[],
        ),
        (section(" application-group=a", ""), &["refused"]),
        (section(" aplication-group=a>", ""), &["refused"]),
        (
            section(" application-group=a>", "WSGIScriptAlias / /x\n"),
            &["refused"],
        ),
        (section(">", "WSGIPassAuthorization On\n"), &["refused"]),
        (
            format!("<VirtualHost *>\n{}</VirtualHost>\n", section(">", "")),
            &["misplaced"],
        ),
    ] {
        assert_eq!(told(&text), expected, "{text}");
    }
}

#[test]
fn a_script_that_is_loaded_at_the_start_needs_its_group_above_it() {
    let alias = "WSGIScriptAlias / /a process-group=g application-group=%{GLOBAL}\n";
    let late = "WSGIScriptAlias / /a process-group=g\n";
    let import = "WSGIImportScript /a process-group=g application-group=%{GLOBAL}\n";
    let group = "WSGIDaemonProcess g\n";
    for (text, expected) in [
        (format!("{group}{alias}{import}"), &[] as &[&str]),
        (format!("{late}{group}"), &[]),
        (format!("{alias}{group}"), &["defined-later"]),
        (format!("{import}{group}"), &["defined-later"]),
        (import.to_owned(), &["no-group"]),
        (alias.to_owned(), &["no-group"]),
        (import.replace("=g", "=%{GLOBAL}"), &[]),
    ] {
        assert_eq!(told(&text), expected, "{text}");
    }
}

#[test]
fn what_is_taken_in_another_way_is_told() {
    let group = "WSGIDaemonProcess g\n";
    for (text, expected) in [
        ("WSGIDaemonProcess g home=\"/srv/x threads=5", "quote"),
        ("WSGIScriptAlias / \"/srv/app.wsgi", "quote"),
        ("WSGIApplicationGroup %{GLOBL}", "name-form"),
        ("WSGIApplicationGroup {GLOBAL}", "name-form"),
        ("WSGIApplicationGroup %GLOBAL", "name-form"),
        ("WSGIApplicationGroup %{global}", "name-form"),
        ("WSGIApplicationGroup GLOBAL", "name-form"),
        ("WSGIApplicationGroup ${GLOBAL}", "name-form"),
        ("WSGIProcessGroup %{ENV:GROUP", "name-form"),
        (
            "WSGIScriptAlias / /a application-group=%{SEVER}",
            "name-form",
        ),
        ("WSGIScriptAlias / app.wsgi", "relative-path"),
        (
            "WSGIDaemonProcess h threads=1 user=x threads=2",
            "option-twice",
        ),
        ("WSGIRestrictProcess", "nothing-allowed"),
        ("WSGIScriptAlias / /a\nWSGIScriptAlias /b /b", "shadowed"),
        (
            "WSGIScriptAlias /b /a\nWSGIScriptAlias /b/c/ /b",
            "shadowed",
        ),
        (
            "WSGIProcessGroup %{GLOBAL}\nWSGIProcessGroup g",
            "overridden",
        ),
    ] {
        assert_eq!(told(&format!("{group}{text}\n")), [expected], "{text}");
    }
    for text in [
        "WSGIApplicationGroup %{GLOBAL}",
        "WSGIApplicationGroup %{ENV:GROUP}",
        "WSGIApplicationGroup it's",
        "WSGIDaemonProcess o'brien home='/a \\' b'",
        "WSGIDaemonProcess h home=\"/a b\" display-name='%{GROUP}'",
        "WSGIRestrictProcess %{GLOBAL}",
        "WSGIScriptAlias /b /b\nWSGIScriptAlias /bc /b\nWSGIScriptAlias / /a",
        "<VirtualHost *>\nWSGIScriptAlias / /a\n</VirtualHost>\nWSGIScriptAlias /b /b",
        "WSGIProcessGroup %{GLOBAL}\n<Location />\nWSGIProcessGroup g\n</Location>",
    ] {
        assert_eq!(told(&format!("{group}{text}\n")), [] as [&str; 0], "{text}");
    }
}

#[test]
fn the_form_that_is_near_is_named() {
    let found = findings(&format!("{HEAD}WSGIApplicationGroup %{{GLOBL}}\n"));
    let one = found.iter().find(|one| one.code == "name-form").unwrap();
    assert_eq!(one.cures, ["is %{GLOBAL} meant?"]);
    assert_eq!(one.what, "`%{GLOBL}` is a name like any other");
}
