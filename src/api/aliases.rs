//! Aliases over HTTP.

use super::ApiState;
use super::caller::Permit;
use super::csv::{CsvPage, wants_csv};
use super::extract::{IfMatch, Of, Params, Strict, nullable};
use super::page::{PageOf, list_page, page_of};
use super::problem::Problem;
use super::written::{Effect, Written, changed, created, deleted, found};
use crate::control::aliases::{self, Alias, AliasFilter, AliasUse};
use crate::control::lists::{self, EndState, ListPage, Place};
use crate::model::ids::{AliasId, DomainId, TenantId};
use crate::model::{EmailAddress, Timestamp, WhoMayPost, bounds};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

/// An alias to create.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAlias {
    /// Its address, in a domain of yours.
    #[schema(value_type = String, format = "idn-email", min_length = 3, max_length = 320, example = "sales@example.org")]
    address: EmailAddress,
    /// Where it delivers: one address or many.
    #[schema(value_type = Vec<super::texts::Address>, min_items = 1, max_items = 100, example = json!(["alice@example.org"]))]
    targets: Vec<EmailAddress>,
    /// When it ends.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Who may send to it: `anyone`, its targets (`members`), addresses of its `domain`, or those `listed` in `posters`.
    #[schema(example = "anyone")]
    who_may_post: Option<WhoMayPost>,
    /// Who may send to it besides: replaces the whole list.
    #[schema(value_type = Option<Vec<super::texts::Address>>, max_items = 100, example = json!([]))]
    posters: Option<Vec<EmailAddress>>,
}

impl CreateAlias {
    /// Its address, where it delivers, and how it is used.
    pub(super) fn parts(self) -> (EmailAddress, Vec<EmailAddress>, AliasUse) {
        let used =
            AliasUse { expires_at: Some(self.expires_at), who_may_post: self.who_may_post, posters: self.posters };
        (self.address, self.targets, used)
    }
}

/// A change of an alias: what is absent stays.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAlias {
    /// Where it delivers: replaces the whole list.
    #[schema(value_type = Option<Vec<super::texts::Address>>, min_items = 1, max_items = 100, example = json!(["alice@example.org", "bob@example.org"]))]
    targets: Option<Vec<EmailAddress>>,
    /// When it ends; `null` never.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
    /// Who may send to it: `anyone`, its targets (`members`), addresses of its `domain`, or those `listed` in `posters`.
    #[schema(example = "anyone")]
    who_may_post: Option<WhoMayPost>,
    /// Who may send to it besides: replaces the whole list.
    #[schema(value_type = Option<Vec<super::texts::Address>>, max_items = 100, example = json!([]))]
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
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only aliases of this domain.
    domain: Option<DomainId>,
    /// Only aliases of this tenant and below.
    tenant: Option<TenantId>,
    /// Only those whose address begins so.
    prefix: Option<String>,
    /// Only those in this state.
    #[param(inline)]
    state: Option<EndState>,
    /// In which order: `id` (as they were made), `address` or `created_at`; `-` before it from the end.
    sort: Option<String>,
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
    let (address, targets, used) = body.parts();
    let (alias, revision) = aliases::create(&state.control, &caller, address, targets, used).await?;
    Ok(created(&state, format!("/v1/aliases/{}", alias.id), alias, revision).await)
}

/// List aliases
///
/// With `Accept: text/csv` all pages as one document.
#[utoipa::path(get, path = "/v1/aliases", operation_id = "list_aliases", tag = "Aliases", params(AliasQuery),
    responses((status = 200, content((PageOf<Alias> = "application/json"), (String = "text/csv")))))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<AliasQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = list_page(query.cursor.as_deref(), query.limit, query.sort.as_deref(), &lists::parts::ALIASES)?;
    let (domain, tenant) = (query.domain, query.tenant);
    let filter = AliasFilter { domain, tenant, prefix: query.prefix, state: query.state };
    if !wants_csv(&headers) {
        let paged = aliases::list(&state.control, &caller, &filter, page.clone()).await?;
        return Ok(Json(page_of(paged, &page)).into_response());
    }
    let first = page.after.clone();
    let pages = move |after: Option<Place>| {
        let (control, caller, filter) = (state.control.clone(), caller.clone(), filter.clone());
        let page = ListPage { after, limit: bounds::PAGE_ITEMS, ..page.clone() };
        async move { CsvPage::of(&aliases::list(&control, &caller, &filter, page).await?, row_of) }
    };
    super::csv::answer(COLUMNS, first, pages).await
}

/// The columns of the CSV document: those of an import have the same names.
const COLUMNS: &[&str] =
    &["id", "address", "targets", "domain", "tenant", "expires_at", "who_may_post", "posters", "created_at"];

fn row_of(alias: &Alias) -> Vec<String> {
    let list = |addresses: &[EmailAddress]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    vec![
        alias.id.to_string(),
        alias.address.to_string(),
        list(&alias.targets),
        alias.domain.to_string(),
        alias.tenant.to_string(),
        alias.expires_at.map(|at| at.to_string()).unwrap_or_default(),
        alias.who_may_post.to_string(),
        list(&alias.posters),
        alias.created_at.to_string(),
    ]
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
