//! Damage is found on reading, and stays where it is.

use crate::bed::{Bed, NO_QUOTA, delivery, mailbox, noise, set};
use facteur::model::{Flags, Usage};
use facteur::store::{FlagChange, FlagMode, Pop3Finish, StoreError};

pub async fn a_damaged_row_fails_for_its_message_alone(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.append(mailbox(1), inbox, &noise(1, 500)).await.unwrap();
    bed.append(mailbox(1), inbox, &noise(2, 500)).await.unwrap();
    let flip = if bed.is_sqlite() {
        "UPDATE body_octets SET data = CAST(x'00' || substr(data, 2) AS BLOB) WHERE body_id = (SELECT MIN(body_id) FROM body_octets)"
    } else {
        "UPDATE body_octets SET data = set_byte(data, 0, 0) WHERE body_id = (SELECT MIN(body_id) FROM body_octets)"
    };
    bed.tamper(flip).await;
    let rows = bed.rows(mailbox(1), "INBOX").await;
    assert!(matches!(bed.read(&rows[0]).await, Err(StoreError::Corrupt(_))));
    let both = bed.store.read_many(&[rows[0].message, rows[1].message]).await.unwrap();
    assert!(matches!(both[0], Err(StoreError::Corrupt(_))));
    assert_eq!(both[1].as_ref().unwrap()[..], noise(2, 500));
}

pub async fn a_damaged_file_gives_out_nothing_that_is_wrong(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.append(mailbox(1), inbox, &noise(1, 300_000)).await.unwrap();
    let row = bed.rows(mailbox(1), "INBOX").await[0];
    let shelves = std::fs::read_dir(bed.dir.join("bodies")).unwrap();
    let file = shelves.flat_map(|shelf| std::fs::read_dir(shelf.unwrap().path()).unwrap()).next().unwrap().unwrap();
    let whole = std::fs::read(file.path()).unwrap();
    for at in [0, 5, 9, 100, 70_000, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        std::fs::write(file.path(), &damaged).unwrap();
        assert!(matches!(bed.read(&row).await, Err(StoreError::Corrupt(_))), "octet {at}");
    }
    std::fs::write(file.path(), &whole[..whole.len() - 7]).unwrap();
    assert!(matches!(bed.read(&row).await, Err(StoreError::Corrupt(_))));
    std::fs::remove_file(file.path()).unwrap();
    assert!(matches!(bed.read(&row).await, Err(StoreError::Corrupt(_))));
    std::fs::write(file.path(), &whole).unwrap();
    assert_eq!(bed.read(&row).await.unwrap(), noise(1, 300_000));
}

pub async fn a_lost_record_closes_its_folder_alone(mut bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    let sent = bed.folder(mailbox(1), "Sent").await.id;
    bed.append(mailbox(1), inbox, b"1").await.unwrap();
    bed.append(mailbox(1), inbox, b"2").await.unwrap();
    bed.append(mailbox(1), sent, b"3").await.unwrap();
    bed.tamper("DELETE FROM folder_ops WHERE modseq = 2 AND folder_id = (SELECT id FROM folders WHERE name = 'INBOX')")
        .await;
    bed.reopen().await;
    assert!(matches!(bed.store.open(mailbox(1), inbox).await, Err(StoreError::Corrupt(_))));
    assert_eq!(bed.rows(mailbox(1), "Sent").await.len(), 1);
    bed.append(mailbox(1), inbox, b"mail still comes in").await.unwrap();
}

pub async fn a_damaged_summary_is_made_again_from_the_body(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    let text = b"From: a@example.org\r\nSubject: seen again\r\n\r\nbody\r\n";
    let summary = bed.stage(text).await.summary.clone();
    assert!(!summary.is_empty());
    bed.append(mailbox(1), inbox, text).await.unwrap();
    let row = bed.rows(mailbox(1), "INBOX").await[0];
    let stored = bed.store.messages(&[row.message]).await.unwrap().remove(0).unwrap();
    assert_eq!(stored.summary, summary);
    let flip = if bed.is_sqlite() {
        "UPDATE bodies SET summary = CAST(x'ff' || substr(summary, 2) AS BLOB)"
    } else {
        "UPDATE bodies SET summary = set_byte(summary, 0, 255)"
    };
    bed.tamper(flip).await;
    let stored = bed.store.messages(&[row.message]).await.unwrap().remove(0).unwrap();
    assert_eq!(stored.summary, summary);
}

