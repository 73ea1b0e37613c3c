//! Damage is found on reading, and stays where it is.

use crate::bed::{Bed, mailbox, noise};
use facteur::store::StoreError;

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
