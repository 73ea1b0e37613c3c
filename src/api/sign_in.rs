//! Sign-in, refresh, sign-out, and who the caller is.

use super::ApiState;
use super::caller::{Bearer, Permit};
use super::extract::Strict;
use super::problem::Problem;
use super::server::Peer;
use super::written::{Effect, effect};
use crate::control::own_password;
use crate::control::sign_in::{self, FirstStep, Origin, SignedIn};
use crate::model::ids::TenantId;
use crate::model::{Duty, Role, Scope};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, Ipv4Addr};

/// A name and password.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInRequest {
    /// A user's name, or a mailbox's address.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "operator")]
    name: String,
    /// The password.
    #[schema(
        format = "password",
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "correct horse battery staple"
    )]
    password: String,
}

/// A refresh token.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The newest one; each is exchanged once.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "q0…")]
    refresh_token: String,
}

/// The password that the caller has, and the one that it wants.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password as it is.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "correct horse battery staple")]
    current_password: String,
    /// The new one.
    #[schema(
        format = "password",
        min_length = 8,
        max_length = 256,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "another horse battery staple"
    )]
    password: String,
}

/// Tokens of a sign-in (RFC 6749 §5.1 has the names).
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct TokensView {
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    #[schema(example = 600)]
    expires_in: i64,
    /// Exchange it at `/v1/sign-in/refresh`; kept secret, used once.
    refresh_token: String,
    /// True when the password must be changed (`POST /v1/me/password`) before anything else.
    must_change_password: bool,
}

/// A code is to follow: send it with the challenge to `/v1/sign-in/second-factor`.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct ChallengeView {
    /// Always true.
    second_factor_required: bool,
    /// Good for the second step of this sign-in and nothing else.
    challenge: String,
    /// Seconds until it expires.
    #[schema(example = 300)]
    expires_in: i64,
}

/// Tokens, or what is to follow.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum SignInAnswer {
    /// That was all.
    Tokens(TokensView),
    /// A code is to follow.
    Challenge(ChallengeView),
}

impl From<FirstStep> for SignInAnswer {
    fn from(step: FirstStep) -> Self {
        match step {
            FirstStep::SignedIn(signed_in) => Self::Tokens((*signed_in).into()),
            FirstStep::Challenge(challenge, expires_in) => {
                Self::Challenge(ChallengeView { second_factor_required: true, challenge, expires_in })
            }
        }
    }
}

impl From<SignedIn> for TokensView {
    fn from(signed_in: SignedIn) -> Self {
        Self {
            access_token: signed_in.access_token,
            token_type: "Bearer",
            expires_in: signed_in.expires_in,
            refresh_token: signed_in.refresh_token,
            must_change_password: signed_in.caller.must_change_password,
        }
    }
}

/// Who calls.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct Me {
    /// The id of the user, key or mailbox.
    #[schema(example = "usr_0c3kz9w4t1q8m")]
    id: String,
    /// Its tenant.
    tenant: TenantId,
    /// The tenant's name.
    tenant_name: String,
    /// What it may do there.
    role: Role,
    /// What a user is there for; `null` for keys and mailbox owners.
    #[schema(example = "support")]
    duty: Option<Duty>,
    /// What it may be used for, by its duty or as a key; `null` for whatever its role may.
    #[schema(value_type = Option<Vec<String>>, example = json!(["mailboxes:read", "sessions:write"]))]
    scopes: Option<Vec<Scope>>,
    /// True for whoever may only read.
    read_only: bool,
    /// The id of who acts for it; `null` where nobody else does.
    #[schema(example = json!(null))]
    acting: Option<String>,
}

/// Where a request comes from.
pub(super) fn origin(peer: Option<Extension<Peer>>, headers: &HeaderMap) -> Origin {
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |Extension(peer)| peer.address.ip());
    let user_agent =
        headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    Origin { address, user_agent: user_agent.unwrap_or_default() }
}

/// Sign in
///
/// Failed attempts are counted with those of the mail protocols; too many from one network are answered with 429. Where
/// a second factor is in force the answer is a challenge, and a code is to follow at `/v1/sign-in/second-factor`.
#[utoipa::path(post, path = "/v1/sign-in", operation_id = "sign_in", tag = "Sign-in", security(()), request_body = SignInRequest,
    responses((status = 200, body = SignInAnswer), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn sign_in(
    State(state): State<ApiState>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Strict(body): Strict<SignInRequest>,
) -> Result<Json<SignInAnswer>, Problem> {
    let step = state.sign_in.first_step(&body.name, &body.password, origin(peer, &headers)).await?;
    Ok(Json(step.into()))
}

/// Exchange a refresh token
///
/// An exchanged token that comes back ends the whole sign-in: one of the two who have it stole it.
#[utoipa::path(post, path = "/v1/sign-in/refresh", operation_id = "refresh", tag = "Sign-in", security(()), request_body = RefreshRequest,
    responses((status = 200, body = TokensView), (status = 401, body = Problem)))]
pub(super) async fn refresh(
    State(state): State<ApiState>,
    Strict(body): Strict<RefreshRequest>,
) -> Result<Json<TokensView>, Problem> {
    Ok(Json(state.sign_in.refresh(&body.refresh_token).await?.into()))
}

/// Sign out
///
/// Ends the sign-in that the access token belongs to; its tokens stop working at once.
#[utoipa::path(post, path = "/v1/sign-out", operation_id = "sign_out", tag = "Sign-in", responses((status = 204), (status = 401, body = Problem)))]
pub(super) async fn sign_out(
    State(state): State<ApiState>,
    _: Permit,
    Bearer(token): Bearer,
) -> Result<StatusCode, Problem> {
    state.sign_in.sign_out(&token.unwrap_or_default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change your own password
///
/// For every user and mailbox owner, whatever else they may do. The sign-in that asks goes on; all others end, and so do
/// the sessions of a mailbox. A wrong current password counts as a failed sign-in.
#[utoipa::path(post, path = "/v1/me/password", operation_id = "change_own_password", tag = "Sign-in", request_body = ChangePassword,
    responses((status = 200, body = Effect), (status = 403, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn change_own_password(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Strict(body): Strict<ChangePassword>,
) -> Result<Response, Problem> {
    let from = origin(peer, &headers).address;
    let passwords = (body.current_password.as_str(), body.password);
    let revision = own_password::change(&state.control, &state.sign_in, &caller, passwords, from).await?;
    Ok(Json(effect(&state, revision).await).into_response())
}

/// Who calls
#[utoipa::path(get, path = "/v1/me", operation_id = "get_me", tag = "Sign-in", responses((status = 200, body = Me), (status = 401, body = Problem)))]
pub(super) async fn me(State(state): State<ApiState>, Permit(caller): Permit) -> Result<Json<Me>, Problem> {
    let tenant_name = sign_in::tenant_name(&state.control, &caller).await?;
    Ok(Json(Me {
        id: caller.id.to_string(),
        tenant: caller.tenant,
        tenant_name,
        role: caller.role,
        duty: caller.duty,
        scopes: caller.grants.scopes.clone(),
        read_only: caller.read_only,
        acting: caller.actor,
    }))
}
