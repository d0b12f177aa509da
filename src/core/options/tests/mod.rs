//! Merging and look-up.

mod global;

use proptest::prelude::*;

use super::*;
use crate::alias::Pattern;
use crate::directive::{Directive, Kind, parse};
use crate::group::{Case, Lookup};

fn settings(list: &[(Kind, &str)]) -> Settings {
    let mut settings = Settings::default();
    for (kind, arguments) in list {
        match parse(*kind, arguments.as_bytes()) {
            Ok(Directive::Setting(setting)) => settings.apply(setting),
            other => panic!("{kind:?} is no setting: {other:?}"),
        }
    }
    settings
}

struct Nothing;

impl Lookup for Nothing {
    fn server_name(&self) -> &[u8] {
        b"example.org"
    }
    fn server_port(&self) -> u16 {
        80
    }
    fn host(&self) -> Option<&[u8]> {
        None
    }
    fn script_name(&self) -> &[u8] {
        b"/app"
    }
    fn variable(&self, name: &std::ffi::CStr) -> Option<&[u8]> {
        (name == c"callable").then_some(b"from_variable")
    }
}

#[test]
fn without_any_setting_the_defaults_hold() {
    let none = Settings::default();
    let effective = Effective::new(&none, &none);
    assert_eq!(effective.process_group(), &GroupName::Global);
    assert_eq!(effective.application_group(), &GroupName::Resource);
    assert_eq!(effective.callable_object(&Nothing), b"application");
    assert_eq!(effective.map_head_to_get(), HeadMapping::Auto);
    assert!(effective.script_reloading());
    assert!(!effective.pass_authorization());
    assert!(!effective.chunked_request());
    assert!(!effective.enable_sendfile());
    assert_eq!(effective.handler_script(b"any"), None);
    assert!(effective.allows_process_group(b"") && effective.allows_process_group(b"any"));
    assert!(!effective.ignore_activity() && !effective.error_override());
    assert_eq!(effective.request_buffer(), 1_048_576);
}

#[test]
fn each_setting_of_a_directory_goes_before_the_server_s() {
    let server = settings(&[
        (Kind::ApplicationGroup, "server"),
        (Kind::CallableObject, "server"),
        (Kind::ScriptReloading, "Off"),
        (Kind::PassAuthorization, "On"),
        (Kind::ChunkedRequest, "On"),
        (Kind::MapHeadToGet, "On"),
        (Kind::EnableSendfile, "On"),
    ]);
    let none = Settings::default();
    let from_server = Effective::new(&none, &server);
    assert_eq!(
        from_server.application_group(),
        &GroupName::parse(b"server")
    );
    assert_eq!(from_server.callable_object(&Nothing), b"server");
    assert!(!from_server.script_reloading());
    assert!(from_server.pass_authorization());
    assert!(from_server.chunked_request());
    assert_eq!(from_server.map_head_to_get(), HeadMapping::On);
    assert!(from_server.enable_sendfile());

    let directory = settings(&[
        (Kind::ApplicationGroup, "%{GLOBAL}"),
        (Kind::CallableObject, "%{ENV:callable}"),
        (Kind::ScriptReloading, "On"),
        (Kind::PassAuthorization, "Off"),
        (Kind::ChunkedRequest, "Off"),
        (Kind::MapHeadToGet, "Off"),
        (Kind::EnableSendfile, "Off"),
    ]);
    let effective = Effective::new(&directory, &server);
    assert_eq!(effective.application_group(), &GroupName::Global);
    assert_eq!(effective.callable_object(&Nothing), b"from_variable");
    assert!(effective.script_reloading());
    assert!(!effective.pass_authorization());
    assert!(!effective.chunked_request());
    assert_eq!(effective.map_head_to_get(), HeadMapping::Off);
    assert!(!effective.enable_sendfile());
}

#[test]
fn settings_of_process_groups_come_from_the_innermost_section_too() {
    let server = settings(&[
        (Kind::ProcessGroup, "server"),
        (Kind::RestrictProcess, "server %{GLOBAL}"),
        (Kind::IgnoreActivity, "On"),
        (Kind::ErrorOverride, "On"),
        (Kind::RequestBuffer, "5"),
    ]);
    let directory = settings(&[
        (Kind::ProcessGroup, "%{GLOBAL}"),
        (Kind::RestrictProcess, "Section"),
        (Kind::IgnoreActivity, "Off"),
        (Kind::ErrorOverride, "Off"),
        (Kind::RequestBuffer, "Off"),
    ]);
    let none = Settings::default();
    for (section, base) in [
        (&none, &server),
        (&server, &none),
        (&Settings::merge(&none, &server), &none),
        (&server, &directory),
        (&Settings::merge(&directory, &server), &none),
    ] {
        let effective = Effective::new(section, base);
        assert_eq!(effective.process_group(), &GroupName::parse(b"server"));
        assert!(effective.allows_process_group(b"SERVER"));
        assert!(effective.allows_process_group(b""));
        // An inner list replaces the outer one.
        assert!(!effective.allows_process_group(b"section"));
        assert!(effective.ignore_activity() && effective.error_override());
        assert_eq!(effective.request_buffer(), 5);
    }
    let effective = Effective::new(&directory, &server);
    assert_eq!(effective.process_group(), &GroupName::Global);
    assert!(effective.allows_process_group(b"section"));
    assert!(!effective.allows_process_group(b""));
    assert!(!effective.ignore_activity() && !effective.error_override());
    assert_eq!(effective.request_buffer(), 0);

    let nobody = settings(&[(Kind::RestrictProcess, "")]);
    let effective = Effective::new(&nobody, &server);
    assert!(!effective.allows_process_group(b"server") && !effective.allows_process_group(b""));
}

