//! Invitations, recovery addresses and password resets over HTTP.
//!
//! Invariant: no answer holds a token, and whether a name exists is told to nobody.

use super::ApiState;
use super::caller::Permit;
use super::extract::{Of, Params, Strict, nullable};
use super::page::{PageOf, page};
use super::problem::Problem;
use super::server::Peer;
use super::sign_in::origin;
use super::tenants::ListQuery;
use super::written::{Effect, Written, changed, created, deleted, effect};
use crate::control::invitations::{self, Invitation, NewInvitation};
use crate::control::recovery::{self, Recovery, RecoveryPatch};
use crate::control::{password_links, sign_ins};
use crate::model::ids::{InvitationId, MailboxId, UserId};
use crate::model::{EmailAddress, Locale};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// An invitation to send: for a user or a mailbox, one of the two.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// A user that has no password yet.
    #[serde(default)]
    user: Option<UserId>,
    /// A mailbox that has no password yet.
    #[serde(default)]
    mailbox: Option<MailboxId>,
    /// Where it goes; the recovery address once it is accepted, where none is known.
    #[schema(value_type = String, format = "idn-email", min_length = 3, max_length = 320, example = "ada@elsewhere.example")]
    to: EmailAddress,
    /// In which language; else as `recovery` says, else as `Accept-Language` does.
    #[serde(default)]
    locale: Option<Locale>,
}

/// A change of where mail of ours reaches somebody: what is absent stays.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateRecovery {
    /// Another address; `null` takes it away.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = "idn-email", min_length = 3, max_length = 320, example = "ada@elsewhere.example")]
    recovery_address: Option<Option<EmailAddress>>,
    /// Another language; `null` takes it away.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Locale>)]
    locale: Option<Option<Locale>>,
    /// Your password, when it is your own that you change.
    #[serde(default)]
    #[schema(max_length = 256, pattern = "^[^\\u0000\\r\\n]*$", example = json!(null))]
    password: Option<String>,
}

impl From<UpdateRecovery> for RecoveryPatch {
    fn from(body: UpdateRecovery) -> Self {
        Self { address: body.recovery_address, locale: body.locale, password: body.password }
    }
}

/// Who forgot a password.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestReset {
    /// A user's name, or a mailbox's address.
    #[schema(max_length = 320, pattern = "^[^\\u0000\\r\\n]*$", example = "alice@example.org")]
    name: String,
}

/// A token and the password that it sets.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmReset {
    /// From the link of an invitation or a reset.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "dGhlIHRva2VuIG9mIGEgbGluayBpbiBhIG1haWw")]
    token: String,
    /// The password from now on.
    #[schema(
        format = "password",
        min_length = 8,
        max_length = 256,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "another horse battery staple"
    )]
    password: String,
}

fn reads(headers: &HeaderMap) -> Option<Locale> {
    headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok().and_then(Locale::of_accept_language)
}

/// Invite by mail
///
/// Whoever reads the mail chooses the password of a user or mailbox that was made without one. The link works once, for a week.
#[utoipa::path(post, path = "/v1/invitations", operation_id = "create_invitation", tag = "Invitations", request_body = CreateInvitation,
    responses((status = 201, body = Written<Invitation>), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    headers: HeaderMap,
    Strict(body): Strict<CreateInvitation>,
) -> Result<Response, Problem> {
    let of = match (body.user, body.mailbox) {
        (Some(id), None) => sign_ins::Of::User(id),
        (None, Some(id)) => sign_ins::Of::Mailbox(id),
        _ => return Err(Problem::field("", "one_of", "name either a user or a mailbox")),
    };
    let new = NewInvitation { of, to: body.to, locale: body.locale, reads: reads(&headers) };
    let (invitation, revision) = invitations::create(&state.control, &state.sign_in, &caller, new).await?;
    Ok(created(&state, format!("/v1/invitations/{}", invitation.id), invitation, revision).await)
}

