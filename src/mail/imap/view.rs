//! The selected folder as its client sees it: sequence numbers over a state that moves on.
//!
//! Sequence numbers are positions in `seen`, the state last told to the client, corrected by
//! `ghosts`: messages that are gone from `seen` but whose EXPUNGE could not be sent yet.
//! Invariants: every row of `seen` has been announced; ghosts rise and are not in `seen`.

use super::command::{FetchItem, SeqNumber, SequenceSet};
use super::reply::{Reply, Stop};
use super::search::Contexts;
use super::vanished::{intersection, up_to};
use crate::model::{FolderName, Rights, UidSet, Who};
use crate::store::{Folder, FolderState, Row};
use std::sync::Arc;

/// A client named a message number that its folder does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NoSuchNumber;

/// What the client knows of its folder's messages.
pub(super) struct View {
    /// The state last told to the client.
    pub(super) seen: Arc<FolderState>,
    /// UIDs that the client still counts although they are gone from `seen`, rising.
    pub(super) ghosts: Vec<u32>,
    /// HIGHESTMODSEQ of the last state of which the client knows all that happened.
    pub(super) whole: u64,
}

/// The selected folder and what belongs to its selection.
pub(super) struct Selected {
    /// The folder, with its newest state.
    pub(super) folder: Folder,
    /// Its name.
    pub(super) name: FolderName,
    /// What the client knows of it.
    pub(super) view: View,
    /// True after EXAMINE.
    pub(super) read_only: bool,
    /// Whose rights count.
    pub(super) who: Who,
    /// The rights that PERMANENTFLAGS last reflected.
    pub(super) rights_told: Rights,
    /// The result of the last SEARCH RETURN (SAVE) (RFC 9051 §6.4.4.1).
    pub(super) saved: UidSet,
    /// Results that are kept up to date.
    pub(super) contexts: Contexts,
    /// What is told of each new message without a FETCH (RFC 5465 §5.2).
    pub(super) announced: Option<Arc<[FetchItem]>>,
    /// How many of the folder's keywords FLAGS has named.
    pub(super) keywords_told: usize,
}

impl Selected {
    /// What the session may do here now.
    pub(super) fn rights(&self) -> Rights {
        self.folder.acl().rights_of(&self.who)
    }

    /// The UIDs that a command means; ghosts may be among them, unknown messages are not.
    pub(super) fn resolve(&self, set: &SequenceSet, by_uid: bool) -> Result<UidSet, Stop> {
        match set {
            SequenceSet::Saved => Ok(self.saved.clone()),
            SequenceSet::Ranges(_) if by_uid => Ok(self.view.uids(set)),
            SequenceSet::Ranges(ranges) => {
                // RFC 9051 §9 seq-number: a tagged BAD for a number above the number of messages.
                let missing = |_: NoSuchNumber| Reply::bad("There is no message of that number").into();
                self.view.numbers(ranges).map_err(missing)
            }
        }
    }
}

impl View {
    /// A view of a state that is told to the client right now.
    pub(super) fn new(seen: Arc<FolderState>) -> Self {
        let whole = seen.highest_modseq;
        Self { seen, ghosts: Vec::new(), whole }
    }

    /// How many messages the client counts.
    pub(super) fn len(&self) -> u32 {
        self.seen.len().saturating_add(u32::try_from(self.ghosts.len()).unwrap_or(u32::MAX))
    }

    /// The sequence number of a message that stands at `position` in `seen`.
    pub(super) fn number_at(&self, position: u32, uid: u32) -> u32 {
        let before = if self.ghosts.is_empty() { 0 } else { self.ghosts.partition_point(|ghost| *ghost < uid) };
        position + 1 + u32::try_from(before).unwrap_or(0)
    }

    /// The sequence number of a UID in `seen`.
    pub(super) fn number_of(&self, uid: u32) -> Option<u32> {
        self.seen.position(uid).ok().map(|position| self.number_at(position, uid))
    }

    /// The sequence number of a UID that the client counts, ghosts included.
    pub(super) fn number_counted(&self, uid: u32) -> Option<u32> {
        match self.seen.position(uid) {
            Ok(position) => Some(self.number_at(position, uid)),
            Err(place) => self.ghosts.binary_search(&uid).is_ok().then(|| self.number_at(place, uid)),
        }
    }

