//! How much a mailbox may send: recipients within a day, by the plans of its tenant and of those above.
//!
//! Where a plan limits it, recipients are counted in the transaction that compares them, before the message is
//! delivered; elsewhere behind it, by `activity`. The counts are the database's, so they outlive a restart and are the
//! same for all nodes. Invariant: no level's limit is passed, however many send at once.

use super::{Directory, DirectoryError, MailboxConfig};
use crate::db::sends;
use crate::model::ids::TenantId;

/// What one tenant's plan lets everybody at and below it send in a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendLimit {
    /// The tenant.
    pub tenant: TenantId,
    /// Recipients in a day.
    pub max: u64,
}

impl Directory {
    /// To how many more recipients the mailbox may send now; none where nothing limits it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn sends_left(&self, mailbox: &MailboxConfig) -> Result<Option<u64>, DirectoryError> {
        if mailbox.send_limits.is_empty() {
            return Ok(None);
        }
        let (mut tx, now) = (self.inner().db.read().await?, self.inner().clock.now_ms());
        let mut left = u64::MAX;
        for limit in mailbox.send_limits.iter() {
            let used = sends::used(&mut tx, limit.tenant.0, now).await?;
            left = left.min(limit.max.saturating_sub(used));
        }
        Ok(Some(left))
    }

    /// Counts recipients of a mailbox that something limits; false, and nothing counted, where a level has no room.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn take_sends(&self, mailbox: &MailboxConfig, recipients: usize) -> Result<bool, DirectoryError> {
        let (mut tx, now) = (self.inner().db.write().await?, self.inner().clock.now_ms());
        // From the top down, as everybody does: two never wait for each other.
        for limit in mailbox.send_limits.iter().rev() {
            sends::lock(&mut tx, limit.tenant.0).await?;
        }
        for subject in subjects(mailbox) {
            sends::add(&mut tx, subject, now, recipients as i64).await?;
        }
        for limit in mailbox.send_limits.iter() {
            if sends::used(&mut tx, limit.tenant.0, now).await? > limit.max {
                return Ok(false);
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Takes back what was counted for a message that then was not sent.
    pub async fn give_back_sends(&self, mailbox: &MailboxConfig, recipients: usize) {
        let given_back = async {
            let (mut tx, now) = (self.inner().db.write().await?, self.inner().clock.now_ms());
            for subject in subjects(mailbox) {
                sends::add(&mut tx, subject, now, -(recipients as i64)).await?;
            }
            tx.commit().await
        };
        if let Err(error) = given_back.await {
            tracing::warn!(%error, mailbox = %mailbox.id, "recipients of a message that was not sent stay counted");
        }
    }
}

/// Under what a mailbox's recipients are counted, from the top down.
pub(super) fn subjects(mailbox: &MailboxConfig) -> impl Iterator<Item = i64> {
    mailbox.above.tenants.iter().rev().map(|tenant| tenant.0).chain([mailbox.id.0])
}
