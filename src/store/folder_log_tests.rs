//! The folder's log, its snapshots and its states against a naive folder; damage; what is shared.
//!
//! The naive folder is a map of rows without chunks, ranges or codecs. Invariant of every test
//! here: whatever is done, the state and the naive folder give the same answers.

use super::folder_log::{Encoder, FolderOp};
use super::{FlagChange, FlagMode, FolderState, Row};
use crate::model::ids::MessageId;
use crate::model::{Flags, UidSet};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A folder as one would write it without a thought for speed.
#[derive(Debug, Clone, Default, PartialEq)]
struct Naive {
    rows: BTreeMap<u32, Row>,
    uid_next: u32,
    gone: BTreeMap<u32, u64>,
    keywords: Vec<Box<str>>,
}

/// What a session might do, before it is known what is there.
#[derive(Debug, Clone)]
enum Step {
    Append(u32),
    /// Ranges, in which way, flags, and how far below the newest MODSEQ UNCHANGEDSINCE stands.
    Flags(Vec<(u32, u32)>, FlagMode, u64, Option<u64>),
    Expunge(Vec<(u32, u32)>),
    Keyword(String),
}

/// Steps of a folder with about `size` messages.
fn steps(size: u32, number: usize) -> impl Strategy<Value = Vec<Step>> {
    let ranges = move || prop::collection::vec((1..size, 0..size / 8).prop_map(|(a, n)| (a, a + n)), 1..4);
    let mode = prop_oneof![Just(FlagMode::Add), Just(FlagMode::Remove), Just(FlagMode::Replace)];
    let step = prop_oneof![
        3 => (0..size / 3).prop_map(Step::Append),
        3 => (ranges(), mode, 0..64u64, prop::option::of(0..4u64))
            .prop_map(|(r, m, f, s)| Step::Flags(r, m, f | (f & 32) << 5, s)),
        2 => ranges().prop_map(Step::Expunge),
        1 => "[$a-z]{1,9}".prop_map(Step::Keyword),
    ];
    prop::collection::vec(step, 1..number)
}

fn set(ranges: &[(u32, u32)]) -> UidSet {
    UidSet::from_ranges(ranges.iter().copied())
}

impl Naive {
    /// Does the step, and answers the record that says it; `None` when nothing changes.
    fn run(&mut self, step: &Step, state: &FolderState) -> Option<FolderOp> {
        let modseq = state.highest_modseq + 1;
        match step {
            Step::Append(number) => Some(FolderOp::Append((0..*number).map(|i| self.append(i, modseq)).collect())),
            Step::Flags(ranges, mode, flags, below) => {
                let unchanged_since = below.map(|below| state.highest_modseq.saturating_sub(below));
                let change = FlagChange { uids: set(ranges), mode: *mode, flags: Flags(*flags), unchanged_since };
                let (record, passed_over) = change.record(state);
                assert_eq!(passed_over, self.change(&change, modseq));
                record
            }
            Step::Expunge(ranges) => {
                let uids = set(ranges);
                let gone: UidSet = self.rows.keys().copied().filter(|uid| uids.contains(*uid)).collect();
                self.rows.retain(|uid, _| !gone.contains(*uid));
                self.gone.extend(gone.iter().map(|uid| (uid, modseq)));
                Some(FolderOp::Expunge(gone))
            }
            Step::Keyword(name) => {
                self.keywords.push(name.as_str().into());
                Some(FolderOp::Keyword { index: self.keywords.len() as u8 - 1, name: name.as_str().into() })
            }
        }
    }

    fn append(&mut self, i: u32, modseq: u64) -> Row {
        let uid = self.uid_next.max(1);
        self.uid_next = uid + 1;
        let (message, flags) = (MessageId(i64::from(uid) * 3), Flags(u64::from(i % 4)));
        let row = Row { uid, message, flags, modseq, size: i * 7, internal_date: -5, save_date: i64::from(i) };
        self.rows.insert(uid, row);
        row
    }

    /// Changes flags; answers the messages that were passed over.
    fn change(&mut self, change: &FlagChange, modseq: u64) -> UidSet {
        let mut passed_over = UidSet::new();
        for row in self.rows.values_mut().filter(|row| change.uids.contains(row.uid)) {
            let flags = change.mode.apply(row.flags, change.flags);
            if change.unchanged_since.is_some_and(|since| row.modseq > since) {
                passed_over.push(row.uid);
            } else if flags != row.flags {
                (row.flags, row.modseq) = (flags, modseq);
            }
        }
        passed_over
    }

