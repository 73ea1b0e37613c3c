//! One transaction on either database: statements with bound parameters, rows by column number.
//!
//! Invariant: values are always bound, never part of a text; a `Tx` dropped without commit
//! changed nothing.

use super::{DbError, Result};
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Row as _, SqlSafeStr, Transaction, Type};

/// A bound parameter.
#[derive(Debug, Clone)]
pub enum Arg {
    /// A number, or NULL.
    Int(Option<i64>),
    /// Text, or NULL.
    Text(Option<String>),
    /// Octets.
    Bytes(Vec<u8>),
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}
impl From<Option<i64>> for Arg {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}
impl From<bool> for Arg {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}
impl From<&str> for Arg {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}
impl From<String> for Arg {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}
impl From<Option<String>> for Arg {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}
impl From<&[u8]> for Arg {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

/// A row of either database.
pub enum Row {
    /// Of SQLite.
    Lite(SqliteRow),
    /// Of PostgreSQL.
    Pg(PgRow),
}

/// Types that a column can be read as.
pub trait Column: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}
impl<T> Column for T where T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

impl Row {
    /// A column as `i64`, `String`, `Vec<u8>` or an `Option` of them.
    ///
    /// # Errors
    /// The column has another type: the query and its reader do not fit.
    pub fn get<T: Column>(&self, column: usize) -> Result<T>
    where
        usize: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        Ok(match self {
            Self::Lite(row) => row.try_get(column)?,
            Self::Pg(row) => row.try_get(column)?,
        })
    }

    /// A column as one of our words.
    ///
    /// # Errors
    /// The text is none of them.
    pub fn parse<T: std::str::FromStr>(&self, column: usize) -> Result<T> {
        let text: String = self.get(column)?;
        text.parse().map_err(|_| DbError::Damaged(text))
    }
}

/// A transaction.
pub enum Tx {
    /// On SQLite.
    Lite(Transaction<'static, Sqlite>),
    /// On PostgreSQL.
    Pg(Transaction<'static, Postgres>),
}

impl Tx {
    /// Runs a statement; answers how many rows it touched.
    ///
    /// # Errors
    /// A constraint, or the database failed.
    pub async fn execute(&mut self, sql: &'static str, args: &[Arg]) -> Result<u64> {
        Ok(match self {
            Self::Lite(tx) => lite(sql, args).execute(&mut **tx).await?.rows_affected(),
            Self::Pg(tx) => pg(sql, args).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// Runs a query; all its rows.
    ///
    /// # Errors
    /// The database failed.
    pub async fn all(&mut self, sql: &'static str, args: &[Arg]) -> Result<Vec<Row>> {
        Ok(match self {
            Self::Lite(tx) => lite(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Lite).collect(),
            Self::Pg(tx) => pg(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Pg).collect(),
        })
    }

    /// Runs the query of a list, which is put together from constants; all its rows.
    pub(super) async fn listed(&mut self, sql: String, args: &[Arg]) -> Result<Vec<Row>> {
        let sql = AssertSqlSafe(sql);
        Ok(match self {
            Self::Lite(tx) => lite(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Lite).collect(),
            Self::Pg(tx) => pg(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Pg).collect(),
        })
    }

    /// Runs a query; its first row.
    ///
    /// # Errors
    /// The database failed.
    pub async fn one(&mut self, sql: &'static str, args: &[Arg]) -> Result<Option<Row>> {
        Ok(match self {
            Self::Lite(tx) => lite(sql, args).fetch_optional(&mut **tx).await?.map(Row::Lite),
            Self::Pg(tx) => pg(sql, args).fetch_optional(&mut **tx).await?.map(Row::Pg),
        })
    }

    /// Wakes the other nodes when this commits; SQLite has none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notify(&mut self, channel: &str) -> Result<()> {
        match self {
            Self::Lite(_) => Ok(()),
            Self::Pg(_) => self.execute("SELECT pg_notify($1, '')", &[channel.into()]).await.map(drop),
        }
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// The database failed: whether it was made durable is then unknown, and it is not tried again.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Lite(tx) => tx.commit().await?,
            Self::Pg(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

fn lite<'q>(sql: impl SqlSafeStr, args: &[Arg]) -> Query<'q, Sqlite, SqliteArguments> {
    args.iter().cloned().fold(sqlx::query(sql), |query, arg| match arg {
        Arg::Int(value) => query.bind(value),
        Arg::Text(value) => query.bind(value),
        Arg::Bytes(value) => query.bind(value),
    })
}

fn pg<'q>(sql: impl SqlSafeStr, args: &[Arg]) -> Query<'q, Postgres, PgArguments> {
    args.iter().cloned().fold(sqlx::query(sql), |query, arg| match arg {
        Arg::Int(value) => query.bind(value),
        Arg::Text(value) => query.bind(value),
        Arg::Bytes(value) => query.bind(value),
    })
}
