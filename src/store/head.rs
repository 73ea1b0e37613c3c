//! A folder's head: the one mutable row of a folder, as the writer and LIST see it.
//!
//! It knows no messages. Invariant: UIDNEXT and HIGHESTMODSEQ only rise.

use super::damage::DamagedHead;
use super::tx::{Columns, Value};
use super::{Counts, FolderInfo, Result, SpecialUse, StoreError};
use crate::model::ids::{FolderId, MailboxId, TenantId};
use crate::model::{Acl, FolderName};

/// The columns of [`Head::read`], in its order.
macro_rules! head_columns {
    () => {
        "id, mailbox_id, tenant_id, name, selectable, special_use, uid_validity, uid_next, highest_modseq, \
         messages, unseen, deleted, bytes, ops_bytes, snapshot_bytes, acl"
    };
}
pub(super) use head_columns;

/// One folder's head.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub id: FolderId,
    pub mailbox: MailboxId,
    pub tenant: TenantId,
    pub name: FolderName,
    pub selectable: bool,
    pub special_use: Option<SpecialUse>,
    pub uid_validity: u32,
    pub uid_next: u32,
    pub highest_modseq: u64,
    pub counts: Counts,
    /// Octets of the log since the snapshot.
    pub ops_bytes: u64,
    /// Octets of the snapshot.
    pub snapshot_bytes: u64,
    /// Who may do what.
    pub acl: Acl,
}

/// The MODSEQ of a folder that never changed: RFC 7162 §3.1.1 wants them above 0.
pub(super) const FIRST_MODSEQ: u64 = 1;

impl Head {
    /// A folder without messages.
    pub fn new(id: FolderId, mailbox: MailboxId, tenant: TenantId, name: FolderName, uid_validity: u32) -> Self {
        Self {
            id,
            mailbox,
            tenant,
            name,
            selectable: true,
            special_use: None,
            uid_validity,
            uid_next: 1,
            highest_modseq: FIRST_MODSEQ,
            counts: Counts::default(),
            ops_bytes: 0,
            snapshot_bytes: 0,
            acl: Acl::default(),
        }
    }

    /// A row of `head_columns!()`, or what is left of it: the inner error concerns this folder alone.
    pub fn read(row: &Columns) -> Result<std::result::Result<Self, DamagedHead>> {
        match Self::from_columns(row) {
            Ok(head) => Ok(Ok(head)),
            Err(why) => DamagedHead::from_columns(row, &why).map(Err),
        }
    }

    fn from_columns(row: &Columns) -> Result<Self> {
        let name = row.text(3)?;
        Ok(Self {
            id: FolderId(row.int(0)?),
            mailbox: MailboxId(row.int(1)?),
            tenant: TenantId(row.int(2)?),
            name: name.parse().map_err(|_| StoreError::Corrupt(format!("{name:?} is no folder name")))?,
            selectable: row.int(4)? != 0,
            special_use: use_from_number(row.int(5)?),
            uid_validity: row.small(6)?,
            uid_next: row.small(7)?,
            highest_modseq: row.unsigned(8)?,
            counts: Counts {
                messages: row.small(9)?,
                unseen: row.small(10)?,
                deleted: row.small(11)?,
                bytes: row.unsigned(12)?,
            },
            ops_bytes: row.unsigned(13)?,
            snapshot_bytes: row.unsigned(14)?,
            acl: Acl::decode(row.text(15)?).ok_or_else(|| StoreError::Corrupt("an access control list".into()))?,
        })
    }

    /// The row that [`Head::read`] reads.
    pub fn to_values(&self) -> Vec<Value> {
        vec![
            self.id.0.into(),
            self.mailbox.0.into(),
            self.tenant.0.into(),
            self.name.as_str().into(),
            i64::from(self.selectable).into(),
            use_number(self.special_use).into(),
            self.uid_validity.into(),
            self.uid_next.into(),
            self.highest_modseq.into(),
            self.counts.messages.into(),
            self.counts.unseen.into(),
            self.counts.deleted.into(),
            self.counts.bytes.into(),
            self.ops_bytes.into(),
            self.snapshot_bytes.into(),
            self.acl.encode().as_str().into(),
        ]
    }

    /// As LIST and STATUS show it.
    pub fn info(&self, subscribed: bool) -> FolderInfo {
        FolderInfo {
            id: self.id,
            name: self.name.clone(),
            selectable: self.selectable,
            damaged: false,
            subscribed,
            special_use: self.special_use,
            uid_validity: self.uid_validity,
            uid_next: self.uid_next,
            highest_modseq: self.highest_modseq,
            counts: self.counts,
            acl: self.acl.clone(),
        }
    }
}

fn use_number(special_use: Option<SpecialUse>) -> i64 {
    match special_use {
        None => 0,
        Some(SpecialUse::Archive) => 1,
        Some(SpecialUse::Drafts) => 2,
        Some(SpecialUse::Junk) => 3,
        Some(SpecialUse::Sent) => 4,
        Some(SpecialUse::Trash) => 5,
    }
}

fn use_from_number(number: i64) -> Option<SpecialUse> {
    match number {
        1 => Some(SpecialUse::Archive),
        2 => Some(SpecialUse::Drafts),
        3 => Some(SpecialUse::Junk),
        4 => Some(SpecialUse::Sent),
        5 => Some(SpecialUse::Trash),
        _ => None,
    }
}

/// The folders that every mailbox begins with (RFC 6154 §2 for what they are for).
pub(super) const DEFAULT_FOLDERS: [(&str, Option<SpecialUse>); 6] = [
    ("INBOX", None),
    ("Sent", Some(SpecialUse::Sent)),
    ("Drafts", Some(SpecialUse::Drafts)),
    ("Junk", Some(SpecialUse::Junk)),
    ("Trash", Some(SpecialUse::Trash)),
    ("Archive", Some(SpecialUse::Archive)),
];
