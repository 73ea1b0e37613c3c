//! Which addresses an address may mean before it means nothing: the one rule that delivery and control share.
//!
//! It reads no rows. Invariant: the order is that in which they are tried.

use super::{DomainName, EmailAddress};

/// What an address may mean besides itself.
#[derive(Debug, Clone)]
pub struct Meanings<'a> {
    address: &'a EmailAddress,
    /// The same one of the domain that its domain stands for.
    there: Option<EmailAddress>,
    /// The user without the detail (RFC 5233 §1).
    user: Option<EmailAddress>,
}

impl<'a> Meanings<'a> {
    /// Of an address whose domain stands for another, where it does, and parts user and detail by `separator`.
    pub fn of(address: &'a EmailAddress, stands_for: Option<&DomainName>, separator: &str) -> Self {
        let there = stands_for.and_then(|name| in_domain(address.local(), name));
        let user = without_detail(there.as_ref().unwrap_or(address), separator);
        Self { address, there, user }
    }

    /// The canonical keys to try, in their order; an empty one is none.
    pub fn keys(&self) -> [&str; 3] {
        let [there, user] = [&self.there, &self.user].map(|one| one.as_ref().map_or("", EmailAddress::key));
        [self.address.key(), there, user]
    }

    /// Whether what is meant is one that every domain must take mail for.
    pub fn is_reserved(&self) -> bool {
        is_reserved(self.user.as_ref().or(self.there.as_ref()).unwrap_or(self.address))
    }
}

/// Addresses that every domain must take mail for (RFC 5321 §4.5.1, RFC 2142 §4, §5).
const RESERVED: [&str; 2] = ["postmaster", "abuse"];

/// Whether an address is one that every domain must take mail for.
pub fn is_reserved(address: &EmailAddress) -> bool {
    RESERVED.iter().any(|local| address.local().eq_ignore_ascii_case(local))
}

fn in_domain(local: &str, domain: &DomainName) -> Option<EmailAddress> {
    EmailAddress::from_parts(local, domain.clone()).ok()
}

fn without_detail(address: &EmailAddress, separator: &str) -> Option<EmailAddress> {
    if separator.is_empty() {
        return None;
    }
    let (user, _) = address.local().split_once(separator)?;
    in_domain(user, address.domain())
}
