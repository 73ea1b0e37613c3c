//! One folder as all its sessions on a node see it: an immutable value, replaced by each change.
//!
//! Sessions hold an `Arc` of the state they last told their client about and compare it
//! with the newest one. Rows stand in chunks that successive states share, so that a
//! change copies the chunks it touches and no others.
//! Invariants: rows are sorted by UID; no chunk is empty; a published state never changes.

use super::folder_log::FolderOp;
use super::requests::FlagMode;
use crate::model::ids::MessageId;
use crate::model::{Flags, UidSet};
use std::sync::Arc;

/// Rows of a chunk: what an append to a shared state copies at most (24 KiB).
pub(super) const CHUNK_ROWS: usize = 512;
/// Expunged ranges that a folder remembers; older ones make QRESYNC fall back to listing what is absent.
const TOMBSTONES: usize = 4096;

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

impl Counts {
    fn add(&mut self, row: &Row) {
        self.messages += 1;
        self.unseen += u32::from(!row.flags.contains(Flags::SEEN));
        self.deleted += u32::from(row.flags.contains(Flags::DELETED));
        self.bytes += u64::from(row.size);
    }

    fn sub(&mut self, row: &Row) {
        self.messages -= 1;
        self.unseen -= u32::from(!row.flags.contains(Flags::SEEN));
        self.deleted -= u32::from(row.flags.contains(Flags::DELETED));
        self.bytes -= u64::from(row.size);
    }
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

/// A range of UIDs that was expunged at one MODSEQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tombstone {
    pub modseq: u64,
    pub first: u32,
    pub last: u32,
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
    /// Rows, in chunks.
    chunks: Vec<Arc<Vec<Row>>>,
    /// The position of each chunk's first row.
    starts: Vec<u32>,
    counts: Counts,
    /// Rising by MODSEQ.
    pub(super) tombstones: Arc<Vec<Tombstone>>,
    /// Expunges at or below this MODSEQ are forgotten.
    pub(super) forgotten: u64,
}

impl FolderState {
    /// A folder without messages.
    pub(super) fn empty(uid_validity: u32, highest_modseq: u64) -> Self {
        Self {
            uid_validity,
            uid_next: 1,
            highest_modseq,
            keywords: Arc::default(),
            chunks: Vec::new(),
            starts: Vec::new(),
            counts: Counts::default(),
            tombstones: Arc::default(),
            forgotten: 0,
        }
    }

    /// How many messages.
    pub fn len(&self) -> u32 {
        self.counts.messages
    }

    /// True without messages.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages, unseen, deleted, octets.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The row at a position counted from 0.
    pub fn row(&self, index: u32) -> Option<Row> {
        let chunk = self.starts.partition_point(|start| *start <= index).checked_sub(1)?;
        let within = index - self.starts.get(chunk)?;
        self.chunks.get(chunk)?.get(within as usize).copied()
    }

    /// The position of a UID: `Ok(position)`, or `Err(position where it would stand)`.
    ///
    /// # Errors
    /// No message has this UID.
    pub fn position(&self, uid: u32) -> Result<u32, u32> {
        let chunk = self.chunk_of(uid);
        let Some(rows) = self.chunks.get(chunk) else { return Err(self.len()) };
        let start = self.starts.get(chunk).copied().unwrap_or_default();
        // A chunk has at most CHUNK_ROWS rows, so the position fits.
        rows.binary_search_by_key(&uid, |row| row.uid).map(|at| start + at as u32).map_err(|at| start + at as u32)
    }

