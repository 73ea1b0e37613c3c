//! A network: an address and how many of its first bits count (CIDR, RFC 4632 §3.1, RFC 4291 §2.3).
//!
//! Invariant: the bits behind the prefix are zero, and an IPv4 network is never written as IPv6.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no network: write 203.0.113.0/24, 2001:db8::/32 or one address")]
pub struct InvalidNetwork;

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether an address lies in it; an IPv4 address that came as IPv6 counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.bits) == Some(self.first)
    }

    /// Whether all of another network lies in it.
    pub fn covers(&self, other: &Self) -> bool {
        other.bits >= self.bits && self.contains(other.first)
    }
}

/// The address with the bits behind the prefix cleared; none when it has fewer bits.
fn masked(address: IpAddr, bits: u8) -> Option<IpAddr> {
    let bits = u32::from(bits);
    Some(match address {
        IpAddr::V4(v4) => {
            let behind = 32u32.checked_sub(bits)?;
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(behind).unwrap_or(0)))
        }
        IpAddr::V6(v6) => {
            let behind = 128u32.checked_sub(bits)?;
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(behind).unwrap_or(0)))
        }
    })
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = match bits {
            None => all,
            Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
                digits.parse().map_err(|_| InvalidNetwork)?
            }
            Some(_) => return Err(InvalidNetwork),
        };
        if bits > all {
            return Err(InvalidNetwork);
        }
        // ::ffff:0:0/96 and what lies in it is IPv4 (RFC 4291 §2.5.5.2).
        let (address, bits) = match (address.to_canonical(), bits) {
            (v4 @ IpAddr::V4(_), bits) if address.is_ipv6() => match bits.checked_sub(96) {
                Some(bits) => (v4, bits),
                None => (address, bits),
            },
            _ => (address, bits),
        };
        masked(address, bits).map(|first| Self { first, bits }).ok_or(InvalidNetwork)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl serde::Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn what_lies_in_a_network() {
        let lies = |address: &str, net: &str| network(net).contains(address.parse().unwrap());
        assert!(lies("203.0.113.7", "203.0.113.0/24") && !lies("203.0.114.7", "203.0.113.0/24"));
        assert!(lies("::ffff:203.0.113.7", "203.0.113.0/24") && lies("203.0.113.7", "::ffff:203.0.113.0/120"));
        assert!(lies("2001:db8::1", "2001:db8::/32") && !lies("2001:db9::1", "2001:db8::/32"));
        assert!(lies("1.2.3.4", "0.0.0.0/0") && !lies("::1", "0.0.0.0/0") && lies("::1", "::/0"));
        assert!(lies("192.0.2.1", "192.0.2.1") && !lies("192.0.2.2", "192.0.2.1"));
        assert!(network("10.0.0.0/8").covers(&network("10.1.0.0/16")));
        assert!(!network("10.1.0.0/16").covers(&network("10.0.0.0/8")));
    }

    #[test]
    fn it_has_one_spelling() {
        for (text, spelling) in
            [("203.0.113.7/24", "203.0.113.0/24"), ("192.0.2.1", "192.0.2.1/32"), ("2001:DB8::1/32", "2001:db8::/32")]
        {
            assert_eq!(network(text).to_string(), spelling);
        }
        for bad in ["", "/", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/+8", "1.2.3/8", "::1/129", "x/8", "1.2.3.4/8/8"] {
            assert_eq!(bad.parse::<Network>(), Err(InvalidNetwork), "{bad}");
        }
    }
}
