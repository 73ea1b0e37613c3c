//! The rows of annotations (RFC 5464): read, counted, written.
//!
//! It knows no rules about names. Invariant: a folder's annotations go with the folder.

use super::Result;
use super::batch::{Batch, Changes};
use super::load::Needs;
use super::tx::{Tx, TxResult};
use crate::model::ids::{FolderId, MailboxId};
use bytes::Bytes;
use std::collections::BTreeMap;

/// What is noted about a folder, by entry.
pub(super) async fn of_folder(tx: &mut Tx, mailbox: MailboxId, folder: FolderId) -> Result<BTreeMap<String, Bytes>> {
    let sql = "SELECT entry, value FROM annotations WHERE mailbox_id = $1 AND folder_id = $2";
    let rows = tx.query(sql, &[mailbox.0.into(), folder.0.into()]).await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.blob(1)?))).collect()
}

impl Batch<'_> {
    /// Reads how large the annotations are that writes of this batch touch.
    pub async fn load_annotations(&mut self, tx: &mut Tx, needs: &Needs) -> Result<()> {
        for (mailbox, folder) in &needs.annotations {
            let sql = "SELECT entry, CAST(LENGTH(entry) + LENGTH(value) AS BIGINT) FROM annotations \
                 WHERE mailbox_id = $1 AND folder_id = $2";
            let rows = tx.query(sql, &[mailbox.0.into(), folder.0.into()]).await?;
            let sizes = rows.iter().filter_map(|row| Some((row.text(0).ok()?.to_owned(), row.unsigned(1).ok()?)));
            let sizes: BTreeMap<String, u64> = sizes.collect();
            self.annotations.insert((*mailbox, *folder), sizes);
            let sql = "SELECT CAST(COALESCE(SUM(LENGTH(entry) + LENGTH(value)), 0) AS BIGINT) FROM annotations \
                 WHERE mailbox_id = $1";
            let rows = tx.query(sql, &[mailbox.0.into()]).await?;
            // Where the sum does not read there is no room, for this mailbox alone.
            let all = rows.first().and_then(|row| row.unsigned(0).ok()).unwrap_or(u64::MAX);
            self.annotated.insert(*mailbox, all);
        }
        Ok(())
    }
}

/// Writes what changed; what went with folders goes first, so that nothing that came later is lost.
pub(super) async fn flush(tx: &mut Tx, changes: &Changes) -> TxResult<()> {
    for (mailbox, folder) in &changes.annotations_gone {
        let sql = "DELETE FROM annotations WHERE mailbox_id = $1 AND folder_id = $2";
        tx.execute(sql, &[mailbox.0.into(), folder.0.into()]).await?;
    }
    for (mailbox, from, to) in &changes.annotation_copies {
        let sql = "INSERT INTO annotations (mailbox_id, folder_id, entry, value) \
             SELECT mailbox_id, CAST($1 AS BIGINT), entry, value FROM annotations \
             WHERE mailbox_id = $2 AND folder_id = $3";
        tx.execute(sql, &[to.0.into(), mailbox.0.into(), from.0.into()]).await?;
    }
    // In their order: a later one about the same entry wins.
    for (mailbox, folder, entry, value) in &changes.annotations {
        let mut row = vec![mailbox.0.into(), folder.0.into(), entry.as_str().into()];
        match value {
            Some(value) => {
                row.push(value.clone().into());
                let newer = "ON CONFLICT (mailbox_id, folder_id, entry) DO UPDATE SET value = excluded.value";
                tx.insert("annotations (mailbox_id, folder_id, entry, value)", &[row], newer).await?;
            }
            None => {
                let sql = "DELETE FROM annotations WHERE mailbox_id = $1 AND folder_id = $2 AND entry = $3";
                tx.execute(sql, &row).await?;
            }
        }
    }
    for mailbox in &changes.deleted_mailboxes {
        tx.execute("DELETE FROM annotations WHERE mailbox_id = $1", &[mailbox.0.into()]).await?;
    }
    Ok(())
}
