//! What a batch needs to know, read in a handful of set-based queries before its first write.
//!
//! Locks, where there are other nodes: the usage rows of the mailboxes, rising, then bodies,
//! rising. Invariant: a loaded state is at the MODSEQ that its head names.

use super::batch::{Batch, BodyKey};
use super::folder_log::FolderOp;
use super::head::{FIRST_MODSEQ, Head, head_columns};
use super::ids::{IdNeeds, Ids};
use super::stager::StagedBody;
use super::tx::{Columns, Tx, TxResult, Value};
use super::{FolderState, MailboxRef, Result, StoreError};
use crate::model::Usage;
use crate::model::ids::{FolderId, MailboxId, TenantId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What the writes of a batch ask for before they run.
#[derive(Default)]
pub(super) struct Needs {
    /// Every mailbox that is written to: its INBOX is loaded, its default folders exist.
    pub mailboxes: BTreeMap<MailboxId, MailboxRef>,
    /// Mailboxes of which all folders are loaded.
    pub whole: BTreeSet<MailboxId>,
    /// Folders.
    pub folders: BTreeSet<FolderId>,
    /// Bodies that may be there already.
    pub bodies: Vec<(TenantId, Arc<StagedBody>)>,
    /// Folders (0: the mailbox as a whole) whose annotations change.
    pub annotations: BTreeSet<(MailboxId, FolderId)>,
    /// New messages.
    pub messages: usize,
    /// New folders.
    pub new_folders: usize,
    /// States that a reader loaded already; they are brought up to date.
    pub preloaded: Vec<(FolderId, Arc<FolderState>)>,
}

/// Stands in a usage row that is not counted yet; no counter is ever negative.
const UNCOUNTED: i64 = -1;

const HEADS_OF: &str = concat!("SELECT ", head_columns!(), " FROM folders WHERE mailbox_id = ANY($1)");
const INBOXES_OF: &str =
    concat!("SELECT ", head_columns!(), " FROM folders WHERE mailbox_id = ANY($1) AND name = 'INBOX'");
const HEADS: &str = concat!("SELECT ", head_columns!(), " FROM folders WHERE id = ANY($1)");

impl<'w> Batch<'w> {
    /// Loads heads, usage and bodies; states come with [`Batch::load_states`].
    pub async fn load(tx: &mut Tx, ids: &'w mut Ids, needs: &Needs, now: i64) -> Result<Batch<'w>> {
        let mut batch = Batch {
            ids,
            now,
            heads: BTreeMap::new(),
            damaged: BTreeMap::new(),
            usage: BTreeMap::new(),
            states: HashMap::new(),
            bodies: HashMap::new(),
            inboxes: HashMap::new(),
            changes: Default::default(),
            annotations: HashMap::new(),
            annotated: HashMap::new(),
            gone: Vec::new(),
        };
        let fresh = batch.load_usage(tx, needs).await?;
        batch.load_heads(tx, needs, &fresh).await?;
        let newcomers = batch.settle_usage(fresh, needs);
        let wanted = IdNeeds {
            folders: (newcomers.len() * super::head::DEFAULT_FOLDERS.len() + needs.new_folders) as i64,
            messages: needs.messages as i64,
            bodies: needs.bodies.len() as i64,
        };
        batch.ids.reserve(tx, wanted, now).await?;
        for mailbox in newcomers {
            batch.create_defaults(mailbox)?;
        }
        batch.load_bodies(tx, needs).await?;
        batch.load_annotations(tx, needs).await?;
        Ok(batch)
    }

    /// Reads (and, among nodes, locks) what the mailboxes hold; answers those that were never touched.
    async fn load_usage(&mut self, tx: &mut Tx, needs: &Needs) -> Result<Vec<MailboxId>> {
        let wanted: Vec<i64> = needs.mailboxes.keys().map(|id| id.0).collect();
        self.read_usage(tx, wanted.clone()).await?;
        let fresh: Vec<MailboxId> = needs.mailboxes.keys().copied().filter(|id| !self.usage.contains_key(id)).collect();
        if !fresh.is_empty() {
            // Nothing is counted yet, and that is no zero: the row may have got lost from a mailbox that holds mail.
            let rows = fresh.iter().map(|id| vec![id.0.into(), UNCOUNTED.into(), UNCOUNTED.into()]);
            let rows: Vec<Vec<Value>> = rows.collect();
            tx.insert("usage (mailbox_id, bytes, messages)", &rows, "ON CONFLICT (mailbox_id) DO NOTHING").await?;
            self.read_usage(tx, wanted).await?;
        }
        Ok(fresh)
    }

    async fn read_usage(&mut self, tx: &mut Tx, wanted: Vec<i64>) -> Result<()> {
        let sql = if tx.is_shared() {
            "SELECT mailbox_id, bytes, messages FROM usage WHERE mailbox_id = ANY($1) ORDER BY mailbox_id FOR UPDATE"
        } else {
            "SELECT mailbox_id, bytes, messages FROM usage WHERE mailbox_id = ANY($1)"
        };
        for row in tx.query(sql, &[wanted.into()]).await? {
            self.usage.insert(MailboxId(row.int(0)?), usage_of(&row));
        }
        Ok(())
    }

    /// Counts the mailboxes that had no usage row; answers those that were never touched.
    fn settle_usage(&mut self, fresh: Vec<MailboxId>, needs: &Needs) -> Vec<MailboxRef> {
        let mut newcomers = Vec::new();
        for id in fresh {
            let mut heads = self.heads.values().filter(|head| head.mailbox == id).peekable();
            let is_new = heads.peek().is_none() && self.all_undamaged(id).is_ok();
            let counts = heads.fold(Usage::default(), |sum, head| Usage {
                bytes: sum.bytes.saturating_add(head.counts.bytes),
                messages: sum.messages.saturating_add(head.counts.messages.into()),
            });
            if self.usage.get(&id).is_some_and(Option::is_none) && self.all_undamaged(id).is_ok() {
                self.usage.insert(id, Some(counts));
                self.changes.usage.insert(id);
            }
            newcomers.extend(needs.mailboxes.get(&id).filter(|_| is_new));
        }
        newcomers
    }

    async fn load_heads(&mut self, tx: &mut Tx, needs: &Needs, fresh: &[MailboxId]) -> Result<()> {
        let whole: Vec<i64> = needs.whole.iter().chain(fresh).map(|id| id.0).collect();
        let inboxes: Vec<i64> = needs.mailboxes.keys().map(|id| id.0).collect();
        let folders: Vec<i64> = needs.folders.iter().map(|id| id.0).collect();
        for (sql, wanted) in [(HEADS_OF, whole), (INBOXES_OF, inboxes), (HEADS, folders)] {
            if wanted.is_empty() {
                continue;
            }
            for row in tx.query(sql, &[wanted.into()]).await? {
                match Head::read(&row)? {
                    Ok(head) => {
                        self.note_inbox(&head);
                        self.heads.insert(head.id, head);
                    }
                    Err(damaged) => drop(self.damaged.insert(damaged.id, damaged)),
                }
            }
        }
        Ok(())
    }

    async fn load_bodies(&mut self, tx: &mut Tx, needs: &Needs) -> Result<()> {
        let mut by_tenant: BTreeMap<TenantId, (Vec<i64>, BTreeSet<[u8; 32]>)> = BTreeMap::new();
        for (tenant, body) in &needs.bodies {
            let (keys, hashes) = by_tenant.entry(*tenant).or_default();
            if hashes.insert(body.hash) {
                keys.push(body.hash_key());
            }
        }
        let sql = if tx.is_shared() {
            "SELECT id, hash, refs FROM bodies WHERE tenant_id = $1 AND hash_key = ANY($2) ORDER BY id FOR UPDATE"
        } else {
            "SELECT id, hash, refs FROM bodies WHERE tenant_id = $1 AND hash_key = ANY($2)"
        };
        for (tenant, (keys, _)) in by_tenant {
            for row in tx.query(sql, &[tenant.0.into(), keys.into()]).await? {
                // One more reference cannot be counted where their number does not read: the body is stored anew.
                let counted = row.int(2).is_ok_and(|refs| refs > 0);
                // The key is half of what can be trusted: only the whole hash says that it is the same body.
                let hash = row.blob(1).ok().and_then(|hash| <[u8; 32]>::try_from(&hash[..]).ok());
                if let Some(hash) = hash.filter(|_| counted) {
                    let key: BodyKey = (tenant, hash);
                    self.bodies.insert(key, row.int(0)?);
                }
            }
        }
        Ok(())
    }

    /// Loads states, from what is open on this node as far as it goes.
    pub async fn load_states(
        &mut self,
        tx: &mut Tx,
        folders: BTreeSet<FolderId>,
        open: impl Fn(FolderId) -> Option<Arc<FolderState>>,
    ) -> TxResult<()> {
        for folder in folders {
            if self.states.contains_key(&folder) {
                continue;
            }
            let Some(head) = self.heads.get(&folder) else { continue };
            let (validity, modseq) = (head.uid_validity, head.highest_modseq);
            let state = match open(folder) {
                Some(state) if state.highest_modseq >= modseq => Ok(state),
                base => read_state(tx, folder, validity, modseq, base).await?,
            };
            self.states.insert(folder, state);
        }
        Ok(())
    }
}

/// What a row of `mailbox_id, bytes, messages` says; `None` when it does not read.
pub(super) fn usage_of(row: &Columns) -> Option<Usage> {
    Some(Usage { bytes: row.unsigned(1).ok()?, messages: row.unsigned(2).ok()? })
}

/// A folder's state at `modseq`, from `base` or the snapshot, and the log since. The outer error is the
/// database's, the inner one this folder's alone.
pub(super) async fn read_state(
    tx: &mut Tx,
    folder: FolderId,
    uid_validity: u32,
    modseq: u64,
    base: Option<Arc<FolderState>>,
) -> TxResult<Result<Arc<FolderState>>> {
    if let Some(base) = base.filter(|base| base.uid_validity == uid_validity && base.highest_modseq <= modseq) {
        // Nothing of the log since may have gone into a snapshot meanwhile; then the snapshot is the way.
        if let Ok(state) = replay(tx, folder, modseq, base).await? {
            return Ok(Ok(state));
        }
    }
    let state = from_snapshot(tx, folder, uid_validity, modseq).await?;
    if state.is_err() && tx.is_shared() {
        // Snapshot and log are two reads: another node may have put records into a newer snapshot in between.
        return from_snapshot(tx, folder, uid_validity, modseq).await;
    }
    Ok(state)
}

async fn from_snapshot(
    tx: &mut Tx,
    folder: FolderId,
    uid_validity: u32,
    modseq: u64,
) -> TxResult<Result<Arc<FolderState>>> {
    let rows = tx.query("SELECT data FROM folder_snapshots WHERE folder_id = $1", &[folder.0.into()]).await?;
    let start = match rows.first() {
        None => Ok(FolderState::empty(uid_validity, FIRST_MODSEQ)),
        Some(row) => row.blob(0).and_then(|data| FolderState::decode_snapshot(&data)),
    };
    match start {
        Ok(start) => replay(tx, folder, modseq, Arc::new(start)).await,
        Err(error) => Ok(Err(error)),
    }
}

async fn replay(
    tx: &mut Tx,
    folder: FolderId,
    modseq: u64,
    base: Arc<FolderState>,
) -> TxResult<Result<Arc<FolderState>>> {
    if base.highest_modseq >= modseq {
        return Ok(Ok(base));
    }
    let sql = "SELECT modseq, op FROM folder_ops WHERE folder_id = $1 AND modseq > $2 ORDER BY modseq";
    let rows = tx.query(sql, &[folder.0.into(), base.highest_modseq.into()]).await?;
    let run = || -> Result<Arc<FolderState>> {
        let mut state = FolderState::clone(&base);
        for row in &rows {
            let at = row.unsigned(0)?;
            // Every MODSEQ is one record, so a gap means that one is lost.
            if at != state.highest_modseq + 1 {
                return Err(StoreError::Corrupt(format!("folder {folder} lacks a record before {at}")));
            }
            state.apply_in_place(at, &FolderOp::decode(&row.blob(1)?)?);
        }
        // More may have been committed by another node since the head was read without its lock.
        if state.highest_modseq < modseq {
            return Err(StoreError::Corrupt(format!("folder {folder} lacks records up to {modseq}")));
        }
        Ok(Arc::new(state))
    };
    Ok(run())
}
