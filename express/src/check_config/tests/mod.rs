//! Configurations as people have them, and what is found in them; the reader's own rules.

mod htaccess;
mod macros;
mod meant;

use std::path::{Path, PathBuf};

use super::finding::{Finding, Level};
use super::rules::Here;
use super::{judged, print, read};
use crate::message::Paint;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/check_config/tests/cases");

fn here() -> Here {
    Here {
        module: "/usr/lib/apache2/modules/mod_rsgi.so".to_owned(),
        looks_at_files: false,
    }
}

/// What is said of one of the cases.
fn said(case: &str, root: Option<&str>) -> String {
    let root = root.map(|root| PathBuf::from(format!("{CASES}/{root}")));
    let defined = root.iter().map(|root| format!("ROOT={}", root.display()));
    let read = read::read(
        &Path::new(CASES).join(case),
        root.as_deref(),
        &defined.collect::<Vec<_>>(),
    )
    .unwrap();
    let files = read.files.len();
    let findings = judged(read, &here());
    print::text(&findings, files, Paint::plain()).replace(&format!("{CASES}/"), "")
}

#[test]
fn a_project_of_django_as_guides_have_it() {
    insta::assert_snapshot!(said("django.conf", None));
}

#[test]
fn trac_in_the_folder_of_documents() {
    insta::assert_snapshot!(said("trac.conf", None));
}

#[test]
fn handlers_of_the_time_of_python_2() {
    insta::assert_snapshot!(said("addhandler.conf", None));
}

#[test]
fn a_service_beside_a_wiki() {
    insta::assert_snapshot!(said("wiki.conf", None));
}

#[test]
fn several_tenants_with_included_files() {
    insta::assert_snapshot!(said("tenants/httpd.conf", Some("tenants")));
}

#[test]
fn a_configuration_without_a_fault_changes_in_one_line() {
    insta::assert_snapshot!(said("clean.conf", None));
}

/// The findings of a text.
fn findings(text: &str) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("httpd.conf");
    std::fs::write(&file, text).unwrap();
    judged(read::read(&file, None, &[]).unwrap(), &here())
}

fn codes(text: &str) -> Vec<&'static str> {
    findings(text).iter().map(|finding| finding.code).collect()
}

#[test]
fn a_line_goes_on_behind_a_backslash_and_keeps_its_first_number() {
    let found = findings("# a\nWSGIScriptReloading \\\n  \\\n  perhaps\n");
    let finding = found.iter().find(|found| found.code == "refused").unwrap();
    assert_eq!(finding.place.as_ref().unwrap().line, 2);
    assert_eq!(
        &*finding.place.as_ref().unwrap().text,
        "WSGIScriptReloading perhaps"
    );
    assert_eq!(finding.level, Level::Error);
    assert!(
        finding.what.contains("On or Off, not `perhaps`"),
        "{}",
        finding.what
    );
}

#[test]
fn a_comment_does_not_hide_what_follows_and_case_does_not_matter() {
    let text =
        "  # WSGINonsense On\n<ifmodule MOD_WSGI.c>\n</IfModule>\nwsgiscriptreloading perhaps\n";
    assert_eq!(codes(text), ["refused", "not-loaded"]);
}

#[test]
fn conditions_are_taken_as_apache_would() {
    for (condition, counts) in [
        ("<IfDefine X>", false),
        ("<IfDefine !X>", true),
        ("<IfModule wsgi_module>", true),
        ("<IfModule !mod_wsgi.c>", false),
        ("<IfModule mod_ssl.c>", false),
        ("<IfModule ssl_module>", false),
        ("<IfModule mod_rewrite.c>", true),
        ("<IfModule mpm_event_module>", true),
        ("<IfVersion >= 2.4>", true),
        ("<IfVersion < 2.4>", false),
        ("<IfVersion !< 2.4>", true),
        ("<IfFile /etc/passwd>", true),
        ("<IfFile /not/there>", false),
        ("<IfDirective WSGIScriptAlias>", true),
    ] {
        let name = condition[1..].split_whitespace().next().unwrap();
        let text = format!(
            "LoadModule rewrite_module x.so\nLoadModule rsgi_module mod_rsgi.so\n{condition}\nWSGINonsense\n</{name}>\n"
        );
        let expected: &[&str] = if counts { &["unknown"] } else { &[] };
        assert_eq!(codes(&text), expected, "{condition}");
    }
}

