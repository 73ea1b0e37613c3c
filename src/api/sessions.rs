//! Live mail sessions of a mailbox over HTTP.

use super::ApiState;
use super::caller::Permit;
use super::extract::{Of, OfBoth};
use super::problem::Problem;
use crate::control::mailboxes;
use crate::directory::SessionInfo;
use crate::model::ids::{MailboxId, SessionId};
use crate::model::{Protocol, Timestamp};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

/// A live session.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct SessionView {
    /// Its id.
    id: SessionId,
    /// By which protocol.
    protocol: Protocol,
    /// From where.
    #[schema(example = "203.0.113.7:51234")]
    peer: String,
    /// Whether TLS protects it.
    tls: bool,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// The last command's name.
    #[schema(example = "IDLE")]
    last_command: String,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    last_command_at: Timestamp,
}

impl From<SessionInfo> for SessionView {
    fn from(session: SessionInfo) -> Self {
        Self {
            id: session.id,
            protocol: session.protocol,
            peer: session.peer.to_string(),
            tls: session.tls,
            since: Timestamp(session.since),
            last_command: session.last_command.to_owned(),
            last_command_at: Timestamp(session.last_command_at),
        }
    }
}

/// All live sessions of a mailbox on this node.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct SessionList {
    /// Oldest first.
    items: Vec<SessionView>,
}

/// List a mailbox's live sessions
#[utoipa::path(get, path = "/v1/mailboxes/{id}/sessions", operation_id = "list_sessions", tag = "Sessions", params(("id" = MailboxId, Path)),
    responses((status = 200, body = SessionList), (status = 404, body = Problem)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
) -> Result<Json<SessionList>, Problem> {
    mailboxes::get(&state.control, &caller, id).await?;
    let items = state.directory.sessions().of_mailbox(id).into_iter().map(SessionView::from).collect();
    Ok(Json(SessionList { items }))
}

/// End a live session
///
/// The client is told so in its protocol's words, and may sign in again.
#[utoipa::path(delete, path = "/v1/mailboxes/{id}/sessions/{session}", operation_id = "end_session", tag = "Sessions", params(("id" = MailboxId, Path), ("session" = SessionId, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn end(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    OfBoth(id, session): OfBoth<MailboxId, SessionId>,
) -> Result<StatusCode, Problem> {
    mailboxes::may_end_sessions(&state.control, &caller, id).await?;
    if state.directory.sessions().end(id, session) { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}