    /// Rows from a position on, in order; cheap to start anywhere.
    pub fn rows_from(&self, index: u32) -> Box<dyn Iterator<Item = Row> + Send + '_> {
        let chunk = self.starts.partition_point(|start| *start <= index).saturating_sub(1);
        let skip = index.saturating_sub(self.starts.get(chunk).copied().unwrap_or_default()) as usize;
        let rest = self.chunks.get(chunk..).unwrap_or_default();
        Box::new(rest.iter().flat_map(|rows| rows.iter().copied()).skip(skip))
    }

    /// What became different since `older`, a state of the same folder.
    pub fn diff(&self, older: &FolderState) -> StateDiff {
        let mut diff = StateDiff::default();
        let (mut old, mut new) = (Cursor::new(&older.chunks), Cursor::new(&self.chunks));
        while let Some(was) = old.row() {
            if old.skip_shared(&mut new) {
                continue;
            }
            match new.row() {
                Some(is) if is.uid == was.uid => {
                    if is.modseq != was.modseq {
                        diff.changed.push(is);
                    }
                    old.advance();
                    new.advance();
                }
                Some(is) if is.uid < was.uid => new.advance(),
                _ => {
                    diff.expunged.push(was.uid);
                    old.advance();
                }
            }
        }
        // A folder has fewer than 2^32 messages, since UIDs have 32 bits.
        let stayed = older.len() - diff.expunged.len() as u32;
        diff.added = self.len() - stayed;
        diff
    }

    /// UIDs expunged after `modseq`, if the folder still remembers that far (RFC 7162 §3.2.5.1);
    /// `None` means that the caller must report every UID that is absent.
    pub fn vanished_since(&self, modseq: u64) -> Option<UidSet> {
        if modseq < self.forgotten {
            return None;
        }
        let from = self.tombstones.partition_point(|t| t.modseq <= modseq);
        let later = self.tombstones.get(from..).unwrap_or_default();
        Some(UidSet::from_ranges(later.iter().map(|t| (t.first, t.last))))
    }

    /// Replays one record of the log; copies only chunks that another state shares.
    pub(super) fn apply_in_place(&mut self, modseq: u64, op: &FolderOp) {
        match op {
            FolderOp::Append(rows) => rows.iter().for_each(|row| self.push(Row { modseq, ..*row })),
            FolderOp::Flags { uids, mode, flags } => self.change_flags(uids, modseq, *mode, *flags),
            FolderOp::Expunge(uids) => self.expunge(uids, modseq),
            FolderOp::Keyword { index, name } => self.set_keyword(usize::from(*index), name),
        }
        self.highest_modseq = modseq;
    }

    /// Adds a row behind all others; one whose UID is not above them is refused by being left out.
    pub(super) fn push(&mut self, row: Row) {
        let Some(uid_next) = row.uid.checked_add(1).filter(|next| *next > self.uid_next) else { return };
        self.uid_next = uid_next;
        let position = self.counts.messages;
        self.counts.add(&row);
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK_ROWS => Arc::make_mut(last).push(row),
            _ => {
                let mut rows = Vec::with_capacity(8);
                rows.push(row);
                self.chunks.push(Arc::new(rows));
                self.starts.push(position);
            }
        }
    }

    fn change_flags(&mut self, uids: &UidSet, modseq: u64, mode: FlagMode, flags: Flags) {
        let concerned = |row: &Row| uids.contains(row.uid) && mode.apply(row.flags, flags) != row.flags;
        let concerning = chunks_of(&self.chunks, uids);
        for chunk in self.chunks.get_mut(concerning).unwrap_or_default() {
            if !chunk.iter().any(concerned) {
                continue;
            }
            for row in Arc::make_mut(chunk).iter_mut().filter(|row| concerned(row)) {
                self.counts.sub(row);
                row.flags = mode.apply(row.flags, flags);
                row.modseq = modseq;
                self.counts.add(row);
            }
        }
    }

    fn expunge(&mut self, uids: &UidSet, modseq: u64) {
        let gone = |row: &Row| uids.contains(row.uid);
        let concerning = chunks_of(&self.chunks, uids);
        for chunk in self.chunks.get_mut(concerning).unwrap_or_default() {
            if chunk.iter().any(gone) {
                chunk.iter().filter(|row| gone(row)).for_each(|row| self.counts.sub(row));
                Arc::make_mut(chunk).retain(|row| !gone(row));
            }
        }
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.number_chunks();
        self.bury(uids, modseq);
    }

    fn bury(&mut self, uids: &UidSet, modseq: u64) {
        let tombstones = Arc::make_mut(&mut self.tombstones);
        tombstones.extend(uids.ranges().map(|r| Tombstone { modseq, first: *r.start(), last: *r.end() }));
        if tombstones.len() > TOMBSTONES {
            let drop = tombstones.len() - TOMBSTONES / 2;
            self.forgotten = tombstones.get(drop - 1).map_or(modseq, |t| t.modseq);
            let forgotten = self.forgotten;
            tombstones.retain(|t| t.modseq > forgotten);
        }
    }

    fn set_keyword(&mut self, index: usize, name: &str) {
        let keywords = Arc::make_mut(&mut self.keywords);
        if index < Flags::MAX_KEYWORDS {
            keywords.resize(keywords.len().max(index + 1), "".into());
            if let Some(slot) = keywords.get_mut(index) {
                *slot = name.into();
            }
        }
    }

    /// The first chunk that may hold this UID or one above it.
    fn chunk_of(&self, uid: u32) -> usize {
        chunk_of(&self.chunks, uid)
    }

    fn number_chunks(&mut self) {
        let mut position = 0;
        self.starts.clear();
        for chunk in &self.chunks {
            self.starts.push(position);
            position += chunk.len() as u32;
        }
    }

    /// Whether both states hold the very same memory for all of their chunks but `but` of them; for tests.
    #[cfg(test)]
    pub(super) fn shares_all_chunks_but(&self, other: &FolderState, but: usize) -> bool {
        let own = self.chunks.iter().filter(|c| !other.chunks.iter().any(|o| Arc::ptr_eq(o, c))).count();
        own <= but
    }
}

