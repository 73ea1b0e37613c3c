//! Two nodes on one PostgreSQL: they see each other's changes and never step on each other.

use crate::bed::{Bed, NO_QUOTA, mailbox};
use facteur::model::{Flags, Quota};
use facteur::store::{NewMessage, StoreError};
use std::collections::BTreeSet;
use std::time::Duration;

pub async fn a_change_on_one_node_reaches_sessions_on_the_other(bed: Bed) {
    let other = bed.second_node().await;
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    let mut open = other.open(mailbox(1), inbox).await.unwrap();
    let before = open.state();
    bed.append_flagged(mailbox(1), inbox, b"news", Flags::FLAGGED, &["$New"]).await.unwrap();
    // The other node may have begun to listen later than that; either way it must hear.
    let heard = async {
        while open.state().len() == before.len() {
            open.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), heard).await.unwrap();
    assert_eq!(open.state().diff(&before).added, 1);
    bed.store.delete_mailbox(mailbox(1).id).await.unwrap();
    let told = async { while open.changed().await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
    other.close().await;
}

pub async fn two_nodes_share_numbers_and_quota(bed: Bed) {
    let other = bed.second_node().await;
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    let body = bed.stage(b"x").await;
    let message = NewMessage { body, flags: Flags::EMPTY, keywords: Vec::new(), internal_date: 1 };
    let quota = Quota { messages: Some(30), ..NO_QUOTA };
    let work = (0..40).map(|i| {
        let node = if i % 2 == 0 { &bed.store } else { &other };
        node.append(mailbox(1), quota, inbox, vec![message.clone()])
    });
    let answers = futures_util::future::join_all(work).await;
    let stored: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(stored.len(), 30);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(StoreError::OverQuota))));
    let uids: BTreeSet<u32> = stored.iter().flat_map(|appended| appended.uids.iter()).collect();
    assert!(uids.into_iter().eq(1..=30));
    // The other node's commits are heard of, soon but not with the answer.
    let mut open = bed.store.open(mailbox(1), inbox).await.unwrap();
    let heard = async {
        while open.state().len() < 30 {
            open.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), heard).await.unwrap();
    let messages: BTreeSet<_> = open.state().rows_from(0).map(|row| row.message).collect();
    assert_eq!(messages.len(), 30);
    other.close().await;
}
