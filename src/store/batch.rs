//! One group commit while it is worked on: what its writes read, and what they will write.
//!
//! Everything is loaded before the first write and flushed after the last one (`load.rs`,
//! `flush.rs`), so that the writes in between are plain code without waiting. Invariant: a write
//! that answers an error has changed nothing here.

use super::damage::DamagedHead;
use super::folder_log::FolderOp;
use super::head::{DEFAULT_FOLDERS, Head};
use super::ids::Ids;
use super::stager::StagedBody;
use super::{Appended, FolderState, MailboxRef, Result, Row, StoreError};
use crate::model::ids::{FolderId, MailboxId, MessageId, TenantId};
use crate::model::{Flags, FolderName, Quota, UidSet, Usage};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A body within its tenant.
pub(super) type BodyKey = (TenantId, [u8; 32]);

/// One group commit.
pub(super) struct Batch<'w> {
    pub(super) ids: &'w mut Ids,
    pub(super) now: i64,
    pub(super) heads: BTreeMap<FolderId, Head>,
    /// Heads that do not read.
    pub(super) damaged: BTreeMap<FolderId, DamagedHead>,
    /// What mailboxes hold; `None` where the counter does not read: then nothing is added, and nothing written back.
    pub(super) usage: BTreeMap<MailboxId, Option<Usage>>,
    pub(super) states: HashMap<FolderId, Result<Arc<FolderState>>>,
    pub(super) bodies: HashMap<BodyKey, i64>,
    pub(super) inboxes: HashMap<MailboxId, FolderId>,
    pub(super) changes: Changes,
    /// Octets of annotations by entry, where they were asked for.
    pub(super) annotations: HashMap<(MailboxId, FolderId), BTreeMap<String, u64>>,
    /// Octets of all annotations of a mailbox.
    pub(super) annotated: HashMap<MailboxId, u64>,
    /// Folders that were asked for and are not there.
    pub(super) gone: Vec<FolderId>,
}

/// What a batch will write.
#[derive(Default)]
pub(super) struct Changes {
    pub heads: BTreeSet<FolderId>,
    pub states: BTreeSet<FolderId>,
    pub usage: BTreeSet<MailboxId>,
    pub ops: Vec<(FolderId, u64, Vec<u8>)>,
    pub messages: Vec<NewRow>,
    pub bodies: Vec<(i64, TenantId, Arc<StagedBody>)>,
    pub body_refs: BTreeMap<i64, i64>,
    pub copies: BTreeMap<MessageId, i64>,
    pub removed: BTreeMap<MessageId, i64>,
    pub deleted_folders: Vec<FolderId>,
    pub deleted_mailboxes: Vec<MailboxId>,
    pub subscriptions: Vec<(MailboxId, String, bool)>,
    pub annotations: Vec<(MailboxId, FolderId, String, Option<Bytes>)>,
    pub annotation_copies: Vec<(MailboxId, FolderId, FolderId)>,
    pub annotations_gone: Vec<(MailboxId, FolderId)>,
    pub url_epochs: Vec<(MailboxId, FolderId)>,
    pub marks: Vec<(FolderId, super::Pop3Mark)>,
    pub marks_gone: BTreeMap<FolderId, Vec<i64>>,
}

/// A message row to be.
pub(super) struct NewRow {
    pub id: MessageId,
    pub mailbox: MailboxId,
    pub body: i64,
    pub size: u64,
    pub prefix: Bytes,
}

/// A message on its way into a folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming {
    pub message: MessageId,
    pub flags: Flags,
    pub size: u32,
    pub internal_date: i64,
}

impl Changes {
    /// True when nothing must be written.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
            && self.usage.is_empty()
            && self.subscriptions.is_empty()
            && self.deleted_mailboxes.is_empty()
            && self.marks.is_empty()
            && self.annotations.is_empty()
            && self.url_epochs.is_empty()
    }
}

fn exhausted() -> StoreError {
    StoreError::Failed("no number is left".into())
}

