//! The directives of trusted proxies, access control and what is only read: values they take and refuse at `httpd -t`.

use crate::directives::{accepts, refuses, refuses_value};
use crate::harness::only_rsgi;

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
    for word in ["X_Forwarded_For", "X-Forwarded-For:"] {
        refuses_value(&format!("WSGITrustedProxyHeaders X-Real-IP {word}"), word);
    }
    for name in ["WSGITrustedProxies", "WSGITrustedProxyHeaders"] {
        refuses(name, &[]);
    }
}

#[test]
fn upper_case_in_the_addresses_of_proxies_is_taken() {
    only_rsgi!("it only knows lower case");
    accepts("WSGITrustedProxies 2001:DB8::/32");
}
