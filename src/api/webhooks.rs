//! Webhooks over HTTP.

use super::ApiState;
use super::caller::Permit;
use super::extract::{IfMatch, Of, Params, Strict};
use super::page::{PageOf, cursor, limit, page, place};
use super::problem::Problem;
use super::tenants::ListQuery;
use super::written::{Effect, Written, changed, created, deleted, found};
use crate::control::Paged;
use crate::control::webhooks::{self, Delivery, Webhook, WebhookPatch, WebhookState};
use crate::model::ids::{TenantId, WebhookId};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

/// A webhook to create.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// Where it is sent; https, and no private address.
    #[schema(format = "uri", min_length = 1, max_length = 2000, example = "https://panel.example.org/facteur")]
    url: String,
    /// What it is for, for people.
    #[serde(default)]
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    description: Option<String>,
    /// Which actions it gets; all when none is named. `*` stands for any letters.
    #[serde(default)]
    #[schema(value_type = Option<Vec<super::texts::EventPattern>>, min_items = 1, max_items = 50, example = json!(["*_mailbox", "update_domain"]))]
    events: Option<Vec<String>>,
    /// Whether it is sent at all; yes when nothing is said.
    #[serde(default)]
    enabled: Option<bool>,
    /// Whose: it gets what happens in this tenant and below. Your own when none is named.
    #[serde(default)]
    tenant: Option<TenantId>,
}

/// A change of a webhook: what is absent stays.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateWebhook {
    /// Where it is sent.
    #[schema(format = "uri", min_length = 1, max_length = 2000, example = "https://panel.example.org/facteur")]
    url: Option<String>,
    /// What it is for, for people.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    description: Option<String>,
    /// Which actions it gets: replaces the whole list.
    #[schema(value_type = Option<Vec<super::texts::EventPattern>>, min_items = 1, max_items = 50, example = json!(["*"]))]
    events: Option<Vec<String>>,
    /// Whether it is sent at all. Enabled anew, it goes on where it stopped.
    enabled: Option<bool>,
}

/// From where to send again.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayWebhook {
    /// All revisions after this one are sent, again if they were.
    #[schema(minimum = 0, example = 0)]
    after: i64,
}

/// A webhook and how far it has come.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct WebhookView {
    /// The webhook.
    #[serde(flatten)]
    webhook: Webhook,
    /// How far it has come.
    state: WebhookState,
}

/// A webhook with its secret, which is shown only now.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct NewWebhookView {
    /// The webhook.
    #[serde(flatten)]
    webhook: Webhook,
    /// What its deliveries are signed with (Standard Webhooks): keep it, it is not shown again.
    #[schema(example = "whsec_…")]
    secret: String,
}

fn view((webhook, state): (Webhook, WebhookState)) -> WebhookView {
    WebhookView { webhook, state }
}

/// Create a webhook
///
/// It gets every revision of its events from here on, in order, signed, each until it is answered with 2xx. The secret is shown once.
#[utoipa::path(post, path = "/v1/webhooks", operation_id = "create_webhook", tag = "Webhooks", request_body = CreateWebhook,
    responses((status = 201, body = Written<NewWebhookView>), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Strict(body): Strict<CreateWebhook>,
) -> Result<Response, Problem> {
    let CreateWebhook { url, description, events, enabled, tenant } = body;
    let patch = WebhookPatch { url: Some(url), description, events, enabled };
    let with = (&state.seal, &state.outbound);
    let (webhook, secret, revision) = webhooks::create(&state.control, with, &caller, tenant, patch).await?;
    let location = format!("/v1/webhooks/{}", webhook.id);
    Ok(created(&state, location, NewWebhookView { webhook, secret }, revision).await)
}

