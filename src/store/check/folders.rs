//! A mailbox: its heads against its logs, its messages against its folders, its usage against both.
//!
//! All of it in one moment of the database. Invariant: what cannot be known because of one finding is no second one.

use super::{Damage, Finding};
use crate::model::Usage;
use crate::model::ids::{FolderId, MailboxId};
use crate::store::folder_log::FolderOp;
use crate::store::head::{FIRST_MODSEQ, Head, head_columns};
use crate::store::load::usage_of;
use crate::store::tx::{Columns, Tx};
use crate::store::{Counts, FolderState, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Message rows read by one query.
const BATCH: usize = 500;

/// What a mailbox was found to be.
#[derive(Default)]
pub(super) struct Seen {
    pub findings: Vec<Finding>,
    pub folders: u64,
    /// How often folders show each message.
    pub references: BTreeMap<i64, i64>,
    /// True when every folder's log was read.
    pub complete: bool,
    pub counted: Vec<Counted>,
    pub usage: Usage,
}

/// What a folder's head should count.
pub(super) struct Counted {
    pub folder: FolderId,
    pub counts: Counts,
    pub ops_bytes: u64,
    pub snapshot_bytes: u64,
}

/// A set of ids that lie close together.
#[derive(Default)]
pub(super) struct IdSet {
    pages: HashMap<i64, Box<[u64; 1024]>>,
}

impl IdSet {
    pub fn insert(&mut self, id: i64) {
        let page = self.pages.entry(id >> 16).or_insert_with(|| Box::new([0; 1024]));
        let (word, bit) = Self::place(id);
        if let Some(word) = page.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    pub fn contains(&self, id: i64) -> bool {
        let (word, bit) = Self::place(id);
        self.pages.get(&(id >> 16)).and_then(|page| page.get(word)).is_some_and(|word| word >> bit & 1 == 1)
    }

    fn place(id: i64) -> (usize, u32) {
        let within = (id & 0xffff) as usize;
        (within >> 6, (within & 63) as u32)
    }
}

/// The next mailboxes that hold anything.
pub(super) async fn mailboxes(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<MailboxId>> {
    let mut ids = BTreeSet::new();
    for sql in [
        "SELECT mailbox_id FROM usage WHERE mailbox_id > $1 ORDER BY mailbox_id LIMIT $2",
        "SELECT DISTINCT mailbox_id FROM folders WHERE mailbox_id > $1 ORDER BY mailbox_id LIMIT $2",
    ] {
        let rows = tx.query(sql, &[after.into(), limit.into()]).await?;
        ids.extend(rows.iter().filter_map(|row| row.int(0).ok()).map(MailboxId));
    }
    Ok(ids.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
}

/// What a head says, as far as it reads.
struct Says {
    folder: FolderId,
    uid_validity: u32,
    uid_next: u32,
    modseq: u64,
    counts: Option<Counts>,
    ops_bytes: Option<u64>,
    snapshot_bytes: Option<u64>,
}

impl Says {
    fn of(row: &Columns) -> Option<Self> {
        let counts = || {
            let (messages, unseen, deleted) = (row.small(9).ok()?, row.small(10).ok()?, row.small(11).ok()?);
            Some(Counts { messages, unseen, deleted, bytes: row.unsigned(12).ok()? })
        };
        Some(Self {
            folder: FolderId(row.int(0).ok()?),
            uid_validity: row.small(6).ok()?,
            uid_next: row.small(7).ok()?,
            modseq: row.unsigned(8).ok()?,
            counts: counts(),
            ops_bytes: row.unsigned(13).ok(),
            snapshot_bytes: row.unsigned(14).ok(),
        })
    }
}

/// Looks at a mailbox.
pub(super) async fn inspect(tx: &mut Tx, mailbox: MailboxId) -> Result<Seen> {
    const HEADS: &str = concat!("SELECT ", head_columns!(), " FROM folders WHERE mailbox_id = $1 ORDER BY id");
    let mut seen = Seen { complete: true, ..Seen::default() };
    let mut sizes: BTreeMap<i64, u32> = BTreeMap::new();
    for row in tx.query(HEADS, &[mailbox.0.into()]).await? {
        seen.folders += 1;
        let object = format!("folder {} of mailbox {mailbox}", row.int(0)?);
        let damaged = Head::read(&row)?.err();
        if let Some(damaged) = &damaged {
            seen.findings.push(Finding::new(Damage::HeadUnreadable, object.as_str(), damaged.why()));
        }
        let state = match Says::of(&row) {
            Some(says) => folder(tx, &says, &object, damaged.is_none(), &mut seen).await?,
            None => None,
        };
        let Some(state) = state else {
            seen.complete = false;
            continue;
        };
        for row in state.rows_from(0) {
            *seen.references.entry(row.message.0).or_default() += 1;
            sizes.insert(row.message.0, row.size);
        }
        let counts = state.counts();
        seen.usage.bytes += counts.bytes;
        seen.usage.messages += u64::from(counts.messages);
    }
    messages(tx, mailbox, &sizes, &mut seen).await?;
    if seen.complete {
        usage(tx, mailbox, &mut seen).await?;
    }
    Ok(seen)
}

/// A folder's log against its head; the state where the log reads.
async fn folder(
    tx: &mut Tx,
    says: &Says,
    object: &str,
    head_reads: bool,
    seen: &mut Seen,
) -> Result<Option<FolderState>> {
    let Some((state, sizes)) = replay(tx, says, object, &mut seen.findings).await? else { return Ok(None) };
    let mut found = |damage, detail: String| seen.findings.push(Finding::new(damage, object, detail));
    if state.highest_modseq > says.modseq {
        found(Damage::Modseq, format!("the log goes up to {}, HIGHESTMODSEQ is {}", state.highest_modseq, says.modseq));
    } else if state.rows_from(0).any(|row| row.modseq > state.highest_modseq) {
        found(Damage::Modseq, "a message's is above HIGHESTMODSEQ".to_owned());
    }
    if state.uid_next != says.uid_next {
        found(Damage::UidNext, format!("it is {}, the log says {}", says.uid_next, state.uid_next));
    }
    let counts = state.counts();
    if head_reads && says.counts != Some(counts) {
        found(Damage::HeadCounter, format!("it says {:?}, the log {counts:?}", says.counts.unwrap_or_default()));
    }
    let (ops_bytes, snapshot_bytes) = sizes;
    if head_reads && (says.ops_bytes, says.snapshot_bytes) != (Some(ops_bytes), Some(snapshot_bytes)) {
        found(Damage::HeadCounter, format!("the log has {ops_bytes} octets, the snapshot {snapshot_bytes}"));
    }
    seen.counted.push(Counted { folder: says.folder, counts, ops_bytes, snapshot_bytes });
    Ok(Some(state))
}

/// The snapshot and the log behind it, with the octets of both; `None` where they do not lead to a state.
async fn replay(
    tx: &mut Tx,
    says: &Says,
    object: &str,
    findings: &mut Vec<Finding>,
) -> Result<Option<(FolderState, (u64, u64))>> {
    let mut found = |damage, detail: String| findings.push(Finding::new(damage, object, detail));
    let id = says.folder.0;
    let (mut state, mut snapshot_bytes) = (FolderState::empty(says.uid_validity, FIRST_MODSEQ), 0);
    let rows = tx.query("SELECT modseq, data FROM folder_snapshots WHERE folder_id = $1", &[id.into()]).await?;
    if let Some(row) = rows.first() {
        let read = row.blob(1).and_then(|data| Ok((FolderState::decode_snapshot(&data)?, data.len() as u64)));
        match read {
            Ok((read, octets)) => (state, snapshot_bytes) = (read, octets),
            Err(error) => {
                found(Damage::Snapshot, error.to_string());
                return Ok(None);
            }
        }
        if row.int(0).ok() != i64::try_from(state.highest_modseq).ok() || state.uid_validity != says.uid_validity {
            found(Damage::Snapshot, "it is of another state than its row says".to_owned());
        }
    }
    let mut ops_bytes = 0;
    let sql = "SELECT modseq, op FROM folder_ops WHERE folder_id = $1 ORDER BY modseq";
    for row in tx.query(sql, &[id.into()]).await? {
        let (at, next) = (row.unsigned(0).unwrap_or(0), state.highest_modseq + 1);
        if at < next {
            found(Damage::LogRecord, format!("record {at} stands although the snapshot holds it"));
            continue;
        }
        if at > next {
            found(Damage::LogGap, format!("record {next} is missing"));
            return Ok(None);
        }
        let read = row.blob(1).and_then(|record| Ok((FolderOp::decode(&record)?, record.len() as u64)));
        let Ok((op, octets)) = read else {
            found(Damage::LogRecord, format!("record {at} does not read"));
            return Ok(None);
        };
        ops_bytes += octets;
        if let FolderOp::Append(rows) = &op
            && rows.iter().map(|row| row.uid).try_fold(state.uid_next, next_uid).is_none()
        {
            found(
                Damage::UidOrder,
                format!("record {at} brings UIDs that are below {} or do not rise", state.uid_next),
            );
            return Ok(None);
        }
        state.apply_in_place(at, &op);
    }
    if state.highest_modseq < says.modseq {
        found(Damage::LogGap, format!("the log ends at {}, HIGHESTMODSEQ is {}", state.highest_modseq, says.modseq));
        return Ok(None);
    }
    Ok(Some((state, (ops_bytes, snapshot_bytes))))
}

fn next_uid(least: u32, uid: u32) -> Option<u32> {
    (uid >= least).then(|| uid.saturating_add(1))
}

/// The rows of the messages that folders show.
async fn messages(tx: &mut Tx, mailbox: MailboxId, sizes: &BTreeMap<i64, u32>, seen: &mut Seen) -> Result<()> {
    let all: Vec<i64> = seen.references.keys().copied().collect();
    for ids in all.chunks(BATCH) {
        let sql = "SELECT m.id, m.mailbox_id, m.size, CAST(LENGTH(m.prefix) AS BIGINT), COALESCE(b.size, -1) \
             FROM messages m LEFT JOIN bodies b ON b.id = m.body_id WHERE m.id = ANY($1)";
        let rows = tx.query(sql, &[ids.to_vec().into()]).await?;
        let rows: HashMap<i64, &Columns> = rows.iter().filter_map(|row| Some((row.int(0).ok()?, row))).collect();
        let sql = "SELECT message_id, n FROM extra_refs WHERE message_id = ANY($1)";
        let extra = tx.query(sql, &[ids.to_vec().into()]).await?;
        let extra: HashMap<i64, Option<i64>> =
            extra.iter().filter_map(|row| Some((row.int(0).ok()?, row.int(1).ok()))).collect();
        for id in ids {
            let object = format!("message {id} of mailbox {mailbox}");
            let mut found = |damage, detail: String| seen.findings.push(Finding::new(damage, object.as_str(), detail));
            let Some(row) = rows.get(id) else {
                found(Damage::MessageMissing, "a folder shows it, and its row is not there".to_owned());
                continue;
            };
            if row.int(1).ok() != Some(mailbox.0) {
                found(Damage::MessageMissing, "a folder shows it, and its row is of another mailbox".to_owned());
                continue;
            }
            let (shown, stored, prefix) = (sizes.get(id).copied().map(i64::from), row.int(2).ok(), row.int(3).ok());
            // Whether the body is there is looked at body by body.
            let body = row.int(4).ok().filter(|size| *size >= 0);
            let sum = body.and_then(|body| Some(body + prefix?));
            if shown != stored || body.is_some() && sum != stored {
                found(Damage::MessageSize, format!("the folder says {shown:?}, its row {stored:?}, its parts {sum:?}"));
            }
            let further = seen.references.get(id).map_or(0, |shown| shown - 1);
            let says = extra.get(id).copied().unwrap_or(Some(0));
            // Another folder that does not read may show it, too.
            if seen.complete && says != Some(further) {
                found(Damage::MessageReferences, format!("{says:?} further ones are noted, {further} were counted"));
            }
        }
    }
    Ok(())
}

async fn usage(tx: &mut Tx, mailbox: MailboxId, seen: &mut Seen) -> Result<()> {
    let sql = "SELECT mailbox_id, bytes, messages FROM usage WHERE mailbox_id = $1";
    let rows = tx.query(sql, &[mailbox.0.into()]).await?;
    let says = rows.first().map(usage_of);
    let detail = match says {
        None => "it is missing".to_owned(),
        Some(None) => "it does not read".to_owned(),
        Some(Some(says)) if says != seen.usage => format!("it says {says:?}, the folders {:?}", seen.usage),
        Some(Some(_)) => return Ok(()),
    };
    seen.findings.push(Finding::new(Damage::Usage, format!("mailbox {mailbox}"), detail));
    Ok(())
}
