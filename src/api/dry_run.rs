//! `?dry_run=true` on every write that makes a revision: what it would do, and nothing is done.
//!
//! Which writes those are is read from the document: their answers carry an [`Effect`](super::written::Effect).
//! Invariant: a write that cannot be tried out is refused before it runs, never done by mistake.

use super::ApiState;
use super::operations::operations;
use super::problem::Problem;
use super::written::SessionsView;
use crate::control::Caller;
use crate::control::diff::FieldChange;
use crate::control::dry_run::{DryRun, Foreseen, TouchedMailboxes};
use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

const PARAMETER: &str = "dry_run";

/// What a write would do. What would be refused is answered with the problem that the write itself would get,
/// limits included.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Preview {
    /// Always true: nothing was done.
    #[schema(example = true)]
    pub dry_run: bool,
    /// What would be done.
    #[schema(example = "update_mailbox_protocols")]
    pub action: &'static str,
    /// The id of what it would be done to; of what would be created, an example of an id.
    pub object: String,
    /// The object before; none when it would be created.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// The object after; none when it would be deleted.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
    /// The fields that would differ.
    pub changes: Vec<FieldChange>,
    /// The mailboxes in the scope of the change.
    pub mailboxes: TouchedMailboxes,
    /// What would happen to the live sessions of the answering node.
    pub sessions: SessionsView,
}

/// True when a request asks only what it would do.
pub(super) fn wanted(request: &Request) -> bool {
    matches!(parameter(request.uri()), Ok(Some(true)))
}

/// True for the methods that write.
pub(super) fn writes(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method)
}

fn parameter(uri: &Uri) -> Result<Option<bool>, Problem> {
    let given = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=').or(Some((pair, ""))));
    let mut values = given.filter(|(name, _)| *name == PARAMETER).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some("true"), None) => Ok(Some(true)),
        (Some("false"), None) => Ok(Some(false)),
        _ => Err(Problem::field(PARAMETER, "invalid", "must be true or false, once")),
    }
}

/// The same address without the parameter: handlers refuse what they do not know.
fn without_parameter(uri: &Uri) -> Option<Uri> {
    let kept: Vec<&str> = uri.query()?.split('&').filter(|pair| pair.split('=').next() != Some(PARAMETER)).collect();
    let target = if kept.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), kept.join("&")) };
    target.parse().ok()
}

/// Turns a write into a dry run where one is asked for.
pub(super) async fn try_out(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    if !writes(request.method()) {
        return next.run(request).await;
    }
    // What is made of many writes (`:batch`, `:import`) tries each of them out itself.
    let many = request.extensions().get::<MatchedPath>().is_some_and(|path| path.as_str().contains(':'));
    if many {
        return next.run(request).await;
    }
    let wanted = match parameter(request.uri()) {
        Ok(None) => return next.run(request).await,
        Ok(Some(wanted)) => wanted,
        Err(problem) => return problem.into_response(),
    };
    if let Some(uri) = without_parameter(request.uri()) {
        *request.uri_mut() = uri;
    }
    if !wanted {
        return next.run(request).await;
    }
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if !operations().makes_revision(request.method().as_str(), path) {
        let detail = "this operation makes no revision and cannot be tried out";
        return Problem::field(PARAMETER, "not_offered", detail).into_response();
    }
    let dry_run = DryRun::default();
    if let Some(caller) = request.extensions_mut().get_mut::<Caller>() {
        caller.intent.dry_run = Some(dry_run.clone());
    }
    let response = next.run(request).await;
    match dry_run.take() {
        Some(foreseen) => preview(&state, foreseen).await.unwrap_or_else(IntoResponse::into_response),
        None => response,
    }
}

async fn preview(state: &ApiState, mut foreseen: Foreseen) -> Result<Response, Problem> {
    let touches = foreseen.record.touches.clone();
    let sessions = state.directory.foresee(&mut foreseen.tx, &touches).await.map_err(|error| {
        tracing::warn!(%error, "a dry run cannot look at sessions");
        Problem::unavailable()
    })?;
    let (changes, mailboxes) = (foreseen.changes(), foreseen.mailboxes().await?);
    // From here on nobody waits for the transaction.
    let Foreseen { tx, action, record } = foreseen;
    drop(tx);
    let preview = Preview {
        dry_run: true,
        action,
        object: record.object,
        before: record.before,
        after: record.after,
        changes,
        mailboxes,
        sessions: SessionsView { closed: sessions.sessions_closed, remaining: sessions.sessions_remaining },
    };
    Ok(Json(preview).into_response())
}
