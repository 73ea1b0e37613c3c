//! Flags and keywords: one record each, seen by all sessions, refused where a client is behind.

use crate::bed::{Bed, mailbox, set};
use facteur::model::Flags;
use facteur::store::{FlagChange, FlagMode, StoreError};

fn add(flags: Flags, to: u32) -> FlagChange {
    FlagChange { uids: set(&[(1, to)]), mode: FlagMode::Add, flags, unchanged_since: None }
}

pub async fn a_store_on_a_hundred_thousand_messages_is_one_small_record(mut bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    for _ in 0..10 {
        bed.fill(mailbox(1), inbox, 10_000).await;
    }
    let records = bed.number("SELECT COUNT(*) FROM folder_ops").await;
    let changed = bed.store.set_flags(mailbox(1), inbox, add(Flags::SEEN, u32::MAX)).await.unwrap();
    assert_eq!(bed.number("SELECT COUNT(*) FROM folder_ops").await, records + 1);
    assert!(bed.number("SELECT CAST(LENGTH(op) AS BIGINT) FROM folder_ops ORDER BY modseq DESC LIMIT 1").await < 32);
    bed.reopen().await;
    let info = bed.folder(mailbox(1), "INBOX").await;
    assert_eq!((info.counts.messages, info.counts.unseen), (100_000, 0));
    assert_eq!(Some(info.highest_modseq), changed.modseq);
    let rows = bed.rows(mailbox(1), "INBOX").await;
    assert!(rows.len() == 100_000 && rows.iter().all(|row| row.flags == Flags::SEEN));
}

pub async fn sessions_see_each_others_changes(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.fill(mailbox(1), inbox, 3).await;
    let (mut one, mut other) = (bed.open(mailbox(1), "INBOX").await, bed.open(mailbox(1), "INBOX").await);
    let before = other.state();
    one.state();
    let done = bed.store.set_flags(mailbox(1), inbox, add(Flags::SEEN, 2)).await.unwrap();
    other.changed().await.unwrap();
    one.changed().await.unwrap();
    let diff = other.state().diff(&before);
    assert_eq!(
        diff.changed.iter().map(|row| (row.uid, row.flags)).collect::<Vec<_>>(),
        [(1, Flags::SEEN), (2, Flags::SEEN)]
    );
    assert!(diff.changed.iter().all(|row| Some(row.modseq) == done.modseq));
    let again = bed.store.set_flags(mailbox(1), inbox, add(Flags::SEEN, 2)).await.unwrap();
    assert_eq!(again.modseq, None, "nothing changed");
}

pub async fn a_client_that_is_behind_changes_nothing_it_has_not_seen(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.fill(mailbox(1), inbox, 3).await;
    let seen = bed.folder(mailbox(1), "INBOX").await.highest_modseq;
    bed.store.set_flags(mailbox(1), inbox, add(Flags::SEEN, 1)).await.unwrap();
    let late = FlagChange { unchanged_since: Some(seen), ..add(Flags::FLAGGED, 3) };
    let done = bed.store.set_flags(mailbox(1), inbox, late).await.unwrap();
    assert_eq!(done.modified, set(&[(1, 1)]));
    let flags: Vec<Flags> = bed.rows(mailbox(1), "INBOX").await.iter().map(|row| row.flags).collect();
    assert_eq!(flags, [Flags::SEEN, Flags::FLAGGED, Flags::FLAGGED]);
}

pub async fn keywords_keep_their_numbers_and_their_table_has_an_end(mut bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    let names: Vec<String> = (0..Flags::MAX_KEYWORDS).map(|i| format!("k{i}")).collect();
    let all = bed.store.keywords(mailbox(1), inbox, &names).await.unwrap();
    assert_eq!(all.keywords().count(), Flags::MAX_KEYWORDS);
    let one = bed.store.keywords(mailbox(1), inbox, &["K7".into()]).await.unwrap();
    assert_eq!(one.keywords().collect::<Vec<_>>(), [7]);
    let full = bed.store.keywords(mailbox(1), inbox, &["k1".into(), "more".into()]).await;
    assert!(matches!(full, Err(StoreError::TooManyKeywords)));
    bed.reopen().await;
    assert_eq!(bed.open(mailbox(1), "INBOX").await.state().keywords[9].as_ref(), "k9");
}