    /// The UID of a sequence number, ghosts included.
    pub(super) fn uid_of(&self, number: u32) -> Option<u32> {
        let index = number.checked_sub(1)?;
        // Where the client sees the ghost with this rank, counted from 0.
        let place = |rank: usize, uid: u32| {
            let (Ok(below) | Err(below)) = self.seen.position(uid);
            below.saturating_add(u32::try_from(rank).unwrap_or(u32::MAX))
        };
        let (mut low, mut high) = (0, self.ghosts.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let uid = self.ghosts.get(middle).copied().unwrap_or(u32::MAX);
            match place(middle, uid).cmp(&index) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(uid),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        let position = index.checked_sub(u32::try_from(low).ok()?)?;
        self.seen.row(position).map(|row| row.uid)
    }

    /// The highest UID the client counts.
    pub(super) fn last_uid(&self) -> Option<u32> {
        let last = self.seen.len().checked_sub(1).and_then(|last| self.seen.row(last)).map(|row| row.uid);
        last.max(self.ghosts.last().copied())
    }

    /// Ranges of sequence numbers as UIDs.
    ///
    /// # Errors
    /// A number above the number of messages; `*` in an empty folder (RFC 9051 §9, seq-number).
    fn numbers(&self, ranges: &[(SeqNumber, SeqNumber)]) -> Result<UidSet, NoSuchNumber> {
        let count = self.len();
        let number = |written: SeqNumber| match written {
            SeqNumber::Number(number) => number,
            SeqNumber::Largest => count,
        };
        let mut uids = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            let (from, to) = (number(*from), number(*to));
            let low = self.uid_of(from.min(to)).ok_or(NoSuchNumber)?;
            let high = self.uid_of(from.max(to)).ok_or(NoSuchNumber)?;
            uids.push((low, high));
        }
        Ok(UidSet::from_ranges(uids))
    }

    /// Like [`View::numbers`], but passes over numbers that no message has.
    pub(super) fn numbers_there(&self, set: &SequenceSet) -> UidSet {
        let count = self.len();
        let named = set.resolve(count).unwrap_or_default();
        let there = intersection(&named, &up_to(count));
        let ends = there.ranges().filter_map(|range| Some((self.uid_of(*range.start())?, self.uid_of(*range.end())?)));
        UidSet::from_ranges(ends)
    }

    /// A set of UIDs, cut to those that the client can know of.
    fn uids(&self, set: &SequenceSet) -> UidSet {
        // RFC 9051 §6.4.9: unknown UIDs are passed over without any error.
        let last = self.last_uid().unwrap_or(0);
        let named = set.resolve(last).unwrap_or_default();
        intersection(&named, &up_to(last))
    }

    /// True when the client counts a message of this set that is gone.
    pub(super) fn has_ghost_in(&self, uids: &UidSet) -> bool {
        self.ghosts.iter().any(|ghost| uids.contains(*ghost))
    }

    /// The messages of `uids` that are there, in batches.
    pub(super) fn walk(&self, uids: &UidSet) -> Walk {
        let ranges: Vec<(u32, u32)> = uids.ranges().map(|range| (*range.start(), *range.end())).rev().collect();
        Walk { seen: self.seen.clone(), ghosts: self.ghosts.clone(), ranges }
    }
}

/// A message with the number by which the client knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbered {
    /// Its sequence number.
    pub(super) number: u32,
    /// Its row.
    pub(super) row: Row,
}

/// A walk over messages of a view; holds no borrow, so that a command may wait between batches.
pub(super) struct Walk {
    seen: Arc<FolderState>,
    ghosts: Vec<u32>,
    /// What is left, last range first.
    ranges: Vec<(u32, u32)>,
}

impl Walk {
    /// At most `most` further messages for which `wanted` holds; empty at the end.
    pub(super) fn next(&mut self, most: usize, wanted: impl Fn(&Row) -> bool) -> Vec<Numbered> {
        let mut batch = Vec::new();
        while let Some((low, high)) = self.ranges.pop() {
            let (Ok(start) | Err(start)) = self.seen.position(low);
            let mut ghosts = self.ghosts.partition_point(|ghost| *ghost < low);
            for (position, row) in (start..).zip(self.seen.rows_from(start)) {
                if row.uid > high {
                    break;
                }
                if batch.len() == most {
                    self.ranges.push((row.uid, high));
                    return batch;
                }
                while self.ghosts.get(ghosts).is_some_and(|ghost| *ghost < row.uid) {
                    ghosts += 1;
                }
                if wanted(&row) {
                    let number = position + 1 + u32::try_from(ghosts).unwrap_or(0);
                    batch.push(Numbered { number, row });
                }
            }
        }
        batch
    }
}
