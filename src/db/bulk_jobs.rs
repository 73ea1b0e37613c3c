//! Rows of `bulk_jobs`, `bulk_rows` and `bulk_results`: work of many rows, what was sent for it, what came of it.
//!
//! Invariant: [`advance`] succeeds only while the job still waits for its turn and this node has it, so that what is
//! done in the same transaction is done once.

use super::{Page, Result, Row, Tx};
use crate::model::ids::{JobId, TenantId};

/// A job.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// Whose.
    pub tenant: TenantId,
    /// That tenant's path.
    pub path: String,
    /// What it does.
    pub kind: String,
    /// For whom: the id of a user or a key.
    pub caller: String,
    /// Whether it only says what it would do.
    pub dry_run: bool,
    /// What the kind wants to know, JSON.
    pub parameters: String,
    /// `receiving`, `waiting`, `done`, `cancelled` or `failed`.
    pub state: String,
    /// Rows, once known.
    pub total: Option<i64>,
    /// How far it has come.
    pub progress: Progress,
    /// Why it failed.
    pub error: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// When it ended, Unix milliseconds.
    pub finished_at: Option<i64>,
    /// Until when a node has it for itself.
    pub leased_until: i64,
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Rows that are done with, whatever came of them.
    pub done: i64,
    /// Rows that did what they should.
    pub succeeded: i64,
    /// Rows that were refused.
    pub failed: i64,
    /// Where the next turn begins.
    pub place: i64,
}

fn read(row: &Row) -> Result<JobRow> {
    Ok(JobRow {
        id: JobId(row.get(0)?),
        tenant: TenantId(row.get(1)?),
        path: row.get(2)?,
        kind: row.get(3)?,
        caller: row.get(4)?,
        dry_run: row.get::<i64>(5)? != 0,
        parameters: row.get(6)?,
        state: row.get(7)?,
        total: row.get(8)?,
        progress: Progress { done: row.get(9)?, succeeded: row.get(10)?, failed: row.get(11)?, place: row.get(12)? },
        error: row.get(13)?,
        created_at: row.get(14)?,
        finished_at: row.get(15)?,
        leased_until: row.get(16)?,
    })
}

/// A job by its id.
pub async fn find(tx: &mut Tx, id: JobId) -> Result<Option<JobRow>> {
    const SQL: &str = "SELECT j.id, j.tenant_id, t.path, j.kind, j.caller, j.dry_run, j.parameters, j.state, j.total, j.done, j.succeeded, j.failed, \
         j.place, j.error, j.created_at, j.finished_at, j.leased_until FROM bulk_jobs j JOIN tenants t ON t.id = j.tenant_id WHERE j.id = $1";
    tx.one(SQL, &[id.0.into()]).await?.as_ref().map(read).transpose()
}

/// Jobs of tenants at and below a path, by id.
pub async fn list(tx: &mut Tx, path: &str, page: Page) -> Result<Vec<JobRow>> {
    const SQL: &str = "SELECT j.id, j.tenant_id, t.path, j.kind, j.caller, j.dry_run, j.parameters, j.state, j.total, j.done, j.succeeded, j.failed, \
         j.place, j.error, j.created_at, j.finished_at, j.leased_until FROM bulk_jobs j JOIN tenants t ON t.id = j.tenant_id \
         WHERE t.path >= $1 AND t.path < $2 AND j.id > $3 ORDER BY j.id LIMIT $4";
    let args = [path.into(), super::tenants::path_end(path).into(), page.after.into(), page.fetch()];
    tx.all(SQL, &args).await?.iter().map(read).collect()
}

/// How many of a tenant have not ended.
pub async fn open(tx: &mut Tx, tenant: TenantId) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM bulk_jobs WHERE tenant_id = $1 AND state IN ('receiving', 'waiting')";
    tx.one(SQL, &[tenant.0.into()]).await?.map_or(Ok(0), |row| row.get(0))
}

