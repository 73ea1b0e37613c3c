//! Sign-ins of users and mailbox owners over HTTP.
//!
//! Which of them the caller reaches is `control::sign_ins`' to say; everybody sees and ends their own.

use super::ApiState;
use super::caller::Permit;
use super::extract::{Of, OfBoth};
use super::problem::Problem;
use crate::control::sign_ins::{self, SignInView};
use crate::model::ids::{MailboxId, SignInId, UserId};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

/// All sign-ins that stand.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct SignIns {
    /// Newest first.
    items: Vec<SignInView>,
}

/// List a user's sign-ins
///
/// Those that stand, with where each was made and last used; `current` marks the one that asks.
#[utoipa::path(get, path = "/v1/users/{id}/sign-ins", operation_id = "list_user_sign_ins", tag = "Sign-in", params(("id" = UserId, Path)),
    responses((status = 200, body = SignIns), (status = 404, body = Problem)))]
pub(super) async fn of_user(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<UserId>,
) -> Result<Json<SignIns>, Problem> {
    let items = sign_ins::list(&state.control, &caller, sign_ins::Of::User(id)).await?;
    Ok(Json(SignIns { items }))
}

/// End a user's sign-in
///
/// Its access token and its refresh token stop working at once.
#[utoipa::path(delete, path = "/v1/users/{id}/sign-ins/{sign_in}", operation_id = "revoke_user_sign_in", tag = "Sign-in", params(("id" = UserId, Path), ("sign_in" = SignInId, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn revoke_of_user(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    OfBoth(id, sign_in): OfBoth<UserId, SignInId>,
) -> Result<StatusCode, Problem> {
    sign_ins::revoke(&state.control, &caller, sign_ins::Of::User(id), sign_in).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List a mailbox owner's sign-ins
///
/// Those to this API; sessions of mail programs are the mailbox's `sessions`.
#[utoipa::path(get, path = "/v1/mailboxes/{id}/sign-ins", operation_id = "list_mailbox_sign_ins", tag = "Sign-in", params(("id" = MailboxId, Path)),
    responses((status = 200, body = SignIns), (status = 404, body = Problem)))]
pub(super) async fn of_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
) -> Result<Json<SignIns>, Problem> {
    let items = sign_ins::list(&state.control, &caller, sign_ins::Of::Mailbox(id)).await?;
    Ok(Json(SignIns { items }))
}

/// End a mailbox owner's sign-in
///
/// Its access token and its refresh token stop working at once.
#[utoipa::path(delete, path = "/v1/mailboxes/{id}/sign-ins/{sign_in}", operation_id = "revoke_mailbox_sign_in", tag = "Sign-in", params(("id" = MailboxId, Path), ("sign_in" = SignInId, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn revoke_of_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    OfBoth(id, sign_in): OfBoth<MailboxId, SignInId>,
) -> Result<StatusCode, Problem> {
    sign_ins::revoke(&state.control, &caller, sign_ins::Of::Mailbox(id), sign_in).await?;
    Ok(StatusCode::NO_CONTENT)
}
