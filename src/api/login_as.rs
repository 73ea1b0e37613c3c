//! Acting for a user or mailbox owner below, over HTTP.
//!
//! Who may, and what it is worth, is `control::login_as`' to say.

use super::ApiState;
use super::caller::Permit;
use super::extract::{Of, Strict};
use super::problem::Problem;
use super::server::Peer;
use super::sign_in::origin;
use super::written::{Written, changed};
use crate::control::sign_in::Origin;
use crate::control::{Caller, login_as, sign_ins};
use crate::model::ids::{MailboxId, SignInId, UserId};
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;

/// Why somebody acts for another.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginAs {
    /// Why, for people: its owner sees it.
    #[schema(
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "ticket 4711: forwards do not work"
    )]
    reason: String,
}

/// A token of minutes.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct ActingTokenView {
    /// Send it as `Authorization: Bearer …`; nothing refreshes it.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until it expires.
    #[schema(example = 600)]
    expires_in: i64,
    /// Its sign-in, among those of whom it is for.
    sign_in: Option<SignInId>,
}

/// Act for a user
///
/// For operators and resellers, for users of tenants below, for ten minutes. What is done with the token is in the log
/// under both names; the user sees it and may end it. It changes no password, second factor or key.
#[utoipa::path(post, path = "/v1/users/{id}/login-as", operation_id = "login_as_user", tag = "Users", params(("id" = UserId, Path)), request_body = LoginAs,
    responses((status = 200, body = Written<ActingTokenView>), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn user(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Of(id): Of<UserId>,
    Strict(body): Strict<LoginAs>,
) -> Result<Response, Problem> {
    begin(&state, &caller, sign_ins::Of::User(id), (body.reason, origin(peer, &headers))).await
}

/// Act for a mailbox's owner
///
/// For operators and resellers, for mailboxes at and below their tenant, for ten minutes, as for users.
#[utoipa::path(post, path = "/v1/mailboxes/{id}/login-as", operation_id = "login_as_mailbox", tag = "Mailboxes", params(("id" = MailboxId, Path)), request_body = LoginAs,
    responses((status = 200, body = Written<ActingTokenView>), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Of(id): Of<MailboxId>,
    Strict(body): Strict<LoginAs>,
) -> Result<Response, Problem> {
    begin(&state, &caller, sign_ins::Of::Mailbox(id), (body.reason, origin(peer, &headers))).await
}

async fn begin(
    state: &ApiState,
    caller: &Caller,
    of: sign_ins::Of,
    why: (String, Origin),
) -> Result<Response, Problem> {
    let (signed_in, revision) = login_as::begin(&state.control, &state.sign_in, caller, of, why).await?;
    let view = ActingTokenView {
        access_token: signed_in.access_token,
        token_type: "Bearer",
        expires_in: signed_in.expires_in,
        sign_in: signed_in.caller.sign_in,
    };
    Ok(changed(state, view, revision).await)
}
