//! Each directive: values it takes, values it refuses at `httpd -t`, where it may stand.

use crate::harness::{Server, UnderTest, only_rsgi, under_test};

const FLAGS: [&str; 9] = [
    "WSGIDontWriteBytecode",
    "WSGIScriptReloading",
    "WSGIPassAuthorization",
    "WSGIChunkedRequest",
    "WSGIEnableSendfile",
    "WSGIRestrictStdin",
    "WSGIRestrictStdout",
    "WSGIRestrictSignal",
    "WSGICaseSensitivity",
];

/// Those that only the main server takes.
const GLOBAL_ONLY: [&str; 15] = [
    "WSGIPythonHome /usr",
    "WSGIPythonPath /x",
    "WSGIPythonOptimize 1",
    "WSGIPythonWarnings ignore",
    "WSGIPythonHashSeed 1",
    "WSGIDontWriteBytecode On",
    "WSGIRestrictStdin On",
    "WSGIRestrictStdout On",
    "WSGIRestrictSignal On",
    "WSGICaseSensitivity On",
    "WSGIDestroyInterpreter On",
    "WSGIRestrictEmbedded Off",
    "WSGISocketPrefix run/wsgi",
    "WSGISocketRotation On",
    "WSGIAcceptMutex Default",
];

/// Those that may stand anywhere, .htaccess included.
const ANYWHERE: [&str; 10] = [
    "WSGIScriptReloading Off",
    "WSGIPassAuthorization On",
    "WSGIChunkedRequest On",
    "WSGIMapHEADToGET Auto",
    "WSGIEnableSendfile On",
    "WSGICallableObject other",
    "WSGIIgnoreActivity On",
    "WSGIErrorOverride On",
    "WSGITrustedProxies 10.0.0.0/8 ::1",
    "WSGITrustedProxyHeaders X-Forwarded-For",
];

#[track_caller]
pub(crate) fn accepts(conf: &str) {
    let check = Server::builder().python_home(None).conf(conf).check();
    assert!(check.is_accepted, "{conf}: {}", check.output);
}

/// Refused with a message that has the directive's name and these words.
#[track_caller]
pub(crate) fn refuses(conf: &str, words: &[&str]) {
    let check = Server::builder().python_home(None).conf(conf).check();
    assert!(!check.is_accepted, "accepted: {conf}");
    let directive = conf
        .split([' ', '\n'])
        .find(|w| w.starts_with("WSGI"))
        .unwrap_or(conf);
    let is_ours = under_test() == UnderTest::Rsgi;
    for word in words.iter().chain(is_ours.then_some(&directive)) {
        assert!(
            check.output.contains(word),
            "no {word:?} for {conf:?} in: {}",
            check.output
        );
    }
}

/// Our messages name the value as well.
#[track_caller]
pub(crate) fn refuses_value(conf: &str, value: &str) {
    let words: &[&str] = match under_test() {
        UnderTest::Rsgi => &[value],
        UnderTest::ModWsgi => &[],
    };
    refuses(conf, words);
}

#[test]
fn flags_take_on_and_off_in_any_case_and_nothing_else() {
    for name in FLAGS.iter().chain(&["WSGIDestroyInterpreter"]) {
        for value in ["On", "off", "ON"] {
            accepts(&format!("{name} {value}"));
        }
        for value in ["maybe", "1", "yes"] {
            refuses_value(&format!("{name} {value}"), value);
        }
        refuses(name, &[]);
        refuses(&format!("{name} On Off"), &[]);
    }
}

#[test]
fn map_head_to_get_takes_auto_as_well() {
    for value in ["On", "Off", "Auto", "auto"] {
        accepts(&format!("WSGIMapHEADToGET {value}"));
    }
    refuses_value("WSGIMapHEADToGET Sometimes", "Sometimes");
}

#[test]
fn global_settings_are_refused_in_virtual_hosts_and_sections() {
    for line in GLOBAL_ONLY {
        accepts(line);
        refuses(
            &format!("<VirtualHost *:@PORT@>\n{line}\n</VirtualHost>"),
            &["cannot occur"],
        );
        refuses(&format!("<Directory @APPS@>\n{line}\n</Directory>"), &[]);
        refuses(&format!("<Location /x>\n{line}\n</Location>"), &[]);
    }
}

