//! What POP3 leaves behind.

use crate::bed::{Bed, mailbox, set};
use facteur::store::{Pop3Finish, Pop3Mark};

pub async fn a_session_ends_in_one_step(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.fill(mailbox(1), inbox, 6).await;
    let finish = Pop3Finish {
        retrieved: set(&[(1, 4)]),
        hide: set(&[(2, 2)]),
        delete: set(&[(3, 3)]),
        trash: set(&[(4, 5)]),
        now: 100,
    };
    bed.store.pop3_finish(mailbox(1), inbox, finish).await.unwrap();
    let uids: Vec<u32> = bed.rows(mailbox(1), "INBOX").await.iter().map(|row| row.uid).collect();
    assert_eq!(uids, [1, 2, 6]);
    assert_eq!(bed.rows(mailbox(1), "Trash").await.len(), 2);
    let marks = bed.store.pop3_marks(mailbox(1), inbox).await.unwrap();
    assert_eq!(
        marks,
        [
            Pop3Mark { uid: 1, retrieved_at: Some(100), hidden: false },
            Pop3Mark { uid: 2, retrieved_at: Some(100), hidden: true },
        ]
    );
    let later = Pop3Finish { retrieved: set(&[(1, 6)]), now: 200, ..Pop3Finish::default() };
    bed.store.pop3_finish(mailbox(1), inbox, later).await.unwrap();
    let marks = bed.store.pop3_marks(mailbox(1), inbox).await.unwrap();
    assert_eq!(marks.iter().map(|m| m.retrieved_at).collect::<Vec<_>>(), [Some(100), Some(100), Some(200)]);
    assert!(marks[1].hidden, "what is hidden stays hidden");

    assert_eq!(bed.store.pop3_expire(mailbox(1), 150).await.unwrap(), 2);
    assert_eq!(bed.store.pop3_expire(mailbox(1), 150).await.unwrap(), 0);
    assert_eq!(bed.store.pop3_marks(mailbox(1), inbox).await.unwrap().len(), 1);
    assert_eq!(bed.store.usage(mailbox(1).id).await.unwrap().messages, 3);
}
