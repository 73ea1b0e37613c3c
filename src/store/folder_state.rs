//! One folder as all its sessions on a node see it: an immutable value, replaced by each change.
//!
//! Sessions hold an `Arc` of the state they last told their client about and compare it
//! with the newest one. Invariant: rows are sorted by UID; a state never changes.

use crate::model::Flags;
use crate::model::ids::MessageId;
use std::sync::Arc;

/// One message of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// UID.
    pub uid: u32,
    /// The stored message.
    pub message: MessageId,
    /// Flags and keywords.
    pub flags: Flags,
    /// MODSEQ (RFC 7162).
    pub modseq: u64,
    /// RFC822.SIZE.
    pub size: u32,
    /// INTERNALDATE, Unix seconds.
    pub internal_date: i64,
    /// SAVEDATE, Unix seconds: when it came into this folder.
    pub save_date: i64,
}

/// What a folder holds, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages.
    pub messages: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Messages with `\Deleted`.
    pub deleted: u32,
    /// Octets.
    pub bytes: u64,
}

/// What became different between two states of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateDiff {
    /// UIDs that were there and are gone, rising.
    pub expunged: Vec<u32>,
    /// Rows that were there and have other flags now (their MODSEQ rose), by UID.
    pub changed: Vec<Row>,
    /// How many messages are new.
    pub added: u32,
}

/// A folder at one MODSEQ.
#[derive(Debug, Clone)]
pub struct FolderState {
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// UIDNEXT.
    pub uid_next: u32,
    /// HIGHESTMODSEQ.
    pub highest_modseq: u64,
    /// Keyword names; the index is the keyword's number in [`Flags`].
    pub keywords: Arc<Vec<Box<str>>>,
}

impl FolderState {
    /// How many messages.
    pub fn len(&self) -> u32 {
        todo!()
    }

    /// True without messages.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages, unseen, deleted, octets.
    pub fn counts(&self) -> Counts {
        todo!()
    }

    /// The row at a position counted from 0.
    pub fn row(&self, index: u32) -> Option<Row> {
        let _ = index;
        todo!()
    }

    /// The position of a UID: `Ok(position)`, or `Err(position where it would stand)`.
    pub fn position(&self, uid: u32) -> Result<u32, u32> {
        let _ = uid;
        todo!()
    }

    /// Rows from a position on, in order; cheap to start anywhere.
    pub fn rows_from(&self, index: u32) -> Box<dyn Iterator<Item = Row> + Send + '_> {
        let _ = index;
        todo!()
    }

    /// What became different since `older`, a state of the same folder.
    pub fn diff(&self, older: &FolderState) -> StateDiff {
        let _ = older;
        todo!()
    }

    /// UIDs expunged after `modseq`, if the folder still remembers that far (RFC 7162 §3.2.5.1);
    /// `None` means that the caller must report every UID that is absent.
    pub fn vanished_since(&self, modseq: u64) -> Option<crate::model::UidSet> {
        let _ = modseq;
        todo!()
    }
}
