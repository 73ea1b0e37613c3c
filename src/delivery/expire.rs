//! Removal of mail that POP3 retrieved long enough ago (RFC 2449 §6.7 EXPIRE).
//!
//! It does not know when to run nor which mailboxes have a policy: `app`'s periodic job
//! calls it with both. Invariant: without `expire_days` nothing is ever removed.

use crate::directory::MailboxConfig;
use crate::store::{MailboxRef, Result, Store};

/// Seconds of a day.
const DAY: i64 = 24 * 3600;

/// Removes what POP3 first retrieved more than the policy's days before `now` (Unix seconds);
/// returns how many messages went. Safe to repeat.
///
/// # Errors
/// The store's; nothing of this mailbox was removed then.
pub async fn expire(store: &Store, mailbox: &MailboxConfig, now: i64) -> Result<u64> {
    let Some(days) = mailbox.pop3_policy.expire_days else { return Ok(0) };
    let cutoff = now.saturating_sub(i64::from(days) * DAY);
    store.pop3_expire(MailboxRef { id: mailbox.id, tenant: mailbox.tenant }, cutoff).await
}
