//! Puts what trusted proxies say into a request's facts, and takes out what nobody vouches for.

use super::forwarded::{self, Element, Node, UNKNOWN};
use super::{CATEGORIES, Category, KEYS, Network, Trust, TrustedHeader, network};
use crate::environ::{Fact, Facts, Key, Source};
use crate::name::{NAMES, NameId, id};

const HTTP_HOST: NameId = 40;
const HTTP_X_FORWARDED_FOR: NameId = 61;
const HTTP_FORWARDED: NameId = 84;

/// What is known while the headers are gone through.
struct Work<'w, 'a, S> {
    source: &'w S,
    facts: &'w mut Facts<'a>,
    proxies: Option<&'a [Network]>,
    /// The header whose word counts, by category.
    winners: [Option<TrustedHeader>; CATEGORIES],
}

/// Applies the headers that are trusted; `facts` has everything else already.
pub(crate) fn apply<'a, S: Source<'a>>(source: &S, trust: Trust<'a>, facts: &mut Facts<'a>) {
    let is_trusted = trust
        .proxies
        .is_none_or(|proxies| network::covers(proxies, source.remote_addr()));
    let mut is_matched = [false; CATEGORIES];
    let mut work = Work {
        source,
        facts,
        proxies: trust.proxies,
        winners: [None; CATEGORIES],
    };
    for &header in trust.headers {
        for &category in header.categories() {
            is_matched[category as usize] = true;
        }
        if is_trusted && let Some(value) = value_of(work.facts, header) {
            work.take(header, value);
        }
    }
    let winners = work.winners;
    // mod_wsgi: `Forwarded` is not among what it takes out. Two headers that speak of the same are never both left.
    let is_doubtful = |header: TrustedHeader| {
        let is_one = |&&category: &&Category| is_matched[category as usize];
        let wins = |&category: &Category| winners[category as usize] == Some(header);
        let categories = header.categories();
        categories.iter().any(|category| is_one(&category)) && !categories.iter().any(wins)
    };
    let doubtful: Vec<&str> = KEYS
        .iter()
        .filter(|&&(header, _)| is_doubtful(header))
        .map(|&(_, key)| key)
        .collect();
    facts
        .entries
        .retain(|fact| !doubtful.contains(&key_of(fact)));
}

/// The key of an entry as text; empty where it is none that a header of ours could have.
fn key_of<'f>(fact: &Fact<'f>) -> &'f str {
    match fact.key {
        Key::Known(id) => NAMES.get(id as usize).copied().unwrap_or_default(),
        Key::Spelled(key) => core::str::from_utf8(key).unwrap_or_default(),
    }
}

fn value_of<'a>(facts: &Facts<'a>, header: TrustedHeader) -> Option<&'a [u8]> {
    let key = header.key();
    let last = facts.entries.iter().rfind(|fact| key_of(fact) == key);
    last.map(|fact| fact.value)
}

impl<'a, S: Source<'a>> Work<'_, 'a, S> {
    /// Applies one header of a trusted peer.
    fn take(&mut self, header: TrustedHeader, value: &'a [u8]) {
        match header {
            TrustedHeader::Forwarded => return self.take_forwarded(value),
            // The root is where nothing stands before the path.
            TrustedHeader::XScriptName | TrustedHeader::XForwardedScriptName => {
                self.facts.push(id::SCRIPT_NAME, value);
                self.facts.push(id::MOD_WSGI_MOUNT_POINT, value);
            }
            _ if value.trim_ascii().is_empty() => return,
            TrustedHeader::XForwardedFor => {
                if !self.take_addresses(value) {
                    return;
                }
            }
            TrustedHeader::XClientIp | TrustedHeader::XRealIp => {
                self.facts.push(id::REMOTE_ADDR, value);
            }
            TrustedHeader::XForwardedHost | TrustedHeader::XHost => {
                self.facts.push(HTTP_HOST, value);
            }
            TrustedHeader::XForwardedServer => self.facts.push(id::SERVER_NAME, value),
            TrustedHeader::XForwardedPort => self.facts.push(id::SERVER_PORT, value),
            TrustedHeader::XForwardedProto
            | TrustedHeader::XForwardedScheme
            | TrustedHeader::XScheme => self.take_scheme(value),
            TrustedHeader::XForwardedHttps
            | TrustedHeader::XForwardedSsl
            | TrustedHeader::XHttps => self.take_flag(value),
        }
        self.win(header, header.categories()[0]);
    }

