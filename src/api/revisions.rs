//! Revisions over HTTP: who changed what, when, before and after.

use super::ApiState;
use super::caller::Permit;
use super::extract::{Of, Params};
use super::page::{cursor, limit, place};
use super::problem::Problem;
use crate::control::Caller;
use crate::control::revisions::{self, RevisionDetail, RevisionView};
use crate::model::bounds;
use axum::Json;
use axum::extract::State;
use std::time::{Duration, Instant};

/// Which revisions, and which page of them.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RevisionQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only revisions of the object with this id.
    object: Option<String>,
    /// Oldest first instead, after this number: the log as a feed. Goes with `limit` and `wait` alone.
    #[param(minimum = 0)]
    #[serde(default, deserialize_with = "super::page::number")]
    after: Option<i64>,
    /// With `after`: when there is nothing new, wait at most so many seconds (30) for it.
    #[param(minimum = 0)]
    wait: Option<u32>,
}

/// A page of revisions.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct RevisionPage {
    /// The revisions.
    items: Vec<RevisionView>,
    /// Send it as `cursor` for the next page; `null` at the end and in a feed.
    #[schema(example = "1a2b3c")]
    next_cursor: Option<String>,
    /// In a feed: send it as `after` next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 42)]
    next_after: Option<i64>,
}

/// List revisions
///
/// Newest first, of all objects in your tenant and below; with `after`, oldest first, as a feed that can wait.
#[utoipa::path(get, path = "/v1/revisions", operation_id = "list_revisions", tag = "Revisions", params(RevisionQuery),
    responses((status = 200, body = RevisionPage), (status = 410, body = Problem)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<RevisionQuery>,
) -> Result<Json<RevisionPage>, Problem> {
    if let Some(after) = query.after {
        return feed(&state, &caller, after, query).await;
    }
    if query.wait.is_some() {
        return Err(Problem::field("wait", "conflict", "goes with after"));
    }
    if query.object.as_deref().is_some_and(|object| object.chars().any(char::is_control)) {
        return Err(Problem::field("object", "control_character", "must not contain control characters"));
    }
    let (before, size) = (place(query.cursor.as_deref())?, limit(query.limit)?);
    let (items, next) = revisions::list(&state.control, &caller, query.object.as_deref(), before, size).await?;
    Ok(Json(RevisionPage { items, next_cursor: next.map(cursor), next_after: None }))
}

/// What came after a revision, or what comes in the time that the caller waits.
async fn feed(
    state: &ApiState,
    caller: &Caller,
    after: i64,
    query: RevisionQuery,
) -> Result<Json<RevisionPage>, Problem> {
    if query.cursor.is_some() || query.object.is_some() {
        return Err(Problem::field("after", "conflict", "goes with limit and wait alone"));
    }
    let size = limit(query.limit)?;
    let patience = Duration::from_secs(u64::from(query.wait.unwrap_or(0))).min(bounds::PREFER_WAIT_TIME);
    let until = Instant::now() + patience;
    let _place = if patience.is_zero() { None } else { Some(state.streams.open(caller)?) };
    let mut applied = state.directory.applied_changes();
    loop {
        applied.mark_unchanged();
        let feed = revisions::after(&state.control, caller, after, size).await?;
        let left = until.saturating_duration_since(Instant::now());
        if !feed.items.is_empty() || left.is_zero() || state.draining.is_cancelled() {
            let page = RevisionPage { items: feed.items, next_cursor: None, next_after: Some(feed.next_after) };
            return Ok(Json(page));
        }
        tokio::select! {
            _ = applied.changed() => {}
            () = state.draining.cancelled() => {}
            () = tokio::time::sleep(left) => {}
        }
    }
}

/// Read a revision
///
/// With the fields that differ by it, and whether it can be undone.
#[utoipa::path(get, path = "/v1/revisions/{number}", operation_id = "get_revision", tag = "Revisions", params(("number" = i64, Path, example = 42)),
    responses((status = 200, body = RevisionDetail), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(number): Of<i64>,
) -> Result<Json<RevisionDetail>, Problem> {
    Ok(Json(revisions::detail(&state.control, &caller, number).await?))
}
