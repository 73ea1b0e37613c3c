//! What a batch changed, written in set-based statements.
//!
//! Order matters: references rise before they fall, so that a body that one write drops and
//! another one needs stays. Invariant: reference counts change in the transaction that changes
//! what refers to them.

use super::batch::{Batch, Changes};
use super::bodies::{BodyFolder, Encoding, StagedFile};
use super::head::head_columns;
use super::stager::{StagedBody, StagedOctets};
use super::tx::{Tx, TxError, TxResult, Value};
use super::{Result, StoreError};
use crate::model::ids::FolderId;
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Octets of log at which a folder may get a snapshot, however small the folder.
const LOG_OCTETS: u64 = 64 * 1024;

/// What is to be done once the commit has succeeded (or failed).
#[derive(Default)]
pub(super) struct Aftermath {
    /// Body files that rows name now.
    pub claimed: Vec<Claim>,
    /// Body files that no row names any more.
    pub orphaned: Vec<String>,
}

/// A file that a row of this transaction names.
pub(super) enum Claim {
    /// The staged body's own.
    Own(Arc<StagedBody>),
    /// A second name, for another tenant.
    Linked(StagedFile),
}

impl Claim {
    /// Keeps the file from being removed with the staged body.
    pub fn keep(&self) {
        match self {
            Self::Own(body) => {
                if let StagedOctets::File(file) = &body.octets {
                    file.claim();
                }
            }
            Self::Linked(file) => file.claim(),
        }
    }
}

/// A summary as it is stored: with its checksum at the end.
fn sealed(summary: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(summary.len() + 4);
    out.extend_from_slice(summary);
    out.put_u32_le(crc32fast::hash(summary));
    out.freeze()
}

