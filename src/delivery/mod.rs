//! From an accepted envelope and a staged message to every recipient's INBOX.
//!
//! It does not speak SMTP: it returns a typed [`Verdict`] that the edge words. Invariant:
//! `Stored` means that every mailbox of every recipient has the message, synced; any
//! other verdict asks the sender to try again, so no recipient is ever dropped silently.

pub mod expire;
mod intake;
mod prefix;

pub use expire::expire;
pub use intake::{Intake, Staged};

use crate::directory::MailboxConfig;
use crate::model::ids::{MailboxId, TenantId};
use crate::model::{EmailAddress, Usage};
use crate::store::{Delivery, MailboxRef, Store, StoreError};
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
    pub sender: Option<EmailAddress>,
    /// The accepted recipients.
    pub recipients: Vec<Recipient>,
}

impl Envelope {
    /// Every mailbox once, also when two recipients lead to it.
    pub fn mailboxes(&self) -> Vec<&Arc<MailboxConfig>> {
        let mut seen: HashSet<MailboxId> = HashSet::new();
        self.recipients.iter().flat_map(|r| &r.mailboxes).filter(|m| seen.insert(m.id)).collect()
    }

    /// Every tenant once: a body is stored once within each.
    pub fn tenants(&self) -> Vec<TenantId> {
        let mut tenants: Vec<TenantId> = self.mailboxes().iter().map(|m| m.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
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
    /// Our own fault.
    Failed,
}

/// Whether all of `mailboxes` have room for one more message of `octets`.
///
/// # Errors
/// The store's, when it cannot say.
pub async fn has_room(store: &Store, mailboxes: &[&Arc<MailboxConfig>], octets: u64) -> Result<bool, StoreError> {
    let limited: Vec<_> = mailboxes.iter().filter(|m| m.quota.bytes.is_some() || m.quota.messages.is_some()).collect();
    if limited.is_empty() {
        return Ok(true);
    }
    let ids: Vec<MailboxId> = limited.iter().map(|m| m.id).collect();
    let used = store.usages(&ids).await?;
    let more = Usage { bytes: octets, messages: 1 };
    Ok(limited.iter().zip(used).all(|(mailbox, used)| mailbox.quota.has_room(used, more)))
}

/// Stores a message for all recipients of the envelope.
///
/// One tenant is one transaction of the store. Room is checked for all first, so that a
/// message too large for one recipient is stored for none and the sender hears of it; a
/// recipient that fills up in the instant between check and commit makes the verdict
/// `OverQuota` too, and the sender's retry gives the others one duplicate (RFC 5321 §6.1
/// prefers that to a loss; the retry itself is answered recipient by recipient at RCPT).
pub async fn deliver(store: &Store, envelope: &Envelope, staged: Staged, now: i64) -> Verdict {
    let mailboxes = envelope.mailboxes();
    match has_room(store, &mailboxes, staged.size()).await {
        Ok(true) => {}
        Ok(false) => return Verdict::OverQuota,
        Err(error) => return verdict_of(&error),
    }
    for (tenant, body) in staged.into_bodies() {
        let own = mailboxes.iter().filter(|m| m.tenant == tenant);
        let deliveries: Vec<Delivery> = own
            .map(|mailbox| Delivery {
                mailbox: MailboxRef { id: mailbox.id, tenant },
                quota: mailbox.quota,
                prefix: prefix::of(envelope.sender.as_ref(), &mailbox.address),
                internal_date: now,
            })
            .collect();
        match store.deliver(Arc::new(body), deliveries).await {
            Ok(outcomes) => {
                if let Some(error) = outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
                    return verdict_of(error);
                }
            }
            Err(error) => return verdict_of(&error),
        }
    }
    Verdict::Stored
}

fn verdict_of(error: &StoreError) -> Verdict {
    match error {
        StoreError::OverQuota => Verdict::OverQuota,
        StoreError::ReadOnly | StoreError::Busy => Verdict::Unavailable,
        other => {
            tracing::error!(error = %other, "a delivery failed");
            Verdict::Failed
        }
    }
}
