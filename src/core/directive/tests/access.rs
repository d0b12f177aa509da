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
