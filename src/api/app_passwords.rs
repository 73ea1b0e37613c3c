//! App passwords of mailboxes over HTTP.

use super::ApiState;
use super::caller::Permit;
use super::extract::{Of, OfBoth, Strict};
use super::problem::Problem;
use super::written::{Effect, Written, created, deleted};
use crate::control::app_passwords::{self, AppPassword, NewAppPassword};
use crate::model::ids::{AppPasswordId, MailboxId};
use crate::model::{Network, Protocol, Timestamp};
use axum::Json;
use axum::extract::State;
use axum::response::Response;

/// An app password to make; the server chooses the password.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAppPassword {
    /// What you call it.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "phone")]
    name: String,
    /// What it opens; all protocols when none is named.
    #[serde(default = "all")]
    #[schema(example = json!(["imap", "submission"]))]
    protocols: Vec<Protocol>,
    /// The networks it opens them from, at most 100; an empty list is everywhere.
    #[serde(default)]
    #[schema(value_type = Vec<super::texts::NetworkText>, max_items = 100, example = json!(["203.0.113.0/24"]))]
    allow_from: Vec<Network>,
    /// When it stops working.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

fn all() -> Vec<Protocol> {
    Protocol::ALL.to_vec()
}

impl From<CreateAppPassword> for NewAppPassword {
    fn from(body: CreateAppPassword) -> Self {
        Self { name: body.name, protocols: body.protocols, allow_from: body.allow_from, expires_at: body.expires_at }
    }
}

/// A new app password with its text.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct NewAppPasswordView {
    /// The app password.
    #[serde(flatten)]
    app_password: AppPassword,
    /// Its text, shown only now: what the program signs in with, beside the mailbox's address.
    #[schema(example = "kq3xw9dyhm2r8zscvtb4nf7e")]
    password: String,
}

/// All app passwords of a mailbox.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct AppPasswords {
    /// Oldest first.
    items: Vec<AppPassword>,
}

/// Create an app password
///
/// The server chooses it and shows it once. It opens the mail protocols that it names, and never this API.
#[utoipa::path(post, path = "/v1/mailboxes/{id}/app-passwords", operation_id = "create_app_password", tag = "Mailboxes", params(("id" = MailboxId, Path)), request_body = CreateAppPassword,
    responses((status = 201, body = Written<NewAppPasswordView>), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
    Strict(body): Strict<CreateAppPassword>,
) -> Result<Response, Problem> {
    let (app_password, password, revision) = app_passwords::create(&state.control, &caller, id, body.into()).await?;
    let location = format!("/v1/mailboxes/{id}/app-passwords/{}", app_password.id);
    Ok(created(&state, location, NewAppPasswordView { app_password, password }, revision).await)
}

/// List a mailbox's app passwords
///
/// With the last login by each; their texts are kept nowhere.
#[utoipa::path(get, path = "/v1/mailboxes/{id}/app-passwords", operation_id = "list_app_passwords", tag = "Mailboxes", params(("id" = MailboxId, Path)),
    responses((status = 200, body = AppPasswords), (status = 404, body = Problem)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
) -> Result<Json<AppPasswords>, Problem> {
    Ok(Json(AppPasswords { items: app_passwords::list(&state.control, &caller, id).await? }))
}

/// Revoke an app password
///
/// The sessions that it opened end, and no others.
#[utoipa::path(delete, path = "/v1/mailboxes/{id}/app-passwords/{app_password}", operation_id = "delete_app_password", tag = "Mailboxes", params(("id" = MailboxId, Path), ("app_password" = AppPasswordId, Path)),
    responses((status = 200, body = Effect), (status = 404, body = Problem)))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    OfBoth(id, app_password): OfBoth<MailboxId, AppPasswordId>,
) -> Result<Response, Problem> {
    let revision = app_passwords::delete(&state.control, &caller, id, app_password).await?;
    Ok(deleted(&state, revision).await)
}