impl Batch<'_> {
    /// Writes all that changed.
    pub async fn flush(&mut self, tx: &mut Tx, folder: &BodyFolder) -> TxResult<Aftermath> {
        let mut after = Aftermath::default();
        self.flush_deleted(tx).await?;
        self.flush_bodies(tx, folder, &mut after).await?;
        self.flush_messages(tx).await?;
        self.flush_logs(tx).await?;
        self.flush_heads(tx).await?;
        self.flush_marks(tx).await?;
        flush_subscriptions(tx, &self.changes).await?;
        super::annotations::flush(tx, &self.changes).await?;
        for (mailbox, folder) in &self.changes.url_epochs {
            let row = vec![mailbox.0.into(), folder.0.into(), 1i64.into()];
            let more = "ON CONFLICT (mailbox_id, folder_id) DO UPDATE SET epoch = url_epochs.epoch + 1";
            tx.insert("url_epochs (mailbox_id, folder_id, epoch)", &[row], more).await?;
        }
        flush_removed(tx, &self.changes, &mut after).await?;
        let usage = self.changes.usage.iter().filter_map(|id| self.usage.get(id)?.map(|u| (id, u)));
        let rows: Vec<Vec<Value>> = usage.map(|(id, u)| vec![id.0.into(), u.bytes.into(), u.messages.into()]).collect();
        tx.insert(
            "usage (mailbox_id, bytes, messages)",
            &rows,
            "ON CONFLICT (mailbox_id) DO UPDATE SET bytes = excluded.bytes, messages = excluded.messages",
        )
        .await?;
        for mailbox in &self.changes.deleted_mailboxes {
            tx.execute("DELETE FROM subscriptions WHERE mailbox_id = $1", &[mailbox.0.into()]).await?;
            tx.execute("DELETE FROM url_epochs WHERE mailbox_id = $1", &[mailbox.0.into()]).await?;
            // The row stays, so that what was accepted for the mailbox and comes later finds a mailbox without
            // folders instead of one that was never touched.
            let empty = "UPDATE usage SET bytes = 0, messages = 0 WHERE mailbox_id = $1";
            tx.execute(empty, &[mailbox.0.into()]).await?;
        }
        Ok(after)
    }

    async fn flush_deleted(&self, tx: &mut Tx) -> TxResult<()> {
        let ids: Vec<i64> = self.changes.deleted_folders.iter().map(|id| id.0).collect();
        if ids.is_empty() {
            return Ok(());
        }
        for sql in [
            "DELETE FROM folders WHERE id = ANY($1)",
            "DELETE FROM folder_ops WHERE folder_id = ANY($1)",
            "DELETE FROM folder_snapshots WHERE folder_id = ANY($1)",
            "DELETE FROM pop3_marks WHERE folder_id = ANY($1)",
        ] {
            tx.execute(sql, &[ids.clone().into()]).await?;
        }
        Ok(())
    }

    async fn flush_bodies(&self, tx: &mut Tx, folder: &BodyFolder, after: &mut Aftermath) -> TxResult<()> {
        let mut refs = self.changes.body_refs.clone();
        let (mut rows, mut octets) = (Vec::new(), Vec::new());
        for (id, tenant, body) in &self.changes.bodies {
            let count = refs.remove(id).unwrap_or(0);
            let (encoding, checksum, file) = match &body.octets {
                StagedOctets::Row { encoding, data, checksum } => {
                    octets.push(vec![(*id).into(), data.clone().into()]);
                    (*encoding, *checksum, String::new())
                }
                StagedOctets::File(file) => (Encoding::File, 0, claim(body, file, folder, after)?),
            };
            rows.push(vec![
                (*id).into(),
                tenant.0.into(),
                body.hash_key().into(),
                Bytes::copy_from_slice(&body.hash).into(),
                body.size.into(),
                count.into(),
                (encoding as i64).into(),
                checksum.into(),
                Value::Text(file),
                sealed(&body.summary).into(),
            ]);
        }
        let into = "bodies (id, tenant_id, hash_key, hash, size, refs, encoding, checksum, file, summary)";
        tx.insert(into, &rows, "").await?;
        tx.insert("body_octets (body_id, data)", &octets, "").await?;
        for (count, ids) in grouped(refs) {
            let wanted = ids.len() as u64;
            let sql = "UPDATE bodies SET refs = refs + $1 WHERE id = ANY($2)";
            if tx.execute(sql, &[count.into(), ids.into()]).await? != wanted {
                return Err(TxError { message: "a body went away while it was wanted".into(), fatal: false });
            }
        }
        Ok(())
    }

    async fn flush_messages(&self, tx: &mut Tx) -> TxResult<()> {
        let rows: Vec<Vec<Value>> = self
            .changes
            .messages
            .iter()
            .map(|m| vec![m.id.0.into(), m.mailbox.0.into(), m.body.into(), m.size.into(), m.prefix.clone().into()])
            .collect();
        tx.insert("messages (id, mailbox_id, body_id, size, prefix)", &rows, "").await?;
        let copies: Vec<Vec<Value>> =
            self.changes.copies.iter().map(|(id, n)| vec![id.0.into(), (*n).into()]).collect();
        tx.insert("extra_refs (message_id, n)", &copies, MORE_REFS).await
    }

    /// The log's new records, and snapshots of folders whose log has outgrown them: since a snapshot is
    /// due only after half its own size in records, its cost for each record is bounded.
    async fn flush_logs(&mut self, tx: &mut Tx) -> TxResult<()> {
        let ops = &self.changes.ops;
        let rows: Vec<Vec<Value>> = ops
            .iter()
            .map(|(id, modseq, op)| vec![id.0.into(), (*modseq).into(), Bytes::from(op.clone()).into()])
            .collect();
        tx.insert("folder_ops (folder_id, modseq, op)", &rows, "").await?;
        let due: Vec<FolderId> = self
            .changes
            .heads
            .iter()
            .copied()
            .filter(|id| self.heads.get(id).is_some_and(|h| h.ops_bytes > LOG_OCTETS.max(h.snapshot_bytes / 2)))
            .collect();
        for id in due {
            self.snapshot(tx, id).await?;
        }
        Ok(())
    }

    async fn snapshot(&mut self, tx: &mut Tx, id: FolderId) -> TxResult<()> {
        let Some(head) = self.heads.get_mut(&id) else { return Ok(()) };
        let state = match self.states.get(&id) {
            Some(Ok(state)) => state.clone(),
            Some(Err(_)) => return Ok(()),
            // The records were inserted above, so this reads the newest state.
            None => match super::load::read_state(tx, id, head.uid_validity, head.highest_modseq, None).await? {
                Ok(state) => state,
                // A damaged log is kept as it is for who repairs it.
                Err(_) => return Ok(()),
            },
        };
        let Ok(data) = state.encode_snapshot() else { return Ok(()) };
        head.snapshot_bytes = data.len() as u64;
        head.ops_bytes = 0;
        let row = vec![id.0.into(), head.highest_modseq.into(), Bytes::from(data).into()];
        let newer = "ON CONFLICT (folder_id) DO UPDATE SET modseq = excluded.modseq, data = excluded.data";
        tx.insert("folder_snapshots (folder_id, modseq, data)", &[row], newer).await?;
        let sql = "DELETE FROM folder_ops WHERE folder_id = $1 AND modseq <= $2";
        tx.execute(sql, &[id.0.into(), head.highest_modseq.into()]).await?;
        Ok(())
    }

    async fn flush_heads(&self, tx: &mut Tx) -> TxResult<()> {
        let heads = self.changes.heads.iter().filter_map(|id| self.heads.get(id));
        let rows: Vec<Vec<Value>> = heads.map(|head| head.to_values()).collect();
        let newer = "ON CONFLICT (id) DO UPDATE SET name = excluded.name, selectable = excluded.selectable, \
             special_use = excluded.special_use, uid_next = excluded.uid_next, \
             highest_modseq = excluded.highest_modseq, messages = excluded.messages, unseen = excluded.unseen, \
             deleted = excluded.deleted, bytes = excluded.bytes, ops_bytes = excluded.ops_bytes, \
             snapshot_bytes = excluded.snapshot_bytes, acl = excluded.acl";
        tx.insert(concat!("folders (", head_columns!(), ")"), &rows, newer).await
    }

    async fn flush_marks(&self, tx: &mut Tx) -> TxResult<()> {
        let rows: Vec<Vec<Value>> = self
            .changes
            .marks
            .iter()
            .map(|(folder, mark)| {
                let retrieved = mark.retrieved_at.unwrap_or(0);
                vec![folder.0.into(), mark.uid.into(), retrieved.into(), i64::from(mark.hidden).into()]
            })
            .collect();
        // The first retrieval counts, and what is hidden stays hidden.
        let newer = "ON CONFLICT (folder_id, uid) DO UPDATE SET \
             retrieved_at = CASE WHEN pop3_marks.retrieved_at > 0 THEN pop3_marks.retrieved_at \
             ELSE excluded.retrieved_at END, \
             hidden = CASE WHEN pop3_marks.hidden > 0 THEN pop3_marks.hidden ELSE excluded.hidden END";
        tx.insert("pop3_marks (folder_id, uid, retrieved_at, hidden)", &rows, newer).await?;
        for (folder, uids) in &self.changes.marks_gone {
            let sql = "DELETE FROM pop3_marks WHERE folder_id = $1 AND uid = ANY($2)";
            tx.execute(sql, &[folder.0.into(), uids.clone().into()]).await?;
        }
        Ok(())
    }
}