fn chunk_of(chunks: &[Arc<Vec<Row>>], uid: u32) -> usize {
    chunks.partition_point(|rows| rows.last().is_some_and(|row| row.uid < uid))
}

/// The chunks that may hold any of these UIDs.
fn chunks_of(chunks: &[Arc<Vec<Row>>], uids: &UidSet) -> std::ops::Range<usize> {
    let mut ranges = uids.ranges();
    let Some(first) = ranges.next() else { return 0..0 };
    let last = *ranges.next_back().unwrap_or(first.clone()).end();
    let from = chunk_of(chunks, *first.start());
    from..chunk_of(chunks, last).saturating_add(1).clamp(from, chunks.len())
}

impl FlagMode {
    /// The flags after a change.
    pub fn apply(self, old: Flags, flags: Flags) -> Flags {
        match self {
            Self::Add => old.union(flags),
            Self::Remove => old.without(flags),
            Self::Replace => flags,
        }
    }
}

/// A place in a list of chunks.
struct Cursor<'a> {
    chunks: &'a [Arc<Vec<Row>>],
    chunk: usize,
    within: usize,
}

impl<'a> Cursor<'a> {
    fn new(chunks: &'a [Arc<Vec<Row>>]) -> Self {
        Self { chunks, chunk: 0, within: 0 }
    }

    fn row(&self) -> Option<Row> {
        self.chunks.get(self.chunk)?.get(self.within).copied()
    }

    fn advance(&mut self) {
        self.within += 1;
        if self.chunks.get(self.chunk).is_some_and(|rows| self.within >= rows.len()) {
            self.chunk += 1;
            self.within = 0;
        }
    }

    /// Passes over the chunk at which both stand when it is the same memory.
    fn skip_shared(&mut self, other: &mut Cursor<'_>) -> bool {
        let shared = self.within == 0
            && other.within == 0
            && match (self.chunks.get(self.chunk), other.chunks.get(other.chunk)) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                _ => false,
            };
        if shared {
            self.chunk += 1;
            other.chunk += 1;
        }
        shared
    }
}
