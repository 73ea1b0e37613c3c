//! What stands beside messages: access control lists and annotations of folders.

use crate::bed::{Bed, mailbox};
use bytes::Bytes;
use facteur::model::bounds::{ANNOTATION_OCTETS, ANNOTATIONS, ANNOTATIONS_OCTETS};
use facteur::model::{Rights, RightsChange, Who};
use facteur::store::StoreError;

fn note(entry: &str, octets: usize) -> (String, Option<Bytes>) {
    (format!("/private/{entry}"), Some(vec![b'x'; octets].into()))
}

pub async fn rights_outlive_a_restart_and_reach_open_folders(mut bed: Bed) {
    let sent = bed.folder(mailbox(1), "Sent").await.id;
    let open = bed.open(mailbox(1), "Sent").await;
    let less = RightsChange::Remove(Rights::ALL);
    bed.store.change_acl(mailbox(1), sent, Who::Owner, less).await.unwrap();
    assert_eq!(open.acl().rights_of(&Who::Owner), Rights::OF_OWNER);
    let other = bed.store.change_acl(mailbox(2), sent, Who::Owner, less).await;
    assert!(matches!(other, Err(StoreError::NoSuchFolder)));
    drop(open);
    bed.reopen().await;
    assert_eq!(bed.folder(mailbox(1), "Sent").await.acl.rights_of(&Who::Owner), Rights::OF_OWNER);
    assert_eq!(bed.open(mailbox(1), "Sent").await.acl().rights_of(&Who::Owner), Rights::OF_OWNER);
    assert_eq!(bed.folder(mailbox(1), "INBOX").await.acl.rights_of(&Who::Owner), Rights::ALL);
}

pub async fn annotations_outlive_a_restart_and_end_with_their_mailbox(mut bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.store.annotate(mailbox(1), Some(inbox), vec![note("a", 3), note("b", 0)]).await.unwrap();
    bed.store.annotate(mailbox(1), None, vec![note("c", 1)]).await.unwrap();
    let foreign = bed.store.annotate(mailbox(2), Some(inbox), vec![note("a", 1)]).await;
    assert!(matches!(foreign, Err(StoreError::NoSuchFolder)));
    bed.reopen().await;
    let kept = bed.store.annotations(mailbox(1), Some(inbox)).await.unwrap();
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["/private/a", "/private/b"]);
    assert_eq!(bed.store.annotations(mailbox(1), None).await.unwrap().len(), 1);
    assert!(bed.store.annotations(mailbox(2), None).await.unwrap().is_empty());
    bed.store.delete_mailbox(mailbox(1).id).await.unwrap();
    assert_eq!(bed.number("SELECT COUNT(*) FROM annotations").await, 0);
}

pub async fn annotations_are_bounded_and_all_or_none(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    let many = (0..ANNOTATIONS).map(|n| note(&n.to_string(), 1)).collect();
    bed.store.annotate(mailbox(1), Some(inbox), many).await.unwrap();
    let refused = bed.store.annotate(mailbox(1), Some(inbox), vec![note("0", 2), note("more", 1)]).await;
    assert!(matches!(refused, Err(StoreError::TooManyAnnotations)));
    assert_eq!(bed.store.annotations(mailbox(1), Some(inbox)).await.unwrap()["/private/0"].len(), 1);
    let exchanged = vec![("/private/0".to_owned(), None), note("more", 1)];
    bed.store.annotate(mailbox(1), Some(inbox), exchanged).await.unwrap();
    let large = |from: usize| (from..from + ANNOTATIONS).map(|n| note(&n.to_string(), ANNOTATION_OCTETS)).collect();
    let mut last = Ok(());
    for folder in ["Sent", "Drafts", "Junk", "Trash", "Archive", "INBOX"] {
        let id = bed.folder(mailbox(1), folder).await.id;
        last = bed.store.annotate(mailbox(1), Some(id), large(0)).await;
    }
    assert!(matches!(last, Err(StoreError::TooManyAnnotations)));
    let sum = "SELECT CAST(SUM(LENGTH(entry) + LENGTH(value)) AS BIGINT) FROM annotations";
    assert!(bed.number(sum).await <= ANNOTATIONS_OCTETS as i64);
    bed.store.annotate(mailbox(1), Some(inbox), vec![("/private/1".to_owned(), None)]).await.unwrap();
}
