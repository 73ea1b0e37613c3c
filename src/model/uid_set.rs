//! A set of UIDs as sorted ranges: what IMAP's `sequence-set` becomes once resolved.
//!
//! It knows nothing of `*` (the wire does). Invariant: ranges are sorted, disjoint,
//! not adjacent, and never hold 0.

use std::fmt;
use std::ops::RangeInclusive;

/// A set of UIDs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UidSet {
    ranges: Vec<(u32, u32)>,
}

impl UidSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A set of ranges in any order, overlaps and all; either end may come first (RFC 9051 §9 seq-range).
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut sorted: Vec<(u32, u32)> =
            ranges.into_iter().map(|(a, b)| (a.min(b).max(1), a.max(b))).filter(|(_, hi)| *hi > 0).collect();
        sorted.sort_unstable();
        let mut ranges: Vec<(u32, u32)> = Vec::with_capacity(sorted.len());
        for (lo, hi) in sorted {
            match ranges.last_mut() {
                Some(last) if lo <= last.1.saturating_add(1) => last.1 = last.1.max(hi),
                _ => ranges.push((lo, hi)),
            }
        }
        Self { ranges }
    }

    /// Adds a UID that is not below any other in the set; cheap when they come rising.
    pub fn push(&mut self, uid: u32) {
        match self.ranges.last_mut() {
            Some(last) if uid <= last.1 && uid >= last.0 => {}
            Some(last) if last.1.checked_add(1) == Some(uid) => last.1 = uid,
            Some(last) if uid < last.0 => {
                let all = self.ranges.drain(..).chain([(uid, uid)]).collect::<Vec<_>>();
                *self = Self::from_ranges(all);
            }
            _ if uid > 0 => self.ranges.push((uid, uid)),
            _ => {}
        }
    }

    /// True when there is no UID in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many UIDs it spans.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(lo, hi)| u64::from(hi - lo) + 1).sum()
    }

    /// True when `uid` is in it.
    pub fn contains(&self, uid: u32) -> bool {
        let after = self.ranges.partition_point(|(lo, _)| *lo <= uid);
        after > 0 && self.ranges[after - 1].1 >= uid
    }

    /// The ranges, rising.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = RangeInclusive<u32>> + '_ {
        self.ranges.iter().map(|(lo, hi)| *lo..=*hi)
    }

    /// Every UID, rising. Do not walk a set that a client wrote (`1:4294967295`); intersect it first.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges().flatten()
    }
}

impl FromIterator<u32> for UidSet {
    fn from_iter<T: IntoIterator<Item = u32>>(uids: T) -> Self {
        let mut set = Self::new();
        let mut rest = Vec::new();
        for uid in uids {
            match set.ranges.last() {
                Some((_, hi)) if uid < *hi => rest.push((uid, uid)),
                _ => set.push(uid),
            }
        }
        if rest.is_empty() { set } else { Self::from_ranges(set.ranges.into_iter().chain(rest)) }
    }
}

/// RFC 9051 §9 sequence-set, as in `1:3,7`.
impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (lo, hi)) in self.ranges.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            if lo == hi { write!(f, "{lo}")? } else { write!(f, "{lo}:{hi}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_merged_and_printed() {
        let set = UidSet::from_ranges([(5, 3), (1, 1), (4, 7), (9, 9), (0, 0)]);
        assert_eq!(set.to_string(), "1,3:7,9");
        assert_eq!(set.len(), 7);
        assert!(set.contains(6) && !set.contains(8) && !set.contains(0));
        assert_eq!([3, 1, 2, 9].into_iter().collect::<UidSet>().to_string(), "1:3,9");
        assert_eq!(UidSet::from_ranges([(1, u32::MAX), (7, 9)]).to_string(), "1:4294967295");
    }
}
