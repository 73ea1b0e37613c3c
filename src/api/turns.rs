//! The turns of jobs: some rows of one job, then of the next, so that a long one keeps nobody waiting.
//!
//! A row is read and its password hashed first; then a batch of rows is one short transaction in which each makes its
//! own revision, as the single operation would. Invariant: what a row is refused for is in the job's results; what hinders all
//! rows (the database) ends the turn and is tried again.

use super::advice::SwitchOffRow;
use super::aliases::CreateAlias;
use super::extract::parse;
use super::mailboxes::CreateMailbox;
use super::problem::Problem;
use super::{ApiState, imports};
use crate::control::advice;
use crate::control::aliases::{self, AliasUse};
use crate::control::bulk_jobs::{self, Rehearsal, RowResult, Turn};
use crate::control::mailboxes::{self, NewMailbox};
use crate::control::passwords::hash_early;
use crate::control::together::Together;
use crate::control::{Caller, Error};
use crate::model::ids::JobId;
use crate::model::{EmailAddress, Quota, Resource, bounds};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Between two looks for a job that another node was given, or left.
pub(super) const TURN: Duration = Duration::from_secs(1);

/// What a row asks for.
enum Work {
    Mailbox(Box<NewMailbox>, Option<String>),
    Alias(EmailAddress, Vec<EmailAddress>, AliasUse),
    SwitchOff(SwitchOffRow),
}

/// A row, with everything done that takes long.
struct Ready {
    row: i64,
    /// Where the job stands after it.
    place: i64,
    address: String,
    work: Result<Work, Box<Problem>>,
}

/// What a row made.
struct Made {
    id: String,
    revision: i64,
}

/// Gives jobs their turns until it is told to stop.
pub(super) async fn run(state: ApiState, stop: CancellationToken) {
    if let Err(error) = bulk_jobs::take_over(&state.control).await {
        tracing::warn!(%error, "jobs wait until their leases end");
    }
    let mut rehearsals = HashMap::new();
    while !stop.is_cancelled() {
        match turn(&state, &mut rehearsals, &stop).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "a job's turn ended early"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = state.job_given.notified() => {}
            () = tokio::time::sleep(TURN) => {}
        }
    }
}

/// One turn of the job that waited longest; false when there is none.
async fn turn(
    state: &ApiState,
    rehearsals: &mut HashMap<JobId, Rehearsal>,
    stop: &CancellationToken,
) -> Result<bool, Error> {
    let Some(mut turn) = bulk_jobs::next_turn(&state.control).await? else { return Ok(false) };
    let id = turn.job.id;
    // A cancelled dry run never has another turn; how many there can be at once is bounded.
    if turn.job.dry_run && !rehearsals.contains_key(&id) && turn.job.progress.done > 0 {
        turn.rewind().await?;
    }
    let mut rehearsal = rehearsals.remove(&id).unwrap_or_default();
    let rows = turn.rows(&state.seal).await?;
    if rows.is_empty() {
        turn.finish().await?;
        return Ok(true);
    }
    if take_rows(state, &mut turn, rows, &mut rehearsal, stop).await? {
        if turn.job.dry_run && rehearsals.len() < bounds::JOBS_PER_TENANT as usize * 10 {
            rehearsals.insert(id, rehearsal);
        }
        turn.leave().await?;
    }
    Ok(true)
}

