//! What the store does when its database or disk fails under it.

use super::*;
use crate::clock::Clock;
use crate::model::Flags;
use std::time::Duration;

const MAILBOX: MailboxRef = MailboxRef { id: MailboxId(1), tenant: TenantId(1) };

async fn append(store: &Store, folder: FolderId) -> Result<Appended> {
    let mut stager = store.stage();
    stager.write(b"Subject: x\r\n\r\n").await?;
    let body = Arc::new(stager.finish().await?);
    let message = NewMessage { body, flags: Flags::EMPTY, keywords: Vec::new(), internal_date: 1 };
    store.append(MAILBOX, Quota::default(), folder, vec![message]).await
}

async fn inbox(store: &Store) -> FolderId {
    let folders = store.folders(MAILBOX).await.unwrap();
    folders.into_iter().find(|folder| folder.name.is_inbox()).unwrap().id
}

/// Runs SQL on the store's file from outside.
fn tamper(dir: &std::path::Path, sql: &str) {
    rusqlite::Connection::open(dir.join("store.db")).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_write_that_the_database_refuses_is_undone_and_the_next_one_works() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_sqlite(dir.path(), Clock::system()).await.unwrap();
    let folder = inbox(&store).await;
    let mut open = store.open(MAILBOX, folder).await.unwrap();
    open.state();
    // The last statement of the transaction fails, after all others have run.
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON usage BEGIN SELECT RAISE(ABORT, 'refused'); END";
    tamper(dir.path(), refuse);
    assert!(matches!(append(&store, folder).await, Err(StoreError::Failed(_))));
    assert!(open.state().is_empty(), "nothing is published that is not committed");
    assert!(store.accepts_mail());
    tamper(dir.path(), "DROP TRIGGER refuse");
    assert_eq!(append(&store, folder).await.unwrap().uids.to_string(), "1");
    assert_eq!(store.usage(MAILBOX.id).await.unwrap().messages, 1);
}

#[tokio::test]
async fn a_write_that_finds_the_file_damaged_is_the_last_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_sqlite(dir.path(), Clock::system()).await.unwrap();
    let folder = inbox(&store).await;
    append(&store, folder).await.unwrap();
    // The table's root is now a page of another kind.
    let damage = "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET rootpage = \
                  (SELECT rootpage FROM sqlite_schema WHERE name = 'bodies_by_hash') WHERE name = 'messages'; \
                  PRAGMA schema_version=9999";
    tamper(dir.path(), damage);
    assert!(matches!(append(&store, folder).await, Err(StoreError::Failed(_))));
    assert!(!store.accepts_mail());
    let started = std::time::Instant::now();
    assert!(matches!(append(&store, folder).await, Err(StoreError::ReadOnly)));
    assert!(started.elapsed() < Duration::from_secs(1));
    // Reading goes on.
    let mut open = store.open(MAILBOX, folder).await.unwrap();
    assert_eq!(open.state().len(), 1);
    assert_eq!(store.folders(MAILBOX).await.unwrap().len(), 6);
}

#[tokio::test]
async fn a_closed_store_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_sqlite(dir.path(), Clock::system()).await.unwrap();
    let folder = inbox(&store).await;
    let (last, ()) = tokio::join!(append(&store, folder), store.close());
    assert!(matches!(last, Ok(_) | Err(StoreError::Failed(_))));
    let then = append(&store, folder).await;
    assert!(matches!(then, Err(StoreError::Failed(_))), "{then:?} after {last:?}");
    let again = Store::open_sqlite(dir.path(), Clock::system()).await.unwrap();
    assert_eq!(again.usage(MAILBOX.id).await.unwrap().messages, u64::from(last.is_ok()));
}
