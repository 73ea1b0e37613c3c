//! Folders by name: made, renamed, deleted, subscribed; whole mailboxes.

use crate::bed::{Bed, NO_QUOTA, delivery, mailbox};
use facteur::model::{FolderName, Usage};
use facteur::store::{SpecialUse, StoreError};

fn name(text: &str) -> FolderName {
    text.parse().unwrap()
}

async fn names(bed: &Bed) -> Vec<String> {
    bed.store.folders(mailbox(1)).await.unwrap().iter().map(|folder| folder.name.to_string()).collect()
}

const DEFAULTS: [&str; 6] = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"];

pub async fn a_mailbox_begins_with_its_default_folders(bed: Bed) {
    assert_eq!(names(&bed).await, DEFAULTS);
    let folders = bed.store.folders(mailbox(1)).await.unwrap();
    assert!(folders.iter().all(|folder| folder.subscribed && folder.selectable && folder.uid_validity > 0));
    assert_eq!(bed.folder(mailbox(1), "Junk").await.special_use, Some(SpecialUse::Junk));
}

pub async fn a_folder_is_made_with_the_levels_above_it(bed: Bed) {
    bed.store.create_folder(mailbox(1), &name("a/b/c"), Some(SpecialUse::Archive)).await.unwrap();
    let all = names(&bed).await;
    assert!(["a", "a/b", "a/b/c"].iter().all(|n| all.contains(&(*n).to_owned())));
    let again = bed.store.create_folder(mailbox(1), &name("a/b"), None).await;
    assert!(matches!(again, Err(StoreError::FolderExists)));
}

pub async fn a_deleted_folder_never_comes_back_as_itself(mut bed: Bed) {
    let first = bed.store.create_folder(mailbox(1), &name("a"), None).await.unwrap();
    bed.append(mailbox(1), first.id, b"x").await.unwrap();
    let mut open = bed.open(mailbox(1), "a").await;
    open.state();
    bed.store.delete_folder(mailbox(1), &name("a")).await.unwrap();
    assert!(matches!(open.changed().await, Err(StoreError::NoSuchFolder)));
    assert_eq!(bed.store.usage(mailbox(1).id).await.unwrap(), Usage::default());
    assert_eq!(bed.number("SELECT COUNT(*) FROM bodies").await, 0);
    bed.reopen().await;
    let second = bed.store.create_folder(mailbox(1), &name("a"), None).await.unwrap();
    assert!(second.uid_validity > first.uid_validity && second.id != first.id);
    assert!(matches!(bed.append(mailbox(1), first.id, b"x").await, Err(StoreError::NoSuchFolder)));
    assert!(matches!(bed.store.delete_folder(mailbox(1), &name("INBOX")).await, Err(StoreError::InboxImmutable)));
    assert!(matches!(bed.store.delete_folder(mailbox(1), &name("none")).await, Err(StoreError::NoSuchFolder)));
}

pub async fn a_folder_with_others_below_stays_as_a_name(bed: Bed) {
    bed.store.create_folder(mailbox(1), &name("a/b"), None).await.unwrap();
    bed.store.delete_folder(mailbox(1), &name("a")).await.unwrap();
    let left = bed.folder(mailbox(1), "a").await;
    assert!(!left.selectable);
    assert!(matches!(bed.store.open(mailbox(1), left.id).await, Err(StoreError::NoSuchFolder)));
    assert!(matches!(bed.append(mailbox(1), left.id, b"x").await, Err(StoreError::NoSuchFolder)));
    bed.store.create_folder(mailbox(1), &name("a"), None).await.unwrap();
    assert!(bed.folder(mailbox(1), "a").await.selectable);
}

pub async fn a_rename_takes_along_what_is_below(bed: Bed) {
    let folder = bed.store.create_folder(mailbox(1), &name("a/b"), None).await.unwrap();
    bed.append(mailbox(1), folder.id, b"x").await.unwrap();
    bed.store.rename_folder(mailbox(1), &name("a"), &name("x/y")).await.unwrap();
    assert_eq!(bed.folder(mailbox(1), "x/y/b").await.id, folder.id);
    assert_eq!(bed.rows(mailbox(1), "x/y/b").await.len(), 1);
    assert!(names(&bed).await.contains(&"x".to_owned()));
    for (from, to) in [("x", "Sent"), ("x", "x/z")] {
        let refused = bed.store.rename_folder(mailbox(1), &name(from), &name(to)).await;
        assert!(matches!(refused, Err(StoreError::FolderExists)), "{from} to {to}");
    }
    let absent = bed.store.rename_folder(mailbox(1), &name("a"), &name("b")).await;
    assert!(matches!(absent, Err(StoreError::NoSuchFolder)));
}

pub async fn renaming_inbox_moves_its_messages(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await;
    bed.fill(mailbox(1), inbox.id, 3).await;
    bed.store.rename_folder(mailbox(1), &name("INBOX"), &name("old/mail")).await.unwrap();
    assert_eq!(bed.folder(mailbox(1), "INBOX").await.id, inbox.id);
    assert!(bed.rows(mailbox(1), "INBOX").await.is_empty());
    assert_eq!(bed.rows(mailbox(1), "old/mail").await.len(), 3);
}

pub async fn subscriptions_are_of_names(bed: Bed) {
    bed.store.subscribe(mailbox(1), &name("later"), true).await.unwrap();
    bed.store.subscribe(mailbox(1), &name("Sent"), false).await.unwrap();
    assert_eq!(bed.store.orphan_subscriptions(mailbox(1)).await.unwrap(), [name("later")]);
    assert!(!bed.folder(mailbox(1), "Sent").await.subscribed);
    bed.store.create_folder(mailbox(1), &name("later"), None).await.unwrap();
    assert!(bed.folder(mailbox(1), "later").await.subscribed);
    assert!(bed.store.orphan_subscriptions(mailbox(1)).await.unwrap().is_empty());
}

pub async fn a_deleted_mailbox_leaves_nothing(bed: Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    bed.fill(mailbox(1), inbox, 3).await;
    let mut open = bed.open(mailbox(1), "INBOX").await;
    open.state();
    bed.store.delete_mailbox(mailbox(1).id).await.unwrap();
    bed.store.delete_mailbox(mailbox(1).id).await.unwrap();
    assert!(open.changed().await.is_err());
    for table in [
        "SELECT COUNT(*) FROM folders",
        "SELECT COUNT(*) FROM folder_ops",
        "SELECT COUNT(*) FROM messages",
        "SELECT COUNT(*) FROM bodies",
        "SELECT CAST(SUM(bytes + messages) AS BIGINT) FROM usage",
        "SELECT COUNT(*) FROM subscriptions",
    ] {
        assert_eq!(bed.number(table).await, 0, "{table}");
    }
    // What was accepted before and comes only now is refused, by itself, and makes nothing anew.
    let late = bed.stage(b"late").await;
    let refused = bed.store.deliver(late.clone(), vec![delivery(1, NO_QUOTA)]).await;
    assert!(matches!(refused, Err(StoreError::NoSuchFolder)), "{refused:?}");
    assert!(bed.store.folders(mailbox(1)).await.unwrap().is_empty());
    bed.store.deliver(late, vec![delivery(2, NO_QUOTA)]).await.unwrap();
    assert_eq!(bed.number("SELECT COUNT(*) FROM messages").await, 1);
}
