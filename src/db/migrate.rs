//! Brings the control plane's tables up to date, version by version, each in one transaction.
//!
//! A database of a newer program is refused with a sentence, never touched.

use super::{Db, DbError, Result, Tx};
use sqlx::AssertSqlSafe;

/// One text per version, in order; a landed one never changes.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations/control/0001_start.sql")];

pub(super) async fn run(db: &Db) -> Result<()> {
    let mut tx = db.write().await?;
    // Several nodes may start at once.
    if matches!(tx, Tx::Pg(_)) {
        tx.execute("SELECT pg_advisory_xact_lock(4616231)", &[]).await?;
    }
    tx.execute("CREATE TABLE IF NOT EXISTS schema_control (version BIGINT NOT NULL)", &[]).await?;
    let found = match tx.one("SELECT MAX(version) FROM schema_control", &[]).await? {
        Some(row) => row.get::<Option<i64>>(0)?.unwrap_or(0),
        None => 0,
    };
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(DbError::Newer { found, known });
    }
    for (version, text) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
        script(&mut tx, text).await?;
        tx.execute("INSERT INTO schema_control (version) VALUES ($1)", &[version.into()]).await?;
    }
    tx.commit().await
}

async fn script(tx: &mut Tx, text: &str) -> Result<()> {
    match tx {
        Tx::Lite(tx) => {
            let text = text
                .replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")
                .replace("BYTEA", "BLOB")
                .replace(" COLLATE \"C\"", "");
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut **tx).await?;
        }
        Tx::Pg(tx) => {
            sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut **tx).await?;
        }
    }
    Ok(())
}
