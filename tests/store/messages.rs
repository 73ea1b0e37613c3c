//! Messages in, read back, copied, moved, expunged; bodies once; quota.

use crate::bed::{Bed, NO_QUOTA, delivery, mailbox, noise, set};
use facteur::model::{Flags, Quota, Usage};
use facteur::store::{FlagChange, FlagMode, NewMessage, StoreError};

pub async fn what_was_appended_is_read_back(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await;
    // In the row, compressed or not; in a file of one, of several, and of exactly full frames.
    let bodies: Vec<Vec<u8>> = vec![
        b"Subject: small\r\n\r\nhello\r\n".to_vec(),
        b"a".repeat(200_000),
        noise(1, 1000),
        noise(2, 100_000),
        noise(3, 300_000),
        noise(4, 4 * 65536),
        noise(5, 8 * 65536),
        Vec::new(),
    ];
    for (i, body) in bodies.iter().enumerate() {
        let appended = bed.append(mailbox(1), inbox.id, body).await.unwrap();
        assert_eq!(appended.uids, set(&[(i as u32 + 1, i as u32 + 1)]));
        assert_eq!(appended.uid_validity, inbox.uid_validity);
    }
    let rows = bed.rows(mailbox(1), "INBOX").await;
    for (row, body) in rows.iter().zip(&bodies) {
        assert_eq!(bed.read(row).await.unwrap(), *body);
        assert_eq!(row.size as usize, body.len());
    }
    let ids: Vec<_> = rows.iter().map(|row| row.message).collect();
    for (read, body) in bed.store.read_many(&ids).await.unwrap().into_iter().zip(&bodies) {
        match read {
            Ok(octets) => assert_eq!(octets, *body),
            Err(error) => assert!(matches!(error, StoreError::TooLarge) && body.len() >= 256 * 1024, "{error}"),
        }
    }
}

pub async fn a_delivery_stores_one_body_for_many_or_for_none_where_one_has_no_room(bed: Bed) {
    let body = bed.stage(&noise(1, 90_000)).await;
    let with = |bytes| Quota { bytes: Some(bytes), messages: None };
    let recipients = |quota| vec![delivery(1, NO_QUOTA), delivery(3, NO_QUOTA), delivery(1, quota)];
    for tight in [1000, 90_028, 2 * 90_029 - 1] {
        let refused = bed.store.deliver(body.clone(), recipients(with(tight))).await;
        assert!(matches!(refused, Err(StoreError::OverQuota)), "{tight}: {refused:?}");
    }
    assert_eq!(bed.number("SELECT COUNT(*) FROM bodies").await, 0);
    assert!(bed.rows(mailbox(3), "INBOX").await.is_empty());
    bed.store.deliver(body, recipients(with(2 * 90_029))).await.unwrap();
    assert_eq!(bed.number("SELECT COUNT(*) FROM bodies").await, 1);
    assert_eq!(bed.number("SELECT refs FROM bodies").await, 3);
    assert_eq!(bed.rows(mailbox(1), "INBOX").await.len(), 2);
    let row = bed.rows(mailbox(3), "INBOX").await[0];
    let octets = bed.read(&row).await.unwrap();
    assert!(octets.starts_with(b"Delivered-To: 3@example.org\r\n"));
    assert_eq!(octets[29..], noise(1, 90_000));
    let stored = bed.store.messages(&[row.message]).await.unwrap().remove(0).unwrap();
    assert_eq!((&stored.prefix[..], stored.size), (&b"Delivered-To: 3@example.org\r\n"[..], 90_029));
}

pub async fn the_quota_is_counted_where_it_is_stored(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    let quota = Quota { bytes: None, messages: Some(5) };
    let body = bed.stage(b"x").await;
    let message = NewMessage { body, flags: Flags::EMPTY, keywords: Vec::new(), internal_date: 1 };
    let many = (0..20).map(|_| bed.store.append(mailbox(1), quota, inbox, vec![message.clone()]));
    let answers = futures_util::future::join_all(many).await;
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 5);
    assert!(answers.iter().all(|a| matches!(a, Ok(_) | Err(StoreError::OverQuota))));
    let archive = bed.folder(mailbox(1), "Archive").await.id;
    let copied = bed.store.copy(mailbox(1), quota, inbox, set(&[(1, 1)]), archive).await;
    assert!(matches!(copied, Err(StoreError::OverQuota)));
    let two = bed.store.append(mailbox(1), Quota { messages: Some(6), ..quota }, inbox, vec![message; 2]).await;
    assert!(matches!(two, Err(StoreError::OverQuota)), "all or none");
    assert_eq!(bed.store.usage(mailbox(1).id).await.unwrap(), Usage { bytes: 5, messages: 5 });
}

