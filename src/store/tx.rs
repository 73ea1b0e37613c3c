//! One transaction on either database, as the store's code sees it: few calls, all set-based.
//!
//! A query is one text for both: parameters are `$1, $2, …` in the order of their first use, a
//! list is `= ANY($n)`. No column is ever NULL. Invariant: a `Tx` that is dropped without
//! `commit` changed nothing.

use super::postgres::PostgresTx;
use super::sqlite::SqliteTx;
use super::{Result, StoreError};
use bytes::Bytes;

/// A parameter or a column.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A number.
    Int(i64),
    /// Text.
    Text(String),
    /// Octets.
    Blob(Bytes),
    /// A list of numbers, for `= ANY($n)`; never a column.
    Ints(Vec<i64>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Bytes> for Value {
    fn from(value: Bytes) -> Self {
        Self::Blob(value)
    }
}

impl From<Vec<i64>> for Value {
    fn from(value: Vec<i64>) -> Self {
        Self::Ints(value)
    }
}

/// One row of an answer; a column that is not what was expected is damage.
#[derive(Debug)]
pub(super) struct Columns(pub Vec<Value>);

impl Columns {
    /// A number.
    pub fn int(&self, column: usize) -> Result<i64> {
        match self.0.get(column) {
            Some(Value::Int(value)) => Ok(*value),
            _ => Err(StoreError::Corrupt(format!("column {column} is no number"))),
        }
    }

    /// A number that is never negative.
    pub fn unsigned(&self, column: usize) -> Result<u64> {
        u64::try_from(self.int(column)?).map_err(|_| StoreError::Corrupt(format!("column {column} is negative")))
    }

    /// A number of 32 bits.
    pub fn small(&self, column: usize) -> Result<u32> {
        u32::try_from(self.int(column)?).map_err(|_| StoreError::Corrupt(format!("column {column} is out of range")))
    }

    /// Text.
    pub fn text(&self, column: usize) -> Result<&str> {
        match self.0.get(column) {
            Some(Value::Text(value)) => Ok(value),
            _ => Err(StoreError::Corrupt(format!("column {column} is no text"))),
        }
    }

    /// Octets.
    pub fn blob(&self, column: usize) -> Result<Bytes> {
        match self.0.get(column) {
            Some(Value::Blob(value)) => Ok(value.clone()),
            _ => Err(StoreError::Corrupt(format!("column {column} is no octets"))),
        }
    }
}

/// Why a transaction failed, as far as the store must know.
#[derive(Debug)]
pub(super) struct TxError {
    /// For the log.
    pub message: String,
    /// The disk can no longer be trusted: nothing may be written until a restart has replayed the log.
    pub fatal: bool,
}

impl From<TxError> for StoreError {
    fn from(error: TxError) -> Self {
        StoreError::Failed(error.message)
    }
}

/// One transaction.
pub(super) enum Tx {
    /// On the data folder's file.
    Sqlite(SqliteTx),
    /// On the control database.
    Postgres(PostgresTx),
}

/// Result of a call on a transaction.
pub(super) type TxResult<T> = std::result::Result<T, TxError>;

impl Tx {
    /// Runs a statement; answers how many rows it touched.
    pub async fn execute(&mut self, sql: &'static str, params: &[Value]) -> TxResult<u64> {
        match self {
            Self::Sqlite(tx) => tx.execute(sql, params),
            Self::Postgres(tx) => tx.execute(sql, params).await,
        }
    }

    /// Runs a query and takes all its rows.
    pub async fn query(&mut self, sql: &'static str, params: &[Value]) -> TxResult<Vec<Columns>> {
        match self {
            Self::Sqlite(tx) => tx.query(sql, params),
            Self::Postgres(tx) => tx.query(sql, params).await,
        }
    }

    /// `INSERT INTO {into} VALUES (…), (…) {suffix}`: all rows, however many.
    pub async fn insert(&mut self, into: &'static str, rows: &[Vec<Value>], suffix: &'static str) -> TxResult<()> {
        if rows.is_empty() {
            return Ok(());
        }
        match self {
            Self::Sqlite(tx) => tx.insert(into, rows, suffix),
            Self::Postgres(tx) => tx.insert(into, rows, suffix).await,
        }
    }

    /// What follows a SELECT whose rows this transaction is about to change.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Makes it durable.
    pub async fn commit(self) -> TxResult<()> {
        match self {
            Self::Sqlite(tx) => tx.commit(),
            Self::Postgres(tx) => tx.commit().await,
        }
    }
}
