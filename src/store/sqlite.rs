//! The SQLite arm: one file in the data folder, one connection that writes, a few that read.
//!
//! Reads run on their own threads in batches, since waking a thread costs more than most queries.
//! Invariant: `synchronous=FULL` in WAL mode, so that a COMMIT that returned is on disk.

use super::tx::{Columns, Tx, TxError, TxResult, Value};
use super::{Result, StoreError};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

/// Threads that read; more than the cores of a small machine, since some of them wait for the disk.
const READERS: usize = 4;
/// Prepared statements kept by each connection.
const STATEMENTS: usize = 128;
/// Reads that wait for a thread; what comes beyond is told to try again.
const READ_QUEUE: usize = 1024;

/// Opens the file and sets what durability and speed need.
pub(super) fn connect(path: &Path) -> Result<Connection> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        // Not mapped into memory: there a disk error would be a SIGBUS, which ends the process, and no answer.
        // The page size counts only before the file has its first page.
        connection.execute_batch(
            "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32768;
             PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; PRAGMA wal_autocheckpoint=1000;
             PRAGMA journal_size_limit=8388608;",
        )?;
        Ok(connection)
    };
    open().map_err(|error| StoreError::Failed(error.to_string()))
}

/// What SQLite reads where PostgreSQL has its own words.
pub(super) fn schema(text: &str) -> String {
    text.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY").replace("BYTEA", "BLOB").replace("--: ", "")
}

/// The one connection that writes, between transactions.
pub(super) type WriteSlot = Arc<Mutex<Option<Connection>>>;

/// A transaction; its connection goes back to where it came from.
pub(super) struct SqliteTx {
    connection: Option<Connection>,
    home: WriteSlot,
    open: bool,
}

impl SqliteTx {
    /// Begins on the connection of `home`; `IMMEDIATE` takes the write lock at once.
    pub fn begin(home: &WriteSlot, writes: bool) -> TxResult<Self> {
        let Some(connection) = home.lock().take() else {
            return Err(TxError { message: "the connection is in use".into(), fatal: false });
        };
        let mut tx = Self { connection: Some(connection), home: home.clone(), open: false };
        tx.connection()?.execute_batch(if writes { "BEGIN IMMEDIATE" } else { "BEGIN" }).map_err(failed)?;
        tx.open = true;
        Ok(tx)
    }

    fn connection(&self) -> TxResult<&Connection> {
        self.connection.as_ref().ok_or_else(|| TxError { message: "the transaction has ended".into(), fatal: false })
    }

    /// See [`Tx::execute`].
    pub fn execute(&mut self, sql: &str, params: &[Value]) -> TxResult<u64> {
        let mut statement = self.connection()?.prepare_cached(&dialect(sql)).map_err(failed)?;
        let touched = statement.execute(rusqlite::params_from_iter(params)).map_err(failed)?;
        Ok(touched as u64)
    }

    /// See [`Tx::query`].
    pub fn query(&mut self, sql: &str, params: &[Value]) -> TxResult<Vec<Columns>> {
        let mut statement = self.connection()?.prepare_cached(&dialect(sql)).map_err(failed)?;
        let width = statement.column_count();
        let mut rows = statement.query(rusqlite::params_from_iter(params)).map_err(failed)?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let mut columns = Vec::with_capacity(width);
            for column in 0..width {
                columns.push(owned(row.get_ref(column).map_err(failed)?));
            }
            out.push(Columns(columns));
        }
        Ok(out)
    }

    /// See [`Tx::insert`]: row by row through one prepared statement, which is the fast way here.
    pub fn insert(&mut self, into: &str, rows: &[Vec<Value>], suffix: &str) -> TxResult<()> {
        let width = rows.first().map_or(0, Vec::len);
        let marks = vec!["?"; width].join(", ");
        let sql = format!("INSERT INTO {into} VALUES ({marks}) {suffix}");
        let mut statement = self.connection()?.prepare_cached(&sql).map_err(failed)?;
        for row in rows {
            statement.execute(rusqlite::params_from_iter(row)).map_err(failed)?;
        }
        Ok(())
    }

    /// Runs a text of many statements, as migrations are.
    pub fn script(&mut self, sql: &str) -> TxResult<()> {
        self.connection()?.execute_batch(sql).map_err(failed)
    }

    /// Makes it durable; on failure the transaction is undone and the error says if the disk is to blame.
    pub fn commit(mut self) -> TxResult<()> {
        self.connection()?.execute_batch("COMMIT").map_err(failed)?;
        self.open = false;
        Ok(())
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            if self.open && connection.execute_batch("ROLLBACK").is_err() {
                tracing::debug!("nothing left to roll back");
            }
            *self.home.lock() = Some(connection);
        }
    }
}