#[test]
fn request_settings_may_stand_anywhere() {
    for line in ANYWHERE {
        accepts(line);
        accepts(&format!("<VirtualHost *:@PORT@>\n{line}\n</VirtualHost>"));
        accepts(&format!("<Directory @APPS@>\n{line}\n</Directory>"));
        accepts(&format!("<Location /x>\n{line}\n</Location>"));
        accepts(&format!("<Files x>\n{line}\n</Files>"));
    }
}

#[test]
fn request_settings_are_allowed_in_htaccess_with_file_info_only() {
    let server = Server::builder()
        .file("htdocs/app.wsgi", b"def application(e, s):\n    s('200 OK', [])\n    return [b'ok']\nother = application\n")
        .modules(&["mime"])
        .conf(
            "TypesConfig /dev/null\nAddHandler wsgi-script .wsgi\n\
             <Directory @ROOT@/htdocs>\nOptions ExecCGI\nAllowOverride FileInfo\n</Directory>",
        )
        .start();
    for line in ANYWHERE {
        server.write("htdocs/.htaccess", line);
        assert_eq!(server.text("/app.wsgi"), "ok", "{line}");
    }
    for line in GLOBAL_ONLY.iter().chain(&[
        "WSGIApplicationGroup x",
        "WSGIProcessGroup x",
        "WSGIRestrictProcess x",
        "WSGIDaemonProcess x",
        "WSGIScriptAlias / /x",
    ]) {
        server.write("htdocs/.htaccess", line);
        assert_eq!(server.get("/app.wsgi").status, 500, "{line}");
    }
    server.allow_log("not allowed here");
    server.finish();
}

#[test]
fn aliases_belong_to_servers_not_to_sections() {
    for name in ["WSGIScriptAlias", "WSGIScriptAliasMatch"] {
        accepts(&format!("{name} /a /b"));
        accepts(&format!(
            "<VirtualHost *:@PORT@>\n{name} /a /b\n</VirtualHost>"
        ));
        refuses(
            &format!("<Directory @APPS@>\n{name} /a /b\n</Directory>"),
            &["not allowed"],
        );
    }
}

#[test]
fn aliases_refuse_missing_arguments_and_bad_options() {
    for name in ["WSGIScriptAlias", "WSGIScriptAliasMatch"] {
        refuses(name, &[]);
        refuses(&format!("{name} /a"), &[]);
        accepts(&format!(
            "{name} /a /b application-group=x callable-object=y pass-authorization=on"
        ));
        accepts(&format!(
            "{name} /a \"/b c\" application-group='%{{GLOBAL}}'"
        ));
        refuses_value(&format!("{name} /a /b nonsense=1"), "nonsense");
        refuses_value(&format!("{name} /a /b nonsense"), "nonsense");
        refuses(&format!("{name} /a /b =x"), &[]);
        for option in [
            "process-group",
            "application-group",
            "callable-object",
            "pass-authorization",
        ] {
            refuses_value(&format!("{name} /a /b {option}="), option);
        }
        refuses_value(
            &format!("{name} /a /b pass-authorization=perhaps"),
            "pass-authorization",
        );
        refuses_value(
            &format!("{name} /a /b Application-Group=x"),
            "Application-Group",
        );
    }
}

#[test]
fn alias_match_refuses_a_broken_expression() {
    refuses_value("WSGIScriptAliasMatch ^/(unclosed /b", "(unclosed");
}

#[test]
fn an_unknown_process_group_of_a_preloaded_alias_is_refused() {
    refuses_value(
        "WSGIScriptAlias /a /b process-group=none application-group=x",
        "none",
    );
}

#[test]
fn import_script_needs_both_groups() {
    accepts("WSGIImportScript /a process-group=%{GLOBAL} application-group=%{GLOBAL}");
    accepts("WSGIImportScript /a process-group=%{GLOBAL} application-group=x");
    accepts(
        "<VirtualHost *:@PORT@>\nWSGIImportScript /a process-group=%{GLOBAL} application-group=x\n</VirtualHost>",
    );
    refuses("WSGIImportScript", &[]);
    refuses("WSGIImportScript /a", &[]);
    refuses("WSGIImportScript /a process-group=%{GLOBAL}", &[]);
    refuses("WSGIImportScript /a application-group=x", &[]);
    refuses(
        "WSGIImportScript /a process-group= application-group=x",
        &[],
    );
    refuses_value(
        "WSGIImportScript /a process-group=%{GLOBAL} application-group=x nonsense=1",
        "nonsense",
    );
    refuses_value(
        "WSGIImportScript /a process-group=none application-group=x",
        "none",
    );
    refuses(
        "<Directory @APPS@>\nWSGIImportScript /a process-group=%{GLOBAL} application-group=x\n</Directory>",
        &[],
    );
}

