//! Mends counters and numbers of references, as those who write them would: under the mailbox's lock, or by the
//! difference, so that what a server counts meanwhile stays counted.
//!
//! It removes nothing and invents nothing.

use super::bodies::Wrong;
use super::folders::{self, Seen};
use super::{Damage, Finding, Inspector};
use crate::model::ids::MailboxId;
use crate::store::Result;
use crate::store::tx::Tx;

/// Whether a kind of damage can be mended from what else is there.
pub(super) fn mends(damage: Damage) -> bool {
    matches!(damage, Damage::HeadUnreadable | Damage::HeadCounter | Damage::Usage | Damage::MessageReferences)
}

impl Inspector {
    /// Counts a mailbox anew under its lock; answers what it was found to be, with what is mended marked as such.
    pub(super) async fn repair_mailbox(&self, id: MailboxId) -> Result<Seen> {
        let mut tx = self.begin(true).await?;
        if tx.is_shared() {
            let lock = "SELECT mailbox_id FROM usage WHERE mailbox_id = $1 FOR UPDATE";
            tx.query(lock, &[id.0.into()]).await?;
        }
        let before = folders::inspect(&mut tx, id).await?;
        write_heads(&mut tx, &before).await?;
        if before.complete {
            write_references(&mut tx, &before).await?;
            let row = vec![id.0.into(), before.usage.bytes.into(), before.usage.messages.into()];
            let anew = "ON CONFLICT (mailbox_id) DO UPDATE SET bytes = excluded.bytes, messages = excluded.messages";
            tx.insert("usage (mailbox_id, bytes, messages)", &[row], anew).await?;
        }
        let mut after = folders::inspect(&mut tx, id).await?;
        tx.commit().await?;
        let left = std::mem::take(&mut after.findings);
        let is_left =
            |finding: &Finding| left.iter().any(|l| (l.damage, &l.object) == (finding.damage, &finding.object));
        after.findings = before.findings;
        for finding in &mut after.findings {
            finding.repaired = !is_left(finding);
        }
        // What only shows now that the rest is mended.
        let was: Vec<(Damage, String)> = after.findings.iter().map(|f| (f.damage, f.object.clone())).collect();
        after.findings.extend(left.into_iter().filter(|f| !was.contains(&(f.damage, f.object.clone()))));
        Ok(after)
    }

    /// Sets the number of a body's references right by the difference: messages that come or go meanwhile count
    /// themselves.
    pub(super) async fn repair_references(&self, wrong: &Wrong) -> Result<()> {
        let mut tx = self.begin(true).await?;
        match wrong.says {
            Some(Some(says)) => {
                let sql = "UPDATE bodies SET refs = refs + $1 WHERE id = $2";
                tx.execute(sql, &[(wrong.counted - says).into(), wrong.id.into()]).await?;
            }
            // From what is no number no difference leads anywhere: counted here, where nobody else writes.
            _ => {
                let sql = "UPDATE bodies SET refs = (SELECT COUNT(*) FROM messages WHERE body_id = $1) WHERE id = $1";
                tx.execute(sql, &[wrong.id.into()]).await?;
            }
        }
        Ok(tx.commit().await?)
    }
}

async fn write_heads(tx: &mut Tx, seen: &Seen) -> Result<()> {
    for folder in &seen.counted {
        let counts = folder.counts;
        let sql = "UPDATE folders SET messages = $1, unseen = $2, deleted = $3, bytes = $4, ops_bytes = $5, \
             snapshot_bytes = $6 WHERE id = $7";
        let values = [
            counts.messages.into(),
            counts.unseen.into(),
            counts.deleted.into(),
            counts.bytes.into(),
            folder.ops_bytes.into(),
            folder.snapshot_bytes.into(),
            folder.folder.0.into(),
        ];
        tx.execute(sql, &values).await?;
    }
    Ok(())
}

async fn write_references(tx: &mut Tx, seen: &Seen) -> Result<()> {
    let wrong = |finding: &&Finding| finding.damage == Damage::MessageReferences;
    if !seen.findings.iter().any(|finding| wrong(&finding)) {
        return Ok(());
    }
    let all: Vec<i64> = seen.references.keys().copied().collect();
    for ids in all.chunks(500) {
        tx.execute("DELETE FROM extra_refs WHERE message_id = ANY($1)", &[ids.to_vec().into()]).await?;
    }
    let further = seen.references.iter().filter(|(_, shown)| **shown > 1);
    let rows: Vec<Vec<_>> = further.map(|(id, shown)| vec![(*id).into(), (shown - 1).into()]).collect();
    Ok(tx.insert("extra_refs (message_id, n)", &rows, "").await?)
}
