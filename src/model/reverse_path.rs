//! The sender of an envelope as other servers write it (RFC 5321 §4.1.2 Reverse-path), which is more than
//! [`EmailAddress`] lets an address of ours be: VERP and SRS local parts beyond 64 octets, `_` in a domain, address
//! literals, quoted names.
//!
//! Invariant: no control character, no angle bracket outside quotes, at most 254 octets: it can stand in a header
//! field or a log line as it is.

use super::{EmailAddress, bounds};
use std::fmt;
use std::str::FromStr;

/// A reverse-path that is not null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReversePath {
    text: Box<str>,
    address: Option<EmailAddress>,
}

/// The text is no reverse-path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no address that mail can be returned to")]
pub struct InvalidReversePath;

impl ReversePath {
    /// It as an address that may be one of ours; none where it is of another form.
    pub fn address(&self) -> Option<&EmailAddress> {
        self.address.as_ref()
    }

    /// Whether it needs SMTPUTF8 (RFC 6531 §3.5).
    pub fn needs_utf8(&self) -> bool {
        !self.text.is_ascii()
    }
}

impl From<EmailAddress> for ReversePath {
    fn from(address: EmailAddress) -> Self {
        Self { text: address.to_string().into(), address: Some(address) }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ReversePath {
    type Err = InvalidReversePath;

    fn from_str(text: &str) -> Result<Self, InvalidReversePath> {
        if let Ok(address) = text.parse::<EmailAddress>() {
            return Ok(Self { text: text.into(), address: Some(address) });
        }
        // RFC 5321 §4.5.3.1.3
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidReversePath)?;
        let fits = text.len() <= bounds::PATH_OCTETS;
        if fits && is_local_part(local) && is_domain(domain) {
            Ok(Self { text: text.into(), address: None })
        } else {
            Err(InvalidReversePath)
        }
    }
}

/// RFC 5321 §4.1.2: a dot-string, not too strictly, or a quoted string.
fn is_local_part(local: &str) -> bool {
    match local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => is_quoted(quoted),
        None => {
            let plain = |c: char| !c.is_control() && !c.is_whitespace() && !"()<>[]:;@\\,\"".contains(c);
            !local.is_empty() && local.chars().all(plain)
        }
    }
}

fn is_quoted(quoted: &str) -> bool {
    let mut escaped = false;
    for c in quoted.chars() {
        match c {
            _ if c.is_control() => return false,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return false,
            _ => {}
        }
    }
    !escaped && !quoted.is_empty()
}

/// A host name as it is met, underscores and all, or an address literal (RFC 5321 §4.1.3).
fn is_domain(domain: &str) -> bool {
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return !literal.is_empty() && literal.chars().all(|c| c.is_ascii_alphanumeric() || ".:-".contains(c));
    }
    let label = |label: &str| {
        let allowed = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || !c.is_ascii() && !c.is_whitespace();
        !label.is_empty() && label.len() <= 63 && label.chars().all(|c| allowed(c) && !c.is_control())
    };
    domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_of_the_wild_are_taken() {
        let verp = format!("bounces+{}=example.org@lists.example", "x".repeat(80));
        for good in [
            "a@b.example",
            &verp,
            "SRS0=HHH=TT=other.example=user@forward.example",
            "news@mail_out.example",
            "root@[192.0.2.1]",
            "root@[IPv6:2001:db8::1]",
            "\"John Doe\"@b.example",
            "\"a\\\"<b>\"@c.example",
            "root@localhost",
            "a..b@c.example",
            "jörg@müller.example",
        ] {
            let path: ReversePath = good.parse().unwrap_or_else(|_| panic!("{good}"));
            assert_eq!(path.to_string(), good);
            assert_eq!(path.address().is_some(), good.parse::<EmailAddress>().is_ok(), "{good}");
        }
        assert!("a@b.example".parse::<ReversePath>().is_ok_and(|path| path.address().is_some()));
    }

    #[test]
    fn what_could_break_a_header_is_not() {
        let long = format!("{}@b.example", "x".repeat(250));
        for bad in [
            "",
            "a",
            "@",
            "@b.example",
            "a@",
            "a b@c.example",
            "a@b c",
            "a>@b.example",
            "<a@b.example",
            "a\r\n@b.example",
            "\"a\r\n\"@b.example",
            "\"a\"b\"@c.example",
            "\"a\\\"@b.example",
            "\"\"@b.example",
            "a@b..example",
            "a@[]",
            "a@[1.2.3.4]x",
            "a@b>.example",
            "@x.example:a@b.example",
            "a@b\u{a0}c.example",
            &long,
        ] {
            assert_eq!(bad.parse::<ReversePath>(), Err(InvalidReversePath), "{bad:?}");
        }
    }
}
