//! The directives round process groups.

use super::*;
use crate::options::AcceptMutex;

#[test]
fn aliases_and_handler_scripts_take_every_form_of_a_process_group() {
    for (form, expected) in [
        ("shop", GroupName::parse(b"shop")),
        ("%{GLOBAL}", GroupName::Global),
        ("%{SERVER}", GroupName::Server),
        ("%{HOST}", GroupName::Host),
        ("%{RESOURCE}", GroupName::Resource),
        ("%{ENV:x}", GroupName::Env(c"x".into())),
    ] {
        let alias = alias_of(Kind::ScriptAlias, &format!("/ /a process-group={form}"));
        assert_eq!(alias.options.process_group, Some(expected.clone()));
        let script = accept(
            Kind::HandlerScript,
            &format!("name /a process-group={form}"),
        );
        let Directive::Setting(Setting::HandlerScript(script)) = script else {
            panic!("{script:?}");
        };
        assert_eq!(script.options.process_group, Some(expected.clone()));
        assert_eq!(
            accept(Kind::ProcessGroup, form),
            Directive::Setting(Setting::ProcessGroup(expected))
        );
    }
    let text = refuse(Kind::ProcessGroup, "");
    assert!(
        text.starts_with("WSGIProcessGroup needs the name "),
        "{text}"
    );
}

#[test]
fn a_process_group_is_defined_by_its_name_and_options() {
    match accept(Kind::DaemonProcess, "shop threads=3") {
        Directive::Group(group) => {
            assert_eq!(
                (group.name.as_slice(), group.options.threads),
                (&b"shop"[..], 3)
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(
        refuse(Kind::DaemonProcess, "shop threads=x")
            .starts_with("WSGIDaemonProcess `shop`: threads= takes ")
    );
}

#[test]
fn restricted_process_groups_are_a_list_in_which_global_is_the_empty_name() {
    for (line, expected) in [("", vec![]), ("a \"b c\" %{GLOBAL}", vec!["a", "b c", ""])] {
        let expected = expected
            .into_iter()
            .map(|name| std::sync::Arc::from(name.as_bytes()))
            .collect();
        assert_eq!(
            accept(Kind::RestrictProcess, line),
            Directive::Setting(Setting::RestrictProcess(expected))
        );
    }
}

#[test]
fn a_request_buffer_is_a_number_of_bytes_or_off() {
    for (word, bytes) in [
        ("Off", 0),
        ("oFF", 0),
        ("0", 0),
        ("65536", 65_536),
        ("1073741824", 1 << 30),
    ] {
        assert_eq!(
            accept(Kind::RequestBuffer, word),
            Directive::Setting(Setting::RequestBuffer(bytes))
        );
    }
    for wrong in ["On", "1M", "-1", "+1", "1073741825"] {
        assert_eq!(
            refuse(Kind::RequestBuffer, wrong),
            format!(
                "RSGIRequestBuffer takes Off or a number of bytes from 0 to 1073741824, not `{wrong}`"
            )
        );
    }
}

#[test]
fn accept_mutexes_are_those_of_apr_in_any_case() {
    for (word, expected) in [
        ("Default", AcceptMutex::Default),
        ("FLOCK", AcceptMutex::Flock),
        ("fcntl", AcceptMutex::Fcntl),
        ("sysvsem", AcceptMutex::Sysvsem),
        ("posixsem", AcceptMutex::Posixsem),
        ("pthread", AcceptMutex::Pthread),
    ] {
        assert_eq!(
            accept(Kind::AcceptMutex, word),
            Directive::Global(GlobalSetting::AcceptMutex(expected))
        );
    }
    assert_eq!(
        refuse(Kind::AcceptMutex, "file"),
        "WSGIAcceptMutex takes Default, flock, fcntl, sysvsem, posixsem or pthread, not `file`"
    );
}

#[test]
fn a_socket_prefix_is_read_and_nothing_more() {
    assert_eq!(
        accept(Kind::SocketPrefix, "run/wsgi"),
        Directive::Global(GlobalSetting::SocketPrefix(b"run/wsgi".as_slice().into()))
    );
    let text = refuse(Kind::SocketPrefix, "");
    assert!(text.starts_with("WSGISocketPrefix needs "), "{text}");
}

#[test]
fn each_flag_of_process_groups_sets_its_own_value() {
    for (kind, expected) in [
        (
            Kind::IgnoreActivity,
            Directive::Setting(Setting::IgnoreActivity(true)),
        ),
        (
            Kind::ErrorOverride,
            Directive::Setting(Setting::ErrorOverride(true)),
        ),
        (
            Kind::RestrictEmbedded,
            Directive::Global(GlobalSetting::RestrictEmbedded(true)),
        ),
        (
            Kind::SocketRotation,
            Directive::Global(GlobalSetting::SocketRotation(true)),
        ),
        (
            Kind::Overlap,
            Directive::Global(GlobalSetting::Overlap(true)),
        ),
    ] {
        assert_eq!(accept(kind, "On"), expected);
    }
}