/// `= ANY($n)` as SQLite says it; the texts are constants, so the statement cache sees few of them.
fn dialect(sql: &str) -> std::borrow::Cow<'_, str> {
    let Some(at) = sql.find("= ANY($") else { return sql.into() };
    let mut out = String::with_capacity(sql.len() + 40);
    out.push_str(&sql[..at]);
    let mut rest = &sql[at..];
    while let Some(tail) = rest.strip_prefix("= ANY(") {
        let (mark, after) = tail.split_once(')').unwrap_or((tail, ""));
        out.push_str(&format!("IN (SELECT value FROM json_each({mark}))"));
        let next = after.find("= ANY($").unwrap_or(after.len());
        out.push_str(&after[..next]);
        rest = &after[next..];
    }
    out.into()
}

fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(octets) => Value::Blob(Bytes::copy_from_slice(octets)),
        // Neither is ever written; whoever reads the column reports the damage.
        ValueRef::Null | ValueRef::Real(_) => Value::Ints(Vec::new()),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Int(value) => ToSqlOutput::Borrowed(ValueRef::Integer(*value)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Blob(octets) => ToSqlOutput::Borrowed(ValueRef::Blob(octets)),
            Value::Ints(list) => {
                let numbers: Vec<String> = list.iter().map(i64::to_string).collect();
                ToSqlOutput::Owned(rusqlite::types::Value::Text(format!("[{}]", numbers.join(","))))
            }
        })
    }
}

fn failed(error: rusqlite::Error) -> TxError {
    // A full disk or a lock leaves the file as it was; an I/O error (a failed fsync above all) may not,
    // and asking again would only hide it.
    let fatal = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    );
    TxError { message: error.to_string(), fatal }
}

/// A read: a closure that gets a transaction that sees one moment of the store.
type ReadJob = Box<dyn FnOnce(TxResult<&mut Tx>) + Send>;

/// The threads that read.
pub(super) struct Readers {
    jobs: Mutex<Option<mpsc::SyncSender<ReadJob>>>,
}

impl Readers {
    /// Starts the threads on the file at `path`.
    pub fn start(path: PathBuf) -> Result<Self> {
        let (jobs, queue) = mpsc::sync_channel::<ReadJob>(READ_QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..READERS {
            let slot: WriteSlot = Arc::new(Mutex::new(Some(connect(&path)?)));
            let queue = queue.clone();
            std::thread::Builder::new()
                .name(format!("store-read-{number}"))
                .spawn(move || serve(&slot, &queue))
                .map_err(|error| StoreError::Failed(error.to_string()))?;
        }
        Ok(Self { jobs: Mutex::new(Some(jobs)) })
    }

    /// Runs one read and waits for its answer.
    pub async fn run<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Send + 'static,
    {
        let (answer, result) = tokio::sync::oneshot::channel();
        let job: ReadJob = Box::new(move |tx| {
            let outcome = match tx {
                // On SQLite no call of a transaction ever waits for a wake-up.
                Ok(tx) => job(tx).now_or_never().unwrap_or_else(|| Err(StoreError::Failed("a read stalled".into()))),
                Err(error) => Err(error.into()),
            };
            answer.send(outcome).ok();
        });
        let sender = self.jobs.lock().clone().ok_or_else(closed)?;
        match sender.try_send(job) {
            Ok(()) => {}
            Err(mpsc::TrySendError::Full(_)) => return Err(StoreError::Busy),
            Err(mpsc::TrySendError::Disconnected(_)) => return Err(closed()),
        }
        result.await.map_err(|_| closed())?
    }

    /// Ends the threads once what is queued is done.
    pub fn close(&self) {
        self.jobs.lock().take();
    }
}

fn closed() -> StoreError {
    StoreError::Failed("the store is closed".into())
}

fn serve(slot: &WriteSlot, queue: &Mutex<mpsc::Receiver<ReadJob>>) {
    loop {
        let next = queue.lock().recv();
        let Ok(job) = next else { return };
        match SqliteTx::begin(slot, false) {
            Ok(tx) => job(Ok(&mut Tx::Sqlite(tx))),
            Err(error) => job(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_mapped_into_memory_and_every_commit_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let connection = connect(&dir.path().join("store.db")).unwrap();
        let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        assert_eq!(pragma("mmap_size").unwrap(), 0);
        // 2 is FULL.
        assert_eq!(pragma("synchronous").unwrap(), 2);
    }

    #[test]
    fn lists_are_said_in_either_dialect() {
        assert_eq!(dialect("SELECT 1"), "SELECT 1");
        assert_eq!(
            dialect("a = ANY($1) AND b = ANY($2) ORDER BY c"),
            "a IN (SELECT value FROM json_each($1)) AND b IN (SELECT value FROM json_each($2)) ORDER BY c"
        );
    }
}
