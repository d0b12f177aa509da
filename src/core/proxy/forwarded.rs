//! The header `Forwarded` of RFC 7239: a list with one element for each proxy on the way, the nearest last.

use std::borrow::Cow;

use super::network;

/// What one proxy said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element<'h> {
    /// Where it begins in the header.
    pub(super) start: usize,
    /// Who asked the proxy.
    pub(super) client: Option<Cow<'h, [u8]>>,
    /// Where the proxy was asked.
    pub(super) by: Option<Cow<'h, [u8]>>,
    /// The Host header that the proxy was given.
    pub(super) host: Option<Cow<'h, [u8]>>,
    /// `http` or `https`.
    pub(super) proto: Option<Cow<'h, [u8]>>,
}

/// An end of a connection, as `for` and `by` name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node<'n> {
    /// The address without brackets, `unknown`, or a name that only the proxy understands (`_hidden`).
    pub(super) name: &'n [u8],
    /// Its port, where it is a number.
    pub(super) port: Option<&'n [u8]>,
    /// Whether the name is an address.
    pub(super) is_address: bool,
}

/// What stands for a client that nothing is known about.
pub(super) const UNKNOWN: &[u8] = b"unknown";

/// Reads a header; none where it does not keep to the grammar. Then nothing of it is to be believed, for a client can send
/// the beginning of a quoted string that takes in what its proxy adds.
pub(super) fn parse(header: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut scanner = Scanner { header, at: 0 };
    let mut elements = Vec::new();
    loop {
        scanner.skip_blanks();
        let element = scanner.element()?;
        // Lists may have empty elements (RFC 9110, 5.6.1).
        if element.1 > 0 {
            elements.push(element.0);
        }
        if !scanner.eat(b',') {
            break;
        }
    }
    (scanner.at == header.len()).then_some(elements)
}

struct Scanner<'h> {
    header: &'h [u8],
    at: usize,
}

impl<'h> Scanner<'h> {
    fn peek(&self) -> Option<u8> {
        self.header.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn skip_blanks(&mut self) {
        while self.eat(b' ') || self.eat(b'\t') {}
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'h [u8] {
        let rest = &self.header[self.at..];
        let length = rest.iter().take_while(|&&byte| belongs(byte)).count();
        self.at += length;
        &rest[..length]
    }

    /// An element and how many pairs it has.
    fn element(&mut self) -> Option<(Element<'h>, usize)> {
        let mut element = Element {
            start: self.at,
            ..Element::default()
        };
        let mut pairs = 0;
        loop {
            self.skip_blanks();
            let name = self.take_while(is_token);
            if !name.is_empty() {
                pairs += 1;
                if !self.eat(b'=') {
                    return None;
                }
                let value = self.value()?;
                element.set(name, value)?;
                self.skip_blanks();
            }
            if !self.eat(b';') {
                return Some((element, pairs));
            }
        }
    }

    fn value(&mut self) -> Option<Cow<'h, [u8]>> {
        if !self.eat(b'"') {
            // Senders often leave the quotes out that `:` and brackets need.
            let value = self.take_while(|byte| is_token(byte) || b":[]/".contains(&byte));
            return (!value.is_empty()).then_some(Cow::Borrowed(value));
        }
        let plain = self.take_while(|byte| is_text(byte) && byte != b'"' && byte != b'\\');
        if self.eat(b'"') {
            return Some(Cow::Borrowed(plain));
        }
        let mut text = plain.to_vec();
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(Cow::Owned(text));
                }
                b'\\' => self.at += 1,
                _ => {}
            }
            text.push(self.peek().filter(|&byte| is_text(byte))?);
            self.at += 1;
        }
    }
}

