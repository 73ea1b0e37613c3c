//! Jobs: work of many rows that a caller gave, done in turns, some rows a commit, each row a revision of its own.
//!
//! Here is what a job is and how far it has come; what a row means, `api` knows, which also takes the turns. A job acts
//! for its caller as that caller is now: a deleted key's job ends. Invariant: rows, what came of them and how far the
//! job has come are one transaction, so that a restart does no row twice and leaves none out.

use super::together::Together;
use super::{Caller, Control, Error, PageRequest, Paged, Result, sign_in};
use crate::auth::seal::Seal;
use crate::db::bulk_jobs::{self as rows, JobRow, Progress};
use crate::db::counts;
use crate::db::{levels, tenants};
use crate::model::ids::{JobId, TenantId};
use crate::model::{LimitName, Quota, Timestamp, bounds};
use std::collections::{HashMap, HashSet};

/// A node has a job for itself so long without a commit: far longer than a batch may take.
pub const LEASE_MS: i64 = 10_000;

/// A job as callers see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose: who gave it.
    pub tenant: TenantId,
    /// What it does: `import_mailboxes`, `import_aliases` or `switch_off_unused`.
    #[schema(example = "import_mailboxes")]
    pub kind: String,
    /// Whether it only says what it would do.
    #[schema(example = true)]
    pub dry_run: bool,
    /// `receiving`, `waiting` (for its next turn), `done`, `cancelled` or `failed`.
    #[schema(example = "waiting")]
    pub state: String,
    /// Rows; `null` while it is not known.
    #[schema(example = 100000)]
    pub total: Option<i64>,
    /// Rows that it is done with, whatever came of them.
    #[schema(example = 1200)]
    pub done: i64,
    /// Rows that did, or would do, what they should.
    #[schema(example = 1199)]
    pub succeeded: i64,
    /// Rows that were, or would be, refused.
    #[schema(example = 1)]
    pub failed: i64,
    /// Why it failed; empty unless it did.
    pub error: String,
    /// When it was given.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}

impl From<JobRow> for Job {
    fn from(row: JobRow) -> Self {
        Self {
            id: row.id,
            tenant: row.tenant,
            kind: row.kind,
            dry_run: row.dry_run,
            state: row.state,
            total: row.total,
            done: row.progress.done,
            succeeded: row.progress.succeeded,
            failed: row.progress.failed,
            error: row.error,
            created_at: Timestamp(row.created_at),
            finished_at: row.finished_at.map(Timestamp),
        }
    }
}

/// What came of one row.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct RowResult {
    /// Its number, from 1; the heading of a CSV document does not count.
    #[schema(example = 1)]
    pub row: i64,
    /// `done`, `would_be_done` in a dry run, or `refused`.
    #[schema(example = "done")]
    pub outcome: String,
    /// The address that it is about, as far as it could be read.
    #[schema(example = "alice@example.org")]
    pub address: String,
    /// The id of what it made or changed.
    pub id: Option<String>,
    /// The revision that it made.
    #[schema(example = 42)]
    pub revision: Option<i64>,
    /// Why it was refused: a problem's `code`, or that of its first field.
    #[schema(example = json!(null))]
    pub code: Option<String>,
    /// The field that was wrong.
    #[schema(example = json!(null))]
    pub pointer: Option<String>,
    /// Why, for people.
    #[schema(example = json!(null))]
    pub detail: Option<String>,
}

/// A job to begin.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What it does.
    pub kind: &'static str,
    /// Whether it only says what it would do.
    pub dry_run: bool,
    /// What the kind wants to know.
    pub parameters: serde_json::Value,
    /// Whether rows are still to come.
    pub receiving: bool,
}

