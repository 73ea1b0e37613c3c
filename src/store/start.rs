//! How a store comes up: tables, threads, and the removal of what an earlier end left behind.

use super::bodies::BodyFolder;
use super::damage::Suspects;
use super::nodes;
use super::open_folders::OpenFolders;
use super::postgres::PostgresTx;
use super::sqlite::{self, Readers, SqliteTx, WriteSlot};
use super::tx::{Columns, Tx, TxResult};
use super::watches::Watches;
use super::writer::{Job, WriteEnd, Writer};
use super::{Result, Store, StoreError};
use crate::clock::Clock;
use crate::model::bounds;
use crate::model::ids::MailboxId;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};

/// The store's tables, version by version. Numbers may have gaps, and a lower one may come later: what counts is
/// which of them a database has seen.
const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../migrations/store/0001_start.sql")),
    (30, include_str!("../../migrations/store/0030_acl.sql")),
    (31, include_str!("../../migrations/store/0031_annotations.sql")),
    (110, include_str!("../../migrations/store/0110_url_epochs.sql")),
];

/// A file's time may lag behind the clock; what is this young waits for the next start.
const COARSE_CLOCK: Duration = Duration::from_secs(10);

/// What all parts of a store share.
pub(super) struct Shared {
    pub reads: ReadEnd,
    pub queue: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    pub open: OpenFolders,
    pub watches: Watches,
    pub bodies: Arc<BodyFolder>,
    pub read_only: AtomicBool,
    pub suspects: Suspects,
    pub clock: Clock,
    /// Tells this process from other nodes.
    pub node: u64,
    data_dir: PathBuf,
    /// Free octets below which the disk is short of room.
    pub keep_free: AtomicU64,
    space_checked: AtomicI64,
    has_space: AtomicBool,
    ended: watch::Receiver<bool>,
    /// Whose usage has changed since somebody asked.
    pub usage_changed: Mutex<HashSet<MailboxId>>,
}

/// Where reads run.
pub(super) enum ReadEnd {
    /// On threads of their own.
    Sqlite(Readers),
    /// In the caller's task.
    Postgres(sqlx::PgPool),
}

impl Shared {
    /// Runs a read that sees one moment of the store.
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Send + 'static,
    {
        match &self.reads {
            ReadEnd::Sqlite(readers) => readers.run(job).await,
            ReadEnd::Postgres(pool) => {
                let mut tx = Tx::Postgres(PostgresTx::begin(pool, false).await?);
                job(&mut tx).await
            }
        }
    }

    /// True while the disk has room; asks the file system once a second.
    pub fn has_space(&self) -> bool {
        let now = self.clock.now();
        if self.space_checked.swap(now, Ordering::AcqRel) != now {
            let keep = self.keep_free.load(Ordering::Relaxed);
            let room =
                rustix::fs::statvfs(&self.data_dir).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) >= keep);
            if self.has_space.swap(room, Ordering::AcqRel) != room {
                tracing::warn!(room, keep_free = keep, "free space of the data folder");
            }
        }
        self.has_space.load(Ordering::Acquire)
    }

    /// False once the store is being closed.
    pub fn is_running(&self) -> bool {
        self.queue.lock().is_some()
    }

    /// Turns true when the writer has ended.
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.ended.clone()
    }

    /// Finishes what is queued and ends the threads.
    pub async fn close(&self) {
        self.queue.lock().take();
        let mut ended = self.ended.clone();
        ended.wait_for(|ended| *ended).await.ok();
        if let ReadEnd::Sqlite(readers) = &self.reads {
            readers.close();
        }
    }
}

