//! Proxies in a row.

use super::*;

#[test]
fn proxies_are_passed_by_from_the_right() {
    const TRUSTED: &str = "192.0.2.0/24 10.0.0.0/8 2001:db8::/32";
    for (value, client, kept) in ADDRESSES {
        let shown = ["REMOTE_ADDR", "HTTP_X_FORWARDED_FOR"];
        let found = environ(
            &[("X-Forwarded-For", value)],
            "X-Forwarded-For",
            Some(TRUSTED),
            &shown,
        );
        assert_eq!(found, [client, kept], "{value}");
    }
    for (value, client, host, kept) in ELEMENTS {
        let shown = ["REMOTE_ADDR", "HTTP_HOST", "HTTP_FORWARDED"];
        let headers = [("Host", "example.org"), ("Forwarded", value)];
        let found = environ(&headers, "Forwarded", Some(TRUSTED), &shown);
        assert_eq!(found, [client, host, kept], "{value}");
    }
}

#[test]
fn a_proxy_can_take_back_that_a_connection_is_encrypted() {
    let source = Fake {
        is_https: true,
        headers: vec![("X-Forwarded-Proto", "http")],
        ..fake()
    };
    for (headers, expected) in [(&[TrustedHeader::XForwardedProto][..], false), (&[], true)] {
        let options = CollectOptions {
            trust: Trust {
                headers,
                proxies: None,
            },
            ..CollectOptions::default()
        };
        let mut facts = Facts::new();
        collect(&source, &options, &mut facts);
        assert_eq!(facts.https, expected);
    }
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        "10\\.0\\.0\\.[1-9]",
        "8\\.8\\.8\\.[1-9]",
        "2001:db8::[1-9]",
        "[a-z]{0,3}",
        "_[a-z]"
    ]
}

proptest! {
    #[test]
    fn what_a_client_puts_in_front_never_changes_who_it_is(
        forged in proptest::collection::vec(address(), 0..4),
        behind in proptest::collection::vec("10\\.0\\.0\\.[1-9]", 0..3),
    ) {
        let (mut plain, mut forwarded) = (forged.clone(), Vec::new());
        plain.push("1.1.1.1".to_owned());
        plain.extend(behind);
        for name in &plain {
            forwarded.push(format!("for=\"{}\"", if name.contains(':') { format!("[{name}]") } else { name.clone() }));
        }
        for (header, value) in [("X-Forwarded-For", plain.join(", ")), ("Forwarded", forwarded.join(", "))] {
            let headers = [(header, &*value.leak())];
            let found = environ(&headers, header, Some("192.0.2.9 10.0.0.0/8"), &["REMOTE_ADDR"]);
            prop_assert_eq!(&found[0], "1.1.1.1");
        }
    }

    #[test]
    fn any_bytes_are_taken_without_harm(value in "[ -~]{0,40}", word in proptest::collection::vec(any::<u8>(), 0..20)) {
        let value = &*value.leak();
        for header in KEYS.iter().map(|(_, key)| key[5..].replace('_', "-")) {
            let header = &*header.leak();
            let _ = environ(&[(header, value)], header, Some("192.0.2.9"), &["REMOTE_ADDR"]);
        }
        let _ = Network::parse(&word);
        let _ = HeaderName::parse(&word);
    }
}
