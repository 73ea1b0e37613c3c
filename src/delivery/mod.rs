//! From an accepted envelope and a staged message to every recipient's INBOX.
//!
//! It does not speak SMTP: it returns a typed [`Verdict`] that the edge words. Invariant:
//! `Stored` means that every mailbox of every recipient has the message, synced; any
//! other verdict asks the sender to try again, so no recipient is ever dropped silently.

pub mod expire;
pub mod growth;
mod prefix;
pub mod quota_warning;

pub use expire::expire;
pub use growth::Growth;

use crate::directory::MailboxConfig;
use crate::meters::meters;
use crate::model::ids::MailboxId;
use crate::model::{EmailAddress, ReversePath, Usage};
use crate::store::{Delivery, MailboxRef, StagedBody, Store, StoreError};
use std::collections::HashSet;
use std::sync::Arc;

/// A recipient that was accepted, with the mailboxes it stands for.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// As the sender wrote it.
    pub address: EmailAddress,
    /// Where it delivers.
    pub mailboxes: Vec<Arc<MailboxConfig>>,
}

/// Who sends to whom.
#[derive(Debug, Clone, Default)]
pub struct Envelope {
    /// The reverse-path; `None` is `<>`.
    pub sender: Option<ReversePath>,
    /// The accepted recipients.
    pub recipients: Vec<Recipient>,
}

impl Envelope {
    /// Every mailbox once, also when two recipients lead to it.
    pub fn mailboxes(&self) -> Vec<&Arc<MailboxConfig>> {
        let mut seen: HashSet<MailboxId> = HashSet::new();
        self.recipients.iter().flat_map(|r| &r.mailboxes).filter(|m| seen.insert(m.id)).collect()
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every mailbox has it, on disk.
    Stored,
    /// A mailbox has no room for it.
    OverQuota,
    /// The store takes nothing now (disk short, read-only, busy).
    Unavailable,
    /// A mailbox was deleted since it was accepted.
    Gone,
    /// Our own fault.
    Failed,
}

/// Those of `mailboxes` that have no room for one more message of `octets`.
///
/// # Errors
/// The store's, when it cannot say.
pub async fn without_room(
    store: &Store,
    mailboxes: &[&Arc<MailboxConfig>],
    octets: u64,
) -> Result<Vec<MailboxId>, StoreError> {
    let all: Vec<MailboxId> = mailboxes.iter().map(|m| m.id).collect();
    store.may_deliver(&all).await?;
    let limited: Vec<_> = mailboxes.iter().filter(|m| m.quota.bytes.is_some() || m.quota.messages.is_some()).collect();
    if limited.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<MailboxId> = limited.iter().map(|m| m.id).collect();
    let used = store.usages(&ids).await?;
    let more = Usage { bytes: octets, messages: 1 };
    let mut full = Vec::new();
    for (mailbox, used) in limited.iter().zip(used) {
        let used = used.ok_or_else(|| StoreError::Corrupt(format!("the usage counter of mailbox {}", mailbox.id)))?;
        full.extend((!mailbox.quota.has_room(used, more)).then_some(mailbox.id));
    }
    Ok(full)
}

/// Stores a message for all recipients of the envelope, in one transaction: all have it or none. A mailbox that
/// filled up or was deleted since RCPT makes the sender try again, and then it is answered recipient by recipient.
pub async fn deliver(store: &Store, envelope: &Envelope, body: StagedBody, now: i64) -> Verdict {
    let delivery = |mailbox: &Arc<MailboxConfig>| Delivery {
        mailbox: MailboxRef { id: mailbox.id, tenant: mailbox.tenant },
        quota: mailbox.quota,
        prefix: prefix::of(envelope.sender.as_ref(), &mailbox.address),
        internal_date: now,
    };
    let deliveries = envelope.mailboxes().into_iter().map(delivery).collect();
    let verdict = match store.deliver(Arc::new(body), deliveries).await {
        Ok(_) => Verdict::Stored,
        Err(error) => verdict_of(&error),
    };
    meters().delivery(match verdict {
        Verdict::Stored => "stored",
        Verdict::OverQuota => "over_quota",
        Verdict::Unavailable => "unavailable",
        Verdict::Gone => "gone",
        Verdict::Failed => "failed",
    });
    verdict
}

fn verdict_of(error: &StoreError) -> Verdict {
    match error {
        StoreError::OverQuota => Verdict::OverQuota,
        StoreError::ReadOnly | StoreError::Busy => Verdict::Unavailable,
        StoreError::NoSuchFolder => Verdict::Gone,
        other => {
            tracing::error!(error = %other, "a delivery failed");
            Verdict::Failed
        }
    }
}