#[test]
fn trusted_proxies_add_up_in_a_section_and_replace_those_of_outer_ones() {
    let network = |word: &str| crate::proxy::Network::parse(word.as_bytes()).expect("a network");
    let server = settings(&[
        (Kind::TrustedProxies, "10.0.0.1 10.0.0.2"),
        (Kind::TrustedProxies, "10.0.0.3"),
        (Kind::TrustedProxyHeaders, "X-Real-IP"),
        (Kind::TrustedProxyHeaders, "X-Host X-Scheme"),
    ]);
    let section = settings(&[
        (Kind::TrustedProxies, "::1"),
        (Kind::TrustedProxyHeaders, "X-Other"),
    ]);
    let none = Settings::default();
    assert!(Effective::new(&none, &none).trust().headers.is_empty());
    assert!(Effective::new(&none, &none).trust().proxies.is_none());
    for effective in [
        Effective::new(&none, &server),
        Effective::new(&Settings::merge(&server, &none), &none),
    ] {
        let trust = effective.trust();
        let expected = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(network);
        assert_eq!(trust.proxies, Some(&expected[..]));
        assert_eq!(trust.headers.len(), 3);
    }
    for effective in [
        Effective::new(&section, &server),
        Effective::new(&Settings::merge(&server, &section), &none),
    ] {
        let trust = effective.trust();
        assert_eq!(trust.proxies, Some(&[network("::1")][..]));
        assert!(trust.headers.is_empty());
    }
}