/// List invitations
///
/// With what became of each and of its mail; ended ones are shown for a month.
#[utoipa::path(get, path = "/v1/invitations", operation_id = "list_invitations", tag = "Invitations", params(ListQuery),
    responses((status = 200, body = PageOf<Invitation>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<ListQuery>,
) -> Result<Json<PageOf<Invitation>>, Problem> {
    let page = page(query.cursor.as_deref(), query.limit)?;
    Ok(Json(invitations::list(&state.control, &caller, page).await?.into()))
}

/// Read an invitation
#[utoipa::path(get, path = "/v1/invitations/{id}", operation_id = "get_invitation", tag = "Invitations", params(("id" = InvitationId, Path)),
    responses((status = 200, body = Invitation), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<InvitationId>,
) -> Result<Json<Invitation>, Problem> {
    Ok(Json(invitations::get(&state.control, &caller, id).await?))
}

/// Send an invitation anew
///
/// With another link, for another week; the one before opens nothing.
#[utoipa::path(post, path = "/v1/invitations/{id}/resend", operation_id = "resend_invitation", tag = "Invitations", params(("id" = InvitationId, Path)),
    responses((status = 200, body = Written<Invitation>), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn resend(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<InvitationId>,
) -> Result<Response, Problem> {
    let (invitation, revision) = invitations::resend(&state.control, &state.sign_in, &caller, id).await?;
    Ok(changed(&state, invitation, revision).await)
}

/// Revoke an invitation
#[utoipa::path(delete, path = "/v1/invitations/{id}", operation_id = "revoke_invitation", tag = "Invitations", params(("id" = InvitationId, Path)),
    responses((status = 200, body = Effect), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn revoke(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<InvitationId>,
) -> Result<Response, Problem> {
    let revision = invitations::revoke(&state.control, &caller, id).await?;
    Ok(deleted(&state, revision).await)
}

/// Ask for a new password by mail
///
/// Answered alike, and as late, whether there is such a name and a recovery address or not.
#[utoipa::path(post, path = "/v1/password-resets", operation_id = "request_password_reset", tag = "Sign-in", security(()), request_body = RequestReset,
    responses((status = 202), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn request_reset(
    State(state): State<ApiState>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Strict(body): Strict<RequestReset>,
) -> Result<StatusCode, Problem> {
    let from = origin(peer, &headers).address;
    password_links::request(&state.control, &state.sign_in, &body.name, reads(&headers), from).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Set a password by a link
///
/// The token of an invitation or a reset, once. All sign-ins of its owner end; sign in with the new password.
#[utoipa::path(post, path = "/v1/password-resets/confirm", operation_id = "confirm_password_reset", tag = "Sign-in", security(()), request_body = ConfirmReset,
    responses((status = 204), (status = 422, body = Problem)))]
pub(super) async fn confirm_reset(
    State(state): State<ApiState>,
    Strict(body): Strict<ConfirmReset>,
) -> Result<Response, Problem> {
    let revision = password_links::confirm(&state.control, &body.token, body.password).await?;
    // Obeyed by this node when it is answered, as every write is.
    effect(&state, revision).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Read where mail reaches a user
#[utoipa::path(get, path = "/v1/users/{id}/recovery", operation_id = "get_user_recovery", tag = "Users", params(("id" = UserId, Path)),
    responses((status = 200, body = Recovery), (status = 404, body = Problem)))]
pub(super) async fn of_user(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<UserId>,
) -> Result<Json<Recovery>, Problem> {
    Ok(Json(recovery::get(&state.control, &caller, sign_ins::Of::User(id)).await?))
}

/// Change where mail reaches a user
///
/// Whoever reads mail there can set a new password; your own takes your password.
#[utoipa::path(patch, path = "/v1/users/{id}/recovery", operation_id = "update_user_recovery", tag = "Users", params(("id" = UserId, Path)), request_body = UpdateRecovery,
    responses((status = 200, body = Written<Recovery>), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn patch_user(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Of(id): Of<UserId>,
    Strict(body): Strict<UpdateRecovery>,
) -> Result<Response, Problem> {
    let (of, from) = (sign_ins::Of::User(id), origin(peer, &headers).address);
    let (recovery, revision) = recovery::update(&state.control, &state.sign_in, &caller, of, body.into(), from).await?;
    Ok(changed(&state, recovery, revision).await)
}

/// Read where mail reaches a mailbox's owner
#[utoipa::path(get, path = "/v1/mailboxes/{id}/recovery", operation_id = "get_mailbox_recovery", tag = "Mailboxes", params(("id" = MailboxId, Path)),
    responses((status = 200, body = Recovery), (status = 404, body = Problem)))]
pub(super) async fn of_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
) -> Result<Json<Recovery>, Problem> {
    Ok(Json(recovery::get(&state.control, &caller, sign_ins::Of::Mailbox(id)).await?))
}

/// Change where mail reaches a mailbox's owner
///
/// When the mailbox's password is lost: never the mailbox itself. Its owner changes it with the password.
#[utoipa::path(patch, path = "/v1/mailboxes/{id}/recovery", operation_id = "update_mailbox_recovery", tag = "Mailboxes", params(("id" = MailboxId, Path)), request_body = UpdateRecovery,
    responses((status = 200, body = Written<Recovery>), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn patch_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Of(id): Of<MailboxId>,
    Strict(body): Strict<UpdateRecovery>,
) -> Result<Response, Problem> {
    let (of, from) = (sign_ins::Of::Mailbox(id), origin(peer, &headers).address);
    let (recovery, revision) = recovery::update(&state.control, &state.sign_in, &caller, of, body.into(), from).await?;
    Ok(changed(&state, recovery, revision).await)
}