/// Begins a job.
pub async fn create(control: &Control, caller: &Caller, new: NewJob) -> Result<Job> {
    caller.may_administer()?;
    caller.acts_for_itself()?;
    let now = control.now_ms();
    let row = JobRow {
        id: JobId(control.ids.next(now)),
        tenant: caller.tenant,
        path: caller.path.clone(),
        kind: new.kind.to_owned(),
        caller: caller.id.to_string(),
        dry_run: new.dry_run,
        parameters: new.parameters.to_string(),
        state: if new.receiving { "receiving" } else { "waiting" }.to_owned(),
        total: None,
        progress: Progress::default(),
        error: String::new(),
        created_at: now,
        finished_at: None,
        leased_until: 0,
    };
    let mut tx = control.db.write().await?;
    // Who never sent the rest holds no place for ever.
    let patience = i64::try_from(bounds::HTTP_REQUEST_TIME.as_millis()).unwrap_or(i64::MAX);
    rows::abandoned(&mut tx, now - 2 * patience).await?;
    if rows::open(&mut tx, caller.tenant).await? >= bounds::JOBS_PER_TENANT {
        return Err(Error::InUse("too many jobs of this tenant have not ended: wait, or cancel one"));
    }
    rows::insert(&mut tx, &row).await?;
    tx.commit().await?;
    Ok(row.into())
}

fn sealed_name(id: JobId, first_row: i64) -> String {
    format!("rows of {id} from {first_row}")
}

fn broken(error: crate::auth::seal::SealError) -> Error {
    Error::Internal(error.to_string())
}

/// Keeps rows that came in, sealed: they may hold passwords.
pub async fn receive(
    control: &Control,
    seal: &Seal,
    id: JobId,
    first_row: i64,
    given: &[serde_json::Value],
) -> Result<()> {
    let octets = serde_json::to_vec(given).map_err(|e| Error::Internal(e.to_string()))?;
    let sealed = seal.seal(&sealed_name(id, first_row), &octets).map_err(broken)?;
    let mut tx = control.db.write().await?;
    rows::keep_rows(&mut tx, id, first_row, &sealed).await?;
    Ok(tx.commit().await?)
}

/// All rows are there.
pub async fn received(control: &Control, caller: &Caller, id: JobId, total: i64) -> Result<Job> {
    let mut tx = control.db.write().await?;
    rows::received(&mut tx, id, total).await?;
    tx.commit().await?;
    get(control, caller, id).await
}

/// Ends a job whose rows cannot be read, as if it had not been given.
pub async fn refuse(control: &Control, id: JobId) -> Result<()> {
    let mut tx = control.db.write().await?;
    rows::end(&mut tx, id, "failed", "its document could not be read", control.now_ms()).await?;
    Ok(tx.commit().await?)
}

/// One job.
pub async fn get(control: &Control, caller: &Caller, id: JobId) -> Result<Job> {
    let mut tx = control.db.read().await?;
    let row = rows::find(&mut tx, id).await?.ok_or(Error::NotFound)?;
    caller.reach(&row.path)?;
    Ok(row.into())
}

/// Jobs of tenants at and below the caller's.
pub async fn list(control: &Control, caller: &Caller, page: PageRequest) -> Result<Paged<Job>> {
    let mut tx = control.db.read().await?;
    let rows = rows::list(&mut tx, caller.list_path()?, page.into()).await?;
    Ok(Paged::new(rows, page, |row| row.id.0, Job::from))
}

/// Ends a job before its next batch: what it has done stays.
pub async fn cancel(control: &Control, caller: &Caller, id: JobId) -> Result<Job> {
    let row = get(control, caller, id).await?;
    caller.may_administer()?;
    let mut tx = control.db.write().await?;
    if !rows::end(&mut tx, row.id, "cancelled", "", control.now_ms()).await? {
        return Err(Error::InUse("the job has ended already"));
    }
    tx.commit().await?;
    get(control, caller, id).await
}

