//! Rows of `mailbox_usage`: what each mailbox holds, copied from the message store for lists.
//!
//! Invariant: every mailbox has a row, from its creation on until it goes.

use super::{Result, Tx};
use crate::model::Usage;
use crate::model::ids::MailboxId;

/// Adds the row of a new mailbox.
pub async fn insert(tx: &mut Tx, mailbox: MailboxId) -> Result<()> {
    const SQL: &str = "INSERT INTO mailbox_usage (mailbox_id, bytes, messages) VALUES ($1, 0, 0)";
    tx.execute(SQL, &[mailbox.0.into()]).await.map(drop)
}

/// Removes it.
pub async fn delete(tx: &mut Tx, mailbox: MailboxId) -> Result<()> {
    tx.execute("DELETE FROM mailbox_usage WHERE mailbox_id = $1", &[mailbox.0.into()]).await.map(drop)
}

/// Keeps other nodes from writing a row until the end of the transaction; SQLite has one writer anyway.
pub async fn lock(tx: &mut Tx, mailbox: MailboxId) -> Result<()> {
    const SQL: &str = "SELECT mailbox_id FROM mailbox_usage WHERE mailbox_id = $1 FOR UPDATE";
    match tx {
        Tx::Lite(_) => Ok(()),
        Tx::Pg(_) => tx.one(SQL, &[mailbox.0.into()]).await.map(drop),
    }
}

/// Writes what a mailbox holds, if it has a row.
pub async fn write(tx: &mut Tx, mailbox: MailboxId, usage: Usage) -> Result<()> {
    const SQL: &str = "UPDATE mailbox_usage SET bytes = $2, messages = $3 WHERE mailbox_id = $1";
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX).into();
    tx.execute(SQL, &[mailbox.0.into(), number(usage.bytes), number(usage.messages)]).await.map(drop)
}

/// Gives up at once where another node writes: it is tried again soon, and nobody must wait for a copy.
pub async fn hurry(tx: &mut Tx) -> Result<()> {
    match tx {
        Tx::Lite(_) => Ok(()),
        Tx::Pg(_) => tx.execute("SET LOCAL lock_timeout = '100ms'", &[]).await.map(drop),
    }
}

/// The copies of mailboxes after one, by id.
pub async fn copies_after(tx: &mut Tx, after: MailboxId, limit: i64) -> Result<Vec<(MailboxId, Usage)>> {
    const SQL: &str =
        "SELECT mailbox_id, bytes, messages FROM mailbox_usage WHERE mailbox_id > $1 ORDER BY mailbox_id LIMIT $2";
    let rows = tx.all(SQL, &[after.0.into(), limit.into()]).await?;
    let number = |value: i64| u64::try_from(value).unwrap_or(0);
    let read = |row: &super::Row| {
        let usage = Usage { bytes: number(row.get(1)?), messages: number(row.get(2)?) };
        Ok((MailboxId(row.get(0)?), usage))
    };
    rows.iter().map(read).collect()
}
