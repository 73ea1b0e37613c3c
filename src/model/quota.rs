//! Quota (the limit) and usage (what is used), in bytes and messages.
//!
//! Counting is the store's; this says only what fits. Invariant: `None` means no limit.

use serde::{Deserialize, Serialize};

/// The limits of a mailbox; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quota {
    /// Limit in octets (as RFC 822 size, before compression).
    pub bytes: Option<u64>,
    /// Limit in messages.
    pub messages: Option<u64>,
}

/// What a mailbox holds; every copy of a message in a folder counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Octets.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

impl Quota {
    /// True when `more` may be added to `used` without passing the limit.
    pub fn has_room(&self, used: Usage, more: Usage) -> bool {
        let fits = |limit: Option<u64>, used: u64, more: u64| limit.is_none_or(|l| used.saturating_add(more) <= l);
        fits(self.bytes, used.bytes, more.bytes) && fits(self.messages, used.messages, more.messages)
    }
}
