//! A mail domain's name in its one canonical spelling: lower-case A-labels, no trailing dot.
//!
//! It is not a look-up of anything. Invariant: two spellings of one domain (U-label,
//! A-label, upper case) give equal values (RFC 5890 §2.3.2.4).

use super::bounds;
use std::fmt;
use std::str::FromStr;

/// The canonical (A-label) spelling of a domain name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(Box<str>);

/// Why a text is no domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDomainName {
    /// Not a fully qualified name of letters, digits and hyphens.
    #[error("must be a full domain name of letters, digits and hyphens, such as example.org")]
    Syntax,
    /// Longer than the DNS allows.
    #[error("must have at most 255 octets")]
    TooLong,
}

impl DomainName {
    /// The A-label spelling, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The spelling for people, with U-labels where they are valid.
    pub fn to_unicode(&self) -> String {
        idna::domain_to_unicode(&self.0).0
    }
}

impl FromStr for DomainName {
    type Err = InvalidDomainName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > bounds::DOMAIN_OCTETS {
            return Err(InvalidDomainName::TooLong);
        }
        let ascii = idna::domain_to_ascii_strict(text).map_err(|_| InvalidDomainName::Syntax)?;
        if ascii.len() > bounds::DOMAIN_OCTETS {
            return Err(InvalidDomainName::TooLong);
        }
        let mut labels = 0;
        for label in ascii.split('.') {
            labels += 1;
            // RFC 5321 §4.1.2: sub-domain = Let-dig [Ldh-str]; RFC 1035 §2.3.4: at most 63 octets.
            let ok = (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-');
            if !ok {
                return Err(InvalidDomainName::Syntax);
            }
        }
        // A bare label routes nowhere, and four numbers are an address, not a name.
        let numeric_tld = ascii.rsplit('.').next().is_some_and(|tld| tld.bytes().all(|b| b.is_ascii_digit()));
        if labels < 2 || numeric_tld {
            return Err(InvalidDomainName::Syntax);
        }
        Ok(Self(ascii.into_boxed_str()))
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for DomainName {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for DomainName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_domain_are_equal() {
        let canonical: DomainName = "xn--bcher-kva.example".parse().unwrap();
        for spelling in ["Bücher.example", "BÜCHER.EXAMPLE", "XN--BCHER-KVA.example", "bücher。example"] {
            assert_eq!(spelling.parse(), Ok(canonical.clone()), "{spelling}");
        }
        assert_eq!(canonical.to_unicode(), "bücher.example");
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for bad in [
            "",
            "localhost",
            "a..b",
            ".a.b",
            "a.b.",
            "-a.b",
            "a-.b",
            "a_b.c",
            "1.2.3.4",
            "a b.c",
            "xn--a.example",
            "a.b\r\n",
            "[1.2.3.4]",
        ] {
            assert!(bad.parse::<DomainName>().is_err(), "{bad:?}");
        }
    }
}
