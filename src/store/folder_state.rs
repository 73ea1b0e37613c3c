//! One folder as all its sessions on a node see it: an immutable value, replaced by each change.
//!
//! Sessions hold an `Arc` of the state they last told their client about and compare it
//! with the newest one. Invariant: rows are sorted by UID; a state never changes.

use super::folder_log::{Decoder, Encoder, FolderOp};
use super::{FlagMode, Result, StoreError};
use crate::model::ids::MessageId;
use crate::model::{Flags, UidSet};
use std::sync::Arc;

/// Octets that a snapshot may open to: 4 billion UIDs never fit, damage must not allocate them.
const SNAPSHOT_OCTETS: usize = 1 << 30;

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
    rows: Arc<Vec<Row>>,
    /// What went, and when: MODSEQ and UIDs, rising.
    gone: Arc<Vec<(u64, UidSet)>>,
    /// The folder remembers expunges after this MODSEQ.
    remembers: u64,
    counts: Counts,
}

/// Expunges that a folder remembers for QRESYNC.
const REMEMBERED: usize = 1000;

impl FolderState {
    /// A folder without messages.
    pub fn empty(uid_validity: u32, highest_modseq: u64) -> Self {
        Self {
            uid_validity,
            uid_next: 1,
            highest_modseq,
            keywords: Arc::default(),
            rows: Arc::default(),
            gone: Arc::default(),
            remembers: highest_modseq,
            counts: Counts::default(),
        }
    }

    /// The state after one more record of the log.
    pub fn apply(&self, modseq: u64, op: &FolderOp) -> Self {
        let mut next = self.clone();
        next.highest_modseq = modseq;
        match op {
            FolderOp::Append(rows) => {
                Arc::make_mut(&mut next.rows).extend_from_slice(rows);
                next.uid_next = rows.last().map_or(next.uid_next, |row| row.uid.saturating_add(1));
            }
            FolderOp::Flags { uids, mode, flags } => {
                for row in Arc::make_mut(&mut next.rows).iter_mut().filter(|row| uids.contains(row.uid)) {
                    row.modseq = modseq;
                    row.flags = match mode {
                        FlagMode::Add => row.flags.union(*flags),
                        FlagMode::Remove => row.flags.without(*flags),
                        FlagMode::Replace => *flags,
                    };
                }
            }
            FolderOp::Expunge(uids) => {
                Arc::make_mut(&mut next.rows).retain(|row| !uids.contains(row.uid));
                let gone = Arc::make_mut(&mut next.gone);
                gone.push((modseq, uids.clone()));
                if gone.len() > REMEMBERED {
                    next.remembers = gone.remove(0).0;
                }
            }
            FolderOp::Keyword { index, name } => {
                let table = Arc::make_mut(&mut next.keywords);
                if usize::from(*index) == table.len() {
                    table.push(name.clone());
                }
            }
        }
        next.count();
        next
    }

    fn count(&mut self) {
        let mut counts = Counts { messages: self.len(), ..Counts::default() };
        for row in self.rows.iter() {
            counts.unseen += u32::from(!row.flags.contains(Flags::SEEN));
            counts.deleted += u32::from(row.flags.contains(Flags::DELETED));
            counts.bytes += u64::from(row.size);
        }
        self.counts = counts;
    }

    /// The whole state in few octets, with a checksum.
    pub fn encode_snapshot(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        for number in [u64::from(self.uid_validity), u64::from(self.uid_next), self.highest_modseq, self.remembers] {
            out.number(number);
        }
        out.number(self.keywords.len() as u64);
        self.keywords.iter().for_each(|name| out.text(name));
        out.number(self.gone.len() as u64);
        for (modseq, uids) in self.gone.iter() {
            out.number(*modseq);
            out.uids(uids);
        }
        out.rows(self.rows.iter());
        let sealed = out.seal();
        zstd::bulk::compress(&sealed, 1).unwrap_or_default()
    }

    /// A snapshot back.
    pub fn decode_snapshot(data: &[u8]) -> Result<Self> {
        let damaged = |_| StoreError::Corrupt("a folder's snapshot".into());
        let size = zstd::zstd_safe::get_frame_content_size(data).ok().flatten().unwrap_or(0);
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(SNAPSHOT_OCTETS);
        let sealed = zstd::bulk::decompress(data, size).map_err(damaged)?;
        let mut from = Decoder::open(&sealed)?;
        let mut state = Self::empty(from.small()?, 0);
        state.uid_next = from.small()?;
        state.highest_modseq = from.number()?;
        state.remembers = from.number()?;
        let mut keywords = Vec::new();
        for _ in 0..from.count()? {
            keywords.push(from.text()?.into());
        }
        let mut gone = Vec::new();
        for _ in 0..from.count()? {
            gone.push((from.number()?, from.uids()?));
        }
        state.rows = Arc::new(from.rows()?);
        state.keywords = Arc::new(keywords);
        state.gone = Arc::new(gone);
        from.end()?;
        state.count();
        Ok(state)
    }

    /// How many messages.
    pub fn len(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    /// True without messages.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Messages, unseen, deleted, octets.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The row at a position counted from 0.
    pub fn row(&self, index: u32) -> Option<Row> {
        self.rows.get(index as usize).copied()
    }

    /// The position of a UID: `Ok(position)`, or `Err(position where it would stand)`.
    pub fn position(&self, uid: u32) -> std::result::Result<u32, u32> {
        self.rows.binary_search_by_key(&uid, |row| row.uid).map(|at| at as u32).map_err(|at| at as u32)
    }

    /// Rows from a position on, in order; cheap to start anywhere.
    pub fn rows_from(&self, index: u32) -> Box<dyn Iterator<Item = Row> + Send + '_> {
        Box::new(self.rows.get(index as usize..).unwrap_or_default().iter().copied())
    }

    /// What became different since `older`, a state of the same folder.
    pub fn diff(&self, older: &FolderState) -> StateDiff {
        let mut diff = StateDiff::default();
        let mut new = self.rows.iter().peekable();
        for old in older.rows.iter() {
            match new.next_if(|row| row.uid == old.uid) {
                None => diff.expunged.push(old.uid),
                Some(row) if row.modseq != old.modseq => diff.changed.push(*row),
                Some(_) => {}
            }
        }
        diff.added = u32::try_from(new.len()).unwrap_or(u32::MAX);
        diff
    }

    /// UIDs expunged after `modseq`, if the folder still remembers that far (RFC 7162 §3.2.5.1);
    /// `None` means that the caller must report every UID that is absent.
    pub fn vanished_since(&self, modseq: u64) -> Option<UidSet> {
        if modseq < self.remembers {
            return None;
        }
        let later = self.gone.iter().filter(|(at, _)| *at > modseq);
        Some(UidSet::from_ranges(later.flat_map(|(_, uids)| uids.ranges().map(|r| (*r.start(), *r.end())))))
    }
}
