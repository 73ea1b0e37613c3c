//! Idempotency keys: the same key and request gets the same answer, done once.
//!
//! Answers are sealed, since some hold a secret that is shown once. Invariant: of two
//! racing requests with one key, one runs.

use super::{Caller, Control, Error, Result};
use crate::auth::seal::Seal;
use crate::db::idempotency as rows;
use crate::model::bounds;

/// What a key comes to.
pub enum Begun {
    /// It is new: run the request, then [`finish`] or [`release`].
    Fresh,
    /// It was answered: status and body.
    Answered(u16, Vec<u8>),
    /// It was done, by this revision, and its answer got lost.
    Done(i64),
    /// The same request is running right now, or the process died in it. It is never run again: whether
    /// it was done cannot be told from here.
    Running,
    /// The key was used for another request.
    Mismatch,
}

/// Whose keys these are: who acts for somebody has others than that somebody.
fn space(caller: &Caller) -> String {
    space_of(&caller.who(), caller.actor.as_ref().map(|_| caller.id.to_string()).as_deref())
}

/// The same, by who acts and for whom.
pub(super) fn space_of(who: &str, on_behalf_of: Option<&str>) -> String {
    on_behalf_of.map_or_else(|| who.to_owned(), |owner| format!("{who} for {owner}"))
}

/// Takes a key for a request.
pub async fn begin(control: &Control, seal: &Seal, caller: &Caller, key: &str, request_hash: &[u8]) -> Result<Begun> {
    let (now, who) = (control.now_ms(), space(caller));
    let kept_ms = i64::try_from(bounds::IDEMPOTENCY_TIME.as_millis()).unwrap_or(i64::MAX);
    let mut tx = control.db.write().await?;
    rows::forget(&mut tx, now - kept_ms).await?;
    if rows::begin(&mut tx, &who, key, request_hash, now).await? {
        tx.commit().await?;
        return Ok(Begun::Fresh);
    }
    let Some(row) = rows::find(&mut tx, &who, key).await? else { return Ok(Begun::Running) };
    if row.request_hash != request_hash {
        return Ok(Begun::Mismatch);
    }
    if row.status == 0 {
        return Ok(row.revision.map_or(Begun::Running, Begun::Done));
    }
    let body = seal.open_sealed(&name(&who, key), &row.response).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(Begun::Answered(u16::try_from(row.status).unwrap_or(500), body))
}

/// Keeps the answer of a request.
pub async fn finish(
    control: &Control,
    seal: &Seal,
    caller: &Caller,
    key: &str,
    status: u16,
    body: &[u8],
) -> Result<()> {
    let who = space(caller);
    let sealed = seal.seal(&name(&who, key), body).map_err(|e| Error::Internal(e.to_string()))?;
    let mut tx = control.db.write().await?;
    rows::finish(&mut tx, &who, key, i64::from(status), &sealed).await?;
    Ok(tx.commit().await?)
}

/// Gives a key back whose request did nothing and may be tried again. One that made a revision is kept, whatever became
/// of the answer.
pub async fn release(control: &Control, caller: &Caller, key: &str) -> Result<()> {
    let mut tx = control.db.write().await?;
    rows::release(&mut tx, &space(caller), key).await?;
    Ok(tx.commit().await?)
}

fn name(who: &str, key: &str) -> String {
    format!("idempotency:{who}:{key}")
}
