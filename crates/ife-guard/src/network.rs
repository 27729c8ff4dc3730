//! Networks in CIDR notation, v4 and v6, with v4-mapped addresses read as v4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address block. A v4 block holds no v6 address and the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix_len: u8,
}

/// Errors of parsing a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// No IPv4 or IPv6 address stands before the slash.
    #[error("not an IP address or network")]
    Address,
    /// The prefix length is out of range for the family.
    #[error("not a prefix length from 0 to {max}")]
    PrefixLen {
        /// 32 or 128.
        max: u8,
    },
    /// Bits are set behind the prefix.
    #[error("bits set behind the prefix: the network is {0}")]
    HostBits(Network),
}

impl Network {
    /// Parses `192.0.2.0/24`, `2001:db8::/32`, or one address.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_len = match len {
            None => max,
            Some(len) => parse_len(len)
                .filter(|len| *len <= max)
                .ok_or(NetworkError::PrefixLen { max })?,
        };
        let mut network = Self {
            address,
            prefix_len,
        };
        if let (IpAddr::V4(v4), true) = (canonical(address), address.is_ipv6() && prefix_len >= 96)
        {
            network = Self {
                address: v4.into(),
                prefix_len: prefix_len - 96,
            };
        }
        let masked = network.masked();
        if masked.address == network.address {
            Ok(masked)
        } else {
            Err(NetworkError::HostBits(masked))
        }
    }

    /// Returns a network of its parts; `None` if the length is out of range for the family.
    #[must_use]
    pub fn from_parts(address: IpAddr, prefix_len: u8) -> Option<Self> {
        let max = if address.is_ipv4() { 32 } else { 128 };
        (prefix_len <= max).then(|| {
            Self {
                address,
                prefix_len,
            }
            .masked()
        })
    }

    /// Returns the first address of the block.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns the length of the prefix in bits.
    pub fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// Returns whether the address is in the block. A v4-mapped address counts as v4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        address.is_ipv4() == self.address.is_ipv4()
            && Self {
                address,
                prefix_len: self.prefix_len,
            }
            .masked()
                == *self
    }

    fn masked(self) -> Self {
        let address = match self.address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX
                    .checked_shl(32 - u32::from(self.prefix_len))
                    .unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.prefix_len))
                    .unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        };
        Self { address, ..self }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// Parses decimal digits: no sign, no leading zero.
fn parse_len(text: &str) -> Option<u8> {
    let plain =
        text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// Returns the address with `::ffff:a.b.c.d` as `a.b.c.d`.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
    }
}

/// Returns the address that flood control counts: v4 unchanged, v6 cut to its /64, often one host.
#[must_use]
pub fn flood_source(address: IpAddr) -> IpAddr {
    match canonical(address) {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_by_family_and_prefix() {
        for (network, address, expected) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true),
            ("::ffff:192.0.2.0/120", "192.0.2.7", true),
            ("::ffff:192.0.2.0/120", "::ffff:192.0.3.7", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "203.0.113.9", false),
            ("::/0", "::ffff:203.0.113.9", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
        ] {
            let network = Network::parse(network).unwrap_or_else(|e| panic!("{network}: {e}"));
            let address: IpAddr = address.parse().unwrap_or_else(|e| panic!("{address}: {e}"));
            assert_eq!(network.contains(address), expected, "{network} {address}");
        }
    }

    #[test]
    fn bad_networks_are_refused() {
        for text in [
            "",
            "/8",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/",
            "10.0.0/8",
            "::/129",
            "x/8",
            "10.0.0.0/8/8",
        ] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Network::parse("10.1.2.3/8").map_err(|e| e.to_string()),
            Err("bits set behind the prefix: the network is 10.0.0.0/8".to_owned())
        );
    }

    #[test]
    fn flood_counts_a_v6_host_by_its_64() {
        let a: IpAddr = "2001:db8:1:2:3:4:5:6"
            .parse()
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(flood_source(a).to_string(), "2001:db8:1:2::");
    }
}
