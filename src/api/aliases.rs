//! Aliases over HTTP.

use super::ApiState;
use super::caller::Permit;
use super::extract::{IfMatch, Of, Params, Strict, nullable};
use super::page::{PageOf, page};
use super::problem::Problem;
use super::written::{Effect, Written, changed, created, deleted, found};
use crate::control::aliases::{self, Alias, AliasUse};
use crate::model::ids::{AliasId, DomainId};
use crate::model::{EmailAddress, Timestamp, WhoMayPost};
use axum::Json;
use axum::extract::State;
use axum::response::Response;

/// An alias to create.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAlias {
    /// Its address, in a domain of yours.
    #[schema(value_type = String, example = "sales@example.org")]
    address: EmailAddress,
    /// Where it delivers: one address or many.
    #[schema(value_type = Vec<String>, example = json!(["alice@example.org"]))]
    targets: Vec<EmailAddress>,
    /// When it ends.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Who may send to it: `anyone`, its targets (`members`), addresses of its `domain`, or those `listed` in `posters`.
    #[schema(example = "anyone")]
    who_may_post: Option<WhoMayPost>,
    /// Who may send to it besides: replaces the whole list.
    #[schema(value_type = Option<Vec<String>>, example = json!([]))]
    posters: Option<Vec<EmailAddress>>,
}

/// A change of an alias: what is absent stays.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAlias {
    /// Where it delivers: replaces the whole list.
    #[schema(value_type = Option<Vec<String>>, example = json!(["alice@example.org", "bob@example.org"]))]
    targets: Option<Vec<EmailAddress>>,
    /// When it ends; `null` never.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
    /// Who may send to it: `anyone`, its targets (`members`), addresses of its `domain`, or those `listed` in `posters`.
    #[schema(example = "anyone")]
    who_may_post: Option<WhoMayPost>,
    /// Who may send to it besides: replaces the whole list.
    #[schema(value_type = Option<Vec<String>>, example = json!([]))]
    posters: Option<Vec<EmailAddress>>,
}

/// Which aliases, and which page of them.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AliasQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items, 1 to 1000.
    limit: Option<usize>,
    /// Only aliases of this domain.
    domain: Option<DomainId>,
}

/// Create an alias
///
/// Loops are refused, and an address that is a mailbox cannot be an alias too.
#[utoipa::path(post, path = "/v1/aliases", operation_id = "create_alias", tag = "Aliases", request_body = CreateAlias,
    responses((status = 201, body = Written<Alias>), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Strict(body): Strict<CreateAlias>,
) -> Result<Response, Problem> {
    let used = AliasUse { expires_at: Some(body.expires_at), who_may_post: body.who_may_post, posters: body.posters };
    let (alias, revision) = aliases::create(&state.control, &caller, body.address, body.targets, used).await?;
    Ok(created(&state, format!("/v1/aliases/{}", alias.id), alias, revision).await)
}

/// List aliases
#[utoipa::path(get, path = "/v1/aliases", operation_id = "list_aliases", tag = "Aliases", params(AliasQuery),
    responses((status = 200, body = PageOf<Alias>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<AliasQuery>,
) -> Result<Json<PageOf<Alias>>, Problem> {
    let page = page(query.cursor.as_deref(), query.limit)?;
    Ok(Json(aliases::list(&state.control, &caller, query.domain, page).await?.into()))
}

/// Read an alias
#[utoipa::path(get, path = "/v1/aliases/{id}", operation_id = "get_alias", tag = "Aliases", params(("id" = AliasId, Path)),
    responses((status = 200, body = Alias), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<AliasId>,
) -> Result<Response, Problem> {
    let alias = aliases::get(&state.control, &caller, id).await?;
    let etag = alias.etag;
    Ok(found(alias, etag))
}

/// Change where an alias delivers, for whom and how long
#[utoipa::path(patch, path = "/v1/aliases/{id}", operation_id = "update_alias", tag = "Aliases", params(("id" = AliasId, Path)), request_body = UpdateAlias,
    responses((status = 200, body = Written<Alias>), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<AliasId>,
    IfMatch(expected): IfMatch,
    Strict(body): Strict<UpdateAlias>,
) -> Result<Response, Problem> {
    let used = AliasUse { expires_at: body.expires_at, who_may_post: body.who_may_post, posters: body.posters };
    let (alias, revision) =
        aliases::update(&state.control, &caller, id, body.targets, used, expected.as_deref()).await?;
    Ok(changed(&state, alias, revision).await)
}

/// Delete an alias
#[utoipa::path(delete, path = "/v1/aliases/{id}", operation_id = "delete_alias", tag = "Aliases", params(("id" = AliasId, Path)),
    responses((status = 200, body = Effect), (status = 404, body = Problem)))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<AliasId>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    let revision = aliases::delete(&state.control, &caller, id, expected.as_deref()).await?;
    Ok(deleted(&state, revision).await)
}
