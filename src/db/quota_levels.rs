//! Rows of `quota_levels`: of which share of its quota a mailbox was last warned.

use super::{Result, Tx};
use crate::model::ids::MailboxId;

/// In percent; 0 where no warning stands.
pub async fn find(tx: &mut Tx, mailbox: MailboxId) -> Result<i64> {
    let row = tx.one("SELECT percent FROM quota_levels WHERE mailbox_id = $1", &[mailbox.0.into()]).await?;
    row.map_or(Ok(0), |row| row.get(0))
}

/// Notes a level.
pub async fn set(tx: &mut Tx, mailbox: MailboxId, percent: i64) -> Result<()> {
    const SQL: &str = "INSERT INTO quota_levels (mailbox_id, percent) VALUES ($1, $2) \
         ON CONFLICT (mailbox_id) DO UPDATE SET percent = excluded.percent";
    tx.execute(SQL, &[mailbox.0.into(), percent.into()]).await.map(drop)
}

/// Forgets a mailbox that is being deleted.
pub async fn delete(tx: &mut Tx, mailbox: MailboxId) -> Result<()> {
    tx.execute("DELETE FROM quota_levels WHERE mailbox_id = $1", &[mailbox.0.into()]).await.map(drop)
}
