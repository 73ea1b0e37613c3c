//! A whole folder state in few octets: what a folder's log shrinks to.
//!
//! It knows no database. Rows stand one field after the other and as differences, so that what
//! is alike stands together. Invariant: what does not decode to the last octet is `Corrupt`.

use super::folder_log::{Decoder, Encoder};
use super::folder_state::Tombstone;
use super::{FolderState, Result, StoreError};

/// zstd's level: snapshots are written while others wait for the commit.
const LEVEL: i32 = 1;
/// Octets that a snapshot may open to: damage must not allocate more than any folder needs.
const OCTETS: usize = 1 << 30;

impl FolderState {
    /// The whole state, with a checksum.
    pub(super) fn encode_snapshot(&self) -> Result<Vec<u8>> {
        let mut out = Encoder::default();
        for number in [u64::from(self.uid_validity), u64::from(self.uid_next), self.highest_modseq, self.forgotten] {
            out.number(number);
        }
        out.number(self.keywords.len() as u64);
        self.keywords.iter().for_each(|name| out.text(name));
        out.number(self.tombstones.len() as u64);
        for tombstone in self.tombstones.iter() {
            out.number(tombstone.modseq);
            out.number(u64::from(tombstone.first));
            out.number(u64::from(tombstone.last));
        }
        let rows: Vec<_> = self.rows_from(0).collect();
        out.rows(rows.iter());
        let sealed = out.seal();
        zstd::bulk::compress(&sealed, LEVEL).map_err(|error| StoreError::Failed(error.to_string()))
    }