    fn win(&mut self, header: TrustedHeader, category: Category) {
        self.winners[category as usize] = Some(header);
    }

    fn take_scheme(&mut self, value: &[u8]) {
        if value.eq_ignore_ascii_case(b"https") {
            self.facts.https = true;
        } else if value.eq_ignore_ascii_case(b"http") {
            self.facts.https = false;
        }
    }

    fn take_flag(&mut self, value: &[u8]) {
        let is_one_of =
            |words: [&[u8]; 3]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
        if is_one_of([b"on", b"true", b"1"]) {
            self.facts.https = true;
        } else if is_one_of([b"off", b"false", b"0"]) {
            self.facts.https = false;
        }
    }

    /// The addresses of a client and its proxies, each added by the one behind it; false where there is none.
    ///
    /// What stands left of the first address that is no trusted proxy's, seen from here, the client itself may have sent.
    fn take_addresses(&mut self, value: &'a [u8]) -> bool {
        let elements: Vec<&'a [u8]> = value
            .split(|&byte| byte == b',')
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
            .collect();
        let Some(first) = elements.first() else {
            return false;
        };
        let Some(proxies) = self.proxies else {
            self.facts.push(id::REMOTE_ADDR, first);
            return true;
        };
        let at = client(elements.len(), |at| network::covers(proxies, elements[at]));
        self.facts.push(id::REMOTE_ADDR, elements[at]);
        let kept = match &elements[at..] {
            [only] => *only,
            several => self.source.copy(&several.join(&b", "[..])),
        };
        self.facts.push(HTTP_X_FORWARDED_FOR, kept);
        true
    }

    /// `Forwarded`: what the proxy said that the client itself asked.
    fn take_forwarded(&mut self, value: &'a [u8]) {
        let Some(elements) = forwarded::parse(value) else {
            // Not even the trusted proxy's part can be told from the client's.
            self.facts.push(id::REMOTE_ADDR, UNKNOWN);
            return;
        };
        let Some(last) = elements.len().checked_sub(1) else {
            return;
        };
        let at = self.proxies.map_or(0, |proxies| {
            client(elements.len(), |at| is_proxy(&elements[at], proxies))
        });
        let element = &elements[at];
        if self.proxies.is_some() {
            self.facts.push(HTTP_FORWARDED, &value[element.start..]);
        }
        match &element.client {
            Some(node) => self.take_client(Node::parse(node)),
            // A proxy knows the one before it, which does not say whom it was asked by.
            None if self.proxies.is_some() && at < last => {
                self.facts.push(id::REMOTE_ADDR, UNKNOWN);
            }
            None => {}
        }
        self.win(TrustedHeader::Forwarded, Category::Client);
        if let Some(host) = element.host.as_deref().filter(|host| !host.is_empty()) {
            self.facts.push(HTTP_HOST, self.source.copy(host));
            self.win(TrustedHeader::Forwarded, Category::Host);
        }
        if let Some(proto) = &element.proto {
            self.take_scheme(proto);
            self.win(TrustedHeader::Forwarded, Category::Scheme);
        }
        if let Some(by) = &element.by {
            self.take_by(Node::parse(by));
        }
    }

    fn take_client(&mut self, node: Node<'_>) {
        self.facts
            .push(id::REMOTE_ADDR, self.source.copy(node.name));
        if let Some(port) = node.port {
            self.facts.push(id::REMOTE_PORT, self.source.copy(port));
        }
    }

    /// Where the client connected to.
    fn take_by(&mut self, node: Node<'_>) {
        if node.is_address {
            self.facts
                .push(id::SERVER_ADDR, self.source.copy(node.name));
        }
        if let Some(port) = node.port {
            self.facts.push(id::SERVER_PORT, self.source.copy(port));
            self.win(TrustedHeader::Forwarded, Category::Port);
        }
    }
}

/// Which of `count` addresses is the client's: the last that is no trusted proxy's, or the first.
fn client(count: usize, is_proxy: impl Fn(usize) -> bool) -> usize {
    (1..count).rev().find(|&at| !is_proxy(at)).unwrap_or(0)
}

fn is_proxy(element: &Element<'_>, proxies: &[Network]) -> bool {
    let node = element.client.as_deref().map(Node::parse);
    node.is_some_and(|node| network::covers(proxies, node.name))
}
