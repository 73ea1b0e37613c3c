//! What a plan limits, and how much of each.
//!
//! Counting is control's; these are the words. Invariant: `None` is no limit, and no limit
//! passes [`Limits::MOST`], so that sums of many never overflow.

use super::access::words;

words!(/// What a plan limits.
LimitName {
    /// Domains.
    Domains = "domains",
    /// Mailboxes.
    Mailboxes = "mailboxes",
    /// Aliases.
    Aliases = "aliases",
    /// Octets that mailboxes may hold, by their quotas.
    Bytes = "bytes",
    /// Messages times recipients that are sent in a day (UTC).
    SendsPerDay = "sends_per_day",
});

/// The limits of a plan; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Domains.
    pub domains: Option<u64>,
    /// Mailboxes.
    pub mailboxes: Option<u64>,
    /// Aliases.
    pub aliases: Option<u64>,
    /// Octets that mailboxes may hold, by their quotas.
    pub bytes: Option<u64>,
    /// Recipients of what is sent in a day (UTC).
    pub sends_per_day: Option<u64>,
}

impl Limits {
    /// The highest limit: a pebibyte.
    pub const MOST: u64 = 1 << 50;

    /// One of them.
    pub fn get(&self, name: LimitName) -> Option<u64> {
        match name {
            LimitName::Domains => self.domains,
            LimitName::Mailboxes => self.mailboxes,
            LimitName::Aliases => self.aliases,
            LimitName::Bytes => self.bytes,
            LimitName::SendsPerDay => self.sends_per_day,
        }
    }
}
