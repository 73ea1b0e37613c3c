//! What every write answers: the object, the revision it made, and what that did to sessions.

use super::{ApiState, batch, prefer};
use crate::model::Revision;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// How far a revision has come.
#[derive(Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct AppliedView {
    /// Nodes that obey it.
    #[schema(example = 1)]
    pub nodes: u32,
    /// Nodes that do not yet.
    #[schema(example = 0)]
    pub pending: u32,
}

/// What a revision did to live sessions.
#[derive(Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SessionsView {
    /// Sessions that it ended.
    #[schema(example = 1)]
    pub closed: u64,
    /// Sessions of the same mailboxes that go on.
    #[schema(example = 2)]
    pub remaining: u64,
}

/// The effect of a write.
#[derive(Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Effect {
    /// The revision that the write made.
    #[schema(example = 42)]
    pub revision: i64,
    /// How far it has come.
    pub applied: AppliedView,
    /// What it did to live sessions.
    pub sessions: SessionsView,
}

/// An object as a write left it, and the effect of the write.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Written<T> {
    /// The object.
    #[serde(flatten)]
    pub object: T,
    /// The effect.
    #[serde(flatten)]
    pub effect: Effect,
}

/// Waits until this node obeys a revision, and as long as the caller prefers until all do; its effect.
pub(super) async fn effect(state: &ApiState, revision: Revision) -> Effect {
    if batch::uncommitted() {
        let (applied, sessions) = (AppliedView { nodes: 0, pending: 0 }, SessionsView { closed: 0, remaining: 0 });
        return Effect { revision: revision.0, applied, sessions };
    }
    let applied = state.directory.wait_everywhere(revision, prefer::patience()).await;
    Effect {
        revision: revision.0,
        applied: AppliedView { nodes: applied.nodes, pending: applied.pending },
        sessions: SessionsView { closed: applied.sessions_closed, remaining: applied.sessions_remaining },
    }
}

/// The answer of a write that created an object at `location`.
pub(super) async fn created<T: serde::Serialize>(
    state: &ApiState,
    location: String,
    object: T,
    revision: Revision,
) -> Response {
    let effect = effect(state, revision).await;
    let mut headers = etag(revision.0);
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(header::LOCATION, location);
    }
    (StatusCode::CREATED, headers, Json(Written { object, effect })).into_response()
}

/// The answer of a write that changed an object.
pub(super) async fn changed<T: serde::Serialize>(state: &ApiState, object: T, revision: Revision) -> Response {
    let effect = effect(state, revision).await;
    (etag(revision.0), Json(Written { object, effect })).into_response()
}

/// The answer of a write that deleted an object.
pub(super) async fn deleted(state: &ApiState, revision: Revision) -> Response {
    Json(effect(state, revision).await).into_response()
}

/// The answer of a read, with its ETag.
pub(super) fn found<T: serde::Serialize>(object: T, revision: i64) -> Response {
    (etag(revision), Json(object)).into_response()
}

fn etag(revision: i64) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"0\""));
    HeaderMap::from_iter([(header::ETAG, value)])
}