#[test]
fn variables_are_replaced_where_they_are_known() {
    let text = "Define NAME shop\nDefine MODE\nWSGIDaemonProcess ${NAME} nonsense=${UNKNOWN}\nUnDefine MODE\n\
                <IfDefine MODE>\nWSGINonsense\n</IfDefine>\n";
    let found = findings(text);
    let finding = found.iter().find(|found| found.code == "refused").unwrap();
    assert!(
        finding.what.contains("`shop` has no option `nonsense`"),
        "{}",
        finding.what
    );
    assert!(found.iter().all(|found| found.code != "unknown"));
}

#[test]
fn sections_that_do_not_match_are_told() {
    let found =
        findings("<VirtualHost *:80>\n</Directory>\n</VirtualHost>\n</Location>\n<Files x>\n");
    let told: Vec<_> = found.iter().map(|found| found.what.as_str()).collect();
    assert_eq!(
        told,
        [
            "</Directory> closes no section",
            "</Location> closes no section",
            "<Files> is not closed in its file"
        ]
    );
}

#[test]
fn a_file_that_includes_itself_ends() {
    let found = findings("Include httpd.conf\n");
    assert_eq!(found.len(), 1);
    assert!(
        found[0].what.ends_with("is included 20 files deep"),
        "{}",
        found[0].what
    );
}

#[test]
fn a_group_is_found_by_alias_section_host_and_server() {
    let group = "WSGIRestrictEmbedded On\nLoadModule rsgi_module mod_rsgi.so\n\
                 WSGIDaemonProcess a processes=2 user=x request-timeout=9 python-home=/x\n";
    for lines in [
        "WSGIScriptAlias / /srv/app.wsgi process-group=a application-group=%{GLOBAL}",
        "WSGIProcessGroup a\nWSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias / /srv/app.wsgi",
        "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias / /srv/app.wsgi\n<Directory /srv>\nWSGIProcessGroup a\n</Directory>",
        "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /x /srv/app.wsgi\n<Location /x>\nWSGIProcessGroup a\n</Location>",
        "WSGIProcessGroup none\n<VirtualHost *>\nWSGIProcessGroup a\nWSGIScriptAlias / /srv/app.wsgi application-group=%{GLOBAL}\n</VirtualHost>",
        "<VirtualHost *>\nWSGIProcessGroup none\n</VirtualHost>\nWSGIProcessGroup a\nWSGIScriptAlias / /s/app.wsgi application-group=%{GLOBAL}",
    ] {
        assert_eq!(
            codes(&format!("{group}{lines}\n")),
            [] as [&str; 0],
            "{lines}"
        );
    }
    for lines in [
        "WSGIScriptAlias / /srv/app.wsgi\n<Directory /other>\nWSGIProcessGroup a\n</Directory>",
        "WSGIScriptAlias /y /srv/app.wsgi\n<Location /x>\nWSGIProcessGroup a\n</Location>",
    ] {
        let codes = codes(&format!("{group}{lines}\n"));
        assert!(
            codes.contains(&"embedded") && codes.contains(&"unused-group"),
            "{lines}: {codes:?}"
        );
    }
}

#[test]
fn findings_are_objects_for_programs() {
    let found = findings("LoadModule rsgi_module mod_rsgi.so\nWSGINonsens On\n");
    let json = found[0].json();
    assert_eq!(json["level"], "error");
    assert_eq!(json["code"], "unknown");
    assert_eq!(json["line"], 2);
    assert_eq!(json["text"], "WSGINonsens On");
}
