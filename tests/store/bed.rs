//! One store of its own for each test, and short words for what tests do with it.

use bytes::Bytes;
use facteur::clock::Clock;
use facteur::model::ids::{FolderId, MailboxId, TenantId};
use facteur::model::{Flags, Quota, UidSet};
use facteur::store::check::Inspector;
use facteur::store::{Appended, Delivery, Folder, FolderInfo, MailboxRef, NewMessage, Result, Row, StagedBody, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A data folder, a database, and the store on them.
pub struct Bed {
    pub dir: PathBuf,
    pub store: Store,
    pub clock: Clock,
    database: Database,
    _temporary: Option<tempfile::TempDir>,
}

enum Database {
    Sqlite,
    Postgres(String),
}

pub const NO_QUOTA: Quota = Quota { bytes: None, messages: None };

pub fn mailbox(number: i64) -> MailboxRef {
    MailboxRef { id: MailboxId(number), tenant: TenantId(1) }
}

pub fn set(uids: &[(u32, u32)]) -> UidSet {
    UidSet::from_ranges(uids.iter().copied())
}

impl Bed {
    pub async fn on_sqlite() -> Bed {
        Self::on(Database::Sqlite).await
    }

    /// The bed that [`Bed::place`] names, in another process.
    pub async fn at(place: &str) -> Bed {
        let (dir, url) = place.split_once('|').unwrap();
        let database = if url.is_empty() { Database::Sqlite } else { Database::Postgres(url.to_owned()) };
        Self::open_at(Path::new(dir).to_owned(), None, database).await
    }

    /// Where this bed is.
    pub fn place(&self) -> String {
        let url = match &self.database {
            Database::Sqlite => "",
            Database::Postgres(url) => url,
        };
        format!("{}|{url}", self.dir.display())
    }

    #[allow(clippy::disallowed_methods, reason = "the command that runs the tests says where the server is")]
    pub async fn on_postgres() -> Bed {
        let server = std::env::var("FACTEUR_TEST_POSTGRES_URL")
            .expect("FACTEUR_TEST_POSTGRES_URL names no PostgreSQL: run the tests by ./tests/run");
        Self::on(Database::Postgres(fresh_database(&server).await)).await
    }

    async fn on(database: Database) -> Bed {
        let temporary = tempfile::tempdir().unwrap();
        Self::open_at(temporary.path().to_owned(), Some(temporary), database).await
    }

    async fn open_at(dir: PathBuf, temporary: Option<tempfile::TempDir>, database: Database) -> Bed {
        let clock = Clock::fixed(1_790_000_000_000);
        let store = open(&database, &dir, clock.clone()).await;
        Bed { dir, store, clock, database, _temporary: temporary }
    }

    /// Another bed on a database of the same kind.
    pub async fn fresh(&self) -> Bed {
        if self.is_sqlite() { Self::on_sqlite().await } else { Self::on_postgres().await }
    }

    /// The store as `facteur store check` sees it, beside the running one; body files older than `before` are judged.
    pub async fn inspector(&self, before: SystemTime) -> Inspector {
        match &self.database {
            Database::Sqlite => Inspector::sqlite(&self.dir, before).await.unwrap(),
            Database::Postgres(url) => {
                let pool = sqlx::PgPool::connect(url).await.unwrap();
                Inspector::postgres(pool, &self.dir, before).await.unwrap()
            }
        }
    }

    /// True on SQLite; for tests that look into the file.
    pub fn is_sqlite(&self) -> bool {
        matches!(self.database, Database::Sqlite)
    }

    /// Another node on the same database.
    pub async fn second_node(&self) -> Store {
        open(&self.database, &self.dir, self.clock.clone()).await
    }

    /// Closes the store and opens it again.
    pub async fn reopen(&mut self) {
        self.store.close().await;
        self.store = open(&self.database, &self.dir, self.clock.clone()).await;
    }

    /// A number out of the database itself.
    pub async fn number(&self, sql: &'static str) -> i64 {
        match &self.database {
            Database::Sqlite => {
                let file = rusqlite::Connection::open(self.dir.join("store.db")).unwrap();
                file.query_row(sql, [], |row| row.get(0)).unwrap()
            }
            Database::Postgres(url) => {
                let pool = sqlx::PgPool::connect(url).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
            }
        }
    }

    /// Changes the database behind the store's back.
    pub async fn tamper(&self, sql: &'static str) {
        match &self.database {
            Database::Sqlite => {
                let file = rusqlite::Connection::open(self.dir.join("store.db")).unwrap();
                assert_eq!(file.execute(sql, []).unwrap(), 1);
            }
            Database::Postgres(url) => {
                let pool = sqlx::PgPool::connect(url).await.unwrap();
                assert_eq!(sqlx::query(sql).execute(&pool).await.unwrap().rows_affected(), 1);
            }
        }
    }

    pub async fn stage(&self, octets: &[u8]) -> Arc<StagedBody> {
        let mut stager = self.store.stage();
        stager.write(octets).await.unwrap();
        Arc::new(stager.finish().await.unwrap())
    }

    pub async fn folder(&self, mailbox: MailboxRef, name: &str) -> FolderInfo {
        let folders = self.store.folders(mailbox).await.unwrap();
        folders.into_iter().find(|folder| folder.name.as_str() == name).unwrap()
    }

    pub async fn open(&self, mailbox: MailboxRef, name: &str) -> Folder {
        let id = self.folder(mailbox, name).await.id;
        self.store.open(mailbox, id).await.unwrap()
    }

    pub async fn append(&self, mailbox: MailboxRef, folder: FolderId, octets: &[u8]) -> Result<Appended> {
        self.append_flagged(mailbox, folder, octets, Flags::EMPTY, &[]).await
    }

    pub async fn append_flagged(
        &self,
        mailbox: MailboxRef,
        folder: FolderId,
        octets: &[u8],
        flags: Flags,
        keywords: &[&str],
    ) -> Result<Appended> {
        let keywords = keywords.iter().map(|k| (*k).to_owned()).collect();
        let message = NewMessage { body: self.stage(octets).await, flags, keywords, internal_date: 1 };
        self.store.append(mailbox, NO_QUOTA, folder, vec![message]).await
    }

    /// Puts many small messages into a folder.
    pub async fn fill(&self, mailbox: MailboxRef, folder: FolderId, number: usize) {
        let body = self.stage(b"Subject: many\r\n\r\nx\r\n").await;
        let one = NewMessage { body, flags: Flags::EMPTY, keywords: Vec::new(), internal_date: 1 };
        self.store.append(mailbox, NO_QUOTA, folder, vec![one; number]).await.unwrap();
    }

    pub async fn rows(&self, mailbox: MailboxRef, name: &str) -> Vec<Row> {
        self.open(mailbox, name).await.state().rows_from(0).collect()
    }

    /// All octets of a message, read in chunks.
    pub async fn read(&self, row: &Row) -> Result<Vec<u8>> {
        let mut reader = self.store.read(row.message).await?;
        let mut octets = Vec::new();
        while let Some(chunk) = reader.next().await? {
            assert!(!chunk.is_empty() && chunk.len() <= 64 * 1024);
            octets.extend_from_slice(&chunk);
        }
        assert_eq!(octets.len() as u64, reader.size());
        Ok(octets)
    }
}

pub fn delivery(number: i64, quota: Quota) -> Delivery {
    let prefix = Bytes::from(format!("Delivered-To: {number}@example.org\r\n"));
    Delivery { mailbox: mailbox(number), quota, prefix, internal_date: 5 }
}

/// Octets that do not compress, the same for the same seed.
pub fn noise(seed: u64, octets: usize) -> Vec<u8> {
    let mut out = vec![0; octets];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

async fn open(database: &Database, dir: &Path, clock: Clock) -> Store {
    match database {
        Database::Sqlite => Store::open_sqlite(dir, clock).await.unwrap(),
        Database::Postgres(url) => {
            let pool = sqlx::PgPool::connect(url).await.unwrap();
            Store::open_postgres(pool, dir, clock).await.unwrap()
        }
    }
}

async fn fresh_database(server: &str) -> String {
    let pool = sqlx::PgPool::connect(server).await.unwrap();
    let name = format!("store_{:016x}", rand::random::<u64>());
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}
