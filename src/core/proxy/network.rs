//! IP addresses and networks.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(Range);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    V4 { base: u32, mask: u32 },
    V6 { base: u128, mask: u128 },
}

impl Network {
    /// Reads `address` or `address/mask`: the mask is a number of bits, or for IPv4 written as an address. `10.1` is
    /// short for `10.1.0.0/16`. Bits of the address beyond the mask mean nothing.
    ///
    /// mod_wsgi: refuses upper case in IPv6 addresses.
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(word).ok()?;
        let (address, mask) = match text.split_once('/') {
            Some((address, mask)) => (address, Some(mask)),
            None => (text, None),
        };
        if address.contains(':') {
            return v6(address.parse().ok()?, mask);
        }
        match (address.parse::<Ipv4Addr>(), mask) {
            (Ok(address), None) => Some(Self::v4(address, u32::MAX)),
            (Ok(address), Some(mask)) => Some(Self::v4(address, v4_mask(mask)?)),
            (Err(_), None) => shortened(address),
            (Err(_), Some(_)) => None,
        }
    }

    const fn v4(address: Ipv4Addr, mask: u32) -> Self {
        Self(Range::V4 {
            base: address.to_bits() & mask,
            mask,
        })
    }

    /// Whether an address (see [`address`]) is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.0, address) {
            (Range::V4 { base, mask }, IpAddr::V4(address)) => address.to_bits() & mask == base,
            (Range::V6 { base, mask }, IpAddr::V6(address)) => address.to_bits() & mask == base,
            _ => false,
        }
    }
}

fn v6(address: Ipv6Addr, mask: Option<&str>) -> Option<Network> {
    let bits = mask.map_or(Some(128), |mask| number(mask, 128))?;
    // An IPv4 address in other clothes; connections and headers are compared without these.
    if let Some(plain) = address.to_ipv4_mapped() {
        return Some(Network::v4(plain, v4_bits(bits.checked_sub(96)?)));
    }
    let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
    Some(Network(Range::V6 {
        base: address.to_bits() & mask,
        mask,
    }))
}

fn v4_mask(mask: &str) -> Option<u32> {
    match mask.parse::<Ipv4Addr>() {
        Ok(mask) => Some(mask.to_bits()),
        Err(_) => number(mask, 32).map(v4_bits),
    }
}

fn v4_bits(bits: u32) -> u32 {
    u32::MAX.checked_shl(32 - bits).unwrap_or(0)
}

fn number(text: &str, most: u32) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number)?;
    (number <= most).then_some(number)
}

/// The first octets of an IPv4 address, with or without a dot behind them.
fn shortened(address: &str) -> Option<Network> {
    let address = address.strip_suffix('.').unwrap_or(address);
    let mut octets = [0; 4];
    let mut count = 0;
    for part in address.split('.') {
        *octets.get_mut(count)? = u8::try_from(number(part, 255)?).ok()?;
        count += 1;
    }
    let bits = u32::try_from(8 * count).ok().filter(|&bits| bits < 32)?;
    Some(Network::v4(octets.into(), v4_bits(bits)))
}

/// An address as a connection or a header has it, with IPv4 in its own form and without an interface (`fe80::1%eth0`).
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let text = core::str::from_utf8(text).ok()?;
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

/// Whether one of the networks has an address.
pub(super) fn covers(networks: &[Network], text: &[u8]) -> bool {
    address(text).is_some_and(|address| networks.iter().any(|network| network.contains(address)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_are_read_as_addresses_with_masks() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.9.9.9", "11.0.0.1"),
            ("10.0.0.0/255.255.0.0", "10.0.9.1", "10.1.0.1"),
            ("192.0.2.9", "192.0.2.9", "192.0.2.8"),
            ("192.0.2.9/32", "192.0.2.9", "192.0.2.8"),
            ("10", "10.1.1.1", "11.1.1.1"),
            ("10.1.", "10.1.9.9", "10.2.0.1"),
            ("192.168.7", "192.168.7.200", "192.168.8.1"),
            ("0.0.0.0/0", "8.8.8.8", "::1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("2001:DB8:AB::/48", "2001:db8:ab::1", "2001:db8:ac::1"),
            ("::1", "::1", "::2"),
            ("::/0", "fe80::1%eth0", "10.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.1.1.1", "11.1.1.1"),
            ("10.0.0.0/8", "::ffff:10.1.1.1", "::ffff:11.1.1.1"),
            ("fe80::/10", "fe80::1%2", "fec0::1"),
        ] {
            let parsed = Network::parse(network.as_bytes());
            let networks = [parsed.unwrap_or_else(|| panic!("{network} is one"))];
            assert!(covers(&networks, inside.as_bytes()), "{network}");
            assert!(!covers(&networks, outside.as_bytes()), "{network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for word in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0.256",
            "10.0.0.0.0",
            "10..1",
            ".",
            "10/8",
            "2001:db8::/129",
            "2001:db8::/ffff::",
            "::ffff:10.0.0.0/8",
            "fe80::1%eth0",
            "localhost",
            "proxy.example.org",
            "010.0.0.1",
            "1.2.3.4 ",
            "[::1]",
            "\u{0}",
        ] {
            assert_eq!(Network::parse(word.as_bytes()), None, "{word:?}");
        }
    }

    proptest! {
        #[test]
        fn a_network_has_the_addresses_that_begin_as_it_does(address: u32, other: u32, bits in 0u32..=32) {
            let text = |number: u32| core::net::Ipv4Addr::from_bits(number).to_string();
            let network = Network::parse(format!("{}/{bits}", text(address)).as_bytes());
            let is_same = bits == 0 || address >> (32 - bits) == other >> (32 - bits);
            prop_assert_eq!(network.map(|n| covers(&[n], text(other).as_bytes())), Some(is_same));
            prop_assert_eq!(network.map(|n| covers(&[n], text(address).as_bytes())), Some(true));
        }
    }
}