pub async fn a_copy_shares_the_message_and_a_body_goes_with_its_last_reference(bed: Bed) {
    let (inbox, archive) = (bed.folder(mailbox(1), "INBOX").await.id, bed.folder(mailbox(1), "Archive").await.id);
    bed.append_flagged(mailbox(1), inbox, &noise(7, 90_000), Flags::DELETED, &["$Work"]).await.unwrap();
    let copied = bed.store.copy(mailbox(1), NO_QUOTA, inbox, set(&[(1, 9)]), archive).await.unwrap();
    assert_eq!((copied.source, copied.target), (set(&[(1, 1)]), set(&[(1, 1)])));
    assert_eq!(bed.number("SELECT COUNT(*) FROM messages").await, 1);
    assert_eq!(bed.store.usage(mailbox(1).id).await.unwrap(), Usage { bytes: 180_000, messages: 2 });
    let state = bed.open(mailbox(1), "Archive").await.state();
    let row = state.row(0).unwrap();
    assert_eq!(state.keywords[row.flags.keywords().next().unwrap()].as_ref(), "$Work");

    let gone = bed.store.expunge(mailbox(1), inbox, set(&[(1, u32::MAX)])).await.unwrap();
    assert_eq!(gone.uids, set(&[(1, 1)]));
    assert_eq!(bed.read(&row).await.unwrap(), noise(7, 90_000));
    bed.store.expunge(mailbox(1), archive, set(&[(1, 1)])).await.unwrap();
    for table in [
        "SELECT COUNT(*) FROM messages",
        "SELECT COUNT(*) FROM bodies",
        "SELECT COUNT(*) FROM body_octets",
        "SELECT COUNT(*) FROM extra_refs",
    ] {
        assert_eq!(bed.number(table).await, 0, "{table}");
    }
    assert_eq!(body_files(&bed), 0);
    assert_eq!(bed.store.usage(mailbox(1).id).await.unwrap(), Usage::default());
}

/// Files below `bodies/`, in every shelf.
fn body_files(bed: &Bed) -> usize {
    let shelves = std::fs::read_dir(bed.dir.join("bodies")).unwrap();
    shelves.map(|shelf| std::fs::read_dir(shelf.unwrap().path()).unwrap().count()).sum()
}

pub async fn a_body_that_is_not_stored_leaves_no_file(bed: Bed) {
    let body = bed.stage(&noise(1, 400_000)).await;
    assert_eq!(body_files(&bed), 1);
    drop(body);
    let mut unfinished = bed.store.stage();
    unfinished.write(&noise(2, 400_000)).await.unwrap();
    drop(unfinished);
    assert_eq!(body_files(&bed), 0);
}

pub async fn the_same_body_is_stored_once_within_a_tenant_and_never_across(bed: Bed) {
    for octets in [b"the same".to_vec(), noise(1, 90_000)] {
        let body = bed.stage(&octets).await;
        let mut foreign = delivery(9, NO_QUOTA);
        foreign.mailbox.tenant = facteur::model::ids::TenantId(2);
        bed.store.deliver(body, vec![delivery(1, NO_QUOTA), foreign]).await.unwrap();
        let again = bed.stage(&octets).await;
        bed.store.deliver(again, vec![delivery(2, NO_QUOTA)]).await.unwrap();
    }
    assert_eq!(bed.number("SELECT COUNT(*) FROM bodies").await, 4);
    assert_eq!(body_files(&bed), 2);
}

pub async fn a_move_keeps_flags_and_dates_and_leaves_nothing_behind(bed: Bed) {
    let (inbox, trash) = (bed.folder(mailbox(1), "INBOX").await.id, bed.folder(mailbox(1), "Trash").await.id);
    for i in 0..5u8 {
        bed.append_flagged(mailbox(1), inbox, &[i], Flags::FLAGGED, &[]).await.unwrap();
    }
    let mut open = bed.open(mailbox(1), "INBOX").await;
    let before = open.state();
    let moved = bed.store.move_messages(mailbox(1), inbox, set(&[(2, 3), (5, 5)]), trash).await.unwrap();
    assert_eq!((&moved.source, &moved.target), (&set(&[(2, 3), (5, 5)]), &set(&[(1, 3)])));
    open.changed().await.unwrap();
    assert_eq!(open.state().diff(&before).expunged, [2, 3, 5]);
    let trash = bed.rows(mailbox(1), "Trash").await;
    assert!(trash.iter().all(|row| row.flags == Flags::FLAGGED && row.internal_date == 1));
    assert_eq!(bed.read(&trash[2]).await.unwrap(), [4]);
    assert_eq!(bed.store.usage(mailbox(1).id).await.unwrap(), Usage { bytes: 5, messages: 5 });
    assert_eq!(bed.number("SELECT COUNT(*) FROM messages").await, 5);
}

pub async fn an_expunge_takes_only_what_is_marked(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.fill(mailbox(1), inbox, 10).await;
    let change = FlagChange { uids: set(&[(2, 4)]), mode: FlagMode::Add, flags: Flags::DELETED, unchanged_since: None };
    bed.store.set_flags(mailbox(1), inbox, change).await.unwrap();
    let gone = bed.store.expunge(mailbox(1), inbox, set(&[(3, u32::MAX)])).await.unwrap();
    assert_eq!(gone.uids, set(&[(3, 4)]));
    let info = bed.folder(mailbox(1), "INBOX").await;
    assert_eq!((info.counts.messages, info.counts.deleted, info.uid_next), (8, 1, 11));
    assert_eq!(info.highest_modseq, gone.highest_modseq);
    let nothing = bed.store.expunge(mailbox(1), inbox, set(&[(3, 10)])).await.unwrap();
    assert!(nothing.uids.is_empty() && nothing.highest_modseq == gone.highest_modseq);
}
