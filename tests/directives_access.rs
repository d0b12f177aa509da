//! The directives of trusted proxies, access control and what is only read: values they take and refuse at `httpd -t`.

use crate::directives::{accepts, refuses, refuses_value};
use crate::harness::{Request, Server, UnderTest, is_without_gil, only_rsgi, under_test};

#[test]
fn trusted_proxies_are_addresses_and_their_headers_have_names() {
    for network in [
        "127.0.0.1",
        "10.0.0.0/8",
        "10.0.0.0/255.0.0.0",
        "192.168",
        "::1",
        "2001:db8::/32",
    ] {
        accepts(&format!("WSGITrustedProxies {network} 192.0.2.1"));
    }
    for word in [
        "localhost",
        "10.0.0.0/33",
        "10.0.0.256",
        "2001:db8::/129",
        "10.0.0.0/",
    ] {
        refuses_value(&format!("WSGITrustedProxies 10.0.0.1 {word}"), word);
    }
    accepts(
        "WSGITrustedProxyHeaders x-forwarded-for X-Whatever\nWSGITrustedProxyHeaders X-Real-IP",
    );
}

#[test]
fn upper_case_in_the_addresses_of_proxies_is_taken() {
    only_rsgi!("it only knows lower case");
    accepts("WSGITrustedProxies 2001:DB8::/32");
}

#[test]
fn trusted_headers_and_proxies_that_cannot_be_are_refused() {
    only_rsgi!("it takes such names and empty lists");
    for name in ["WSGITrustedProxies", "WSGITrustedProxyHeaders"] {
        refuses(name, &[]);
    }
    for word in ["X_Forwarded_For", "X-Forwarded-For:"] {
        refuses_value(&format!("WSGITrustedProxyHeaders X-Real-IP {word}"), word);
    }
}

const ASKED: [&str; 3] = [
    "WSGIAuthUserScript",
    "WSGIAuthGroupScript",
    "WSGIAccessScript",
];

fn section(line: &str) -> String {
    format!("<Location /x>\n{line}\n</Location>")
}

#[test]
fn scripts_for_access_control_stand_in_sections_only() {
    for name in ASKED {
        for line in [
            format!("{name} /a"),
            format!("{name} \"/a b\" application-group=x"),
            format!("{name} /a application-group=%{{GLOBAL}}"),
        ] {
            accepts(&section(&line));
            accepts(&format!("<Directory @APPS@>\n{line}\n</Directory>"));
            refuses(&line, &["not allowed here"]);
        }
        refuses(&section(name), &[]);
        refuses_value(&section(&format!("{name} /a nonsense=1")), "nonsense");
        refuses_value(&section(&format!("{name} /a nonsense")), "nonsense");
        refuses_value(
            &section(&format!("{name} /a application-group=")),
            "application-group",
        );
    }
    for value in ["On", "off"] {
        accepts(&section(&format!("WSGIGroupAuthoritative {value}")));
    }
    refuses_value(&section("WSGIGroupAuthoritative perhaps"), "perhaps");
    refuses("WSGIGroupAuthoritative On", &["not allowed here"]);
}

#[test]
fn a_dispatch_script_stands_in_servers_and_sections() {
    for line in [
        "WSGIDispatchScript /a",
        "WSGIDispatchScript /a application-group=%{SERVER}",
    ] {
        accepts(line);
        accepts(&section(line));
        accepts(&format!("<VirtualHost *:@PORT@>\n{line}\n</VirtualHost>"));
    }
    refuses("WSGIDispatchScript", &[]);
    refuses_value("WSGIDispatchScript /a process-group=x", "process-group");
    refuses_value(
        "WSGIDispatchScript /a application-group=",
        "application-group",
    );
}

