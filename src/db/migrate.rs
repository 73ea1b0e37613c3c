//! Brings the control plane's tables up to date, version by version, each in one transaction.
//!
//! A database of a newer program is refused with a sentence, never touched.

use super::{Db, DbError, Result, Tx};
use sqlx::AssertSqlSafe;

/// Each with its number, in order; a landed one never changes. Numbers may have gaps, and a lower one may
/// come later: what counts is which of them a database has seen.
const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../migrations/control/0001_start.sql")),
    (10, include_str!("../../migrations/control/0010_nodes.sql")),
    (11, include_str!("../../migrations/control/0011_undoes.sql")),
    (12, include_str!("../../migrations/control/0012_webhooks.sql")),
    (20, include_str!("../../migrations/control/0020_plans.sql")),
    (21, include_str!("../../migrations/control/0021_addresses.sql")),
    (30, include_str!("../../migrations/control/0030_key_scopes.sql")),
    (50, include_str!("../../migrations/control/0050_bulk_jobs.sql")),
    (51, include_str!("../../migrations/control/0051_scheduled_changes.sql")),
    (60, include_str!("../../migrations/control/0060_app_passwords.sql")),
    (130, include_str!("../../migrations/control/0130_sign_ins.sql")),
    (131, include_str!("../../migrations/control/0131_own_passwords.sql")),
    (132, include_str!("../../migrations/control/0132_second_factors.sql")),
    (133, include_str!("../../migrations/control/0133_password_links.sql")),
    (134, include_str!("../../migrations/control/0134_login_as.sql")),
    (140, include_str!("../../migrations/control/0140_duties.sql")),
    (141, include_str!("../../migrations/control/0141_login_history.sql")),
    (142, include_str!("../../migrations/control/0142_sends.sql")),
    (143, include_str!("../../migrations/control/0143_usage.sql")),
    (144, include_str!("../../migrations/control/0144_quota_warnings.sql")),
    (150, include_str!("../../migrations/control/0150_containment.sql")),
    (160, include_str!("../../migrations/control/0160_lists.sql")),
    (161, include_str!("../../migrations/control/0161_idempotency_revision.sql")),
];

pub(super) async fn run(db: &Db) -> Result<()> {
    let mut tx = db.write().await?;
    // Several nodes may start at once.
    if matches!(tx, Tx::Pg(_)) {
        tx.execute("SELECT pg_advisory_xact_lock(4616231)", &[]).await?;
    }
    tx.execute("CREATE TABLE IF NOT EXISTS schema_control (version BIGINT NOT NULL)", &[]).await?;
    let rows = tx.all("SELECT version FROM schema_control ORDER BY version", &[]).await?;
    let seen = rows.iter().map(|row| row.get::<i64>(0)).collect::<Result<Vec<_>>>()?;
    if let Some(&found) = seen.iter().find(|version| !MIGRATIONS.iter().any(|(known, _)| known == *version)) {
        return Err(DbError::Newer { found, known: MIGRATIONS.last().map_or(0, |(known, _)| *known) });
    }
    for (version, text) in MIGRATIONS.iter().filter(|(version, _)| !seen.contains(version)) {
        script(&mut tx, text).await?;
        tx.execute("INSERT INTO schema_control (version) VALUES ($1)", &[(*version).into()]).await?;
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
            // What only this database reads is a comment to the other.
            sqlx::raw_sql(AssertSqlSafe(text.replace("--pg: ", ""))).execute(&mut **tx).await?;
        }
    }
    Ok(())
}