/// Adds to the number of further references; one that does not read stays as it is.
const MORE_REFS: &str = "ON CONFLICT (message_id) DO UPDATE SET n = extra_refs.n + excluded.n \
     WHERE extra_refs.n > 0 AND extra_refs.n <= 9223372036854775807";

fn positive(number: i64) -> Result<i64> {
    if number > 0 { Ok(number) } else { Err(StoreError::Corrupt("a number of references".into())) }
}

/// The file's name for one more row: the staged one for the first, a link for those of other tenants.
fn claim(body: &Arc<StagedBody>, file: &StagedFile, folder: &BodyFolder, after: &mut Aftermath) -> TxResult<String> {
    let taken = after.claimed.iter().any(|claim| matches!(claim, Claim::Own(own) if Arc::ptr_eq(own, body)));
    if !taken && !file.is_claimed() {
        after.claimed.push(Claim::Own(body.clone()));
        return Ok(file.name().to_owned());
    }
    let linked = folder.link(file).map_err(|error| TxError { message: error.to_string(), fatal: false })?;
    let name = linked.name().to_owned();
    after.claimed.push(Claim::Linked(linked));
    Ok(name)
}

/// Ids by the number that is to be added to each.
fn grouped(counts: impl IntoIterator<Item = (i64, i64)>) -> BTreeMap<i64, Vec<i64>> {
    let mut groups: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (id, count) in counts {
        groups.entry(count).or_default().push(id);
    }
    groups
}

