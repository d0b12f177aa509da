//! Files of folders: which are read, what may stand in them, and what they decide.

use super::super::finding::{Finding, Level};
use super::{here, judged, read};

const HEAD: &str = "LoadModule rsgi_module mod_rsgi.so\nWSGIPythonHome /x\n";

/// The findings of a configuration beside a folder `www` with these files; `@` is the folder.
fn found(files: &[(&str, &str)], text: &str) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let www = folder.path().join("www");
    std::fs::create_dir(&www).unwrap();
    for (name, content) in files {
        let file = www.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    let file = folder.path().join("httpd.conf");
    let text = text.replace('@', &www.display().to_string());
    std::fs::write(&file, format!("{HEAD}{text}")).unwrap();
    judged(read::read(&file, None, &[]).unwrap(), &here())
}

#[track_caller]
fn told(files: &[(&str, &str)], text: &str, expected: &[(Level, &str, &str)]) {
    let found = found(files, text);
    let told: Vec<_> = found
        .iter()
        .filter(|one| one.code != "embedded" && one.code != "sub-interpreter")
        .map(|one| (one.level, one.code, one.what.as_str()))
        .collect();
    assert_eq!(told, expected, "{text}");
}

#[test]
fn classes_decide_what_may_stand_in_it() {
    let files = [(".htaccess", "# mine\nWSGIScriptReloading Off\n")];
    let refused = [(
        Level::Error,
        "htaccess",
        "WSGIScriptReloading may not stand in the file of this folder",
    )];
    for (rule, is_fine) in [
        ("AllowOverride All", true),
        ("AllowOverride FileInfo", true),
        ("AllowOverride Limit fileinfo", true),
        ("AllowOverride AuthConfig Options=ExecCGI,Indexes", false),
        (
            "AllowOverride Limit\nAllowOverrideList WSGIScriptReloading",
            true,
        ),
        ("AllowOverrideList Redirect", false),
    ] {
        let text = format!("<Directory @>\n{rule}\n</Directory>\n");
        told(&files, &text, if is_fine { &[] } else { &refused });
    }
    let text = "<Directory @>\nAllowOverride Limit Nonfatal=Override\n</Directory>\n";
    let passed_over = [(Level::Warning, refused[0].1, refused[0].2)];
    told(&files, text, &passed_over);
}

#[test]
fn what_belongs_to_servers_is_told_with_the_file_and_its_line() {
    let files = [(
        "sub/.htaccess",
        "\nWSGIScriptAlias / /x\nWSGIProcessGroup a\nWSGIAccessScript /x\nWSGIPythonHome /y\nWSGINonsense\nWSGIScriptReloading perhaps\n",
    )];
    let text = "<Directory @>\nAllowOverride FileInfo\n</Directory>\n";
    let all = found(&files, text);
    let lines: Vec<_> = all
        .iter()
        .filter(|one| one.level == Level::Error)
        .map(|one| {
            let place = one.place.as_ref().unwrap();
            assert!(place.file.ends_with("www/sub/.htaccess"), "{one:?}");
            (place.line, one.what.as_str())
        })
        .collect();
    assert_eq!(
        lines,
        [
            (2, "WSGIScriptAlias cannot stand in the file of a folder"),
            (3, "WSGIProcessGroup cannot stand in the file of a folder"),
            (
                4,
                "WSGIAccessScript may not stand in the file of this folder"
            ),
            (5, "WSGIPythonHome cannot stand in the file of a folder"),
            (6, "mod_rsgi has no directive WSGINonsense"),
            (7, "WSGIScriptReloading takes On or Off, not `perhaps`"),
        ]
    );
    let also = all.iter().find_map(|one| one.also.as_ref()).unwrap();
    assert_eq!((also.1.line, &*also.1.text), (4, "AllowOverride FileInfo"));
}

#[test]
fn the_longest_section_decides_whether_files_are_read() {
    let files = [
        ("open/.htaccess", "WSGIScriptReloading On\n"),
        ("open/shut/.htaccess", "WSGIScriptReloading On\n"),
        ("shut/.htaccess", "WSGIScriptReloading On\n"),
    ];
    let text = "<Directory @/open/shut>\nAllowOverride None\n</Directory>\n\
                <Directory />\nAllowOverride None\n</Directory>\n\
                <Directory @/o*>\nAllowOverride All\n</Directory>\n<Directory @/shut>\n</Directory>\n\
                DocumentRoot @/shut\n";
    let found = found(&files, text);
    let told = |code: &str, file: &str| {
        let is_it = |one: &&Finding| {
            one.code == code && one.place.as_ref().is_some_and(|at| at.file.ends_with(file))
        };
        found.iter().filter(is_it).count()
    };
    for (code, file) in [
        ("reloading", "www/open/.htaccess"),
        ("htaccess", "open/shut/.htaccess"),
        ("htaccess", "www/shut/.htaccess"),
    ] {
        assert_eq!(told(code, file), 1, "{code} {file}: {found:?}");
    }
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn another_name_and_handlers_of_a_folder_are_seen() {
    let files = [
        (
            ".wsgi-access",
            "Options +ExecCGI\nAddHandler wsgi-script .wsgi\nWSGIApplicationGroup %{GLOBAL}\n",
        ),
        (".htaccess", "WSGINonsense\n"),
    ];
    let text = "AccessFileName .wsgi-access\n<Directory @>\nAllowOverride FileInfo Options\n</Directory>\n";
    let found = found(&files, text);
    let codes: Vec<_> = found.iter().map(|one| one.code).collect();
    assert!(codes.contains(&"add-handler"), "{found:?}");
    assert!(!codes.contains(&"unknown"), "{found:?}");
    // WSGIApplicationGroup is for sections, not for files of folders.
    assert!(codes.contains(&"htaccess"), "{found:?}");
}
