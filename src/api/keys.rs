//! API keys over HTTP.

use super::ApiState;
use super::caller::Permit;
use super::extract::{IfMatch, Of, Params, Strict, nullable};
use super::page::{PageOf, list_page, page_of};
use super::problem::Problem;
use super::written::{Effect, Written, changed, created, deleted, found};
use crate::control::keys::{self, Key, KeyFilter, NewKey};
use crate::control::lists::{self, EndState};
use crate::db::keys::Grants;
use crate::model::ids::{DomainId, KeyId, TenantId};
use crate::model::{Network, Scope, Timestamp};
use axum::Json;
use axum::extract::State;
use axum::response::Response;

/// A key to create.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// What you call it.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "panel")]
    name: String,
    /// The tenant it acts in, and below; your own when none is named.
    #[serde(default)]
    tenant: Option<TenantId>,
    /// True when it may only read.
    #[serde(default)]
    read_only: bool,
    /// When it stops working.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// What it may be used for: a resource or `*`, and `read` or `write`; everything when nothing is named.
    #[schema(value_type = Option<Vec<super::texts::ScopeText>>, min_items = 1, max_items = 100, example = json!(["mailboxes:write", "domains:read"]))]
    scopes: Option<Vec<Scope>>,
    /// The domains it reaches, and nothing else; its whole tenant when none is named.
    domains: Option<Vec<DomainId>>,
    /// The networks it may be used from; everywhere when none is named.
    #[schema(value_type = Option<Vec<super::texts::NetworkText>>, min_items = 1, max_items = 100, example = json!(["203.0.113.0/24"]))]
    allow_from: Option<Vec<Network>>,
}

/// A change of a key: what is absent stays. Its rights never change.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateKey {
    /// Another name.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "old panel")]
    name: Option<String>,
    /// Another end; `null` for none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
}

/// A new key with its text.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct NewKeyView {
    /// The key.
    #[serde(flatten)]
    key: Key,
    /// Its text, shown only now: `Authorization: Bearer fct_…`.
    #[schema(example = "fct_…")]
    secret: String,
}

/// Which keys, and which page of them.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct KeyQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only those of this tenant and below.
    tenant: Option<TenantId>,
    /// Only those whose name begins so; capital letters of ASCII do not matter.
    prefix: Option<String>,
    /// Only those in this state.
    #[param(inline)]
    state: Option<EndState>,
    /// Only those that are older than this moment and were not used since.
    #[param(value_type = Option<String>, format = DateTime)]
    not_used_since: Option<Timestamp>,
    /// In which order: `id` (as they were made), `name`, `created_at` or `last_used_at`; `-` before it from the end.
    sort: Option<String>,
}

/// Create an API key
///
/// The text is shown once. A key acts in its tenant and below, and can make no wider one.
#[utoipa::path(post, path = "/v1/keys", operation_id = "create_key", tag = "Keys", request_body = CreateKey,
    responses((status = 201, body = Written<NewKeyView>), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Strict(body): Strict<CreateKey>,
) -> Result<Response, Problem> {
    let grants = Grants { scopes: body.scopes, domains: body.domains, allow_from: body.allow_from };
    let (name, tenant, read_only, expires_at) = (body.name, body.tenant, body.read_only, body.expires_at);
    let new = NewKey { name, tenant, read_only, expires_at, grants };
    let (key, secret, revision) = keys::create(&state.control, &caller, new).await?;
    Ok(created(&state, format!("/v1/keys/{}", key.id), NewKeyView { key, secret }, revision).await)
}

/// List API keys
#[utoipa::path(get, path = "/v1/keys", operation_id = "list_keys", tag = "Keys", params(KeyQuery),
    responses((status = 200, body = PageOf<Key>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<KeyQuery>,
) -> Result<Json<PageOf<Key>>, Problem> {
    let page = list_page(query.cursor.as_deref(), query.limit, query.sort.as_deref(), &lists::parts::KEYS)?;
    let (state_of, not_used_since) = (query.state, query.not_used_since);
    let filter = KeyFilter { tenant: query.tenant, prefix: query.prefix, state: state_of, not_used_since };
    Ok(Json(page_of(keys::list(&state.control, &caller, &filter, page.clone()).await?, &page)))
}

/// Read an API key
#[utoipa::path(get, path = "/v1/keys/{id}", operation_id = "get_key", tag = "Keys", params(("id" = KeyId, Path)),
    responses((status = 200, body = Key), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<KeyId>,
) -> Result<Response, Problem> {
    let key = keys::get(&state.control, &caller, id).await?;
    let etag = key.etag;
    Ok(found(key, etag))
}

/// Change an API key's name or end
#[utoipa::path(patch, path = "/v1/keys/{id}", operation_id = "update_key", tag = "Keys", params(("id" = KeyId, Path)), request_body = UpdateKey,
    responses((status = 200, body = Written<Key>), (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<KeyId>,
    IfMatch(expected): IfMatch,
    Strict(body): Strict<UpdateKey>,
) -> Result<Response, Problem> {
    let (key, revision) =
        keys::update(&state.control, &caller, id, body.name, body.expires_at, expected.as_deref()).await?;
    Ok(changed(&state, key, revision).await)
}

/// Delete an API key
///
/// It stops working at once.
#[utoipa::path(delete, path = "/v1/keys/{id}", operation_id = "delete_key", tag = "Keys", params(("id" = KeyId, Path)),
    responses((status = 200, body = Effect), (status = 404, body = Problem)))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<KeyId>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    let revision = keys::delete(&state.control, &caller, id, expected.as_deref()).await?;
    Ok(deleted(&state, revision).await)
}