/// Takes some rows, batch after batch; false when the job is no longer ours.
async fn take_rows(
    state: &ApiState,
    turn: &mut Turn,
    rows: Vec<(i64, Value)>,
    rehearsal: &mut Rehearsal,
    stop: &CancellationToken,
) -> Result<bool, Error> {
    let mut rows = rows.into_iter();
    let mut ready = VecDeque::new();
    while !stop.is_cancelled() {
        while ready.len() < bounds::JOB_BATCH.0 {
            let Some((row, value)) = rows.next() else { break };
            ready.push_back(read(state, &turn.job.kind, row, value).await?);
        }
        if ready.is_empty() {
            break;
        }
        let together = Together::begin(&state.control).await?;
        let began = Instant::now();
        if turn.job.dry_run {
            rehearsal.enact(&together).await?;
        }
        let (mut results, mut place) = (Vec::new(), turn.job.progress.place);
        while let Some(next) = ready.pop_front() {
            place = next.place;
            results.push(take(state, &together, &turn.caller, next, turn.job.dry_run, rehearsal).await?);
            if began.elapsed() >= bounds::JOB_BATCH.1 {
                break;
            }
        }
        if !turn.commit(together, &results, place).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads a row, and does what takes long.
async fn read(state: &ApiState, kind: &str, row: i64, value: Value) -> Result<Ready, Error> {
    let address = value.get("address").and_then(Value::as_str).unwrap_or_default().chars().take(320).collect();
    let work = match value {
        Value::String(why) => Err(Problem::field("", "malformed", why)),
        value if kind == imports::MAILBOXES => {
            parse::<CreateMailbox>(value).map(NewMailbox::from).map(|new| Work::Mailbox(Box::new(new), None))
        }
        value if kind == imports::SWITCH_OFF => {
            let broken = |error: serde_json::Error| Error::Internal(error.to_string());
            Ok(Work::SwitchOff(serde_json::from_value(value).map_err(broken)?))
        }
        value => parse::<CreateAlias>(value).map(|body| {
            let (address, targets, used) = body.parts();
            Work::Alias(address, targets, used)
        }),
    };
    let work = match work {
        Ok(Work::Mailbox(new, _)) => {
            let hash = match &new.password.password {
                Some(password) => hash_early(&state.control, password).await?,
                None => None,
            };
            Ok(Work::Mailbox(new, hash))
        }
        work => work,
    };
    Ok(Ready { row, place: row, address, work: work.map_err(Box::new) })
}

/// Takes one row.
async fn take(
    state: &ApiState,
    together: &Together,
    caller: &Caller,
    ready: Ready,
    dry_run: bool,
    rehearsal: &mut Rehearsal,
) -> Result<RowResult, Error> {
    let Ready { row, address, work, .. } = ready;
    let work = match work {
        Ok(work) => work,
        Err(problem) => return Ok(refused(row, address, *problem)),
    };
    let mark = together.mark().await?;
    match take_work(state, together, caller, work, dry_run, rehearsal).await {
        Ok(made) => {
            together.keep().await?;
            let outcome = if dry_run { "would_be_done" } else { "done" }.to_owned();
            let (id, revision) = if dry_run { (None, None) } else { (Some(made.id), Some(made.revision)) };
            Ok(RowResult { row, outcome, address, id, revision, code: None, pointer: None, detail: None })
        }
        // It hinders all rows, not this one.
        Err(error @ Error::Unavailable(_)) => Err(error),
        Err(error) => {
            together.back_to(mark).await?;
            Ok(refused(row, address, error.into()))
        }
    }
}

async fn take_work(
    state: &ApiState,
    together: &Together,
    caller: &Caller,
    work: Work,
    dry_run: bool,
    rehearsal: &mut Rehearsal,
) -> Result<Made, Error> {
    let resource = match &work {
        Work::Mailbox(..) => Resource::Mailboxes,
        Work::Alias(..) => Resource::Aliases,
        Work::SwitchOff(_) => Resource::Protocols,
    };
    // What it may is what it may now: a user's duty may have changed since.
    caller.may_use(resource, true)?;
    match work {
        Work::SwitchOff(SwitchOffRow { mailbox, protocol, seen, .. }) => {
            let caller = together.of(caller, None);
            let revision = advice::switch_off(&state.control, &caller, mailbox, protocol, seen).await?;
            Ok(Made { id: mailbox.to_string(), revision: revision.0 })
        }
        Work::Mailbox(new, hash) => {
            let caller = together.of(caller, hash);
            let key = new.address.key().to_owned();
            if dry_run && rehearsal.has(&key) {
                return Err(Error::AlreadyExists("the address"));
            }
            let (mailbox, revision) = mailboxes::create(&state.control, &caller, *new).await?;
            if dry_run {
                let quota = Quota { bytes: mailbox.quota.bytes, messages: mailbox.quota.messages };
                rehearsal.mailbox(&key, mailbox.tenant, quota);
            }
            Ok(Made { id: mailbox.id.to_string(), revision: revision.0 })
        }
        Work::Alias(address, targets, used) => {
            let caller = together.of(caller, None);
            let key = address.key().to_owned();
            if dry_run && rehearsal.has(&key) {
                return Err(Error::AlreadyExists("the address"));
            }
            let (alias, revision) = aliases::create(&state.control, &caller, address, targets, used).await?;
            if dry_run {
                rehearsal.alias(&key, alias.tenant);
            }
            Ok(Made { id: alias.id.to_string(), revision: revision.0 })
        }
    }
}

/// The result of a row that was refused: its first wrong field, else the problem as a whole.
fn refused(row: i64, address: String, problem: Problem) -> RowResult {
    let (code, pointer, detail) = match problem.errors.into_iter().next() {
        Some(field) => (field.code, Some(field.pointer), field.detail),
        None => (problem.code.to_owned(), None, problem.detail),
    };
    let outcome = "refused".to_owned();
    RowResult { row, outcome, address, id: None, revision: None, code: Some(code), pointer, detail: Some(detail) }
}