/// Adds a job.
pub async fn insert(tx: &mut Tx, job: &JobRow) -> Result<()> {
    const SQL: &str = "INSERT INTO bulk_jobs (id, tenant_id, kind, caller, dry_run, parameters, state, total, done, succeeded, failed, place, error, \
         created_at, turn_at, leased_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, 0, '', $9, $9, 0)";
    let args = [
        job.id.0.into(),
        job.tenant.0.into(),
        job.kind.as_str().into(),
        job.caller.as_str().into(),
        job.dry_run.into(),
        job.parameters.as_str().into(),
        job.state.as_str().into(),
        job.total.into(),
        job.created_at.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Keeps rows that came in, sealed.
pub async fn keep_rows(tx: &mut Tx, id: JobId, first_row: i64, sealed: &[u8]) -> Result<()> {
    const SQL: &str = "INSERT INTO bulk_rows (job_id, first_row, sealed) VALUES ($1, $2, $3)";
    tx.execute(SQL, &[id.0.into(), first_row.into(), sealed.into()]).await.map(drop)
}

/// All rows are there: it may have its turns.
pub async fn received(tx: &mut Tx, id: JobId, total: i64) -> Result<()> {
    const SQL: &str = "UPDATE bulk_jobs SET state = 'waiting', total = $2 WHERE id = $1 AND state = 'receiving'";
    tx.execute(SQL, &[id.0.into(), total.into()]).await.map(drop)
}

/// The kept rows among which a row is: the number of their first, and they, sealed.
pub async fn rows_at(tx: &mut Tx, id: JobId, row: i64) -> Result<Option<(i64, Vec<u8>)>> {
    const SQL: &str =
        "SELECT first_row, sealed FROM bulk_rows WHERE job_id = $1 AND first_row <= $2 ORDER BY first_row DESC LIMIT 1";
    tx.one(SQL, &[id.0.into(), row.into()]).await?.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
}

/// Takes the job whose turn it is for this node.
pub async fn claim(tx: &mut Tx, now: i64, until: i64) -> Result<Option<JobRow>> {
    const SQL: &str = "UPDATE bulk_jobs SET leased_until = $2, turn_at = $1 WHERE id = \
         (SELECT id FROM bulk_jobs WHERE state = 'waiting' AND leased_until <= $1 ORDER BY turn_at, id LIMIT 1) AND leased_until <= $1 RETURNING id";
    let Some(row) = tx.one(SQL, &[now.into(), until.into()]).await? else { return Ok(None) };
    find(tx, JobId(row.get(0)?)).await
}

/// Whether any job waits for a turn that nobody has.
pub async fn any_waiting(tx: &mut Tx, now: i64) -> Result<bool> {
    const SQL: &str = "SELECT id FROM bulk_jobs WHERE state = 'waiting' AND leased_until <= $1 LIMIT 1";
    Ok(tx.one(SQL, &[now.into()]).await?.is_some())
}

/// Writes how far a job has come; false when it was cancelled or another node has it.
pub async fn advance(tx: &mut Tx, job: &JobRow, to: Progress, leased_until: i64) -> Result<bool> {
    const SQL: &str = "UPDATE bulk_jobs SET done = $3, succeeded = $4, failed = $5, place = $6, leased_until = $7 \
         WHERE id = $1 AND leased_until = $2 AND state = 'waiting'";
    let args = [
        job.id.0.into(),
        job.leased_until.into(),
        to.done.into(),
        to.succeeded.into(),
        to.failed.into(),
        to.place.into(),
        leased_until.into(),
    ];
    Ok(tx.execute(SQL, &args).await? == 1)
}

/// Ends a job and drops what was sent for it; false when it has ended already.
pub async fn end(tx: &mut Tx, id: JobId, state: &str, error: &str, now: i64) -> Result<bool> {
    const SQL: &str = "UPDATE bulk_jobs SET state = $2, error = $3, finished_at = $4, leased_until = 0 \
         WHERE id = $1 AND state IN ('receiving', 'waiting')";
    let ended = tx.execute(SQL, &[id.0.into(), state.into(), error.into(), now.into()]).await? == 1;
    if ended {
        tx.execute("DELETE FROM bulk_rows WHERE job_id = $1", &[id.0.into()]).await?;
    }
    Ok(ended)
}

/// Keeps what came of some rows.
pub async fn keep_results(tx: &mut Tx, id: JobId, first_row: i64, results: &str) -> Result<()> {
    const SQL: &str = "INSERT INTO bulk_results (job_id, first_row, results) VALUES ($1, $2, $3)";
    tx.execute(SQL, &[id.0.into(), first_row.into(), results.into()]).await.map(drop)
}

/// Forgets what came of the rows, since the job begins anew.
pub async fn forget_results(tx: &mut Tx, id: JobId) -> Result<()> {
    tx.execute("DELETE FROM bulk_results WHERE job_id = $1", &[id.0.into()]).await.map(drop)
}

/// What came of the rows after a number, some at once, in order.
pub async fn results_after(tx: &mut Tx, id: JobId, row: i64, limit: i64) -> Result<Vec<String>> {
    // The list that holds the row after it may begin before it.
    const SQL: &str = "SELECT results FROM bulk_results WHERE job_id = $1 AND first_row >= \
         COALESCE((SELECT MAX(first_row) FROM bulk_results WHERE job_id = $1 AND first_row <= $2), 0) ORDER BY first_row LIMIT $3";
    tx.all(SQL, &[id.0.into(), row.into(), limit.into()]).await?.iter().map(|row| row.get(0)).collect()
}

/// Jobs whose sender went away before all of it was there.
pub async fn abandoned(tx: &mut Tx, before: i64) -> Result<u64> {
    const SQL: &str = "DELETE FROM bulk_jobs WHERE state = 'receiving' AND created_at < $1";
    tx.execute(SQL, &[before.into()]).await
}

/// Drops jobs that ended before a moment.
pub async fn forget(tx: &mut Tx, before: i64) -> Result<u64> {
    tx.execute("DELETE FROM bulk_jobs WHERE finished_at < $1", &[before.into()]).await
}

/// No other process can have a turn: what is left of leases is of one that died.
pub async fn free_all(tx: &mut Tx) -> Result<u64> {
    tx.execute("UPDATE bulk_jobs SET leased_until = 0 WHERE leased_until > 0", &[]).await
}