impl Batch<'_> {
    /// A folder of this mailbox that can hold messages.
    pub fn head(&self, mailbox: MailboxId, folder: FolderId) -> Result<&Head> {
        let head = self.heads.get(&folder).ok_or_else(|| self.absent(folder))?;
        (head.mailbox == mailbox && head.selectable).then_some(head).ok_or(StoreError::NoSuchFolder)
    }

    /// Remembers where deliveries go.
    pub fn note_inbox(&mut self, head: &Head) {
        if head.name.is_inbox() {
            self.inboxes.insert(head.mailbox, head.id);
        }
    }

    /// A folder by name, selectable or not; needs the whole mailbox loaded.
    pub fn named(&self, mailbox: MailboxId, name: &FolderName) -> Option<&Head> {
        self.heads.values().find(|head| head.mailbox == mailbox && head.name == *name)
    }

    /// A folder's state; needs to have been asked for.
    pub fn state(&self, folder: FolderId) -> Result<Arc<FolderState>> {
        match self.states.get(&folder) {
            Some(Ok(state)) => Ok(state.clone()),
            Some(Err(StoreError::Corrupt(what))) => Err(StoreError::Corrupt(what.clone())),
            Some(Err(error)) => Err(StoreError::Failed(error.to_string())),
            None => Err(StoreError::NoSuchFolder),
        }
    }

    /// What a mailbox holds.
    fn usage(&self, mailbox: MailboxId) -> Result<Usage> {
        let unreadable = || StoreError::Corrupt(format!("the usage counter of mailbox {mailbox}"));
        self.usage.get(&mailbox).copied().unwrap_or(Some(Usage::default())).ok_or_else(unreadable)
    }

    /// Refuses what the quota has no room for.
    pub fn check_quota(&self, mailbox: MailboxId, quota: Quota, more: Usage) -> Result<()> {
        if quota.has_room(self.usage(mailbox)?, more) { Ok(()) } else { Err(StoreError::OverQuota) }
    }

    /// Counts what came in.
    pub fn add_usage(&mut self, mailbox: MailboxId, more: Usage) {
        self.count(mailbox, |usage| Usage {
            bytes: usage.bytes.saturating_add(more.bytes),
            messages: usage.messages.saturating_add(more.messages),
        });
    }

    /// Counts what went. Less than an unknown number is an unknown number: that stays for who repairs it.
    pub fn sub_usage(&mut self, mailbox: MailboxId, less: Usage) {
        self.count(mailbox, |usage| Usage {
            bytes: usage.bytes.saturating_sub(less.bytes),
            messages: usage.messages.saturating_sub(less.messages),
        });
    }

    fn count(&mut self, mailbox: MailboxId, change: impl FnOnce(Usage) -> Usage) {
        if let Some(usage) = self.usage.entry(mailbox).or_insert(Some(Usage::default())) {
            *usage = change(*usage);
            self.changes.usage.insert(mailbox);
        }
    }

    /// Appends one record to a folder's log; answers its MODSEQ.
    pub fn log(&mut self, folder: FolderId, op: FolderOp) -> Result<u64> {
        let record = op.encode();
        let head = self.heads.get_mut(&folder).ok_or(StoreError::NoSuchFolder)?;
        head.highest_modseq += 1;
        head.ops_bytes += record.len() as u64;
        let modseq = head.highest_modseq;
        if let Some(Ok(state)) = self.states.get_mut(&folder) {
            // Copied once in a batch: what sessions hold stays as it is.
            let state = Arc::make_mut(state);
            state.apply_in_place(modseq, &op);
            head.counts = state.counts();
            self.changes.states.insert(folder);
        }
        self.changes.heads.insert(folder);
        self.changes.ops.push((folder, modseq, record));
        Ok(modseq)
    }

    /// Puts messages into a folder; answers their UIDs.
    pub fn append(&mut self, folder: FolderId, incoming: &[Incoming]) -> Result<Appended> {
        let now = self.now;
        let head = self.heads.get_mut(&folder).ok_or(StoreError::NoSuchFolder)?;
        let number = u32::try_from(incoming.len()).map_err(|_| exhausted())?;
        let uid_next = head.uid_next.checked_add(number).ok_or_else(exhausted)?;
        let modseq = head.highest_modseq + 1;
        let rows: Vec<Row> = incoming.iter().zip(head.uid_next..).map(|(m, uid)| m.row(uid, modseq, now)).collect();
        let uids = UidSet::from_ranges([(head.uid_next, uid_next - 1)]);
        head.uid_next = uid_next;
        // Right also without a loaded state, so that a delivery need not load one.
        for row in &rows {
            head.counts.messages += 1;
            head.counts.unseen += u32::from(!row.flags.contains(Flags::SEEN));
            head.counts.deleted += u32::from(row.flags.contains(Flags::DELETED));
            head.counts.bytes += u64::from(row.size);
        }
        let uid_validity = head.uid_validity;
        self.log(folder, FolderOp::Append(rows))?;
        Ok(Appended { uid_validity, uids })
    }

    /// A new message of a mailbox: its row, and one more reference to its body.
    pub fn store(&mut self, mailbox: MailboxRef, body: &Arc<StagedBody>, prefix: Bytes) -> Result<(MessageId, u32)> {
        let size = body.size + prefix.len() as u64;
        let short = u32::try_from(size).map_err(|_| StoreError::TooLarge)?;
        let id = MessageId(self.ids.message().ok_or_else(exhausted)?);
        let body_id = self.body(mailbox.tenant, body)?;
        self.changes.messages.push(NewRow { id, mailbox: mailbox.id, body: body_id, size, prefix });
        Ok((id, short))
    }

    fn body(&mut self, tenant: TenantId, body: &Arc<StagedBody>) -> Result<i64> {
        let id = match self.bodies.get(&(tenant, body.hash)) {
            Some(id) => *id,
            None => {
                let id = self.ids.body().ok_or_else(exhausted)?;
                self.bodies.insert((tenant, body.hash), id);
                self.changes.bodies.push((id, tenant, body.clone()));
                id
            }
        };
        *self.changes.body_refs.entry(id).or_default() += 1;
        Ok(id)
    }

    /// The flags of keywords in a folder, made where they are new; all or none.
    pub fn keywords(&mut self, folder: FolderId, names: &[String]) -> Result<Flags> {
        if names.is_empty() {
            return Ok(Flags::EMPTY);
        }
        let known = self.state(folder)?.keywords.clone();
        let mut table: Vec<Box<str>> = known.to_vec();
        let mut flags = Flags::EMPTY;
        for name in names {
            // RFC 9051 §2.3.2: keywords are case-insensitive.
            let index = table.iter().position(|k| k.eq_ignore_ascii_case(name)).unwrap_or_else(|| {
                table.push(name.as_str().into());
                table.len() - 1
            });
            flags = flags.union(Flags::keyword(index).ok_or(StoreError::TooManyKeywords)?);
        }
        for (index, name) in table.into_iter().enumerate().skip(known.len()) {
            let index = u8::try_from(index).map_err(|_| StoreError::TooManyKeywords)?;
            self.log(folder, FolderOp::Keyword { index, name })?;
        }
        Ok(flags)
    }

    /// Takes these UIDs out of a folder, which must hold them; the messages stay for who still has them.
    pub fn take_out(&mut self, folder: FolderId, uids: UidSet) -> Result<u64> {
        // POP3 sees INBOX alone.
        if self.heads.get(&folder).is_some_and(|head| head.name.is_inbox()) {
            let gone = self.changes.marks_gone.entry(folder).or_default();
            gone.extend(uids.iter().map(i64::from));
        }
        self.log(folder, FolderOp::Expunge(uids))
    }

    /// Removes messages from a folder for good: log, references and usage.
    pub fn remove(&mut self, folder: FolderId, rows: &[Row]) -> Result<u64> {
        let mailbox = self.heads.get(&folder).ok_or(StoreError::NoSuchFolder)?.mailbox;
        let modseq = self.take_out(folder, rows.iter().map(|row| row.uid).collect())?;
        self.drop_messages(mailbox, rows);
        Ok(modseq)
    }

    /// One reference less for each message, and their octets back to the quota.
    pub fn drop_messages(&mut self, mailbox: MailboxId, rows: &[Row]) {
        for row in rows {
            *self.changes.removed.entry(row.message).or_default() += 1;
        }
        let bytes = rows.iter().map(|row| u64::from(row.size)).sum();
        self.sub_usage(mailbox, Usage { bytes, messages: rows.len() as u64 });
    }

    /// A new folder.
    pub fn create(&mut self, mailbox: MailboxRef, name: FolderName) -> Result<&mut Head> {
        let id = FolderId(self.ids.folder().ok_or_else(exhausted)?);
        let head = Head::new(id, mailbox.id, mailbox.tenant, name, self.ids.uid_validity());
        self.changes.heads.insert(id);
        self.note_inbox(&head);
        let empty = FolderState::empty(head.uid_validity, head.highest_modseq);
        self.states.insert(id, Ok(Arc::new(empty)));
        Ok(self.heads.entry(id).or_insert(head))
    }

    /// The folders that every mailbox begins with, subscribed.
    pub fn create_defaults(&mut self, mailbox: MailboxRef) -> Result<()> {
        for (name, special_use) in DEFAULT_FOLDERS {
            let name: FolderName = name.parse().map_err(|_| StoreError::NoSuchFolder)?;
            self.changes.subscriptions.push((mailbox.id, name.to_string(), true));
            self.create(mailbox, name)?.special_use = special_use;
        }
        Ok(())
    }

    /// Forgets a folder, log and all; its messages must have been dropped.
    pub fn delete_folder(&mut self, folder: FolderId) {
        if let Some(head) = self.heads.remove(&folder) {
            self.changes.annotations_gone.push((head.mailbox, folder));
        }
        self.states.remove(&folder);
        self.changes.heads.remove(&folder);
        self.changes.states.remove(&folder);
        self.changes.ops.retain(|(id, ..)| *id != folder);
        self.changes.deleted_folders.push(folder);
    }
}

impl Incoming {
    fn row(&self, uid: u32, modseq: u64, save_date: i64) -> Row {
        Row {
            uid,
            message: self.message,
            flags: self.flags,
            modseq,
            size: self.size,
            internal_date: self.internal_date,
            save_date,
        }
    }
}