pub async fn a_damaged_head_refuses_its_own_folder_alone(mut bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    let sent = bed.folder(mailbox(1), "Sent").await.id;
    bed.append(mailbox(1), inbox, b"before").await.unwrap();
    bed.tamper("UPDATE folders SET messages = -7 WHERE mailbox_id = 1 AND name = 'INBOX'").await;
    let body = bed.stage(b"Subject: to all\r\n\r\n").await;
    let deliver = |number| bed.store.deliver(body.clone(), vec![delivery(number, NO_QUOTA)]);
    // Many at once, so that commits hold deliveries to both.
    let both = futures_util::future::join_all((0..60).map(|i| deliver(1 + i % 2))).await;
    for (i, outcome) in both.into_iter().enumerate() {
        match i % 2 {
            0 => assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}"),
            _ => drop(outcome.unwrap()),
        }
    }
    assert_eq!(bed.rows(mailbox(2), "INBOX").await.len(), 30);
    bed.append(mailbox(1), sent, b"another folder").await.unwrap();
    bed.store.create_folder(mailbox(1), &"Made since".parse().unwrap(), None).await.unwrap();
    // Its name is still told, and nothing about it is guessed or written over.
    assert!(bed.folder(mailbox(1), "INBOX").await.damaged);
    assert!(matches!(
        bed.store.create_folder(mailbox(1), &"INBOX/below".parse().unwrap(), None).await,
        Err(StoreError::Corrupt(_))
    ));
    assert!(matches!(bed.store.delete_mailbox(mailbox(1).id).await, Err(StoreError::Corrupt(_))));
    assert_eq!(bed.number("SELECT messages FROM folders WHERE mailbox_id = 1 AND name = 'INBOX'").await, -7);
    bed.reopen().await;
    assert!(matches!(bed.store.open(mailbox(1), inbox).await, Err(StoreError::Corrupt(_))));
    assert!(matches!(bed.store.deliver(body.clone(), vec![delivery(1, NO_QUOTA)]).await, Err(StoreError::Corrupt(_))));
    // One message for both is for who asks at RCPT: mailbox by mailbox.
    assert!(bed.store.may_deliver(&[mailbox(2).id]).await.is_ok());
    assert!(matches!(bed.store.may_deliver(&[mailbox(2).id, mailbox(1).id]).await, Err(StoreError::Corrupt(_))));
    bed.tamper("UPDATE folders SET messages = 1 WHERE mailbox_id = 1 AND name = 'INBOX'").await;
    assert!(bed.store.may_deliver(&[mailbox(1).id]).await.is_ok());
    bed.store.deliver(body, vec![delivery(1, NO_QUOTA)]).await.unwrap();
    assert_eq!(bed.rows(mailbox(1), "INBOX").await.len(), 2);
}

pub async fn an_unreadable_usage_counter_is_never_written_back(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.append_flagged(mailbox(1), inbox, b"one", Flags::DELETED, &[]).await.unwrap();
    bed.append(mailbox(1), inbox, b"two").await.unwrap();
    bed.tamper("UPDATE usage SET bytes = -5 WHERE mailbox_id = 1").await;
    assert!(matches!(bed.append(mailbox(1), inbox, b"three").await, Err(StoreError::Corrupt(_))));
    let copied = bed.store.copy(mailbox(1), NO_QUOTA, inbox, set(&[(2, 2)]), inbox).await;
    assert!(matches!(copied, Err(StoreError::Corrupt(_))));
    assert!(matches!(bed.store.usage(mailbox(1).id).await, Err(StoreError::Corrupt(_))));
    bed.append(mailbox(2), bed.folder(mailbox(2), "INBOX").await.id, b"others").await.unwrap();
    // What needs no counter goes on.
    assert_eq!(bed.store.expunge(mailbox(1), inbox, set(&[(1, 2)])).await.unwrap().uids, set(&[(1, 1)]));
    assert_eq!(bed.number("SELECT bytes FROM usage WHERE mailbox_id = 1").await, -5);
    assert_eq!(bed.number("SELECT messages FROM usage WHERE mailbox_id = 1").await, 2);
}

pub async fn a_lost_usage_row_is_counted_again(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.append(mailbox(1), inbox, b"12345").await.unwrap();
    bed.tamper("DELETE FROM usage WHERE mailbox_id = 1").await;
    bed.append(mailbox(1), inbox, b"678").await.unwrap();
    assert_eq!(bed.store.usage(mailbox(1).id).await.unwrap(), Usage { bytes: 8, messages: 2 });
    assert_eq!(bed.store.folders(mailbox(1)).await.unwrap().len(), 6);
}

pub async fn a_wrong_number_of_references_loses_nobodys_mail(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    for _ in 0..2 {
        bed.append_flagged(mailbox(1), inbox, b"shared", Flags::DELETED, &[]).await.unwrap();
    }
    bed.tamper("UPDATE bodies SET refs = 0").await;
    bed.append(mailbox(1), inbox, b"shared").await.unwrap();
    bed.store.expunge(mailbox(1), inbox, set(&[(1, 1)])).await.unwrap();
    let rows = bed.rows(mailbox(1), "INBOX").await;
    assert_eq!(bed.read(&rows[0]).await.unwrap(), b"shared");
    bed.store.copy(mailbox(1), NO_QUOTA, inbox, set(&[(3, 3)]), inbox).await.unwrap();
    bed.tamper("UPDATE extra_refs SET n = 0").await;
    let mark = FlagChange { uids: set(&[(4, 4)]), mode: FlagMode::Add, flags: Flags::DELETED, unchanged_since: None };
    bed.store.set_flags(mailbox(1), inbox, mark).await.unwrap();
    bed.store.expunge(mailbox(1), inbox, set(&[(4, 4)])).await.unwrap();
    let rows = bed.rows(mailbox(1), "INBOX").await;
    assert_eq!(bed.read(rows.last().unwrap()).await.unwrap(), b"shared");
}

pub async fn a_session_whose_trash_is_damaged_deletes_nothing(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.append(mailbox(1), inbox, b"1").await.unwrap();
    bed.append(mailbox(1), inbox, b"2").await.unwrap();
    bed.tamper("UPDATE folders SET bytes = -1 WHERE mailbox_id = 1 AND name = 'Trash'").await;
    let finish = Pop3Finish { trash: set(&[(1, 1)]), delete: set(&[(2, 2)]), now: 9, ..Default::default() };
    let quit = bed.store.pop3_finish(mailbox(1), inbox, finish).await;
    assert!(matches!(quit, Err(StoreError::Corrupt(_))), "{quit:?}");
    assert_eq!(bed.rows(mailbox(1), "INBOX").await.len(), 2);
}