#[test]
fn handler_script_refuses_missing_arguments_and_bad_options() {
    accepts("WSGIHandlerScript name /a");
    accepts(
        "WSGIHandlerScript name /a application-group=x process-group=%{GLOBAL} pass-authorization=Off",
    );
    accepts("<Location /x>\nWSGIHandlerScript name /a\n</Location>");
    refuses("WSGIHandlerScript", &[]);
    refuses("WSGIHandlerScript name", &[]);
    refuses_value("WSGIHandlerScript name /a nonsense=1", "nonsense");
    refuses_value(
        "WSGIHandlerScript name /a callable-object=x",
        "callable-object",
    );
    refuses_value(
        "WSGIHandlerScript name /a application-group=",
        "application-group",
    );
    refuses_value(
        "WSGIHandlerScript name /a pass-authorization=perhaps",
        "pass-authorization",
    );
}

#[test]
fn groups_and_callables_take_one_name() {
    for name in ["WSGIApplicationGroup", "WSGICallableObject"] {
        accepts(&format!("{name} x"));
        accepts(&format!("{name} %{{GLOBAL}}"));
        accepts(&format!("<Location /x>\n{name} %{{ENV:y}}\n</Location>"));
        refuses(name, &[]);
        refuses(&format!("{name} a b"), &[]);
    }
}

#[test]
fn python_hash_seed_is_a_32_bit_number_or_random() {
    for value in ["random", "0", "42", "4294967295"] {
        accepts(&format!("WSGIPythonHashSeed {value}"));
    }
    for value in ["-1", "4294967296", "abc", "1x"] {
        refuses_value(&format!("WSGIPythonHashSeed {value}"), value);
    }
    refuses("WSGIPythonHashSeed", &[]);
}

#[test]
fn python_optimize_takes_a_level() {
    for value in ["0", "1", "2"] {
        accepts(&format!("WSGIPythonOptimize {value}"));
    }
    refuses("WSGIPythonOptimize", &[]);
}

#[test]
fn python_warnings_add_up_and_python_path_takes_one_argument() {
    accepts("WSGIPythonWarnings default\nWSGIPythonWarnings error::UserWarning");
    refuses("WSGIPythonWarnings", &[]);
    accepts("WSGIPythonPath /a:/b");
    refuses("WSGIPythonPath", &[]);
    refuses("WSGIPythonPath /a /b", &[]);
}

#[test]
fn directives_that_no_longer_exist_are_refused() {
    for name in [
        "WSGILazyInitialization On",
        "WSGIUserAuthoritative On",
        "WSGINewRelicConfigFile /x",
    ] {
        let check = Server::builder().python_home(None).conf(name).check();
        match under_test() {
            UnderTest::Rsgi => check.refused_with(&["is no more"]),
            UnderTest::ModWsgi => check.refused_with(&["Invalid command"]),
        }
    }
}

#[test]
fn a_message_names_file_line_directive_and_value() {
    only_rsgi!("its messages do not name the value");
    let check = Server::builder()
        .python_home(None)
        .conf("WSGIScriptReloading perhaps")
        .check();
    check.refused_with(&["httpd.conf", "line ", "WSGIScriptReloading", "perhaps"]);
}

#[test]
fn if_module_holds_for_the_name_of_the_original() {
    accepts("<IfModule mod_wsgi.c>\nWSGIScriptReloading On\n</IfModule>");
    accepts("<IfModule wsgi_module>\nWSGIScriptReloading On\n</IfModule>");
    refuses(
        "<IfModule mod_wsgi.c>\nWSGIScriptReloading nonsense\n</IfModule>",
        &[],
    );
    refuses(
        "<IfModule wsgi_module>\nWSGIScriptReloading nonsense\n</IfModule>",
        &[],
    );
}

#[test]
fn both_symbols_of_the_module_can_be_loaded() {
    only_rsgi!("it has one symbol");
    for symbol in ["wsgi_module", "rsgi_module"] {
        let server = Server::builder()
            .module_symbol(Some(symbol))
            .serve("def application(e, s):\n    s('200 OK', [])\n    return [b'ok']\n")
            .conf("<IfModule !mod_wsgi.c>\nNonsense\n</IfModule>")
            .start();
        assert_eq!(server.text("/"), "ok", "{symbol}");
        server.finish();
    }
}
