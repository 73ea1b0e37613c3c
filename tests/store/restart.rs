//! What a restart finds: everything, from snapshot and log, with numbers that go on.

use crate::bed::{Bed, NO_QUOTA, delivery, mailbox, noise, set};
use facteur::model::Flags;
use facteur::store::{FlagChange, FlagMode};

pub async fn a_restart_finds_the_same_folder(mut bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.fill(mailbox(1), inbox, 50).await;
    let flag = |uids, flags| FlagChange { uids: set(uids), mode: FlagMode::Add, flags, unchanged_since: None };
    bed.store.set_flags(mailbox(1), inbox, flag(&[(5, 9)], Flags::DELETED)).await.unwrap();
    bed.store.expunge(mailbox(1), inbox, set(&[(1, 100)])).await.unwrap();
    let before = bed.open(mailbox(1), "INBOX").await.state();
    let info = bed.folder(mailbox(1), "INBOX").await;
    bed.reopen().await;
    let after = bed.open(mailbox(1), "INBOX").await.state();
    assert_eq!(before.rows_from(0).collect::<Vec<_>>(), after.rows_from(0).collect::<Vec<_>>());
    assert_eq!((after.uid_next, after.highest_modseq), (info.uid_next, info.highest_modseq));
    assert_eq!(after.counts(), info.counts);
    assert_eq!(after.vanished_since(2), Some(set(&[(5, 9)])));
    let next = bed.append(mailbox(1), inbox, b"next").await.unwrap();
    assert_eq!(next.uids, set(&[(51, 51)]));
}

pub async fn a_long_log_becomes_a_snapshot(mut bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    for _ in 0..5 {
        bed.fill(mailbox(1), inbox, 8_000).await;
    }
    assert_eq!(bed.number("SELECT COUNT(*) FROM folder_snapshots").await, 1);
    assert!(bed.number("SELECT COUNT(*) FROM folder_ops").await < 5);
    // Deliveries to a folder that nobody has open end in a snapshot, too.
    bed.reopen().await;
    let snapshot = bed.number("SELECT MAX(modseq) FROM folder_snapshots").await;
    for _ in 0..5 {
        bed.fill(mailbox(1), inbox, 8_000).await;
    }
    assert!(bed.number("SELECT MAX(modseq) FROM folder_snapshots").await > snapshot);
    bed.reopen().await;
    let rows = bed.rows(mailbox(1), "INBOX").await;
    assert!(rows.iter().map(|row| row.uid).eq(1..=80_000));
    assert_eq!(bed.folder(mailbox(1), "INBOX").await.counts.messages, 80_000);
}

pub async fn a_start_removes_files_that_no_row_names(mut bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.append(mailbox(1), inbox, &noise(1, 90_000)).await.unwrap();
    let stray = bed.dir.join("bodies/00/00000000000000000000000000000000");
    let unfinished = bed.dir.join("bodies/incoming/1");
    for path in [&stray, &unfinished] {
        std::fs::write(path, b"left behind").unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    bed.reopen().await;
    while stray.exists() || unfinished.exists() {
        tokio::task::yield_now().await;
    }
    let row = bed.rows(mailbox(1), "INBOX").await[0];
    assert_eq!(bed.read(&row).await.unwrap(), noise(1, 90_000));
}

/// Numbers that were set aside by a write which was refused are not handed out twice.
pub async fn a_refused_write_keeps_no_numbers(mut bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.append(mailbox(1), inbox, b"first").await.unwrap();
    for round in 0..3 {
        bed.reopen().await;
        // The first write after a start takes a block of numbers, and is refused.
        let taken = "INBOX".parse().unwrap();
        let refused = bed.store.create_folder(mailbox(1), &taken, None).await;
        assert!(matches!(refused, Err(facteur::store::StoreError::FolderExists)), "{refused:?}");
        let none = facteur::model::Quota { bytes: Some(0), messages: None };
        let late = bed.stage(b"late").await;
        bed.store.deliver(late.clone(), vec![delivery(1, none)]).await.unwrap_err();
        let name = format!("made {round}").parse().unwrap();
        bed.store.create_folder(mailbox(1), &name, None).await.unwrap();
        bed.store.deliver(late, vec![delivery(1, NO_QUOTA)]).await.unwrap();
    }
    let names = bed.store.folders(mailbox(1)).await.unwrap();
    assert_eq!(names.iter().filter(|folder| folder.name.as_str().starts_with("made")).count(), 3);
    assert_eq!(bed.rows(mailbox(1), "INBOX").await.len(), 4);
}