fn alias(options: &str) -> Alias {
    let line = format!("/app /srv/app.wsgi {options}");
    match parse(Kind::ScriptAlias, line.as_bytes()) {
        Ok(Directive::Alias(alias)) => alias,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_options_of_an_alias_go_before_every_directive() {
    let directory = settings(&[
        (Kind::ApplicationGroup, "directory"),
        (Kind::CallableObject, "directory"),
        (Kind::PassAuthorization, "Off"),
    ]);
    let none = Settings::default();
    let alias_with =
        alias("application-group=%{SERVER} callable-object=%{ENV:x} pass-authorization=On");
    let effective = Effective::new(&directory, &none).with_origin(Origin::Alias(&alias_with));
    assert_eq!(effective.application_group(), &GroupName::Server);
    // The option is taken as it stands.
    assert_eq!(effective.callable_object(&Nothing), b"%{ENV:x}");
    assert!(effective.pass_authorization());

    let alias_without = alias("");
    let effective = Effective::new(&directory, &none).with_origin(Origin::Alias(&alias_without));
    assert_eq!(
        effective.application_group(),
        &GroupName::parse(b"directory")
    );
    assert_eq!(effective.callable_object(&Nothing), b"directory");
    assert!(!effective.pass_authorization());
}

#[test]
fn a_handler_script_always_runs_handle_request() {
    let directory = settings(&[
        (Kind::CallableObject, "other"),
        (
            Kind::HandlerScript,
            "upper /srv/upper.py application-group=up",
        ),
    ]);
    let none = Settings::default();
    let effective = Effective::new(&directory, &none);
    let script = effective.handler_script(b"upper").unwrap();
    let effective = effective.with_origin(Origin::HandlerScript(script));
    assert_eq!(effective.callable_object(&Nothing), b"handle_request");
    assert_eq!(effective.application_group(), &GroupName::parse(b"up"));
}

#[test]
fn handler_scripts_are_overlaid_by_name() {
    let outer = settings(&[
        (Kind::HandlerScript, "a /outer/a.py"),
        (Kind::HandlerScript, "b /outer/b.py"),
    ]);
    let inner = settings(&[
        (Kind::HandlerScript, "b /inner/b.py"),
        (Kind::HandlerScript, "c /first/c.py"),
        (Kind::HandlerScript, "c /inner/c.py"),
    ]);
    let path = |effective: &Effective<'_>, name: &[u8]| {
        effective
            .handler_script(name)
            .map(|script| String::from_utf8_lossy(&script.script).into_owned())
    };
    let none = Settings::default();
    let merged = Settings::merge(&outer, &inner);
    for effective in [
        Effective::new(&merged, &none),
        Effective::new(&none, &merged),
        Effective::new(&inner, &outer),
    ] {
        assert_eq!(path(&effective, b"a").as_deref(), Some("/outer/a.py"));
        assert_eq!(path(&effective, b"b").as_deref(), Some("/inner/b.py"));
        assert_eq!(path(&effective, b"c").as_deref(), Some("/inner/c.py"));
        assert_eq!(path(&effective, b"d"), None);
    }
    // Merging leaves what it merged alone.
    assert_eq!(outer.handler_scripts.map(|scripts| scripts.len()), Some(2));
}

#[test]
fn aliases_of_a_virtual_host_come_before_the_main_server_s() {
    let mount = |prefix: &[u8]| Mount {
        alias: Arc::new(Alias {
            pattern: Pattern::Prefix(prefix.into()),
            target: prefix.into(),
            options: ScriptOptions::default(),
        }),
        regex: None::<u8>,
    };
    let server = |prefixes: &[&[u8]]| ServerOptions {
        settings: Settings::default(),
        aliases: prefixes.iter().map(|prefix| mount(prefix)).collect(),
        sections_choose: false,
        asks_scripts: false,
    };
    let merged = ServerOptions::merge(&server(&[b"/m1", b"/m2"]), &server(&[b"/v1", b"/v2"]));
    assert_eq!(
        merged.aliases,
        server(&[b"/v1", b"/v2", b"/m1", b"/m2"]).aliases
    );
}

#[test]
fn only_aliases_that_may_run_in_apache_s_children_need_python_there() {
    let server = |group: &str, alias_options: &str, sections_choose| ServerOptions::<()> {
        settings: match group {
            "" => Settings::default(),
            group => settings(&[(Kind::ProcessGroup, group)]),
        },
        aliases: vec![Mount {
            alias: Arc::new(alias(alias_options)),
            regex: None,
        }],
        sections_choose,
        asks_scripts: false,
    };
    for (group, alias_options, sections_choose, expected) in [
        ("", "", false, true),
        ("%{GLOBAL}", "", false, true),
        ("%{ENV:x}", "", false, true),
        ("%{SERVER}", "", false, false),
        ("%{HOST}", "", false, false),
        ("shop", "", false, false),
        ("shop", "process-group=%{GLOBAL}", false, true),
        ("", "process-group=shop", false, false),
        ("", "", true, false),
        ("", "process-group=%{GLOBAL}", true, true),
    ] {
        let options = server(group, alias_options, sections_choose);
        assert_eq!(
            options.runs_embedded(),
            expected,
            "{group} {alias_options} {sections_choose}"
        );
    }
    assert!(!ServerOptions::<()>::default().runs_embedded());
    let main = server("", "", false);
    let sections = ServerOptions {
        sections_choose: true,
        ..ServerOptions::default()
    };
    assert!(!ServerOptions::merge(&main, &sections).runs_embedded());
    assert!(ServerOptions::merge(&main, &ServerOptions::default()).runs_embedded());
}

/// Settings in which each field is there or not, with one of two values.
fn any_settings() -> impl Strategy<Value = Settings> {
    let flag = || prop::option::of(any::<bool>());
    let group = || prop::option::of("[ab]".prop_map(|name| GroupName::parse(name.as_bytes())));
    let scripts = prop::collection::vec(("[abc]", "[xy]"), 0..4);
    (
        (group(), group()),
        (flag(), flag(), flag(), flag()),
        scripts,
    )
        .prop_map(|((process, application), flags, scripts)| {
            let mut settings = Settings {
                process_group: process,
                application_group: application,
                script_reloading: flags.0,
                pass_authorization: flags.1,
                chunked_request: flags.2,
                enable_sendfile: flags.3,
                error_override: flags.0,
                ignore_activity: flags.1,
                request_buffer: flags.2.map(u64::from),
                ..Settings::default()
            };
            for (name, script) in scripts {
                settings.apply(Setting::HandlerScript(HandlerScript {
                    name: name.as_bytes().into(),
                    script: script.as_bytes().into(),
                    options: ScriptOptions::default(),
                }));
            }
            settings
        })
}

proptest! {
    #[test]
    fn nothing_merged_with_settings_is_those_settings(settings in any_settings()) {
        let none = Settings::default();
        prop_assert_eq!(&Settings::merge(&none, &settings), &settings);
        prop_assert_eq!(&Settings::merge(&settings, &none), &settings);
        prop_assert_eq!(&Settings::merge(&settings, &settings), &settings);
    }

    #[test]
    fn the_order_in_which_three_levels_are_merged_makes_no_difference(
        a in any_settings(), b in any_settings(), c in any_settings(),
    ) {
        prop_assert_eq!(
            Settings::merge(&Settings::merge(&a, &b), &c),
            Settings::merge(&a, &Settings::merge(&b, &c)),
        );
    }
}
