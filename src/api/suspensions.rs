//! Suspensions of mailboxes and domains over HTTP.

use super::ApiState;
use super::caller::Permit;
use super::extract::{Of, OfBoth, Strict};
use super::problem::Problem;
use super::written::{Effect, Written, created, deleted};
use crate::control::suspensions::{self, NewSuspension, Suspension};
use crate::db::suspensions::Suspended;
use crate::model::ids::{DomainId, MailboxId, SuspensionId};
use crate::model::{SuspensionScope, Timestamp};
use axum::Json;
use axum::extract::State;
use axum::response::Response;

/// A suspension to make.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSuspension {
    /// What it stops.
    #[schema(example = "login")]
    scope: SuspensionScope,
    /// Why, for people.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "unpaid invoice 1042")]
    reason: String,
    /// When it ends by itself; without it, when it is lifted.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl From<CreateSuspension> for NewSuspension {
    fn from(body: CreateSuspension) -> Self {
        Self { scope: body.scope, reason: body.reason, until: body.until }
    }
}

/// All suspensions of one object.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct Suspensions {
    /// Oldest first.
    items: Vec<Suspension>,
}

/// Suspend a mailbox
///
/// A layer above the settings: ends the sessions it concerns, and lifts without a trace.
#[utoipa::path(post, path = "/v1/mailboxes/{id}/suspensions", operation_id = "create_mailbox_suspension", tag = "Suspensions", params(("id" = MailboxId, Path)), request_body = CreateSuspension,
    responses((status = 201, body = Written<Suspension>), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn suspend_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
    Strict(body): Strict<CreateSuspension>,
) -> Result<Response, Problem> {
    let (made, revision) = suspensions::create(&state.control, &caller, Suspended::Mailbox(id), body.into()).await?;
    Ok(created(&state, format!("/v1/mailboxes/{id}/suspensions/{}", made.id), made, revision).await)
}

/// List a mailbox's suspensions
#[utoipa::path(get, path = "/v1/mailboxes/{id}/suspensions", operation_id = "list_mailbox_suspensions", tag = "Suspensions", params(("id" = MailboxId, Path)),
    responses((status = 200, body = Suspensions), (status = 404, body = Problem)))]
pub(super) async fn of_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
) -> Result<Json<Suspensions>, Problem> {
    Ok(Json(Suspensions { items: suspensions::list(&state.control, &caller, Suspended::Mailbox(id)).await? }))
}

/// Lift a mailbox's suspension
#[utoipa::path(delete, path = "/v1/mailboxes/{id}/suspensions/{suspension}", operation_id = "delete_mailbox_suspension", tag = "Suspensions", params(("id" = MailboxId, Path), ("suspension" = SuspensionId, Path)),
    responses((status = 200, body = Effect), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn lift_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    OfBoth(id, suspension): OfBoth<MailboxId, SuspensionId>,
) -> Result<Response, Problem> {
    let revision = suspensions::lift(&state.control, &caller, Suspended::Mailbox(id), suspension).await?;
    Ok(deleted(&state, revision).await)
}

/// Suspend all mailboxes of a domain
#[utoipa::path(post, path = "/v1/domains/{id}/suspensions", operation_id = "create_domain_suspension", tag = "Suspensions", params(("id" = DomainId, Path)), request_body = CreateSuspension,
    responses((status = 201, body = Written<Suspension>), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn suspend_domain(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<DomainId>,
    Strict(body): Strict<CreateSuspension>,
) -> Result<Response, Problem> {
    let (made, revision) = suspensions::create(&state.control, &caller, Suspended::Domain(id), body.into()).await?;
    Ok(created(&state, format!("/v1/domains/{id}/suspensions/{}", made.id), made, revision).await)
}

/// List a domain's suspensions
#[utoipa::path(get, path = "/v1/domains/{id}/suspensions", operation_id = "list_domain_suspensions", tag = "Suspensions", params(("id" = DomainId, Path)),
    responses((status = 200, body = Suspensions), (status = 404, body = Problem)))]
pub(super) async fn of_domain(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<DomainId>,
) -> Result<Json<Suspensions>, Problem> {
    Ok(Json(Suspensions { items: suspensions::list(&state.control, &caller, Suspended::Domain(id)).await? }))
}

/// Lift a domain's suspension
#[utoipa::path(delete, path = "/v1/domains/{id}/suspensions/{suspension}", operation_id = "delete_domain_suspension", tag = "Suspensions", params(("id" = DomainId, Path), ("suspension" = SuspensionId, Path)),
    responses((status = 200, body = Effect), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn lift_domain(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    OfBoth(id, suspension): OfBoth<DomainId, SuspensionId>,
) -> Result<Response, Problem> {
    let revision = suspensions::lift(&state.control, &caller, Suspended::Domain(id), suspension).await?;
    Ok(deleted(&state, revision).await)
}
