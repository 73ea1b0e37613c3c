//! An e-mail address with one canonical key, used by SMTP, API, store and import alike.
//!
//! It keeps the spelling it was given for display and compares by key: NFC, case-folded
//! local part, A-label domain. It does not know whether the address exists.
//! Invariant: two addresses with equal keys are one address everywhere.

use super::{DomainName, bounds};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use unicode_normalization::UnicodeNormalization;

/// A mail address (RFC 5321 §4.1.2 Mailbox, with RFC 6531 UTF-8 local parts).
///
/// Quoted local parts are unquoted when what they hold is a dot-atom, and refused
/// otherwise: no mailbox here can have such a name, and they are where parsers disagree.
#[derive(Debug, Clone)]
pub struct EmailAddress {
    local: Box<str>,
    domain: DomainName,
    key: Box<str>,
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// There is no `local@domain` in it.
    #[error("must be an address such as name@example.org")]
    Syntax,
    /// The local part is longer than 64 octets (RFC 5321 §4.5.3.1.1).
    #[error("the part before the @ must have at most 64 octets")]
    LocalTooLong,
    /// The domain is not valid.
    #[error("the part after the @ must be a full domain name")]
    Domain,
}

impl EmailAddress {
    /// The part before the `@`, as it was written.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain, canonical.
    pub fn domain(&self) -> &DomainName {
        &self.domain
    }

    /// The canonical key: equal for all spellings of this address.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The beginning of the keys of addresses that begin so; a domain's beginning is taken as A-labels.
    pub fn key_prefix(text: &str) -> String {
        match text.split_once('@') {
            None => fold(&text.nfc().collect::<String>()),
            Some((local, domain)) => format!("{}@{}", Self::key_prefix(local), domain.to_lowercase()),
        }
    }

    /// True when the address needs SMTPUTF8 (RFC 6531 §3.2).
    pub fn needs_utf8(&self) -> bool {
        !self.local.is_ascii()
    }

    /// Builds an address from its parts.
    pub fn from_parts(local: &str, domain: DomainName) -> Result<Self, InvalidAddress> {
        if local.len() > bounds::LOCAL_PART_OCTETS {
            return Err(InvalidAddress::LocalTooLong);
        }
        let local: String = unquote(local).ok_or(InvalidAddress::Syntax)?.nfc().collect();
        if local.len() > bounds::LOCAL_PART_OCTETS {
            return Err(InvalidAddress::LocalTooLong);
        }
        if !is_dot_string(&local) {
            return Err(InvalidAddress::Syntax);
        }
        let folded = fold(&local);
        if !is_dot_string(&folded) {
            return Err(InvalidAddress::Syntax);
        }
        let key = format!("{folded}@{domain}").into_boxed_str();
        Ok(Self { local: local.into_boxed_str(), domain, key })
    }
}

/// `"john.doe"` means `john.doe` (RFC 5321 §4.1.2: the quoted form is equivalent).
fn unquote(local: &str) -> Option<&str> {
    match local.strip_prefix('"') {
        None => Some(local),
        Some(rest) => rest.strip_suffix('"').filter(|inner| !inner.contains(['\\', '"'])),
    }
}

/// Case and compatibility folding to a fixed point, so that look-alikes (fullwidth
/// letters, the Kelvin sign, `ß`/`ss`) collide instead of making a second mailbox.
fn fold(local: &str) -> String {
    local
        .nfkc()
        .collect::<String>()
        .to_lowercase()
        .replace('ß', "ss")
        .replace('ı', "i")
        .replace('ς', "σ")
        .nfkc()
        .collect()
}

/// RFC 5321 §4.1.2 Dot-string, with RFC 6531 §3.3 UTF8-non-ascii.
fn is_dot_string(local: &str) -> bool {
    !local.is_empty()
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_utf8_text(c))
        })
}

fn is_utf8_text(c: char) -> bool {
    !c.is_ascii()
        && !c.is_control()
        && !c.is_whitespace()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl FromStr for EmailAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidAddress::Syntax)?;
        let domain = domain.parse().map_err(|_| InvalidAddress::Domain)?;
        Self::from_parts(local, domain)
    }
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for EmailAddress {}
impl Hash for EmailAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl serde::Serialize for EmailAddress {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for EmailAddress {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_key() {
        let key = |text: &str| text.parse::<EmailAddress>().unwrap().key().to_owned();
        assert_eq!(key("Alice@Example.ORG"), "alice@example.org");
        assert_eq!(key("\"alice\"@example.org"), "alice@example.org");
        assert_eq!(key("strasse@example.org"), key("straße@example.org"));
        assert_eq!(key("ｋ@example.org"), key("\u{212a}@example.org"));
        assert_eq!(key("e\u{301}@example.org"), key("é@example.org"));
        assert_eq!("Alice@Example.ORG".parse::<EmailAddress>().unwrap().to_string(), "Alice@example.org");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.org", "a".repeat(65));
        for bad in [
            "",
            "a",
            "@example.org",
            "a@",
            "a@b",
            ".a@example.org",
            "a.@example.org",
            "a..b@example.org",
            "a b@example.org",
            "\"a b\"@example.org",
            "\"a@b\"@example.org",
            "\"\"@example.org",
            "a\r\n@example.org",
            "a\0@example.org",
            "<a@example.org>",
            "a@[127.0.0.1]",
            "@x:a@example.org",
            "a\u{202e}@example.org",
            "a@example.org.",
            &long,
        ] {
            assert!(bad.parse::<EmailAddress>().is_err(), "{bad:?}");
        }
    }
}