fn disk(error: std::io::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

impl Store {
    /// Opens (or makes) the store of one machine: `store.db` and `bodies/` in the data folder.
    pub async fn open_sqlite(data_dir: &Path, clock: Clock) -> Result<Store> {
        std::fs::create_dir_all(data_dir).map_err(disk)?;
        let path = data_dir.join("store.db");
        let slot: WriteSlot = Arc::new(Mutex::new(Some(sqlite::connect(&path)?)));
        let mut tx = SqliteTx::begin(&slot, true)?;
        migrate_sqlite(&mut tx)?;
        tx.commit()?;
        let reads = ReadEnd::Sqlite(Readers::start(path)?);
        Self::start(data_dir, clock, reads, WriteEnd::Sqlite(slot), COARSE_CLOCK)
    }

    /// Opens (or makes) the store of several nodes: tables in the control database, bodies in the data folder.
    pub async fn open_postgres(pool: sqlx::PgPool, data_dir: &Path, clock: Clock) -> Result<Store> {
        std::fs::create_dir_all(data_dir).map_err(disk)?;
        let mut tx = PostgresTx::begin(&pool, true).await?;
        migrate_postgres(&mut tx).await?;
        tx.commit().await?;
        let reads = ReadEnd::Postgres(pool.clone());
        // Another node may share the folder: what it is about to name must not be swept.
        let end = WriteEnd::Postgres(pool.clone());
        let store = Self::start(data_dir, clock, reads, end, Duration::from_secs(24 * 3600))?;
        nodes::start(&store.shared, pool);
        Ok(store)
    }

    fn start(data_dir: &Path, clock: Clock, reads: ReadEnd, end: WriteEnd, spare: Duration) -> Result<Store> {
        let bodies = Arc::new(BodyFolder::open(data_dir).map_err(disk)?);
        let (queue, waiting) = mpsc::channel(bounds::COMMIT_QUEUE);
        let (ending, ended) = watch::channel(false);
        let now = Duration::from_millis(u64::try_from(clock.now_ms()).unwrap_or(0));
        let shared = Arc::new(Shared {
            reads,
            queue: Mutex::new(Some(queue)),
            open: OpenFolders::default(),
            watches: Watches::default(),
            bodies,
            read_only: AtomicBool::new(false),
            suspects: Suspects::default(),
            clock,
            node: rand::random(),
            data_dir: data_dir.to_owned(),
            keep_free: AtomicU64::new(bounds::FREE_OCTETS),
            space_checked: AtomicI64::new(i64::MIN),
            has_space: AtomicBool::new(true),
            ended,
            usage_changed: Mutex::default(),
        });
        let writer = Writer { shared: shared.clone(), end, queue: waiting, ids: Default::default() };
        let runtime = tokio::runtime::Handle::current();
        let end = WriterEnd(shared.clone());
        std::thread::Builder::new()
            .name("store-write".into())
            .spawn(move || {
                let _end = end;
                runtime.block_on(writer.run());
                ending.send_replace(true);
            })
            .map_err(disk)?;
        let before = SystemTime::UNIX_EPOCH + now.saturating_sub(spare);
        tokio::spawn(sweep(shared.clone(), before));
        Ok(Store { shared })
    }
}

/// Should the writer end by a defect, the store says from then on that it takes no writes, so that
/// readiness shows it and mail is turned away before it is sent. A closed store says that it is closed.
struct WriterEnd(Arc<Shared>);

impl Drop for WriterEnd {
    fn drop(&mut self) {
        if self.0.is_running() {
            self.0.read_only.store(true, Ordering::Release);
        }
    }
}

fn versions(rows: &[Columns]) -> HashSet<i64> {
    rows.iter().filter_map(|row| row.int(0).ok()).collect()
}

/// Whether a database has seen all migrations, and none that is not known here.
pub(super) fn knows(rows: &[Columns]) -> bool {
    versions(rows) == MIGRATIONS.iter().map(|(version, _)| *version).collect()
}

fn migrate_sqlite(tx: &mut SqliteTx) -> TxResult<()> {
    tx.script("CREATE TABLE IF NOT EXISTS store_migrations (version INTEGER PRIMARY KEY)")?;
    let done = versions(&tx.query("SELECT version FROM store_migrations", &[])?);
    for (version, text) in MIGRATIONS.iter().filter(|(version, _)| !done.contains(version)) {
        tx.script(&sqlite::schema(text))?;
        tx.execute("INSERT INTO store_migrations (version) VALUES ($1)", &[(*version).into()])?;
    }
    Ok(())
}

async fn migrate_postgres(tx: &mut PostgresTx) -> TxResult<()> {
    // Nodes may start at once: one of them makes the tables.
    tx.execute("SELECT pg_advisory_xact_lock(7146127)", &[]).await?;
    tx.script("CREATE TABLE IF NOT EXISTS store_migrations (version BIGINT PRIMARY KEY)").await?;
    let done = versions(&tx.query("SELECT version FROM store_migrations", &[]).await?);
    for (version, text) in MIGRATIONS.iter().filter(|(version, _)| !done.contains(version)) {
        tx.script(text).await?;
        tx.execute("INSERT INTO store_migrations (version) VALUES ($1)", &[(*version).into()]).await?;
    }
    Ok(())
}

/// Removes files that no row names. Only files older than this process are looked at, so that none
/// that waits for its commit can be among them.
async fn sweep(shared: Arc<Shared>, before: SystemTime) {
    let bodies = shared.bodies.clone();
    let listing = tokio::task::spawn_blocking(move || {
        bodies.clear_incoming(before)?;
        Ok::<_, std::io::Error>(bodies.names_before(before))
    });
    let Ok(Ok(names)) = listing.await else {
        tracing::warn!("the folder of bodies could not be swept");
        return;
    };
    if names.is_empty() {
        return;
    }
    let known = shared.read(|tx| Box::pin(files(tx))).await;
    match known {
        Ok(known) => names.iter().filter(|name| !known.contains(*name)).for_each(|name| shared.bodies.remove(name)),
        Err(error) => tracing::warn!(%error, "the folder of bodies could not be swept"),
    }
}

async fn files(tx: &mut Tx) -> Result<HashSet<String>> {
    let rows = tx.query("SELECT file FROM bodies WHERE file <> ''", &[]).await?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}
