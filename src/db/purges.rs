//! Rows of `purges`: mailboxes whose mail still has to go.

use super::{Result, Tx};
use crate::model::ids::MailboxId;

/// Notes that a mailbox's mail has to go.
pub async fn insert(tx: &mut Tx, mailbox: MailboxId, now: i64) -> Result<()> {
    const SQL: &str = "INSERT INTO purges (mailbox_id, created_at) VALUES ($1, $2) ON CONFLICT (mailbox_id) DO NOTHING";
    tx.execute(SQL, &[mailbox.0.into(), now.into()]).await.map(drop)
}

/// At most `limit` mailboxes whose mail has to go, oldest first.
pub async fn some(tx: &mut Tx, limit: i64) -> Result<Vec<MailboxId>> {
    let rows = tx.all("SELECT mailbox_id FROM purges ORDER BY created_at LIMIT $1", &[limit.into()]).await?;
    rows.iter().map(|row| row.get(0).map(MailboxId)).collect()
}

/// Forgets a mailbox whose mail is gone.
pub async fn done(tx: &mut Tx, mailbox: MailboxId) -> Result<()> {
    tx.execute("DELETE FROM purges WHERE mailbox_id = $1", &[mailbox.0.into()]).await.map(drop)
}