    fn agrees(&self, state: &FolderState) {
        let rows: Vec<Row> = self.rows.values().copied().collect();
        assert_eq!(state.rows_from(0).collect::<Vec<_>>(), rows);
        assert_eq!((state.uid_next, &*state.keywords), (self.uid_next.max(1), &self.keywords));
        let counts = state.counts();
        assert_eq!((counts.messages as usize, state.is_empty()), (rows.len(), rows.is_empty()));
        assert_eq!(counts.unseen as usize, rows.iter().filter(|r| !r.flags.contains(Flags::SEEN)).count());
        assert_eq!(counts.deleted as usize, rows.iter().filter(|r| r.flags.contains(Flags::DELETED)).count());
        assert_eq!(counts.bytes, rows.iter().map(|r| u64::from(r.size)).sum::<u64>());
        for (at, row) in rows.iter().enumerate() {
            assert_eq!((state.row(at as u32), state.position(row.uid)), (Some(*row), Ok(at as u32)));
        }
        for uid in self.gone.keys().chain([&0, &u32::MAX]).step_by(7) {
            assert_eq!(state.position(*uid), Err(self.rows.range(..uid).count() as u32));
        }
        for from in (0..state.len() + 2).step_by(509) {
            assert_eq!(state.rows_from(from).next(), rows.get(from as usize).copied());
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

fn after(state: &FolderState, op: &FolderOp) -> FolderState {
    let mut next = state.clone();
    next.apply_in_place(state.highest_modseq + 1, op);
    next
}

/// A folder's life: each state with its naive folder, and the records between them.
type Life = (Vec<(Naive, FolderState)>, Vec<Vec<u8>>);

/// Does the steps and compares after each.
fn live(steps: &[Step]) -> Life {
    let mut history = vec![(Naive::default(), FolderState::empty(7, 1))];
    let mut log = Vec::new();
    for step in steps {
        let (mut naive, old) = history.last().unwrap().clone();
        let Some(op) = naive.run(step, &old) else {
            assert_eq!(naive, history.last().unwrap().0, "without a record nothing changes");
            continue;
        };
        let record = op.encode();
        assert_eq!(FolderOp::decode(&record).unwrap(), op);
        let state = after(&old, &op);
        naive.agrees(&state);
        only_rises(&old, &state);
        log.push(record);
        history.push((naive, state));
    }
    (history, log)
}

/// UIDNEXT never goes back, HIGHESTMODSEQ and what changed go up (RFC 7162 §3.1).
fn only_rises(old: &FolderState, new: &FolderState) {
    assert!(new.uid_next >= old.uid_next && new.highest_modseq > old.highest_modseq);
    assert!(new.diff(old).changed.iter().all(|row| row.modseq == new.highest_modseq));
}

/// Every state explains itself to every older one, also through a snapshot and the log behind it.
fn holds_together((history, log): &Life, snapshot_at: usize) {
    let (naive, state) = history.last().unwrap();
    let mut read = FolderState::decode_snapshot(&history[snapshot_at].1.encode_snapshot().unwrap()).unwrap();
    history[snapshot_at].0.agrees(&read);
    for record in &log[snapshot_at..] {
        read.apply_in_place(read.highest_modseq + 1, &FolderOp::decode(record).unwrap());
    }
    naive.agrees(&read);
    for (older, old) in history {
        naive.explains(older, state, old);
        // Without any chunk in common: the states were read apart.
        naive.explains(older, &read, old);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_log_says_the_same_as_a_naive_folder(steps in steps(500, 24), at in any::<prop::sample::Index>()) {
        let life = live(&steps);
        holds_together(&life, at.index(life.0.len()));
    }

    #[test]
    fn octets_with_a_right_checksum_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(FolderOp::decode(&octets).is_err());
        prop_assert!(FolderState::decode_snapshot(&octets).is_err());
        let mut out = Encoder::default();
        out.number(u64::from(octets.first().map_or(1, |kind| kind % 7)));
        out.octets(octets.get(1..).unwrap_or_default());
        let sealed = out.seal();
        if let Ok(op) = FolderOp::decode(&sealed) {
            prop_assert_eq!(FolderOp::decode(&op.encode()).unwrap(), op.clone());
            let uids: Vec<u32> = after(&FolderState::empty(7, 1), &op).rows_from(0).map(|row| row.uid).collect();
            prop_assert!(uids.is_sorted_by(|a, b| a < b));
        }
        prop_assert!(FolderState::decode_snapshot(&sealed).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn many_chunks_say_the_same_as_a_naive_folder(steps in steps(12_000, 10), at in any::<prop::sample::Index>()) {
        let first = [Step::Append(6_000)];
        let life = live(&[&first[..], &steps[..]].concat());
        holds_together(&life, at.index(life.0.len()));
    }
}

/// A folder of so many messages, put in by 500.
fn folder(messages: u32) -> (Naive, FolderState) {
    let (mut naive, mut state) = (Naive::default(), FolderState::empty(7, 1));
    while state.len() < messages {
        let number = (messages - state.len()).min(500);
        state = after(&state, &naive.run(&Step::Append(number), &state).unwrap());
    }
    (naive, state)
}

#[test]
fn damage_anywhere_is_found() {
    let (mut naive, state) = folder(40);
    let flags = Step::Flags(vec![(3, 9), (20, 30)], FlagMode::Replace, 12, None);
    let steps = [Step::Append(3), flags, Step::Expunge(vec![(2, 5), (9, 9)]), Step::Keyword("$Junk".into())];
    let refused = |octets: &[u8]| FolderOp::decode(octets).is_err() && FolderState::decode_snapshot(octets).is_err();
    let records = steps.iter().map(|step| naive.run(step, &state).unwrap().encode()).collect::<Vec<_>>();
    for sound in records.into_iter().chain([state.encode_snapshot().unwrap()]) {
        for at in 0..sound.len() {
            assert!(refused(&sound[..at]), "cut at {at}");
            for bit in 0..8 {
                let mut bad = sound.clone();
                bad[at] ^= 1 << bit;
                assert!(refused(&bad), "bit {bit} of octet {at}");
            }
        }
    }
}

#[test]
fn the_last_uid_is_not_given_twice() {
    let row = *folder(1).0.rows.values().next().unwrap();
    let rows = [u32::MAX - 1, u32::MAX, u32::MAX].map(|uid| Row { uid, ..row });
    let state = after(&FolderState::empty(7, 1), &FolderOp::Append(rows.to_vec()));
    assert_eq!((state.len(), state.uid_next), (1, u32::MAX));
}

#[test]
fn a_change_of_a_whole_folder_is_one_range() {
    let (mut naive, mut state) = folder(100_000);
    // Half of the messages have the flag already, and a quarter is gone.
    let uids = |step: usize| (1..100_000).step_by(step).map(|uid| (uid, uid)).collect::<Vec<_>>();
    for step in [Step::Flags(uids(2), FlagMode::Add, 4, None), Step::Expunge(uids(4))] {
        state = after(&state, &naive.run(&step, &state).unwrap());
    }
    let all = |since| Step::Flags(vec![(1, u32::MAX)], FlagMode::Add, 4, since);
    let op = naive.run(&all(None), &state).unwrap();
    assert!(op.encode().len() < 20, "{} octets", op.encode().len());
    let changed = after(&state, &op);
    assert_eq!(changed.rows_from(0).collect::<Vec<_>>(), naive.rows.values().copied().collect::<Vec<_>>());
    assert_eq!(naive.run(&all(None), &changed), None);
}

#[test]
fn a_folder_forgets_the_oldest_expunges_first() {
    let (_, mut state) = folder(10_000);
    let start = state.highest_modseq;
    let uids: Vec<u32> = (1..10_000).step_by(2).collect();
    for uid in &uids {
        state.apply_in_place(state.highest_modseq + 1, &FolderOp::Expunge(set(&[(*uid, *uid)])));
    }
    let read = FolderState::decode_snapshot(&state.encode_snapshot().unwrap()).unwrap();
    for state in [&state, &read] {
        let oldest = state.forgotten;
        assert!(oldest > start && state.highest_modseq - oldest > 1000);
        assert_eq!((state.vanished_since(start), state.vanished_since(oldest - 1)), (None, None));
        for since in (oldest..=state.highest_modseq).step_by(101) {
            let gone = uids[(since - start) as usize..].iter().copied().collect();
            assert_eq!(state.vanished_since(since), Some(gone));
        }
    }
}

#[test]
fn a_change_copies_only_what_it_touches() {
    let (mut naive, state) = folder(10_200);
    let one = |step| naive.clone().run(&step, &state).unwrap();
    for op in [
        one(Step::Flags(vec![(3, 4)], FlagMode::Add, 4, None)),
        one(Step::Expunge(vec![(5_000, 5_000)])),
        one(Step::Append(1)),
    ] {
        assert!(after(&state, &op).shares_all_chunks_but(&state, 1), "{op:?}");
    }
    // What stays as it is is not copied, whoever names it.
    let unchanged = FolderOp::Flags { uids: set(&[(1, 10_200)]), mode: FlagMode::Remove, flags: Flags(1 << 40) };
    assert!(after(&state, &unchanged).shares_all_chunks_but(&state, 0));
    let emptied = naive.run(&Step::Expunge(vec![(1, 9_000)]), &state).unwrap();
    assert!(after(&state, &emptied).shares_all_chunks_but(&state, 1));
}

#[test]
fn a_snapshot_is_small() {
    let mut random = 7_u64;
    let mut below = |end: u64| {
        // Knuth's multiplier; only the high bits are any good.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % end
    };
    let mut date = 1_500_000_000;
    let rows = (1..=100_000).map(|uid| {
        date += below(7_200) as i64;
        let (message, flags) = (MessageId(i64::from(uid) * 2 + below(2) as i64), Flags(below(10) / 9));
        let size = 1_500 + below(60_000) as u32;
        Row { uid, message, flags, modseq: 0, size, internal_date: date, save_date: date + below(3) as i64 }
    });
    let state = after(&FolderState::empty(7, 1), &FolderOp::Append(rows.collect()));
    // A row takes 48 octets in memory.
    let octets = state.encode_snapshot().unwrap().len();
    assert!(octets < 100_000 * 8, "{octets}");
}
