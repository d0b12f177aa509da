//! Each directive accepted and refused, and the texts of the refusals.

use proptest::prelude::*;

use super::*;
use crate::alias::{Pattern, ScriptOptions};
use crate::environ::HeadMapping;
use crate::group::{Callable, GroupName};
use crate::options::{HandlerScript, HashSeed};

mod access;
mod aliases;
mod groups;
mod telemetry;

fn accept(kind: Kind, arguments: &str) -> Directive {
    parse(kind, arguments.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn refuse(kind: Kind, arguments: &str) -> String {
    match parse(kind, arguments.as_bytes()) {
        Ok(value) => panic!("{} {arguments} gives {value:?}", kind.name()),
        Err(error) => error.to_string(),
    }
}

fn alias_of(kind: Kind, arguments: &str) -> Alias {
    match accept(kind, arguments) {
        Directive::Alias(alias) => alias,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_table_is_in_the_order_of_the_kinds() {
    for (place, spec) in DIRECTIVES.iter().enumerate() {
        assert_eq!(spec.kind as usize, place);
        assert_eq!(spec.kind.spec().name, spec.name);
        let name = spec.kind.name();
        assert!(name.strip_prefix('<').unwrap_or(name).starts_with(
            if matches!(spec.kind, Kind::RequestBuffer | Kind::Overlap) {
                "RSGI"
            } else {
                "WSGI"
            }
        ));
        assert!(!spec.usage.is_empty());
    }
}

#[test]
fn directives_stand_where_those_of_mod_wsgi_stand() {
    let count = |context| {
        DIRECTIVES
            .iter()
            .filter(|spec| spec.context == context)
            .count()
    };
    assert_eq!(count(Context::Global), 26);
    assert_eq!(count(Context::Server), 4);
    assert_eq!(count(Context::FileInfo), 11);
    assert_eq!(count(Context::ServerDirectory), 6);
    assert_eq!(count(Context::AuthConfig), 4);
    assert_eq!(count(Context::Anywhere), 8);
    assert_eq!(
        Kind::ApplicationGroup.spec().context,
        Context::ServerDirectory
    );
    assert_eq!(Kind::HandlerScript.spec().context, Context::ServerDirectory);
}

#[test]
fn a_handler_script_has_a_name_a_script_and_options() {
    let expected = HandlerScript {
        name: b"upper".as_slice().into(),
        script: b"/srv/upper.py".as_slice().into(),
        options: ScriptOptions {
            application_group: Some(GroupName::Host),
            pass_authorization: Some(false),
            ..ScriptOptions::default()
        },
    };
    let arguments = "upper /srv/upper.py application-group=%{HOST} pass-authorization=Off";
    assert_eq!(
        accept(Kind::HandlerScript, arguments),
        Directive::Setting(Setting::HandlerScript(expected))
    );
    for (arguments, expected) in [
        ("", "WSGIHandlerScript needs a handler name; "),
        ("upper", "WSGIHandlerScript needs a script; "),
        (
            "upper /a callable-object=x",
            "WSGIHandlerScript has no option `callable-object`; it has process-group=, application-group=, pass-authorization=",
        ),
    ] {
        let text = refuse(Kind::HandlerScript, arguments);
        assert!(text.starts_with(expected), "{arguments}: {text}");
    }
}

#[test]
fn an_import_needs_both_groups_and_both_known() {
    let import = Import {
        script: b"/a.py".as_slice().into(),
        process_group: b"".as_slice().into(),
        application_group: b"shop".as_slice().into(),
    };
    assert_eq!(
        accept(
            Kind::ImportScript,
            "/a.py process-group=%{GLOBAL} application-group=shop"
        ),
        Directive::Import(import)
    );
    let daemon = accept(
        Kind::ImportScript,
        "/a.py process-group=d application-group=x",
    );
    assert!(
        matches!(&daemon, Directive::Import(import) if &*import.process_group == b"d"),
        "{daemon:?}"
    );
    for (arguments, expected) in [
        ("", "WSGIImportScript needs a script; "),
        (
            "/a.py application-group=shop",
            "WSGIImportScript needs process-group=; ",
        ),
        (
            "/a.py process-group=%{GLOBAL}",
            "WSGIImportScript needs application-group=; ",
        ),
        (
            "/a.py process-group=%{SERVER} application-group=x",
            "WSGIImportScript: process-group=`%{SERVER}` depends on the request, ",
        ),
        (
            "/a.py process-group=%{GLOBAL} application-group=%{ENV:x}",
            "WSGIImportScript: application-group=`%{ENV:x}` depends on the request, but the script is loaded before any; \
             write the name of the group, or %{GLOBAL}",
        ),
        (
            "/a.py pass-authorization=On",
            "WSGIImportScript has no option `pass-authorization`; it has process-group=, application-group=",
        ),
    ] {
        let text = refuse(Kind::ImportScript, arguments);
        assert!(text.starts_with(expected), "{arguments}: {text}");
    }
}

#[test]
fn flags_are_on_or_off_in_any_case() {
    let flags = DIRECTIVES
        .iter()
        .filter(|spec| spec.arguments == Arguments::Flag);
    for spec in flags {
        let name = spec.kind.name();
        let on = accept(spec.kind, "On");
        assert_eq!(on, accept(spec.kind, "oN"));
        assert_ne!(on, accept(spec.kind, "off"));
        for wrong in ["maybe", "1", "true", "On "] {
            let expected = format!("{name} takes On or Off, not `{wrong}`");
            assert_eq!(refuse(spec.kind, wrong), expected);
        }
        let expected = format!("{name} takes On or Off, and nothing is given");
        assert_eq!(refuse(spec.kind, ""), expected);
    }
}

#[test]
fn each_flag_sets_its_own_value() {
    for (kind, expected) in [
        (
            Kind::ScriptReloading,
            Directive::Setting(Setting::ScriptReloading(true)),
        ),
        (
            Kind::PassAuthorization,
            Directive::Setting(Setting::PassAuthorization(true)),
        ),
        (
            Kind::ChunkedRequest,
            Directive::Setting(Setting::ChunkedRequest(true)),
        ),
        (
            Kind::EnableSendfile,
            Directive::Setting(Setting::EnableSendfile(true)),
        ),
        (
            Kind::DontWriteBytecode,
            Directive::Global(GlobalSetting::DontWriteBytecode(true)),
        ),
        (
            Kind::DestroyInterpreter,
            Directive::Global(GlobalSetting::DestroyInterpreter(true)),
        ),
        (
            Kind::RestrictStdin,
            Directive::Global(GlobalSetting::RestrictStdin(true)),
        ),
        (
            Kind::RestrictStdout,
            Directive::Global(GlobalSetting::RestrictStdout(true)),
        ),
        (
            Kind::RestrictSignal,
            Directive::Global(GlobalSetting::RestrictSignal(true)),
        ),
        (
            Kind::CaseSensitivity,
            Directive::Global(GlobalSetting::CaseSensitivity(true)),
        ),
    ] {
        assert_eq!(accept(kind, "On"), expected);
    }
}

#[test]
fn head_mapping_is_on_off_or_auto() {
    for (word, expected) in [
        ("On", HeadMapping::On),
        ("OFF", HeadMapping::Off),
        ("auto", HeadMapping::Auto),
    ] {
        assert_eq!(
            accept(Kind::MapHeadToGet, word),
            Directive::Setting(Setting::MapHeadToGet(expected))
        );
    }
    assert_eq!(
        refuse(Kind::MapHeadToGet, "yes"),
        "WSGIMapHEADToGET takes On, Off or Auto, not `yes`"
    );
}

#[test]
fn names_of_groups_and_callables_are_parsed() {
    assert_eq!(
        accept(Kind::ApplicationGroup, "%{GLOBAL}"),
        Directive::Setting(Setting::ApplicationGroup(GroupName::Global))
    );
    assert_eq!(
        accept(Kind::CallableObject, "app"),
        Directive::Setting(Setting::CallableObject(Callable::parse(b"app")))
    );
    for kind in [Kind::ApplicationGroup, Kind::CallableObject] {
        let text = refuse(kind, "");
        assert!(
            text.starts_with(&format!("{} needs ", kind.name())),
            "{text}"
        );
    }
}

#[test]
fn a_random_hash_seed_is_random() {
    let seed = |word| match accept(Kind::PythonHashSeed, word) {
        Directive::Global(GlobalSetting::PythonHashSeed(seed)) => seed,
        other => panic!("{other:?}"),
    };
    assert_eq!(seed("random"), HashSeed::Random);
    assert_eq!(seed("0"), HashSeed::Fixed(0));
    assert_eq!(seed("4294967295"), HashSeed::Fixed(u32::MAX));
    for wrong in ["4294967296", "-1", "+1", "1.0", "0x1", "randomly"] {
        assert_eq!(
            refuse(Kind::PythonHashSeed, wrong),
            format!(
                "WSGIPythonHashSeed takes `random` or a number from 0 to 4294967295, not `{wrong}`"
            )
        );
    }
}

#[test]
fn python_s_start_settings_are_parsed() {
    let text = |text: &str| std::sync::Arc::<[u8]>::from(text.as_bytes());
    for (kind, word, expected) in [
        (
            Kind::PythonHome,
            "/srv/venv",
            GlobalSetting::PythonHome(text("/srv/venv")),
        ),
        (
            Kind::PythonPath,
            "/a::b:",
            GlobalSetting::PythonPath(vec![text("/a"), text("b")]),
        ),
        (Kind::PythonOptimize, "2", GlobalSetting::PythonOptimize(2)),
        (
            Kind::PythonWarnings,
            "error::ImportWarning",
            GlobalSetting::PythonWarnings(text("error::ImportWarning")),
        ),
    ] {
        assert_eq!(accept(kind, word), Directive::Global(expected));
    }
}

#[test]
fn python_s_start_settings_are_refused_where_they_say_nothing() {
    for (kind, word, expected) in [
        (
            Kind::PythonHome,
            "",
            "WSGIPythonHome needs the folder of a Python; ",
        ),
        (
            Kind::PythonHome,
            "venv",
            "WSGIPythonHome takes a path that starts with `/`, not `venv`",
        ),
        (
            Kind::PythonPath,
            "",
            "WSGIPythonPath needs at least one folder; ",
        ),
        (
            Kind::PythonPath,
            ":",
            "WSGIPythonPath needs at least one folder; ",
        ),
        (
            Kind::PythonOptimize,
            "3",
            "WSGIPythonOptimize takes 0, 1 or 2, not `3`",
        ),
        (
            Kind::PythonOptimize,
            "2x",
            "WSGIPythonOptimize takes 0, 1 or 2, not `2x`",
        ),
        (
            Kind::PythonWarnings,
            "",
            "WSGIPythonWarnings needs a warning filter; ",
        ),
    ] {
        let text = refuse(kind, word);
        assert!(text.starts_with(expected), "{word}: {text}");
    }
}

#[test]
fn shown_values_fit_on_one_line() {
    assert_eq!(
        Shown::new(b"a\nb\x07\xff\xc3\xa9").to_string(),
        "`a\\nb\\u{7}\\xff\u{e9}`"
    );
    let long = Shown::new(&[b'x'; 5000]).to_string();
    assert!(long.len() < 300 && long.ends_with("…`"));
}

fn any_kind() -> impl Strategy<Value = Kind> {
    (0..DIRECTIVES.len()).prop_map(|place| DIRECTIVES[place].kind)
}

proptest! {
    #[test]
    fn any_arguments_give_a_value_or_one_line_that_names_the_directive(
        kind in any_kind(), arguments in prop::collection::vec(1u8.., 0..40),
    ) {
        if let Err(error) = parse(kind, &arguments) {
            let text = error.to_string();
            prop_assert!(text.starts_with(kind.name()));
            prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
        }
    }

    #[test]
    fn any_text_of_options_gives_a_value_or_one_line(
        kind in any_kind(),
        options in "(/a /b )?((process-group|application-group|pass-authorization|x)=?[\"' a%{}On]{0,9} ?){0,3}",
    ) {
        if let Err(error) = parse(kind, options.as_bytes()) {
            prop_assert!(error.to_string().starts_with(kind.name()));
        }
    }
}