/// What came of the rows after a number, a page of them.
pub async fn results(control: &Control, caller: &Caller, id: JobId, page: PageRequest) -> Result<Paged<RowResult>> {
    get(control, caller, id).await?;
    let mut tx = control.db.read().await?;
    let limit = page.limit.clamp(1, bounds::PAGE_ITEMS);
    let mut items: Vec<RowResult> = Vec::new();
    let (mut after, mut more) = (page.after, true);
    while more && items.len() <= limit {
        let lists = rows::results_after(&mut tx, id, after.saturating_add(1), 20).await?;
        let fresh = lists.iter().flat_map(|list| serde_json::from_str::<Vec<RowResult>>(list).unwrap_or_default());
        let fresh: Vec<RowResult> = fresh.filter(|result| result.row > after).collect();
        after = fresh.last().map_or(after, |last| last.row);
        more = !fresh.is_empty();
        items.extend(fresh);
    }
    Ok(Paged::new(items, page, |result| result.row, |result| result))
}

/// A job in the hands of this node, for one turn.
pub struct Turn {
    control: Control,
    /// The job.
    pub job: JobRow,
    /// For whom it is done, as that caller is now.
    pub caller: Caller,
}

/// Takes the job that waited longest. One whose caller is no longer there ends.
pub async fn next_turn(control: &Control) -> Result<Option<Turn>> {
    let now = control.now_ms();
    // Nobody waits for a lock where there is nothing to do.
    if !rows::any_waiting(&mut control.db.read().await?, now).await? {
        return Ok(None);
    }
    let mut tx = control.db.write().await?;
    let Some(job) = rows::claim(&mut tx, now, now + LEASE_MS).await? else { return Ok(None) };
    let Some(caller) = sign_in::still(&mut tx, &job.caller, now).await?.filter(|c| c.may_administer().is_ok()) else {
        rows::end(&mut tx, job.id, "failed", "its caller is gone, or may no longer write", now).await?;
        tx.commit().await?;
        return Ok(None);
    };
    tx.commit().await?;
    Ok(Some(Turn { control: control.clone(), job, caller }))
}

/// On a database that only one process serves, no turn outlasts it.
pub async fn take_over(control: &Control) -> Result<()> {
    if control.db.is_shared() {
        return Ok(());
    }
    let mut tx = control.db.write().await?;
    rows::free_all(&mut tx).await?;
    Ok(tx.commit().await?)
}

impl Turn {
    /// The kept rows from where the job stands, with the number of the first.
    pub async fn rows(&self, seal: &Seal) -> Result<Vec<(i64, serde_json::Value)>> {
        let place = self.job.progress.place;
        let mut tx = self.control.db.read().await?;
        let Some((first, sealed)) = rows::rows_at(&mut tx, self.job.id, place + 1).await? else {
            return Ok(Vec::new());
        };
        let octets = seal.open_sealed(&sealed_name(self.job.id, first), &sealed).map_err(broken)?;
        let all: Vec<serde_json::Value> =
            serde_json::from_slice(&octets).map_err(|e| Error::Internal(e.to_string()))?;
        Ok((first..).zip(all).filter(|(row, _)| *row > place).collect())
    }

    /// Commits what was done for some rows together with what came of them; in a dry run only the latter. False when
    /// the job was cancelled meanwhile, or another node has it: then nothing was done.
    pub async fn commit(&mut self, together: Together, results: &[RowResult], place: i64) -> Result<bool> {
        let refused = results.iter().filter(|result| result.outcome == "refused").count() as i64;
        let before = self.job.progress;
        let all = results.len() as i64;
        let to = Progress {
            done: before.done + all,
            succeeded: before.succeeded + all - refused,
            failed: before.failed + refused,
            place,
        };
        let together = if self.job.dry_run {
            // Rolled back first: there may be one connection that writes.
            drop(together);
            Together::begin(&self.control).await?
        } else {
            together
        };
        let leased_until = self.control.now_ms() + LEASE_MS;
        {
            let mut tx = together.take()?;
            if !rows::advance(&mut tx, &self.job, to, leased_until).await? {
                return Ok(false);
            }
            if let Some(first) = results.first() {
                let text = serde_json::to_string(results).map_err(|e| Error::Internal(e.to_string()))?;
                rows::keep_results(&mut tx, self.job.id, first.row, &text).await?;
            }
        }
        together.commit().await?;
        (self.job.progress, self.job.leased_until) = (to, leased_until);
        Ok(true)
    }