impl<'h> Element<'h> {
    /// Takes a pair in; none where its name was there before.
    fn set(&mut self, name: &[u8], value: Cow<'h, [u8]>) -> Option<()> {
        let place = match name.to_ascii_lowercase().as_slice() {
            b"for" => &mut self.client,
            b"by" => &mut self.by,
            b"host" => &mut self.host,
            b"proto" => &mut self.proto,
            _ => return Some(()),
        };
        place.replace(value).is_none().then_some(())
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

impl<'n> Node<'n> {
    /// Takes a value of `for` or `by` apart; what is none of the forms is unknown.
    pub(super) fn parse(text: &'n [u8]) -> Self {
        Self::try_parse(text).unwrap_or(Self {
            name: UNKNOWN,
            port: None,
            is_address: false,
        })
    }

    fn try_parse(text: &'n [u8]) -> Option<Self> {
        let (name, rest) = if let Some(inside) = text.strip_prefix(b"[") {
            let end = inside.iter().position(|&byte| byte == b']')?;
            if !inside[..end].contains(&b':') {
                return None;
            }
            (&inside[..end], &inside[end + 1..])
        } else if network::address(text).is_some() {
            // An IPv6 address without its brackets; a port cannot follow it.
            (text, &b""[..])
        } else {
            let end = text.iter().position(|&byte| byte == b':');
            text.split_at(end.unwrap_or(text.len()))
        };
        let port = match rest {
            [] => None,
            [b':', port @ ..] => Some(port),
            _ => return None,
        };
        let is_address = network::address(name).is_some();
        (is_address || name.eq_ignore_ascii_case(UNKNOWN) || is_hidden(name)).then_some(())?;
        Some(Self {
            name,
            port: port.filter(|port| is_port(port)),
            is_address,
        })
    }
}

fn is_hidden(name: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    name.len() > 1 && name[0] == b'_' && name[1..].iter().all(is_letter)
}

fn is_port(port: &[u8]) -> bool {
    let text = core::str::from_utf8(port).unwrap_or_default();
    port.iter().all(u8::is_ascii_digit) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: &Option<Cow<'_, [u8]>>) -> String {
        value.as_ref().map_or("-".to_owned(), |value| {
            String::from_utf8_lossy(value).into_owned()
        })
    }

    /// Each element as `for|by|host|proto`; `!` for what is no such header.
    fn read(header: &str) -> String {
        let Some(elements) = parse(header.as_bytes()) else {
            return "!".to_owned();
        };
        let element = |e: &Element<'_>| [&e.client, &e.by, &e.host, &e.proto].map(text).join("|");
        elements.iter().map(element).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        for (header, expected) in [
            ("for=\"_gazonk\"", "_gazonk|-|-|-"),
            (
                "For=\"[2001:db8:cafe::17]:4711\"",
                "[2001:db8:cafe::17]:4711|-|-|-",
            ),
            (
                "for=192.0.2.60;proto=http;by=203.0.113.43",
                "192.0.2.60|203.0.113.43|-|http",
            ),
            (
                "for=192.0.2.43, for=198.51.100.17",
                "192.0.2.43|-|-|- 198.51.100.17|-|-|-",
            ),
            (
                "for=_hidden, for=_SEVKISEK",
                "_hidden|-|-|- _SEVKISEK|-|-|-",
            ),
            (
                "for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown",
                "192.0.2.43|-|-|- [2001:db8:cafe::17]|-|-|- unknown|-|-|-",
            ),
            (
                "for=10.0.0.1;secret=\"a,b;c\\\"d\";HOST=\"a\\b\"",
                "10.0.0.1|-|ab|-",
            ),
            (" , for=a ;; proto=https; ,", "a|-|-|https"),
            ("for=1.2.3.4:80", "1.2.3.4:80|-|-|-"),
            ("", ""),
            ("ext=1", "-|-|-|-"),
        ] {
            assert_eq!(read(header), expected, "{header}");
        }
    }

    #[test]
    fn what_does_not_keep_to_the_grammar_is_refused_as_a_whole() {
        for header in [
            "for",
            "for=",
            "for=a b",
            "for=\"a",
            "for=\"a, for=192.0.2.1",
            "for=\"a, for=\"[2001:db8::1]\"",
            "for=\"a\\",
            "for=\"a\"b",
            "for=a;for=b",
            "for=a;proto=http;PROTO=https",
            "=a",
            "for =a",
            "for=a\u{7f}",
            "for=\"\u{1}\"",
            "<for>=a",
        ] {
            assert_eq!(read(header), "!", "{header}");
        }
    }

    #[test]
    fn nodes_are_addresses_or_names_that_only_the_proxy_knows() {
        for (node, expected) in [
            ("192.0.2.1", "192.0.2.1 - true"),
            ("192.0.2.1:4711", "192.0.2.1 4711 true"),
            ("[2001:DB8::1]", "2001:DB8::1 - true"),
            ("[2001:db8::1]:80", "2001:db8::1 80 true"),
            ("2001:db8::1", "2001:db8::1 - true"),
            ("unknown", "unknown - false"),
            ("Unknown:80", "Unknown 80 false"),
            ("_hidden:_port", "_hidden - false"),
            ("192.0.2.1:99999", "192.0.2.1 - true"),
            ("192.0.2.1:", "192.0.2.1 - true"),
            ("[192.0.2.1]", "unknown - false"),
            ("[2001:db8::1", "unknown - false"),
            ("[2001:db8::1]x", "unknown - false"),
            ("[::x]", "unknown - false"),
            ("_", "unknown - false"),
            ("example.org", "unknown - false"),
            ("<script>", "unknown - false"),
            ("", "unknown - false"),
        ] {
            let found = Node::parse(node.as_bytes());
            let name = String::from_utf8_lossy(found.name);
            let port = found.port.map(String::from_utf8_lossy);
            let port = port.unwrap_or("-".into());
            assert_eq!(
                format!("{name} {port} {}", found.is_address),
                expected,
                "{node}"
            );
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused_and_elements_begin_in_order(header in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(elements) = parse(&header) {
                let starts: Vec<_> = elements.iter().map(|element| element.start).collect();
                prop_assert!(starts.is_sorted() && starts.iter().all(|&start| start < header.len()));
                for element in &elements {
                    if let Some(client) = &element.client {
                        let _ = Node::parse(client);
                    }
                }
            }
        }

        #[test]
        fn what_begins_with_an_element_reads_the_same_from_there(header in r#"((for|by|host|proto|x)=([a-c.]{1,3}|"[a-c,;\[\] ]{0,4}")[;, ]{1,2}){0,5}"#) {
            if let Some(elements) = parse(header.as_bytes()) {
                for (at, element) in elements.iter().enumerate() {
                    let rest = parse(&header.as_bytes()[element.start..]);
                    let count = rest.map(|rest| rest.len());
                    prop_assert_eq!(count, Some(elements.len() - at));
                }
            }
        }

        #[test]
        fn a_quoted_value_comes_back_as_it_was(value in r#"[ -~]{0,12}"#) {
            let quoted: String = value.chars().flat_map(|c| ['\\', c]).collect();
            let header = format!("for=\"{quoted}\";proto=http");
            let elements = parse(header.as_bytes());
            let client = elements.as_ref().and_then(|elements| elements[0].client.as_deref());
            prop_assert_eq!(client, Some(value.as_bytes()));
        }
    }
}
