//! The control plane's database: SQLite in the data folder, or PostgreSQL; one text per query.
//!
//! Queries stand in one file per resource, each a constant with `$n` parameters that both
//! databases read. It holds no rule. Invariant: a write that is not committed changed nothing,
//! and a commit that returned is on disk.

pub mod addresses;
pub mod aliases;
pub mod api_sessions;
pub mod app_passwords;
pub mod bulk_jobs;
pub mod counts;
pub mod domains;
pub mod effective;
mod error;
pub mod idempotency;
pub mod keys;
pub mod levels;
pub mod listing;
pub mod login_history;
pub mod logins;
pub mod mailboxes;
mod migrate;
pub mod nodes;
pub mod outbox;
pub mod password_links;
pub mod plans;
pub mod protocols;
pub mod purges;
pub mod quota_levels;
mod reach;
pub mod recovery;
pub mod revisions;
pub mod scheduled_changes;
pub mod second_factors;
pub mod secrets;
pub mod sends;
pub mod suspensions;
pub mod tenants;
pub mod touched;
mod tx;
pub mod usage;
pub mod usage_copy;
pub mod users;
pub mod webhooks;

pub use error::DbError;
pub use tx::{Arg, Row, Tx};

use crate::model::bounds;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// Result of a database call.
pub type Result<T> = std::result::Result<T, DbError>;

/// How long a write waits for another process's lock, or a query for a free connection.
const WAIT: Duration = Duration::from_secs(5);

/// The control plane's database; cheap to clone.
#[derive(Clone)]
pub enum Db {
    /// `control.db` in the data folder: one connection writes, some read.
    Lite {
        /// The one that writes.
        write: SqlitePool,
        /// Those that read.
        read: SqlitePool,
    },
    /// A PostgreSQL database.
    Pg(PgPool),
}

impl Db {
    /// Opens or makes `control.db` in the data folder and brings its tables up to date.
    ///
    /// # Errors
    /// The file cannot be opened, or it is of a newer Facteur.
    pub async fn open_sqlite(data: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(data.join("control.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A revision that was acknowledged must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(WAIT);
        let pool = |connections| {
            SqlitePoolOptions::new().max_connections(connections).acquire_timeout(WAIT).test_before_acquire(false)
        };
        let write = pool(1).connect_with(options.clone()).await?;
        // Before the readers open: a connection that saw the old tables would keep them.
        migrate::run(&Self::Lite { write: write.clone(), read: write.clone() }).await?;
        let read = pool(4).connect_with(options.read_only(true)).await?;
        Ok(Self::Lite { write, read })
    }

    /// Connects to PostgreSQL and brings the tables up to date.
    ///
    /// # Errors
    /// The server cannot be reached, or the tables are of a newer Facteur.
    pub async fn open_postgres(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?;
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(WAIT)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        let db = Self::Pg(pool);
        migrate::run(&db).await?;
        Ok(db)
    }

    /// The PostgreSQL pool, if that is what it is; the message store shares it.
    pub fn postgres(&self) -> Option<&PgPool> {
        match self {
            Self::Pg(pool) => Some(pool),
            Self::Lite { .. } => None,
        }
    }

    /// A transaction that may write.
    ///
    /// # Errors
    /// The database does not answer, or is locked for too long.
    pub async fn write(&self) -> Result<Tx> {
        match self {
            // Deferred transactions that turn to writing fail at once instead of waiting.
            Self::Lite { write, .. } => Ok(Tx::Lite(write.begin_with("BEGIN IMMEDIATE").await?)),
            Self::Pg(pool) => {
                let mut tx = Tx::Pg(pool.begin().await?);
                tx.execute("SET LOCAL synchronous_commit = on", &[]).await?;
                Ok(tx)
            }
        }
    }

    /// A transaction for what may be lost in a power cut, since it is told anew: nobody waits for the disk.
    ///
    /// # Errors
    /// The database does not answer, or is locked for too long.
    pub async fn write_lightly(&self) -> Result<Tx> {
        let mut tx = self.write().await?;
        if matches!(tx, Tx::Pg(_)) {
            tx.execute("SET LOCAL synchronous_commit = off", &[]).await?;
        }
        Ok(tx)
    }

    /// Whether several nodes may serve from it.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Pg(_))
    }

    /// A transaction that reads one moment of the database.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn read(&self) -> Result<Tx> {
        match self {
            Self::Lite { read, .. } => Ok(Tx::Lite(read.begin().await?)),
            Self::Pg(pool) => Ok(Tx::Pg(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)),
        }
    }

    /// Listens for other nodes' commits; `None` on SQLite, where there are no other nodes.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn listen(&self, channel: &str) -> Result<Option<PgListener>> {
        let Self::Pg(pool) = self else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(channel).await?;
        Ok(Some(listener))
    }

    /// True when a trivial query is answered; for `/readyz`.
    pub async fn answers(&self) -> bool {
        let asked = async { self.read().await?.one("SELECT number FROM revision_head", &[]).await };
        matches!(tokio::time::timeout(WAIT, asked).await, Ok(Ok(Some(_))))
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Lite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Pg(pool) => pool.close().await,
        }
    }
}

/// Where a page of a list begins and how long it is.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Rows after this id.
    pub after: i64,
    /// At most so many rows.
    pub limit: usize,
}

impl Page {
    /// One row more than the page: whether there is a next page.
    fn fetch(self) -> Arg {
        let limit = self.limit.min(bounds::PAGE_ITEMS);
        Arg::from(limit as i64 + 1)
    }
}
