//! From what a client asks of flags to the one record that says it.
//!
//! It knows the folder's state and no batch. Invariant: the record changes exactly the messages that
//! the request concerns and whose flags differ after it; it is as short as their neighbours allow.

use super::folder_log::FolderOp;
use super::{FlagChange, FolderState, Row};
use crate::model::UidSet;

impl FlagChange {
    /// The record that this needs in a folder as it is now, if any, and the messages that
    /// `unchanged_since` passes over.
    pub(super) fn record(&self, state: &FolderState) -> (Option<FolderOp>, UidSet) {
        let mut modified = UidSet::new();
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        // Replaying a record leaves alone what has these flags already, so that a range may run over
        // such messages, and over UIDs that are gone: `1:*` stays one range in a folder full of holes.
        let mut next = None;
        for (position, row) in self.concerned(state) {
            next = next.filter(|next| *next == position);
            if self.unchanged_since.is_some_and(|since| row.modseq > since) {
                // RFC 7162 §3.1.3: it changed after UNCHANGEDSINCE, so it is left alone and reported.
                modified.push(row.uid);
                next = None;
                continue;
            }
            if self.mode.apply(row.flags, self.flags) != row.flags {
                match ranges.last_mut().filter(|_| next.is_some()) {
                    Some(range) => range.1 = row.uid,
                    None => ranges.push((row.uid, row.uid)),
                }
                next = Some(position);
            }
            next = next.map(|_| position + 1);
        }
        let op = FolderOp::Flags { uids: UidSet::from_ranges(ranges), mode: self.mode, flags: self.flags };
        let needed = matches!(&op, FolderOp::Flags { uids, .. } if !uids.is_empty());
        (needed.then_some(op), modified)
    }

    /// The rows asked for that are there, with their positions; the cost follows the rows, not what
    /// a client wrote.
    fn concerned<'a>(&'a self, state: &'a FolderState) -> impl Iterator<Item = (u32, Row)> + 'a {
        self.uids.ranges().flat_map(|range| {
            let (Ok(first) | Err(first)) = state.position(*range.start());
            (first..).zip(state.rows_from(first).take_while(move |row| row.uid <= *range.end()))
        })
    }
}
