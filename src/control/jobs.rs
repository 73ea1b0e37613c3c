//! What the configuration leaves to be done in the background: mail of deleted mailboxes, expiry, forgetting.
//!
//! It says what; `app` does it with the store.

use super::{Control, Result};
use crate::db::{Page, api_sessions, app_passwords, mailboxes, password_links, purges, sends, webhooks};
use crate::model::bounds;
use crate::model::ids::MailboxId;

/// Purges handed out at once.
pub const PURGE_BATCH: usize = 100;
/// Mailboxes that end or go in one turn.
const DUE_BATCH: i64 = 100;

/// Some mailboxes whose mail has to go, at most [`PURGE_BATCH`].
pub async fn purges(control: &Control) -> Result<Vec<MailboxId>> {
    let mut tx = control.db.read().await?;
    Ok(purges::some(&mut tx, PURGE_BATCH as i64).await?)
}

/// A mailbox's mail is gone.
pub async fn purged(control: &Control, mailbox: MailboxId) -> Result<()> {
    let mut tx = control.db.write().await?;
    purges::done(&mut tx, mailbox).await?;
    Ok(tx.commit().await?)
}

/// Mailboxes whose POP3 policy may expire mail, after an id.
pub async fn with_expiry(control: &Control, after: MailboxId) -> Result<Vec<MailboxId>> {
    let mut tx = control.db.read().await?;
    Ok(mailboxes::with_expiry(&mut tx, Page { after: after.0, limit: 500 }).await?)
}

/// Does what was to happen by now: mailboxes and app passwords end, and deleted mailboxes go for good.
pub async fn due(control: &Control) -> Result<()> {
    let mut tx = control.db.read().await?;
    let now = control.now_ms();
    let ending = mailboxes::ending(&mut tx, now, DUE_BATCH).await?;
    let expired = app_passwords::expiring(&mut tx, now, DUE_BATCH).await?;
    let gone = mailboxes::to_purge(&mut tx, now, DUE_BATCH).await?;
    drop(tx);
    for id in ending {
        done_already(super::mailboxes::end(control, id).await)?;
    }
    for (mailbox, id) in expired {
        done_already(super::app_passwords::expire(control, mailbox, id).await)?;
    }
    for id in gone {
        done_already(super::mailboxes::purge(control, id).await)?;
    }
    Ok(())
}

/// Another node may have been quicker.
fn done_already(result: Result<()>) -> Result<()> {
    match result {
        Err(super::Error::NotFound) => Ok(()),
        other => other,
    }
}

/// Forgets sign-ins that have expired, and old attempts of webhooks, jobs that ended, and old logins.
pub async fn forget(control: &Control) -> Result<()> {
    let mut tx = control.db.write().await?;
    api_sessions::forget(&mut tx, control.now_ms()).await?;
    let shown = i64::try_from(bounds::WEBHOOK_LOG_TIME.as_millis()).unwrap_or(i64::MAX);
    webhooks::forget(&mut tx, control.now_ms() - shown).await?;
    sends::forget(&mut tx, control.now_ms()).await?;
    super::usage::forget(&mut tx, control.now_ms()).await?;
    super::login_history::forget(&mut tx, control.now_ms()).await?;
    let shown = i64::try_from(bounds::LINKS_KEPT_TIME.as_millis()).unwrap_or(i64::MAX);
    password_links::forget(&mut tx, control.now_ms() - shown).await?;
    tx.commit().await?;
    super::bulk_jobs::forget(control).await
}
