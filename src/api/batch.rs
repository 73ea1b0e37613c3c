//! `POST …:batch`: many writes of one collection in one transaction, with a result for each.
//!
//! Each item goes through the route of its own operation, with all its rules, and makes its own revision. Invariant:
//! before the commit nothing of it lasts, and a batch that is all or nothing commits only if every item was done.

use super::ApiState;
use super::caller::Permit;
use super::extract::{Params, Strict};
use super::from_within::{FromWithin, Routes, json};
use super::operations::operations;
use super::problem::Problem;
use super::written::{AppliedView, SessionsView, effect};
use crate::control::passwords::hash_early;
use crate::control::together::Together;
use crate::control::{Caller, FieldError};
use crate::model::bounds;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderValue;
use axum::response::Response;
use serde_json::Value;

tokio::task_local! {
    static UNCOMMITTED: ();
}

/// Whether the write that is answered in this task is not committed yet, so that no node can obey it.
pub(super) fn uncommitted() -> bool {
    UNCOMMITTED.try_with(|()| ()).is_ok()
}

/// Answers a write that is not committed yet.
pub(super) async fn within<F: Future>(write: F) -> F::Output {
    UNCOMMITTED.scope((), write).await
}

/// One write of a batch.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchItem {
    /// The operation, by its id in this document: one of this collection that makes a revision.
    #[schema(pattern = "^[a-z_]+$", example = "update_mailbox")]
    operation: String,
    /// The id of what it is done to; none for what is created.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_]+$")]
    id: Option<String>,
    /// The operation's body.
    #[schema(value_type = Option<Object>)]
    body: Option<Value>,
    /// As `If-Match` of the operation.
    #[schema(max_length = 4000, pattern = "^[^\\u0000-\\u001f\\u007f]*$", example = json!(null))]
    if_match: Option<String>,
}

/// Writes to do together.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The writes, in order, at most 100.
    #[schema(max_items = 100)]
    items: Vec<BatchItem>,
    /// All or nothing: of one that is refused, none is done.
    #[serde(default)]
    atomic: bool,
}

/// Whether to try out.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BatchQuery {
    /// `true` answers what each write would do, and does nothing.
    dry_run: Option<bool>,
}

/// What came of one write.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct BatchResult {
    /// The HTTP status that the write alone would have answered.
    #[schema(example = 200)]
    status: u16,
    /// What it answered: the object, or the problem.
    #[schema(value_type = Object)]
    body: Value,
    /// The revision that it made; none when it was refused, or taken back with the others.
    #[schema(example = 42)]
    revision: Option<i64>,
}

/// What came of a batch.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct BatchAnswer {
    /// Whether anything was done: false for a dry run, and for all or nothing with one that was refused.
    #[schema(example = true)]
    committed: bool,
    /// Whether it was a dry run.
    #[schema(example = false)]
    dry_run: bool,
    /// Writes that were done, or would be.
    #[schema(example = 2)]
    succeeded: usize,
    /// Writes that were refused.
    #[schema(example = 0)]
    failed: usize,
    /// One result an item, in order; all or nothing ends at the first that is refused.
    results: Vec<BatchResult>,
    /// The newest revision that it made.
    #[schema(example = 43)]
    revision: Option<i64>,
    /// How far that one has come.
    applied: AppliedView,
    /// What all its revisions did to live sessions.
    sessions: SessionsView,
}

/// Do many writes on mailboxes
///
/// One transaction, a revision an item, a result an item. With `atomic` all or nothing. With `dry_run=true` nothing.
#[utoipa::path(post, path = "/v1/mailboxes:batch", operation_id = "batch_mailboxes", tag = "Mailboxes", params(BatchQuery), request_body = Batch,
    responses((status = 200, body = BatchAnswer), (status = 422, body = Problem)))]
pub(super) async fn mailboxes(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Extension(routes): Extension<Routes>,
    Params(query): Params<BatchQuery>,
    Strict(batch): Strict<Batch>,
) -> Result<Json<BatchAnswer>, Problem> {
    run(&state, caller, routes, "/v1/mailboxes", query, batch).await
}

/// Do many writes on aliases
///
/// One transaction, a revision an item, a result an item. With `atomic` all or nothing. With `dry_run=true` nothing.
#[utoipa::path(post, path = "/v1/aliases:batch", operation_id = "batch_aliases", tag = "Aliases", params(BatchQuery), request_body = Batch,
    responses((status = 200, body = BatchAnswer), (status = 422, body = Problem)))]
pub(super) async fn aliases(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Extension(routes): Extension<Routes>,
    Params(query): Params<BatchQuery>,
    Strict(batch): Strict<Batch>,
) -> Result<Json<BatchAnswer>, Problem> {
    run(&state, caller, routes, "/v1/aliases", query, batch).await
}

/// Do many writes on domains
///
/// One transaction, a revision an item, a result an item. With `atomic` all or nothing. With `dry_run=true` nothing.
#[utoipa::path(post, path = "/v1/domains:batch", operation_id = "batch_domains", tag = "Domains", params(BatchQuery), request_body = Batch,
    responses((status = 200, body = BatchAnswer), (status = 422, body = Problem)))]
pub(super) async fn domains(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Extension(routes): Extension<Routes>,
    Params(query): Params<BatchQuery>,
    Strict(batch): Strict<Batch>,
) -> Result<Json<BatchAnswer>, Problem> {
    run(&state, caller, routes, "/v1/domains", query, batch).await
}