/// List webhooks
#[utoipa::path(get, path = "/v1/webhooks", operation_id = "list_webhooks", tag = "Webhooks", params(ListQuery),
    responses((status = 200, body = PageOf<WebhookView>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<ListQuery>,
) -> Result<Json<PageOf<WebhookView>>, Problem> {
    let page = page(query.cursor.as_deref(), query.limit)?;
    let Paged { items, next } = webhooks::list(&state.control, &caller, page).await?;
    Ok(Json(Paged { items: items.into_iter().map(view).collect(), next }.into()))
}

/// Read a webhook
#[utoipa::path(get, path = "/v1/webhooks/{id}", operation_id = "get_webhook", tag = "Webhooks", params(("id" = WebhookId, Path)),
    responses((status = 200, body = WebhookView), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<WebhookId>,
) -> Result<Response, Problem> {
    let one = view(webhooks::get(&state.control, &caller, id).await?);
    let etag = one.webhook.etag;
    Ok(found(one, etag))
}

/// Change a webhook
#[utoipa::path(patch, path = "/v1/webhooks/{id}", operation_id = "update_webhook", tag = "Webhooks", params(("id" = WebhookId, Path)), request_body = UpdateWebhook,
    responses((status = 200, body = Written<Webhook>), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<WebhookId>,
    IfMatch(expected): IfMatch,
    Strict(body): Strict<UpdateWebhook>,
) -> Result<Response, Problem> {
    let UpdateWebhook { url, description, events, enabled } = body;
    let patch = WebhookPatch { url, description, events, enabled };
    let (webhook, revision) =
        webhooks::update(&state.control, &state.outbound, &caller, id, patch, expected.as_deref()).await?;
    Ok(changed(&state, webhook, revision).await)
}

/// Give a webhook another secret
///
/// For a day deliveries carry two signatures, one by the secret before.
#[utoipa::path(post, path = "/v1/webhooks/{id}/secret", operation_id = "rotate_webhook_secret", tag = "Webhooks", params(("id" = WebhookId, Path)),
    responses((status = 200, body = Written<NewWebhookView>), (status = 404, body = Problem)))]
pub(super) async fn rotate(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<WebhookId>,
) -> Result<Response, Problem> {
    let (webhook, secret, revision) = webhooks::rotate(&state.control, &state.seal, &caller, id).await?;
    Ok(changed(&state, NewWebhookView { webhook, secret }, revision).await)
}

/// Delete a webhook
#[utoipa::path(delete, path = "/v1/webhooks/{id}", operation_id = "delete_webhook", tag = "Webhooks", params(("id" = WebhookId, Path)),
    responses((status = 200, body = Effect), (status = 404, body = Problem)))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<WebhookId>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    let revision = webhooks::delete(&state.control, &caller, id, expected.as_deref()).await?;
    Ok(deleted(&state, revision).await)
}

/// List a webhook's deliveries
///
/// Every attempt of the last 30 days, newest first.
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", operation_id = "list_webhook_deliveries", tag = "Webhooks", params(("id" = WebhookId, Path), ListQuery),
    responses((status = 200, body = PageOf<Delivery>), (status = 404, body = Problem)))]
pub(super) async fn deliveries(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<WebhookId>,
    Params(query): Params<ListQuery>,
) -> Result<Json<PageOf<Delivery>>, Problem> {
    let (before, size) = (place(query.cursor.as_deref())?, limit(query.limit)?);
    let (items, next) = webhooks::deliveries(&state.control, &caller, id, before, size).await?;
    Ok(Json(PageOf { items, next_cursor: next.map(cursor) }))
}

/// Send a webhook's revisions again
///
/// Everything after a revision is sent, under the same `webhook-id`s as before; what lies before it is not.
#[utoipa::path(post, path = "/v1/webhooks/{id}/replay", operation_id = "replay_webhook", tag = "Webhooks", params(("id" = WebhookId, Path)), request_body = ReplayWebhook,
    responses((status = 202, body = WebhookView), (status = 404, body = Problem), (status = 410, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn replay(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<WebhookId>,
    Strict(body): Strict<ReplayWebhook>,
) -> Result<(StatusCode, Json<WebhookView>), Problem> {
    let now = webhooks::replay(&state.control, &caller, id, body.after).await?;
    Ok((StatusCode::ACCEPTED, Json(view(now))))
}
