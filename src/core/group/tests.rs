//! The expansion table of groups and callables.

use proptest::prelude::*;

use super::*;

struct Fake {
    port: u16,
    host: Option<&'static [u8]>,
    script: &'static [u8],
    value: Option<&'static [u8]>,
}

const FAKE: Fake = Fake {
    port: 80,
    host: Some(b"www.example.org"),
    script: b"/Shop",
    value: None,
};

impl Lookup for Fake {
    fn server_name(&self) -> &[u8] {
        b"example.org"
    }
    fn server_port(&self) -> u16 {
        self.port
    }
    fn host(&self) -> Option<&[u8]> {
        self.host
    }
    fn script_name(&self) -> &[u8] {
        self.script
    }
    fn variable(&self, name: &CStr) -> Option<&[u8]> {
        self.value.filter(|_| name == c"group")
    }
}

fn expand(value: &[u8], fake: &Fake, case: Case) -> String {
    let mut buffer = b"left over".to_vec();
    let name = GroupName::parse(value);
    String::from_utf8_lossy(name.expand(fake, case, &mut buffer)).into_owned()
}

#[test]
fn each_form_expands_as_the_table_says() {
    let table: &[(&str, &str)] = &[
        ("%{GLOBAL}", ""),
        ("%{RESOURCE}", "example.org|/Shop"),
        ("%{SERVER}", "example.org"),
        ("%{HOST}", "www.example.org"),
        ("%{ENV:group}", "%{ENV:group}"),
        ("%{ENV:}", "%{ENV:}"),
        ("%{ENV:a}b}", "%{ENV:a}b}"),
        ("%{OTHER}", "%{OTHER}"),
        ("%{GLOBAL} ", "%{GLOBAL} "),
        ("x%{SERVER}", "x%{SERVER}"),
        ("%", "%"),
        ("shop", "shop"),
    ];
    for (value, expected) in table {
        assert_eq!(
            expand(value.as_bytes(), &FAKE, Case::Sensitive),
            *expected,
            "{value}"
        );
    }
}

#[test]
fn a_port_other_than_80_and_443_is_part_of_the_name() {
    for (port, suffix) in [
        (80, ""),
        (443, ""),
        (8080, ":8080"),
        (1, ":1"),
        (65535, ":65535"),
        (0, ":0"),
    ] {
        let fake = Fake { port, ..FAKE };
        let case = Case::Sensitive;
        assert_eq!(
            expand(b"%{SERVER}", &fake, case),
            format!("example.org{suffix}")
        );
        assert_eq!(
            expand(b"%{HOST}", &fake, case),
            format!("www.example.org{suffix}")
        );
        assert_eq!(
            expand(b"%{RESOURCE}", &fake, case),
            format!("example.org{suffix}|/Shop")
        );
    }
}

#[test]
fn without_a_host_header_the_server_name_is_used() {
    for host in [None, Some(&b""[..])] {
        let fake = Fake { host, ..FAKE };
        assert_eq!(expand(b"%{HOST}", &fake, Case::Sensitive), "example.org");
    }
}

#[test]
fn the_script_name_of_a_resource_is_collapsed_and_lowered_where_case_does_not_matter() {
    let fake = Fake {
        script: b"//Shop///A/",
        ..FAKE
    };
    assert_eq!(
        expand(b"%{RESOURCE}", &fake, Case::Sensitive),
        "example.org|/Shop/A/"
    );
    assert_eq!(
        expand(b"%{RESOURCE}", &fake, Case::Insensitive),
        "example.org|/shop/a/"
    );
}

#[test]
fn a_variable_is_expanded_once_more_but_never_leads_to_another() {
    for (value, expected) in [
        (&b"blue"[..], "blue"),
        (b"", ""),
        (b"%{GLOBAL}", ""),
        (b"%{SERVER}", "example.org"),
        (b"%{ENV:group}", "%{ENV:group}"),
        (b"%{ENV:group", "%{ENV:group"),
        (b"%x", "%x"),
    ] {
        let fake = Fake {
            value: Some(value),
            ..FAKE
        };
        assert_eq!(expand(b"%{ENV:group}", &fake, Case::Sensitive), expected);
    }
}

#[test]
fn only_names_that_need_no_request_are_fixed() {
    assert_eq!(GroupName::parse(b"%{GLOBAL}").fixed(), Some(&b""[..]));
    assert_eq!(GroupName::parse(b"shop").fixed(), Some(&b"shop"[..]));
    for value in [
        &b"%{SERVER}"[..],
        b"%{HOST}",
        b"%{RESOURCE}",
        b"%{ENV:x}",
        b"a%{b",
    ] {
        assert_eq!(GroupName::parse(value).fixed(), None);
    }
}

#[test]
fn callables_know_only_the_variable_form() {
    for (value, variable, expected) in [
        ("app", None, "app"),
        ("%{ENV:group}", Some("other"), "other"),
        ("%{ENV:group}", Some("%{GLOBAL}"), "%{GLOBAL}"),
        ("%{ENV:group}", Some(""), "application"),
        ("%{ENV:group}", None, "application"),
        ("%{GLOBAL}", None, "application"),
        ("%nonsense", None, "application"),
    ] {
        let fake = Fake {
            value: variable.map(str::as_bytes),
            ..FAKE
        };
        let name = Callable::parse(value.as_bytes());
        assert_eq!(
            String::from_utf8_lossy(name.expand(&fake)),
            expected,
            "{value}"
        );
    }
}

proptest! {
    #[test]
    fn a_value_that_does_not_begin_with_a_percent_sign_stays_as_it_is(
        value in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        prop_assume!(value.first() != Some(&b'%'));
        let name = GroupName::parse(&value);
        let mut buffer = Vec::new();
        prop_assert_eq!(name.expand(&FAKE, Case::Insensitive, &mut buffer), value.as_slice());
    }

    #[test]
    fn a_missing_variable_expands_to_its_own_spelling(name in "[^}\0]{1,12}") {
        prop_assume!(name != "group");
        let value = format!("%{{ENV:{name}}}");
        prop_assert_eq!(expand(value.as_bytes(), &FAKE, Case::Sensitive), value);
    }

    #[test]
    fn any_value_parses_and_expands_without_a_panic(value in "(%\\{)?(ENV:)?[A-Z%{}:\0]{0,8}\\}?") {
        expand(value.as_bytes(), &FAKE, Case::Sensitive);
        Callable::parse(value.as_bytes()).expand(&FAKE);
    }
}
