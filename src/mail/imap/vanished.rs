//! Which messages went away (RFC 7162 §3.2): for SELECT (QRESYNC …) and UID FETCH (… VANISHED).
//!
//! Pure set work over a folder's state. Invariant: what it returns is in no row of the state.

use crate::model::UidSet;
use crate::store::FolderState;

/// UIDs of `known` that were expunged after `modseq`, or, when the folder does not remember
/// that far, all of them that are absent (RFC 7162 §3.2.5.1).
pub(super) fn vanished(state: &FolderState, known: &UidSet, modseq: u64) -> UidSet {
    let known = intersection(known, &up_to(state.uid_next.saturating_sub(1)));
    match state.vanished_since(modseq) {
        Some(expunged) => intersection(&expunged, &known),
        None => absent(state, &known),
    }
}

/// The UIDs from 1 to `last`; none when that is 0.
pub(super) fn up_to(last: u32) -> UidSet {
    if last == 0 { UidSet::new() } else { UidSet::from_ranges([(1, last)]) }
}

/// UIDs that are in both sets.
pub(super) fn intersection(a: &UidSet, b: &UidSet) -> UidSet {
    let (mut left, mut right) = (a.ranges().peekable(), b.ranges().peekable());
    let mut both = Vec::new();
    while let (Some(l), Some(r)) = (left.peek(), right.peek()) {
        let (low, high) = (*l.start().max(r.start()), *l.end().min(r.end()));
        if low <= high {
            both.push((low, high));
        }
        if l.end() < r.end() {
            left.next();
        } else {
            right.next();
        }
    }
    UidSet::from_ranges(both)
}

/// UIDs of a set that are in no row.
fn absent(state: &FolderState, uids: &UidSet) -> UidSet {
    let mut gaps = Vec::new();
    for range in uids.ranges() {
        let (mut next, high) = (*range.start(), *range.end());
        let (Ok(start) | Err(start)) = state.position(next);
        for row in state.rows_from(start).take_while(|row| row.uid <= high) {
            if row.uid > next {
                gaps.push((next, row.uid - 1));
            }
            next = row.uid.saturating_add(1);
        }
        if next <= high {
            gaps.push((next, high));
        }
    }
    UidSet::from_ranges(gaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_intersected() {
        let a = UidSet::from_ranges([(1, 5), (8, 10), (20, 30)]);
        let b = UidSet::from_ranges([(4, 9), (25, u32::MAX)]);
        assert_eq!(intersection(&a, &b).to_string(), "4:5,8:9,25:30");
        assert!(intersection(&a, &up_to(0)).is_empty());
    }
}
