//! One value for each message that has been looked at, by UID.
//!
//! Invariant: UIDs rise, and each stands once.

/// Values by UID.
pub(super) struct Table<T> {
    uids: Vec<u32>,
    values: Vec<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { uids: Vec::new(), values: Vec::new() }
    }
}

impl<T: Copy> Table<T> {
    /// The place of a UID; `at` is where a walk in rising order stands, and makes the next step a look.
    fn place(&self, uid: u32, at: &mut usize) -> Option<usize> {
        if self.uids.get(*at) != Some(&uid) {
            *at = self.uids.binary_search(&uid).ok()?;
        }
        *at += 1;
        Some(*at - 1)
    }

    pub(super) fn has(&self, uid: u32, at: &mut usize) -> bool {
        self.place(uid, at).is_some()
    }

    pub(super) fn get(&self, uid: u32, at: &mut usize) -> Option<T> {
        self.place(uid, at).and_then(|place| self.values.get(place)).copied()
    }

    /// Takes in values by rising UID; those of UIDs that are there already change nothing.
    pub(super) fn add(&mut self, more: impl Iterator<Item = (u32, T)>) {
        let mut late = Vec::new();
        for (uid, value) in more {
            if self.uids.last().is_none_or(|last| *last < uid) {
                self.uids.push(uid);
                self.values.push(value);
            } else {
                late.push((uid, value));
            }
        }
        late.retain(|(uid, _)| self.uids.binary_search(uid).is_err());
        if late.is_empty() {
            return;
        }
        late.extend(self.uids.iter().copied().zip(self.values.iter().copied()));
        // Two rising runs: the sort merges them.
        late.sort_by_key(|(uid, _)| *uid);
        late.dedup_by_key(|(uid, _)| *uid);
        (self.uids, self.values) = late.into_iter().unzip();
    }

    pub(super) fn octets(&self) -> usize {
        self.uids.capacity() * size_of::<u32>() + self.values.capacity() * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map_that_keeps_what_came_first(batches in proptest::collection::vec(
            proptest::collection::btree_map(0u32..60, any::<u8>(), 0..20), 0..6))
        {
            let (mut table, mut model) = (Table::default(), BTreeMap::new());
            for batch in batches {
                table.add(batch.iter().map(|(uid, value)| (*uid, *value)));
                for (uid, value) in batch {
                    model.entry(uid).or_insert(value);
                }
                let mut at = 0;
                for uid in (0..60).chain([7, 3, 59]) {
                    prop_assert_eq!(table.get(uid, &mut at), model.get(&uid).copied());
                }
            }
        }
    }
}