async fn flush_subscriptions(tx: &mut Tx, changes: &Changes) -> TxResult<()> {
    // In their order: a later one about the same name wins.
    for (mailbox, name, subscribed) in &changes.subscriptions {
        let row = vec![mailbox.0.into(), name.as_str().into()];
        if *subscribed {
            tx.insert("subscriptions (mailbox_id, name)", &[row], "ON CONFLICT (mailbox_id, name) DO NOTHING").await?;
        } else {
            tx.execute("DELETE FROM subscriptions WHERE mailbox_id = $1 AND name = $2", &row).await?;
        }
    }
    Ok(())
}

/// References that went: copies first, then message rows, then bodies that nobody refers to.
async fn flush_removed(tx: &mut Tx, changes: &Changes, after: &mut Aftermath) -> TxResult<()> {
    if changes.removed.is_empty() {
        return Ok(());
    }
    let mut removed: BTreeMap<i64, i64> = changes.removed.iter().map(|(id, n)| (id.0, *n)).collect();
    let ids: Vec<i64> = removed.keys().copied().collect();
    let (mut fewer, mut spent) = (Vec::new(), Vec::new());
    for row in tx.query("SELECT message_id, n FROM extra_refs WHERE message_id = ANY($1)", &[ids.into()]).await? {
        let Ok(id) = row.int(0) else { continue };
        let Ok(extra) = row.int(1).and_then(positive) else {
            // How many folders still show it is not known: it stays, and so does the number, for who repairs it.
            tracing::error!(message = id, "the number of a message's references does not read");
            removed.remove(&id);
            continue;
        };
        let gone = removed.get(&id).copied().unwrap_or(0);
        if gone < extra {
            fewer.push(vec![id.into(), (-gone).into()]);
        } else {
            spent.push(id);
        }
        // n further references and the first one: all must go before the row does.
        if gone <= extra {
            removed.remove(&id);
        }
    }
    tx.insert("extra_refs (message_id, n)", &fewer, MORE_REFS).await?;
    if !spent.is_empty() {
        tx.execute("DELETE FROM extra_refs WHERE message_id = ANY($1)", &[spent.into()]).await?;
    }
    let dead: Vec<i64> = removed.into_keys().collect();
    remove_messages(tx, dead, after).await
}

async fn remove_messages(tx: &mut Tx, dead: Vec<i64>, after: &mut Aftermath) -> TxResult<()> {
    if dead.is_empty() {
        return Ok(());
    }
    let mut bodies: BTreeMap<i64, i64> = BTreeMap::new();
    for row in tx.query("DELETE FROM messages WHERE id = ANY($1) RETURNING body_id", &[dead.into()]).await? {
        if let Ok(id) = row.int(0) {
            *bodies.entry(id).or_default() += 1;
        }
    }
    let mut spent = Vec::new();
    for (count, ids) in grouped(bodies) {
        // A number that does not read, or is too low, is left for who repairs it: counting on from it would remove a
        // body that messages still need.
        let sql = "UPDATE bodies SET refs = refs - $1 \
             WHERE id = ANY($2) AND refs >= $1 AND refs <= 9223372036854775807 RETURNING id, refs";
        let wanted = ids.len();
        let counted = tx.query(sql, &[count.into(), ids.into()]).await?;
        if counted.len() != wanted {
            tracing::error!("the number of a body's references does not read, or is too low: the body stays");
        }
        spent.extend(
            counted.iter().filter(|row| row.int(1).is_ok_and(|refs| refs == 0)).filter_map(|row| row.int(0).ok()),
        );
    }
    let sql = "DELETE FROM bodies WHERE id = ANY($1) RETURNING id, file";
    let mut gone = Vec::new();
    for row in tx.query(sql, &[spent.into()]).await? {
        gone.extend(row.int(0).ok());
        after.orphaned.extend(row.text(1).ok().filter(|name| !name.is_empty()).map(str::to_owned));
    }
    tx.execute("DELETE FROM body_octets WHERE body_id = ANY($1)", &[gone.into()]).await?;
    Ok(())
}