/// An item that is ready to be sent.
struct Ready {
    method: &'static str,
    path: String,
    body: Option<Value>,
    if_match: Option<HeaderValue>,
    /// Of the password in its body.
    hash: Option<String>,
}

async fn run(
    state: &ApiState,
    caller: Caller,
    routes: Routes,
    collection: &str,
    query: BatchQuery,
    batch: Batch,
) -> Result<Json<BatchAnswer>, Problem> {
    caller.may_administer()?;
    if batch.items.len() > bounds::BATCH_ITEMS {
        let detail = format!("must hold at most {} items", bounds::BATCH_ITEMS);
        return Err(Problem::field("/items", "too_many", detail));
    }
    let (mut items, mut errors) = (Vec::new(), Vec::new());
    for (at, item) in batch.items.into_iter().enumerate() {
        match ready(collection, at, item) {
            Ok(item) => items.push(item),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    // Hashing takes longer than all else: nobody must wait for it while the database is held.
    for item in &mut items {
        if let Some(password) = item.body.as_ref().and_then(|body| body.get("password")).and_then(Value::as_str) {
            item.hash = hash_early(&state.control, password).await.map_err(Problem::from)?;
        }
    }
    let dry_run = query.dry_run.unwrap_or(false);
    let together = Together::begin(&state.control).await?;
    let results = within(send_all(&together, &caller, &routes, items, batch.atomic)).await?;
    let failed = results.iter().filter(|result| result.status >= 300).count();
    let commits = !dry_run && failed < results.len() && (failed == 0 || !batch.atomic);
    answer(state, together, results, commits, dry_run).await.map(Json)
}

fn ready(collection: &str, at: usize, item: BatchItem) -> Result<Ready, FieldError> {
    let wrong = |field: &str, code, detail: &str| Err(FieldError::new(format!("/items/{at}/{field}"), code, detail));
    let known = operations().by_id(&item.operation);
    // A scheduled change is a transaction of its own.
    let of_collection = |path: &str| {
        (path == collection || path.starts_with(&format!("{collection}/"))) && !path.contains("/scheduled-changes")
    };
    let Some(operation) = known.filter(|operation| {
        of_collection(&operation.path) && operations().makes_revision(&operation.method, &operation.path)
    }) else {
        return wrong("operation", "unknown_operation", "is no write of this collection");
    };
    let path = match (&item.id, operation.path.contains("{id}")) {
        (Some(id), true) if is_id(id) => operation.path.replace("{id}", id),
        (Some(_), true) => return wrong("id", "invalid", "is no id"),
        (None, true) => return wrong("id", "required", "is required: what is it done to?"),
        (Some(_), false) => return wrong("id", "unknown_field", "goes with what is there already"),
        (None, false) => operation.path.clone(),
    };
    if path.contains('{') {
        return wrong("operation", "not_offered", "names two objects and is called by itself");
    }
    if item.body.as_ref().is_some_and(|body| !body.is_object()) {
        return wrong("body", "invalid", "must be an object");
    }
    if item.if_match.as_ref().is_some_and(|etags| etags.len() > bounds::ETAGS_OCTETS) {
        return wrong("if_match", "too_long", "holds too many ETags");
    }
    let if_match = item.if_match.as_deref().map(HeaderValue::from_str).transpose();
    let Ok(if_match) = if_match else { return wrong("if_match", "invalid", "is no list of ETags") };
    let method = operation.method.as_str();
    Ok(Ready { method, path, body: item.body, if_match, hash: None })
}

/// Whether a text may stand in a path where an id does.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
}

async fn send_all(
    together: &Together,
    caller: &Caller,
    routes: &Routes,
    items: Vec<Ready>,
    atomic: bool,
) -> Result<Vec<BatchResult>, Problem> {
    let mut results = Vec::with_capacity(items.len());
    for item in items {
        let mark = together.mark().await?;
        let from_within = FromWithin { routes: routes.0.clone(), caller: together.of(caller, item.hash) };
        let response: Response =
            from_within.send(item.method, &item.path, item.if_match.as_ref(), item.body.as_ref()).await?;
        let status = response.status();
        let mut body = json(response).await?;
        let done = status.is_success();
        if let Some(fields) = body.as_object_mut().filter(|_| done) {
            for name in ["revision", "applied", "sessions"] {
                fields.remove(name);
            }
        }
        let revision = together.since(mark).last().map(|revision| revision.0).filter(|_| done);
        if done {
            together.keep().await?
        } else {
            together.back_to(mark).await?
        }
        results.push(BatchResult { status: status.as_u16(), body, revision });
        if atomic && !done {
            break;
        }
    }
    Ok(results)
}

async fn answer(
    state: &ApiState,
    together: Together,
    mut results: Vec<BatchResult>,
    commits: bool,
    dry_run: bool,
) -> Result<BatchAnswer, Problem> {
    let failed = results.iter().filter(|result| result.status >= 300).count();
    let revisions = if commits { together.commit().await? } else { Vec::new() };
    if !commits {
        for result in &mut results {
            result.revision = None;
        }
    }
    let mut answer = BatchAnswer {
        committed: commits,
        dry_run,
        succeeded: results.len() - failed,
        failed,
        results,
        revision: revisions.last().map(|revision| revision.0),
        applied: AppliedView { nodes: 0, pending: 0 },
        sessions: SessionsView { closed: 0, remaining: 0 },
    };
    for revision in revisions {
        let effect = effect(state, revision).await;
        answer.applied = effect.applied;
        answer.sessions.closed += effect.sessions.closed;
        answer.sessions.remaining += effect.sessions.remaining;
    }
    Ok(answer)
}
