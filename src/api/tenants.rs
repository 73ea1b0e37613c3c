//! Tenants over HTTP.

use super::ApiState;
use super::caller::Permit;
use super::extract::{IfMatch, Of, Params, Strict, nullable};
use super::page::{PageOf, list_page, page_of};
use super::problem::Problem;
use super::protocols::PatchProtocols;
use super::written::{Effect, Written, changed, created, deleted, found};
use crate::control::limits::{self, TenantLimits};
use crate::control::lists;
use crate::control::tenants::{self, NewTenant, Tenant, TenantFilter, TenantPatch};
use crate::model::TenantKind;
use crate::model::ids::{PlanId, TenantId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;

/// A tenant to create.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// Its name.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "Example Hosting")]
    name: String,
    /// `reseller` or `customer`.
    #[schema(example = "customer")]
    kind: TenantKind,
    /// The tenant above; your own when none is named.
    #[serde(default)]
    parent: Option<TenantId>,
    /// What it buys: a plan that you or a tenant between sells.
    #[serde(default)]
    plan: Option<PlanId>,
    /// What it says about protocols; `inherit` where nothing is said.
    #[serde(default)]
    #[schema(example = json!({"pop3": {"state": "inherit"}}))]
    protocols: PatchProtocols,
}

/// A change of a tenant: what is absent stays.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateTenant {
    /// Another name.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "Example Hosting Ltd")]
    name: Option<String>,
    /// Another plan, chosen above the tenant; `null` takes it away.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<PlanId>)]
    plan: Option<Option<PlanId>>,
    /// What it says about protocols.
    #[serde(default)]
    #[schema(example = json!({"pop3": {"state": "inherit"}}))]
    protocols: PatchProtocols,
}

/// Which page of a list.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
    /// Items, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<usize>,
}

/// Which tenants, and which page of them.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TenantQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only those of this tenant and below.
    tenant: Option<TenantId>,
    /// Only those whose name begins so; capital letters of ASCII do not matter.
    prefix: Option<String>,
    /// Only those of this kind.
    #[param(inline)]
    kind: Option<TenantKind>,
    /// Only those with this plan.
    plan: Option<PlanId>,
    /// In which order: `id` (as they were made), `name` or `created_at`; `-` before it from the end.
    sort: Option<String>,
}

/// Create a tenant
#[utoipa::path(post, path = "/v1/tenants", operation_id = "create_tenant", tag = "Tenants", request_body = CreateTenant,
    responses((status = 201, body = Written<Tenant>), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Strict(body): Strict<CreateTenant>,
) -> Result<Response, Problem> {
    let (parent, plan, protocols) = (body.parent, body.plan, body.protocols.into());
    let new = NewTenant { name: body.name, kind: body.kind, parent, plan, protocols };
    let (tenant, revision) = tenants::create(&state.control, &caller, new).await?;
    Ok(created(&state, format!("/v1/tenants/{}", tenant.id), tenant, revision).await)
}

/// List tenants
///
/// Your own and all below it.
#[utoipa::path(get, path = "/v1/tenants", operation_id = "list_tenants", tag = "Tenants", params(TenantQuery),
    responses((status = 200, body = PageOf<Tenant>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<TenantQuery>,
) -> Result<Json<PageOf<Tenant>>, Problem> {
    let page = list_page(query.cursor.as_deref(), query.limit, query.sort.as_deref(), &lists::parts::TENANTS)?;
    let (tenant, prefix, kind, plan) = (query.tenant, query.prefix, query.kind, query.plan);
    let filter = TenantFilter { tenant, prefix, kind, plan };
    Ok(Json(page_of(tenants::list(&state.control, &caller, &filter, page.clone()).await?, &page)))
}

/// Read a tenant
#[utoipa::path(get, path = "/v1/tenants/{id}", operation_id = "get_tenant", tag = "Tenants", params(("id" = TenantId, Path)),
    responses((status = 200, body = Tenant), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<TenantId>,
) -> Result<Response, Problem> {
    let tenant = tenants::get(&state.control, &caller, id).await?;
    let etag = tenant.etag;
    Ok(found(tenant, etag))
}

/// Change a tenant
#[utoipa::path(patch, path = "/v1/tenants/{id}", operation_id = "update_tenant", tag = "Tenants", params(("id" = TenantId, Path)), request_body = UpdateTenant,
    responses((status = 200, body = Written<Tenant>), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<TenantId>,
    IfMatch(expected): IfMatch,
    Strict(body): Strict<UpdateTenant>,
) -> Result<Response, Problem> {
    let patch = TenantPatch { name: body.name, plan: body.plan, protocols: body.protocols.into() };
    let (tenant, revision) = tenants::update(&state.control, &caller, id, patch, expected.as_deref()).await?;
    Ok(changed(&state, tenant, revision).await)
}

/// Delete a tenant
///
/// Only one that has no tenants, users, keys, plans or domains left.
#[utoipa::path(delete, path = "/v1/tenants/{id}", operation_id = "delete_tenant", tag = "Tenants", params(("id" = TenantId, Path)),
    responses((status = 200, body = Effect), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<TenantId>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    let revision = tenants::delete(&state.control, &caller, id, expected.as_deref()).await?;
    Ok(deleted(&state, revision).await)
}

/// Read how much a tenant may have and has
///
/// Domains, mailboxes and aliases count at and below the tenant, octets by quota. What a reseller that may not
/// oversell has sold counts as used.
#[utoipa::path(get, path = "/v1/tenants/{id}/limits", operation_id = "get_tenant_limits", tag = "Tenants", params(("id" = TenantId, Path)),
    responses((status = 200, body = TenantLimits), (status = 404, body = Problem)))]
pub(super) async fn limits(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<TenantId>,
) -> Result<Json<TenantLimits>, Problem> {
    Ok(Json(limits::of_tenant(&state.control, &caller, id).await?))
}
