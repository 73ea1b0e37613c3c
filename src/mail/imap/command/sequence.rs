//! Sequence sets as the client wrote them (RFC 9051 §9 sequence-set).
//!
//! `*` and `$` stay open until the session knows the folder. Invariant: never empty, never 0.

use crate::model::UidSet;

/// A number or `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeqNumber {
    /// A sequence number or UID, never 0.
    Number(u32),
    /// `*`: the largest in the folder.
    Largest,
}

/// A sequence set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SequenceSet {
    /// `$`: the result of the last SEARCH with SAVE (RFC 9051 §6.4.4.1).
    Saved,
    /// Ranges in the order of the command; either end may be the larger one. One number is a range to itself.
    Ranges(Vec<(SeqNumber, SeqNumber)>),
}

impl SequenceSet {
    /// The numbers it means when `largest` is the folder's largest number or UID (0 in an empty folder).
    /// `None` for `$`.
    pub fn resolve(&self, largest: u32) -> Option<UidSet> {
        let Self::Ranges(ranges) = self else { return None };
        let number = |n: SeqNumber| match n {
            SeqNumber::Number(n) => n,
            SeqNumber::Largest => largest,
        };
        // In an empty folder `*` stands for nothing (RFC 9051 §9 seq-number).
        let there = ranges
            .iter()
            .filter(|(a, b)| largest > 0 || !matches!((a, b), (SeqNumber::Largest, _) | (_, SeqNumber::Largest)));
        Some(UidSet::from_ranges(there.map(|(a, b)| (number(*a), number(*b)))))
    }

    /// The largest number written out; `None` when there is only `*` or `$`.
    pub fn largest_written(&self) -> Option<u32> {
        let Self::Ranges(ranges) = self else { return None };
        let written = |n: &SeqNumber| match n {
            SeqNumber::Number(n) => Some(*n),
            SeqNumber::Largest => None,
        };
        ranges.iter().filter_map(|(a, b)| written(a).max(written(b))).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_is_the_largest_and_order_is_free() {
        use SeqNumber::{Largest, Number};
        let set = SequenceSet::Ranges(vec![(Largest, Number(7)), (Number(2), Number(2))]);
        assert_eq!(set.resolve(5).unwrap().to_string(), "2,5:7");
        assert_eq!(set.resolve(9).unwrap().to_string(), "2,7:9");
        assert_eq!(set.resolve(0).unwrap().to_string(), "2");
        assert_eq!(set.largest_written(), Some(7));
        assert_eq!(SequenceSet::Saved.resolve(5), None);
    }
}
