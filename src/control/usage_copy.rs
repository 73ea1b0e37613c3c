//! What mailboxes hold, copied from the message store to where lists are sorted and filtered by it.
//!
//! The store counts; this follows. Invariant: who has the lock of a copy reads the store after that, so that a copy never
//! goes back; what a crash kept from being copied is found by [`check`].

use super::{Control, Error, Result};
use crate::db::usage_copy as rows;
use crate::model::ids::MailboxId;
use crate::store::Store;

/// Mailboxes of one transaction.
const BATCH: usize = 100;
/// Copies compared at once.
const CHECKED: i64 = 1000;

/// Copies what has changed since the last call.
pub async fn copy(control: &Control, store: &Store) -> Result<()> {
    let changed = store.take_usage_changed();
    for (at, batch) in changed.chunks(BATCH).enumerate() {
        if let Err(error) = copy_some(control, store, batch).await {
            store.usage_changed(changed.get(at * BATCH..).unwrap_or_default());
            return Err(error);
        }
    }
    Ok(())
}

async fn copy_some(control: &Control, store: &Store, mailboxes: &[MailboxId]) -> Result<()> {
    let mut tx = control.db.write_lightly().await?;
    rows::hurry(&mut tx).await?;
    for mailbox in mailboxes {
        rows::lock(&mut tx, *mailbox).await?;
    }
    let usages = store.usages(mailboxes).await.map_err(|error| Error::Unavailable(error.to_string()))?;
    // One whose counter is damaged keeps the copy that it has.
    for (mailbox, usage) in mailboxes.iter().zip(usages).filter_map(|(mailbox, usage)| Some((mailbox, usage?))) {
        rows::write(&mut tx, *mailbox, usage).await?;
    }
    Ok(tx.commit().await?)
}

/// Compares the copies of mailboxes after one with the store, and has those copied that differ; after which to go on, or
/// none at the end.
pub async fn check(control: &Control, store: &Store, after: MailboxId) -> Result<Option<MailboxId>> {
    let mut tx = control.db.read().await?;
    let copies = rows::copies_after(&mut tx, after, CHECKED).await?;
    drop(tx);
    let ids: Vec<MailboxId> = copies.iter().map(|(mailbox, _)| *mailbox).collect();
    let usages = store.usages(&ids).await.map_err(|error| Error::Unavailable(error.to_string()))?;
    let differ = copies.iter().zip(usages).filter(|((_, copy), usage)| usage.is_some_and(|usage| usage != *copy));
    let differ: Vec<MailboxId> = differ.map(|((mailbox, _), _)| *mailbox).collect();
    store.usage_changed(&differ);
    Ok(ids.last().copied())
}
