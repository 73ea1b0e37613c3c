//! What was found damaged: heads that do not read, mailboxes whose usage is unknown.
//!
//! It repairs nothing. Invariant: damage refuses what it touches and nothing else, and what could not be read is
//! never written back as another value.

use super::batch::Batch;
use super::tx::Columns;
use super::{FolderInfo, Result, StoreError};
use crate::model::ids::{FolderId, MailboxId};
use crate::model::{Acl, FolderName};
use parking_lot::Mutex;
use std::collections::BTreeSet;

/// A row of `folders` that is no head, as far as it can be read.
#[derive(Debug, Clone)]
pub(super) struct DamagedHead {
    pub id: FolderId,
    pub mailbox: Option<MailboxId>,
    pub name: Option<FolderName>,
    why: String,
}

impl DamagedHead {
    /// What is left of a row of `head_columns!()`; `why` is what it failed for.
    pub fn from_columns(row: &Columns, why: &StoreError) -> Result<Self> {
        let id = FolderId(row.int(0)?);
        let mailbox = row.int(1).ok().map(MailboxId);
        let name = row.text(3).ok().and_then(|name| name.parse().ok());
        Ok(Self { id, mailbox, name, why: why.to_string() })
    }

    /// Which of its columns, and what is wrong with it.
    pub fn why(&self) -> &str {
        &self.why
    }

    fn error(&self) -> StoreError {
        StoreError::Corrupt(format!("the head of folder {}: {}", self.id, self.why))
    }

    /// As LIST shows it, where its name is known: it is there, though it cannot be opened.
    pub fn info(&self, subscribed: bool) -> Option<FolderInfo> {
        Some(FolderInfo {
            id: self.id,
            name: self.name.clone()?,
            selectable: true,
            damaged: true,
            subscribed,
            special_use: None,
            uid_validity: 0,
            uid_next: 0,
            highest_modseq: 0,
            counts: Default::default(),
            acl: Acl::default(),
        })
    }
}

impl Batch<'_> {
    /// Why a folder that has no head here is refused.
    pub fn absent(&self, folder: FolderId) -> StoreError {
        self.damaged.get(&folder).map_or(StoreError::NoSuchFolder, DamagedHead::error)
    }

    /// The folder that deliveries to a mailbox go to.
    pub fn inbox(&self, mailbox: MailboxId) -> Result<FolderId> {
        if let Some(inbox) = self.inboxes.get(&mailbox) {
            return Ok(*inbox);
        }
        self.undamaged(mailbox, FolderName::is_inbox)?;
        Err(StoreError::NoSuchFolder)
    }

    /// Refuses where a damaged folder of the mailbox has a name that matters to a write.
    pub fn undamaged(&self, mailbox: MailboxId, matters: impl Fn(&FolderName) -> bool) -> Result<()> {
        let mut damaged = self.damaged.values().filter(|head| head.mailbox == Some(mailbox));
        let found = damaged.find(|head| head.name.as_ref().is_some_and(&matters));
        found.map_or(Ok(()), |head| Err(head.error()))
    }

    /// Refuses where any folder of the mailbox is damaged.
    pub fn all_undamaged(&self, mailbox: MailboxId) -> Result<()> {
        let found = self.damaged.values().find(|head| head.mailbox == Some(mailbox));
        found.map_or(Ok(()), |head| Err(head.error()))
    }

    /// Mailboxes in which something was found damaged.
    pub fn suspects(&self) -> impl Iterator<Item = MailboxId> {
        let heads = self.damaged.values().filter_map(|head| head.mailbox);
        heads.chain(self.usage.iter().filter(|(_, usage)| usage.is_none()).map(|(id, _)| *id))
    }
}

/// Mailboxes in which a write found damage: the others are not looked at twice.
#[derive(Default)]
pub(super) struct Suspects {
    mailboxes: Mutex<BTreeSet<MailboxId>>,
}

impl Suspects {
    /// Remembers a mailbox; true when it is news.
    pub fn add(&self, mailbox: MailboxId) -> bool {
        self.mailboxes.lock().insert(mailbox)
    }

    /// It was looked at again and is whole.
    pub fn clear(&self, mailbox: MailboxId) {
        self.mailboxes.lock().remove(&mailbox);
    }

    /// Those among these that are to be looked at.
    pub fn among(&self, mailboxes: &[MailboxId]) -> Vec<MailboxId> {
        let suspects = self.mailboxes.lock();
        mailboxes.iter().copied().filter(|id| suspects.contains(id)).collect()
    }
}