    /// Begins anew: what a dry run has found so far was in the memory of a process that is gone.
    pub async fn rewind(&mut self) -> Result<()> {
        let mut tx = self.control.db.write().await?;
        rows::forget_results(&mut tx, self.job.id).await?;
        rows::advance(&mut tx, &self.job, Progress::default(), self.job.leased_until).await?;
        tx.commit().await?;
        self.job.progress = Progress::default();
        Ok(())
    }

    /// Gives the job back for its next turn.
    pub async fn leave(self) -> Result<()> {
        let mut tx = self.control.db.write().await?;
        rows::advance(&mut tx, &self.job, self.job.progress, 0).await?;
        Ok(tx.commit().await?)
    }

    /// Ends it: every row had its turn.
    pub async fn finish(self) -> Result<()> {
        let mut tx = self.control.db.write().await?;
        rows::end(&mut tx, self.job.id, "done", "", self.control.now_ms()).await?;
        Ok(tx.commit().await?)
    }
}

/// What rows of a dry run have taken that later ones find taken: a dry run's batches are rolled back one by one.
#[derive(Debug, Default)]
pub struct Rehearsal {
    names: HashSet<u64>,
    taken: HashMap<TenantId, Taken>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Taken {
    mailboxes: i64,
    aliases: i64,
    quota_bytes: i64,
    inheriting: i64,
}

impl Rehearsal {
    /// Whether a row before has taken this address.
    pub fn has(&self, key: &str) -> bool {
        self.names.contains(&fingerprint(key))
    }

    /// A mailbox would be made.
    pub fn mailbox(&mut self, key: &str, tenant: TenantId, quota: Quota) {
        self.names.insert(fingerprint(key));
        let taken = self.taken.entry(tenant).or_default();
        taken.mailboxes += 1;
        match quota.bytes {
            Some(bytes) => taken.quota_bytes += i64::try_from(bytes).unwrap_or(i64::MAX),
            None => taken.inheriting += 1,
        }
    }

    /// An alias would be made.
    pub fn alias(&mut self, key: &str, tenant: TenantId) {
        self.names.insert(fingerprint(key));
        self.taken.entry(tenant).or_default().aliases += 1;
    }

    /// Counts what was taken in a transaction that is going to be rolled back, so that limits hold.
    pub async fn enact(&self, together: &Together) -> Result<()> {
        let mut tx = together.take()?;
        for (tenant, taken) in &self.taken {
            let Some(row) = tenants::find(&mut tx, *tenant).await? else { continue };
            let above = levels::above(&mut tx, &row.path).await?;
            let ids = || above.0.iter().map(|tenant| tenant.id);
            counts::add(&mut tx, ids(), LimitName::Mailboxes, taken.mailboxes).await?;
            counts::add(&mut tx, ids(), LimitName::Aliases, taken.aliases).await?;
            counts::add_quota(&mut tx, *tenant, taken.quota_bytes, taken.inheriting).await?;
        }
        Ok(())
    }
}

/// Eight octets an address, so that 200,000 of them are little.
fn fingerprint(key: &str) -> u64 {
    let hash = blake3::hash(key.as_bytes());
    hash.as_bytes().first_chunk().copied().map_or(0, u64::from_le_bytes)
}

/// Drops jobs that ended long ago.
pub(super) async fn forget(control: &Control) -> Result<()> {
    let kept = i64::try_from(bounds::JOB_KEPT_TIME.as_millis()).unwrap_or(i64::MAX);
    let mut tx = control.db.write().await?;
    rows::forget(&mut tx, control.now_ms() - kept).await?;
    Ok(tx.commit().await?)
}
