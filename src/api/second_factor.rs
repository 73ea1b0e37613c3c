//! The second factor of sign-ins over HTTP: enrolling, confirming, codes, and taking it away from above.
//!
//! What is right is `control::second_factor`'s to say. Invariant: a secret and recovery codes are answered once.

use super::ApiState;
use super::caller::Permit;
use super::extract::{Of, Strict};
use super::problem::Problem;
use super::server::Peer;
use super::sign_in::{TokensView, origin};
use super::written::{Effect, Written, changed, deleted};
use crate::control::second_factor::{self, Enrolment, SecondFactor};
use crate::control::sign_ins;
use crate::model::ids::{MailboxId, UserId};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;

/// A challenge and the code that answers it.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondStepRequest {
    /// From `/v1/sign-in`.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmVk")]
    challenge: String,
    /// The six digits of this moment, or a recovery code.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "287082")]
    code: String,
}

/// Proof of who calls.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolSecondFactor {
    /// Your password.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "correct horse battery staple")]
    password: String,
}

/// A first code.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmSecondFactor {
    /// The six digits of this moment.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "287082")]
    code: String,
}

/// Both factors.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BothFactors {
    /// Your password.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "correct horse battery staple")]
    password: String,
    /// The six digits of this moment, or a recovery code.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "287082")]
    code: String,
}

/// Recovery codes, shown only now.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct RecoveryCodes {
    /// Each is good for one sign-in.
    #[schema(example = json!(["mzxw-6ytb-oi2g-q4tf"]))]
    recovery_codes: Vec<String>,
}

/// Sign in: the second step
///
/// The challenge of the first step and a code, or a recovery code. A code is taken once; wrong ones count as failed sign-ins.
#[utoipa::path(post, path = "/v1/sign-in/second-factor", operation_id = "sign_in_second_step", tag = "Sign-in", security(()), request_body = SecondStepRequest,
    responses((status = 200, body = TokensView), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn second_step(
    State(state): State<ApiState>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Strict(body): Strict<SecondStepRequest>,
) -> Result<Json<TokensView>, Problem> {
    let signed_in = state.sign_in.second_step(&body.challenge, &body.code, origin(peer, &headers)).await?;
    Ok(Json(signed_in.into()))
}

/// Read your own second factor
#[utoipa::path(get, path = "/v1/me/second-factor", operation_id = "get_own_second_factor", tag = "Sign-in",
    responses((status = 200, body = SecondFactor), (status = 403, body = Problem)))]
pub(super) async fn get(State(state): State<ApiState>, Permit(caller): Permit) -> Result<Json<SecondFactor>, Problem> {
    Ok(Json(second_factor::get(&state.control, &caller).await?))
}

/// Enrol a second factor
///
/// Makes a secret for an authenticator and shows it once. Sign-ins ask for nothing until it is confirmed with a code.
#[utoipa::path(post, path = "/v1/me/second-factor", operation_id = "enrol_second_factor", tag = "Sign-in", request_body = EnrolSecondFactor,
    responses((status = 200, body = Enrolment), (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn enrol(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Strict(body): Strict<EnrolSecondFactor>,
) -> Result<Json<Enrolment>, Problem> {
    let from = origin(peer, &headers).address;
    let proof = (body.password.as_str(), &*state.host);
    Ok(Json(second_factor::enrol(&state.control, &state.sign_in, &caller, proof, from).await?))
}

/// Confirm a second factor
///
/// From now on signing in takes a code. The recovery codes are shown only here.
#[utoipa::path(post, path = "/v1/me/second-factor/confirm", operation_id = "confirm_second_factor", tag = "Sign-in", request_body = ConfirmSecondFactor,
    responses((status = 200, body = Written<RecoveryCodes>), (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn confirm(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Strict(body): Strict<ConfirmSecondFactor>,
) -> Result<Response, Problem> {
    let (codes, revision) = second_factor::confirm(&state.control, &state.sign_in, &caller, &body.code).await?;
    Ok(changed(&state, RecoveryCodes { recovery_codes: codes }, revision).await)
}

/// Renew recovery codes
///
/// Those there were are worth nothing afterwards.
#[utoipa::path(post, path = "/v1/me/second-factor/recovery-codes", operation_id = "renew_recovery_codes", tag = "Sign-in", request_body = BothFactors,
    responses((status = 200, body = Written<RecoveryCodes>), (status = 403, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn renew(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Strict(body): Strict<BothFactors>,
) -> Result<Response, Problem> {
    let (from, both) = (origin(peer, &headers).address, (body.password.as_str(), body.code.as_str()));
    let (codes, revision) = second_factor::renew_codes(&state.control, &state.sign_in, &caller, both, from).await?;
    Ok(changed(&state, RecoveryCodes { recovery_codes: codes }, revision).await)
}

/// Disable your own second factor
///
/// With the password and a code, or a recovery code.
#[utoipa::path(post, path = "/v1/me/second-factor/disable", operation_id = "disable_second_factor", tag = "Sign-in", request_body = BothFactors,
    responses((status = 200, body = Effect), (status = 403, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn disable(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Strict(body): Strict<BothFactors>,
) -> Result<Response, Problem> {
    let (from, both) = (origin(peer, &headers).address, (body.password.as_str(), body.code.as_str()));
    let revision = second_factor::disable(&state.control, &state.sign_in, &caller, both, from).await?;
    Ok(deleted(&state, revision).await)
}

/// Take a user's second factor away
///
/// For a user below who lost the device and the recovery codes; an operator's is taken by another operator.
#[utoipa::path(delete, path = "/v1/users/{id}/second-factor", operation_id = "reset_user_second_factor", tag = "Users", params(("id" = UserId, Path)),
    responses((status = 200, body = Effect), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn reset_of_user(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<UserId>,
) -> Result<Response, Problem> {
    let revision = second_factor::reset(&state.control, &caller, sign_ins::Of::User(id)).await?;
    Ok(deleted(&state, revision).await)
}

/// Take a mailbox owner's second factor away
///
/// For an owner who lost the device and the recovery codes.
#[utoipa::path(delete, path = "/v1/mailboxes/{id}/second-factor", operation_id = "reset_mailbox_second_factor", tag = "Mailboxes", params(("id" = MailboxId, Path)),
    responses((status = 200, body = Effect), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn reset_of_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
) -> Result<Response, Problem> {
    let revision = second_factor::reset(&state.control, &caller, sign_ins::Of::Mailbox(id)).await?;
    Ok(deleted(&state, revision).await)
}
