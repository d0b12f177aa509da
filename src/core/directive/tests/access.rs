//! The directives of trusted proxies and of access control.

use super::*;
use crate::proxy::{Network, TrustedHeader};

#[test]
fn trusted_proxies_are_addresses_and_networks() {
    let networks = ["10.0.0.0/8", "2001:DB8::1", "192.168"];
    let expected = networks.map(|word| Network::parse(word.as_bytes()).expect("a network"));
    assert_eq!(
        accept(Kind::TrustedProxies, "10.0.0.0/8 \"2001:DB8::1\"  192.168"),
        Directive::Setting(Setting::TrustedProxies(expected.to_vec()))
    );
    let text = refuse(Kind::TrustedProxies, "10.0.0.1 proxy.example.org");
    assert!(
        text.starts_with("WSGITrustedProxies takes IP addresses and networks ")
            && text.ends_with("not `proxy.example.org`"),
        "{text}"
    );
    let text = refuse(Kind::TrustedProxies, " ");
    assert!(
        text.starts_with("WSGITrustedProxies needs an IP address "),
        "{text}"
    );
}

#[test]
fn trusted_headers_keep_their_order_and_unknown_ones_mean_nothing() {
    assert_eq!(
        accept(
            Kind::TrustedProxyHeaders,
            "x-real-ip X-Unheard-Of X-Forwarded-For Forwarded"
        ),
        Directive::Setting(Setting::TrustedHeaders(vec![
            TrustedHeader::XRealIp,
            TrustedHeader::XForwardedFor,
            TrustedHeader::Forwarded
        ]))
    );
    let text = refuse(Kind::TrustedProxyHeaders, "X-Real-IP X_Forwarded_For");
    assert!(
        text.starts_with("WSGITrustedProxyHeaders takes names of headers")
            && text.ends_with("not `X_Forwarded_For`"),
        "{text}"
    );
    assert!(
        refuse(Kind::TrustedProxyHeaders, "")
            .starts_with("WSGITrustedProxyHeaders needs the name of a header")
    );
}

#[test]
fn scripts_that_are_asked_run_in_the_main_interpreter_or_a_named_one() {
    for kind in [
        Kind::AuthUserScript,
        Kind::AuthGroupScript,
        Kind::AccessScript,
        Kind::DispatchScript,
    ] {
        for (arguments, group) in [
            ("'/a b.wsgi'", GroupName::Global),
            ("'/a b.wsgi' application-group=x", GroupName::parse(b"x")),
            ("'/a b.wsgi' application-group=%{GLOBAL}", GroupName::Global),
            ("'/a b.wsgi' application-group=%{HOST}", GroupName::Host),
            ("'/a b.wsgi' application-group=%{SERVER}", GroupName::Server),
            // These are names like any other here.
            (
                "'/a b.wsgi' application-group=%{RESOURCE}",
                GroupName::Literal(b"%{RESOURCE}".as_slice().into()),
            ),
            (
                "'/a b.wsgi' application-group=%{ENV:x}",
                GroupName::Literal(b"%{ENV:x}".as_slice().into()),
            ),
        ] {
            let script = crate::options::AskedScript {
                script: b"/a b.wsgi".as_slice().into(),
                application_group: group,
            };
            let expected = match kind {
                Kind::AuthUserScript => Setting::AuthUserScript(script),
                Kind::AuthGroupScript => Setting::AuthGroupScript(script),
                Kind::AccessScript => Setting::AccessScript(script),
                _ => Setting::DispatchScript(script),
            };
            assert!(expected.asks_a_script());
            assert_eq!(accept(kind, arguments), Directive::Setting(expected));
        }
        let name = kind.name();
        for (arguments, expected) in [
            ("", format!("{name} needs a script; ")),
            (
                "/a x=1",
                format!("{name} has no option `x`; it has application-group="),
            ),
            ("/a x", format!("{name}: `x` is no option; ")),
            (
                "/a application-group=",
                format!("{name}: the option application-group has no value; "),
            ),
        ] {
            let text = refuse(kind, arguments);
            assert!(text.starts_with(&expected), "{text}");
        }
    }
}

#[test]
fn a_switch_interval_is_more_than_nothing() {
    assert_eq!(
        accept(Kind::SwitchInterval, "0.005"),
        Directive::Global(GlobalSetting::SwitchInterval(5_000_000))
    );
    for word in ["", "0", "-1", "x", "inf", "1s"] {
        let text = refuse(Kind::SwitchInterval, word);
        assert!(
            text.starts_with("WSGISwitchInterval takes a number of seconds above 0"),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_more_is_refused_whatever_it_says() {
    for kind in DIRECTIVES
        .iter()
        .filter(|spec| spec.context == Context::Anywhere)
    {
        for arguments in ["", "On", "anything \"at all"] {
            let text = refuse(kind.kind, arguments);
            assert!(
                text.starts_with(&format!("{} is no more: ", kind.kind.name())),
                "{text}"
            );
        }
    }
}
