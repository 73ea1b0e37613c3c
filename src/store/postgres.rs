//! The PostgreSQL arm: the store's tables in the control database, through sqlx.
//!
//! Several nodes may write; every transaction locks the usage rows of its mailboxes first, in
//! rising order, which is the lock of all that the mailbox holds.

use super::tx::{Columns, TxError, TxResult, Value};
use bytes::Bytes;
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Column as _, PgPool, Row as _, TypeInfo as _};

/// Parameters of one statement that the wire protocol allows.
const PARAMETERS: usize = 60_000;

/// A transaction.
pub(super) struct PostgresTx {
    tx: sqlx::Transaction<'static, Postgres>,
}

impl PostgresTx {
    /// Begins; a read sees one moment of the store.
    pub async fn begin(pool: &PgPool, writes: bool) -> TxResult<Self> {
        let tx = if writes {
            let mut tx = pool.begin().await.map_err(failed)?;
            // Whatever the server's default is: a COMMIT that returned is on disk.
            sqlx::query("SET LOCAL synchronous_commit = on").execute(&mut *tx).await.map_err(failed)?;
            tx
        } else {
            pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(failed)?
        };
        Ok(Self { tx })
    }

    /// See [`super::tx::Tx::execute`].
    pub async fn execute(&mut self, sql: &'static str, params: &[Value]) -> TxResult<u64> {
        let done = bind(sqlx::query(sql), params).execute(&mut *self.tx).await.map_err(failed)?;
        Ok(done.rows_affected())
    }

    /// See [`super::tx::Tx::query`].
    pub async fn query(&mut self, sql: &'static str, params: &[Value]) -> TxResult<Vec<Columns>> {
        let rows = bind(sqlx::query(sql), params).fetch_all(&mut *self.tx).await.map_err(failed)?;
        rows.iter().map(owned).collect()
    }

    /// See [`super::tx::Tx::insert`]: lists of rows, since each statement costs a round trip.
    pub async fn insert(&mut self, into: &str, rows: &[Vec<Value>], suffix: &str) -> TxResult<()> {
        let width = rows.first().map_or(1, Vec::len).max(1);
        // Powers of two, so that few texts are ever prepared.
        let mut rest = rows;
        while !rest.is_empty() {
            let fits = rest.len().min(PARAMETERS / width).min(512);
            let (now, later) = rest.split_at(1 << fits.ilog2());
            rest = later;
            let sql = format!("INSERT INTO {into} VALUES {} {suffix}", lists(now.len(), width));
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in now.iter().flatten() {
                query = bind_one(query, value);
            }
            query.execute(&mut *self.tx).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Runs a text of many statements, as migrations are.
    pub async fn script(&mut self, sql: &str) -> TxResult<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *self.tx).await.map_err(failed)?;
        Ok(())
    }

    /// Makes it durable.
    pub async fn commit(self) -> TxResult<()> {
        self.tx.commit().await.map_err(failed)
    }
}

/// `($1, $2), ($3, $4)`.
fn lists(rows: usize, width: usize) -> String {
    let row = |r: usize| {
        let marks: Vec<String> = (1..=width).map(|c| format!("${}", r * width + c)).collect();
        format!("({})", marks.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

fn bind<'q>(mut query: PgQuery<'q>, params: &[Value]) -> PgQuery<'q> {
    for value in params {
        query = bind_one(query, value);
    }
    query
}

fn bind_one<'q>(query: PgQuery<'q>, value: &Value) -> PgQuery<'q> {
    match value {
        Value::Int(value) => query.bind(*value),
        Value::Text(text) => query.bind(text.clone()),
        Value::Blob(octets) => query.bind(octets.to_vec()),
        Value::Ints(list) => query.bind(list.clone()),
    }
}

fn owned(row: &PgRow) -> TxResult<Columns> {
    let mut columns = Vec::with_capacity(row.len());
    for (index, column) in row.columns().iter().enumerate() {
        columns.push(match column.type_info().name() {
            "BYTEA" => Value::Blob(Bytes::from(row.try_get::<Vec<u8>, _>(index).map_err(failed)?)),
            "TEXT" | "VARCHAR" => Value::Text(row.try_get(index).map_err(failed)?),
            _ => Value::Int(row.try_get(index).map_err(failed)?),
        });
    }
    Ok(Columns(columns))
}

fn failed(error: sqlx::Error) -> TxError {
    // The server replays its own log after a failed sync; a lost connection says nothing about the disk.
    TxError { message: error.to_string(), fatal: false }
}
