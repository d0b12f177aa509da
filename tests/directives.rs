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
fn a_section_beats_the_virtual_host_which_beats_the_main_server() {
    let app = r#"
def answer(text):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [text]
    return app
application = answer(b"default")
main = answer(b"main")
host = answer(b"host")
section = answer(b"section")
inner = answer(b"inner")
"#;
    let server = Server::builder()
        .app("app.wsgi", app)
        .conf(
            "WSGIScriptAlias / @APPS@/app.wsgi\nWSGICallableObject main\n\
             <Location /section>\nWSGICallableObject section\n</Location>\n\
             <Location /section/inner>\nWSGICallableObject inner\n</Location>\n\
             <Location /section/other>\nWSGIScriptReloading Off\n</Location>\n\
             <VirtualHost *:@PORT@>\nServerName plain.example\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName own.example\nWSGICallableObject host\n\
             <Location /mine>\nWSGICallableObject inner\n</Location>\n</VirtualHost>",
        )
        .start();
    let ask = |host: &str, path: &str| {
        let request = crate::harness::Request::get(path).header("Host", host);
        server.ask(&request).ok().text()
    };
    assert_eq!(ask("plain.example", "/"), "main");
    assert_eq!(ask("plain.example", "/section"), "section");
    assert_eq!(ask("plain.example", "/section/inner"), "inner");
    assert_eq!(ask("plain.example", "/section/other"), "section");
    assert_eq!(ask("own.example", "/"), "host");
    assert_eq!(ask("own.example", "/section"), "section");
    assert_eq!(ask("own.example", "/mine"), "inner");
    server.finish();
}

/// A probe for each setting of requests: what it does shows in the answer.
const PROBE: &str = r#"
import os
loads = 0
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s|%s|%s" % (environ["REQUEST_METHOD"], environ.get("HTTP_AUTHORIZATION", "-"),
                           environ["mod_wsgi.application_group"])).encode()]
"#;

#[test]
fn flags_are_merged_from_server_to_host_to_section() {
    let server = Server::builder()
        .app("app.wsgi", PROBE)
        .conf(
            "WSGIScriptAlias / @APPS@/app.wsgi\nWSGIPassAuthorization On\nWSGIChunkedRequest On\n\
             WSGIApplicationGroup main\n\
             <VirtualHost *:@PORT@>\nServerName inherits.example\n\
             <Location /off>\nWSGIPassAuthorization Off\nWSGIChunkedRequest Off\n\
             WSGIApplicationGroup section\n</Location>\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName changes.example\nWSGIPassAuthorization Off\n\
             WSGIChunkedRequest Off\nWSGIApplicationGroup host\n\
             <Location /on>\nWSGIPassAuthorization On\nWSGIChunkedRequest On\n</Location>\n</VirtualHost>",
        )
        .start();
    let ask = |host: &str, path: &str| {
        let request = crate::harness::Request::new("POST", path)
            .header("Host", host)
            .header("Authorization", "Basic eDp5");
        let plain = server.ask(&request.clone().body("x")).ok().text();
        let chunked = server.ask(&request.chunked(&[b"x"])).status;
        format!("{plain} {chunked}")
    };
    assert_eq!(ask("inherits.example", "/"), "POST|Basic eDp5|main 200");
    assert_eq!(ask("inherits.example", "/off"), "POST|-|section 411");
    assert_eq!(ask("changes.example", "/"), "POST|-|host 411");
    assert_eq!(ask("changes.example", "/on"), "POST|Basic eDp5|host 200");
    server.allow_log(&crate::harness::id("0139"));
    server.finish();
}

#[test]
fn script_reloading_is_merged_too() {
    let server = Server::builder()
        .app("app.wsgi", "open('@WORK@/events', 'a').write('load\\n')\ndef application(e, s):\n    s('200 OK', [])\n    return []\n")
        .conf(
            "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptReloading Off\nWSGIScriptAlias /off @APPS@/app.wsgi\n\
             WSGIScriptAlias /on @APPS@/app.wsgi\n<Location /on>\nWSGIScriptReloading On\n</Location>",
        )
        .start();
    server.text("/off");
    let file = std::fs::File::options()
        .append(true)
        .open(server.root().join("apps/app.wsgi"))
        .unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000))
        .unwrap();
    server.text("/off");
    assert_eq!(server.events().len(), 1);
    server.text("/on");
    assert_eq!(server.events().len(), 2);
    server.finish();
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
