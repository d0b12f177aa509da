//! Aliases and their options.

use super::*;

#[test]
fn an_alias_has_a_path_a_script_and_options() {
    let alias = alias_of(
        Kind::ScriptAlias,
        "/app \"/srv/my app.wsgi\" process-group=%{GLOBAL} application-group='%{SERVER}' callable-object=app pass-authorization=oN",
    );
    assert_eq!(alias.pattern, Pattern::Prefix(b"/app".as_slice().into()));
    assert_eq!(alias.target.as_ref(), b"/srv/my app.wsgi");
    let expected = ScriptOptions {
        process_group: Some(GroupName::Global),
        application_group: Some(GroupName::Server),
        callable_object: Some(b"app".as_slice().into()),
        pass_authorization: Some(true),
    };
    assert_eq!(alias.options, expected);
    let plain = alias_of(Kind::ScriptAlias, "/ /srv/app.wsgi");
    assert_eq!(plain.options, ScriptOptions::default());
}

#[test]
fn a_later_option_wins() {
    let alias = alias_of(
        Kind::ScriptAlias,
        "/ /a application-group=one application-group=two",
    );
    let expected = GroupName::parse(b"two");
    assert_eq!(alias.options.application_group, Some(expected));
}

#[test]
fn a_match_alias_keeps_its_expression() {
    let alias = alias_of(Kind::ScriptAliasMatch, r"^/w/(.*)\.py /srv/$1.py");
    assert_eq!(
        alias.pattern,
        Pattern::Regex(br"^/w/(.*)\.py".as_slice().into())
    );
    assert_eq!(alias.target.as_ref(), b"/srv/$1.py");
}

#[test]
fn broken_aliases_are_refused_by_name() {
    let options = "process-group=, application-group=, callable-object=, pass-authorization=";
    for (arguments, expected) in [
        ("", "WSGIScriptAlias needs a URL path; usage: "),
        (
            "/app",
            "WSGIScriptAlias needs a script or a folder of scripts; usage: ",
        ),
        (
            "/app \"\"",
            "WSGIScriptAlias needs a script or a folder of scripts; usage: ",
        ),
        (
            "app /srv",
            "WSGIScriptAlias takes a URL path that starts with `/`, not `app`",
        ),
        (
            "/ /a user=me",
            &format!("WSGIScriptAlias has no option `user`; it has {options}"),
        ),
        (
            "/ /a Process-Group=x",
            &format!("WSGIScriptAlias has no option `Process-Group`; it has {options}"),
        ),
        (
            "/ /a extra",
            "WSGIScriptAlias: `extra` is no option; options are written key=value without blanks: ",
        ),
        ("/ /a =x", "WSGIScriptAlias: `=x` is no option; "),
        (
            "/ /a application-group= x",
            "WSGIScriptAlias: `application-group` is no option; ",
        ),
        (
            "/ /a application-group=",
            "WSGIScriptAlias: the option application-group has no value; write application-group=value without blanks",
        ),
        (
            "/ /a callable-object=\"\"",
            "WSGIScriptAlias: the option callable-object has no value; ",
        ),
        (
            "/ /a pass-authorization=maybe",
            "WSGIScriptAlias: the option pass-authorization takes On or Off, not `maybe`",
        ),
    ] {
        let text = refuse(Kind::ScriptAlias, arguments);
        assert!(text.starts_with(expected), "{arguments}: {text}");
    }
    let text = refuse(Kind::ScriptAliasMatch, "");
    assert!(
        text.starts_with("WSGIScriptAliasMatch needs a regular expression; usage: "),
        "{text}"
    );
}