#[test]
fn settings_of_the_embedded_interpreter_stand_in_the_main_server() {
    for line in [
        "WSGIPythonEggs /var/cache/eggs",
        "WSGISwitchInterval 0.01",
        "WSGIVerboseDebugging On",
        "WSGIServerMetrics Off",
    ] {
        accepts(line);
        refuses(
            &format!("<VirtualHost *:@PORT@>\n{line}\n</VirtualHost>"),
            &["cannot occur"],
        );
        refuses(&section(line), &[]);
    }
    refuses("WSGIPythonEggs", &[]);
    for value in ["0", "-1", "abc"] {
        refuses_value(&format!("WSGISwitchInterval {value}"), value);
    }
    for name in ["WSGIVerboseDebugging", "WSGIServerMetrics"] {
        refuses_value(&format!("{name} perhaps"), "perhaps");
    }
}

#[test]
fn eggs_and_the_switch_interval_reach_the_embedded_interpreter() {
    let server = Server::builder()
        .embedded()
        .serve(
            "import os, sys\ndef application(e, s):\n    s('200 OK', [])\n    \
             return [('%s %.3f' % (os.environ.get('PYTHON_EGG_CACHE'), sys.getswitchinterval())).encode()]\n",
        )
        .conf("WSGIPythonEggs @WORK@/eggs\nWSGISwitchInterval 0.125\nWSGIVerboseDebugging On\nWSGIServerMetrics On")
        .start();
    // Without the GIL it has none that it could set.
    let interval = if is_without_gil() { "0.005" } else { "0.125" };
    let expected = format!("{}/work/eggs {interval}", server.root().display());
    assert_eq!(server.text("/"), expected);
    if is_without_gil() {
        server.expect_log("RSGI0203: WSGISwitchInterval");
    }
    if under_test() == UnderTest::Rsgi {
        server.expect_log("WSGIVerboseDebugging has no effect");
    }
    server.finish();
}

#[test]
fn directives_that_are_no_more_say_what_to_do_instead() {
    only_rsgi!("it does not know them any more");
    for (line, cure) in [
        ("WSGILazyInitialization On", "leave the line out"),
        ("WSGIUserAuthoritative Off", "AuthBasicProvider wsgi file"),
        ("WSGIReloadMechanism Process", "WSGIScriptReloading"),
        ("WSGIOutputBuffering On", "leave the line out"),
        ("WSGIPythonExecutable /usr/bin/python", "WSGIPythonHome"),
        ("WSGIPy3kWarningFlag On", "leave the line out"),
        ("WSGINewRelicConfigFile /x", "newrelic.agent.initialize"),
        ("WSGINewRelicEnvironment x", "newrelic.agent.initialize"),
    ] {
        refuses(line, &["is no more", cure]);
        refuses(&section(line), &["is no more", cure]);
    }
}

/// Sections of a virtual host come behind those of the main server, whatever their order in the file; a group belongs to
/// the script beside it.
#[test]
fn access_scripts_of_a_virtual_host_go_before_those_of_the_main_server() {
    let gate = |answer: &str| {
        format!(
            "import mod_wsgi\ndef allow_access(environ, host):\n    \
             print(mod_wsgi.application_group, file=environ['wsgi.errors'])\n    return {answer}\n"
        )
    };
    let server = Server::builder()
        .app("open.wsgi", &gate("True"))
        .app("closed.wsgi", &gate("False"))
        .serve("def application(e, s):\n    s('200 OK', [])\n    return [b'ok']\n")
        .conf(
            "<VirtualHost *:@PORT@>\nServerName own.example\n\
             <Location /a>\nWSGIAccessScript @APPS@/open.wsgi\n</Location>\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName none.example\n</VirtualHost>\n\
             <Location /a>\nWSGIAccessScript @APPS@/closed.wsgi application-group=apart\n</Location>\n\
             <Location /a/b>\nWSGIPassAuthorization On\n</Location>",
        )
        .allow_log("wsgi:error")
        .start();
    let ask = |host: &str, target: &str| {
        let request = Request::get(target).header("Host", host);
        server.ask(&request).status
    };
    for target in ["/a", "/a/b"] {
        assert_eq!(ask("own.example", target), 200, "{target}");
        assert_eq!(ask("none.example", target), 403, "{target}");
    }
    assert_eq!(ask("none.example", "/"), 200);
    let text = server.log_text();
    assert_eq!(text.matches("] apart").count(), 2, "{text}");
    server.finish();
}