    /// A snapshot back.
    pub(super) fn decode_snapshot(data: &[u8]) -> Result<Self> {
        let damaged = || StoreError::Corrupt("a folder's snapshot".into());
        let size = zstd::zstd_safe::get_frame_content_size(data).ok().flatten().unwrap_or(0);
        let size = usize::try_from(size).map_err(|_| damaged())?;
        if size > OCTETS {
            return Err(damaged());
        }
        let sealed = zstd::bulk::decompress(data, size).map_err(|_| damaged())?;
        let mut from = Decoder::open(&sealed)?;
        let uid_validity = from.small()?;
        let uid_next = from.small()?;
        let mut state = Self::empty(uid_validity, from.number()?);
        state.forgotten = from.number()?;
        let mut keywords = Vec::new();
        for _ in 0..from.count()? {
            keywords.push(from.text()?.into());
        }
        let mut tombstones = Vec::new();
        for _ in 0..from.count()? {
            tombstones.push(Tombstone { modseq: from.number()?, first: from.small()?, last: from.small()? });
        }
        from.rows()?.into_iter().for_each(|row| state.push(row));
        state.uid_next = uid_next;
        state.keywords = keywords.into();
        state.tombstones = tombstones.into();
        from.end()?;
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::MessageId;
    use crate::model::{Flags, UidSet};
    use crate::store::folder_log::FolderOp;
    use crate::store::{FlagMode, Row};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A folder as one would write it without a thought for speed.
    #[derive(Debug, Clone, Default, PartialEq)]
    struct Naive {
        rows: BTreeMap<u32, Row>,
        uid_next: u32,
        gone: BTreeMap<u32, u64>,
    }

    /// What a session might do, before it is known what is there.
    #[derive(Debug, Clone)]
    enum Step {
        Append(u8),
        Flags(Vec<(u32, u32)>, FlagMode, u64),
        Expunge(Vec<(u32, u32)>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let ranges = || prop::collection::vec((1..700u32, 0..40u32).prop_map(|(a, n)| (a, a + n)), 1..4);
        let mode = prop_oneof![Just(FlagMode::Add), Just(FlagMode::Remove), Just(FlagMode::Replace)];
        let step = prop_oneof![
            any::<u8>().prop_map(Step::Append),
            (ranges(), mode, 0..32u64).prop_map(|(r, m, f)| Step::Flags(r, m, f)),
            ranges().prop_map(Step::Expunge),
        ];
        prop::collection::vec(step, 1..24)
    }

    impl Naive {
        fn run(&mut self, step: &Step, modseq: u64) -> FolderOp {
            match step {
                Step::Append(number) => {
                    let rows: Vec<Row> = (0..u32::from(*number)).map(|i| self.append(i, modseq)).collect();
                    FolderOp::Append(rows)
                }
                Step::Flags(ranges, mode, flags) => {
                    let uids = UidSet::from_ranges(ranges.iter().copied());
                    let there =
                        |row: &&mut Row| uids.contains(row.uid) && mode.apply(row.flags, Flags(*flags)) != row.flags;
                    for row in self.rows.values_mut().filter(|row| there(row)) {
                        row.flags = mode.apply(row.flags, Flags(*flags));
                        row.modseq = modseq;
                    }
                    FolderOp::Flags { uids, mode: *mode, flags: Flags(*flags) }
                }
                Step::Expunge(ranges) => {
                    let uids = UidSet::from_ranges(ranges.iter().copied());
                    let gone: UidSet = self.rows.keys().copied().filter(|uid| uids.contains(*uid)).collect();
                    self.rows.retain(|uid, _| !gone.contains(*uid));
                    self.gone.extend(gone.iter().map(|uid| (uid, modseq)));
                    FolderOp::Expunge(gone)
                }
            }
        }

        fn append(&mut self, i: u32, modseq: u64) -> Row {
            let uid = self.uid_next.max(1);
            self.uid_next = uid + 1;
            let (message, flags) = (MessageId(i64::from(uid) * 3), Flags(u64::from(i % 4)));
            let row = Row { uid, message, flags, modseq, size: i, internal_date: -5, save_date: i64::from(i) };
            self.rows.insert(uid, row);
            row
        }

        fn agrees(&self, state: &FolderState) {
            let rows: Vec<Row> = self.rows.values().copied().collect();
            assert_eq!(state.rows_from(0).collect::<Vec<_>>(), rows);
            assert_eq!(state.uid_next, self.uid_next.max(1));
            let counts = state.counts();
            assert_eq!(counts.messages as usize, rows.len());
            assert_eq!(counts.unseen as usize, rows.iter().filter(|r| !r.flags.contains(Flags::SEEN)).count());
            assert_eq!(counts.deleted as usize, rows.iter().filter(|r| r.flags.contains(Flags::DELETED)).count());
            assert_eq!(counts.bytes, rows.iter().map(|r| u64::from(r.size)).sum::<u64>());
            for (at, row) in rows.iter().enumerate() {
                assert_eq!(state.row(at as u32), Some(*row));
                assert_eq!(state.position(row.uid), Ok(at as u32));
            }
            assert_eq!(state.row(state.len()), None);
            for since in 1..=state.highest_modseq {
                let gone: UidSet = self.gone.iter().filter(|(_, at)| **at > since).map(|(uid, _)| *uid).collect();
                assert_eq!(state.vanished_since(since), Some(gone));
            }
        }

        fn explains(&self, older: &Naive, state: &FolderState, old: &FolderState) {
            let diff = state.diff(old);
            let expunged = older.rows.keys().copied().filter(|uid| !self.rows.contains_key(uid));
            assert_eq!(diff.expunged, expunged.collect::<Vec<_>>());
            let changed = self.rows.values().filter(|row| older.rows.get(&row.uid).is_some_and(|old| old != *row));
            assert_eq!(diff.changed, changed.copied().collect::<Vec<_>>());
            let added = self.rows.keys().filter(|uid| !older.rows.contains_key(uid)).count();
            assert_eq!(diff.added as usize, added);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_log_says_the_same_as_a_naive_folder(steps in steps()) {
            let mut history = vec![(Naive::default(), FolderState::empty(7, 1))];
            for step in &steps {
                let (mut naive, state) = history.last().unwrap().clone();
                let modseq = state.highest_modseq + 1;
                let op = naive.run(step, modseq);
                let record = op.encode();
                let read = FolderOp::decode(&record).unwrap();
                prop_assert_eq!(&read, &op);
                let mut state = state.apply(modseq, &read);
                naive.agrees(&state);
                state = FolderState::decode_snapshot(&state.encode_snapshot().unwrap()).unwrap();
                naive.agrees(&state);
                history.push((naive, state));
            }
            let (naive, state) = history.last().unwrap();
            for (older, old) in &history {
                naive.explains(older, state, old);
            }
        }

        #[test]
        fn damage_is_found_and_never_panics(octets in prop::collection::vec(any::<u8>(), 0..200), at in any::<usize>()) {
            prop_assert!(FolderOp::decode(&octets).is_err());
            prop_assert!(FolderState::decode_snapshot(&octets).is_err());
            let mut naive = Naive::default();
            let state = FolderState::empty(7, 1).apply(2, &naive.run(&Step::Append(40), 2));
            let mut snapshot = state.encode_snapshot().unwrap();
            let at = at % snapshot.len();
            snapshot[at] ^= 0x10;
            prop_assert!(FolderState::decode_snapshot(&snapshot).is_err());
        }
    }

    #[test]
    fn a_change_copies_only_what_it_touches() {
        let mut naive = Naive::default();
        let mut state = FolderState::empty(7, 1);
        for modseq in 2..42 {
            state = state.apply(modseq, &naive.run(&Step::Append(255), modseq));
        }
        let change =
            FolderOp::Flags { uids: UidSet::from_ranges([(3, 4)]), mode: FlagMode::Add, flags: Flags::FLAGGED };
        assert!(state.apply(42, &change).shares_all_chunks_but(&state, 1));
        let one = naive.run(&Step::Append(1), 42);
        assert!(state.apply(42, &one).shares_all_chunks_but(&state, 1));
        assert!(!naive.rows.is_empty());
    }
}
