//! Plans over HTTP.

use super::ApiState;
use super::caller::Permit;
use super::extract::{IfMatch, Of, Params, Strict, nullable};
use super::mailboxes::QuotaBody;
use super::page::{PageOf, page};
use super::problem::Problem;
use super::protocols::PatchProtocols;
use super::tenants::ListQuery;
use super::written::{Effect, Written, changed, created, deleted, found};
use crate::control::plans::{self, Plan, PlanPatch};
use crate::model::Protocol;
use crate::model::ids::{PlanId, TenantId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;

/// Limits to set; `null` is no limit.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsBody {
    /// Domains.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>, maximum = 1125899906842624u64, example = 5)]
    domains: Option<Option<u64>>,
    /// Mailboxes.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>, maximum = 1125899906842624u64, example = 50)]
    mailboxes: Option<Option<u64>>,
    /// Aliases.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>, maximum = 1125899906842624u64, example = 100)]
    aliases: Option<Option<u64>>,
    /// Octets of all mailboxes, by their quotas.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>, maximum = 1125899906842624u64, example = 53687091200u64)]
    bytes: Option<Option<u64>>,
    /// Recipients of what is sent in a day (UTC).
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>, maximum = 1125899906842624u64, example = 5000)]
    sends_per_day: Option<Option<u64>>,
}

/// What a plan gives and limits; in a change, what is absent stays.
#[derive(Debug, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePlan {
    /// Its name.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "Business 50")]
    name: Option<String>,
    /// How much its buyers may have.
    #[serde(default)]
    limits: LimitsBody,
    /// Whether its buyers may hand out more than they have, in sum.
    oversell: Option<bool>,
    /// What a mailbox may hold that names no quota.
    #[serde(default)]
    mailbox_quota: QuotaBody,
    /// The protocols that may be used at all; `null` allows all.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<Protocol>>, example = json!(["imap", "submission"]))]
    allowed_protocols: Option<Option<Vec<Protocol>>>,
    /// What it says about protocols: tenants, domains and mailboxes that say `inherit` take it.
    #[serde(default)]
    #[schema(example = json!({"imap": {"tls_only": true}}))]
    protocols: PatchProtocols,
}

/// A plan to create.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePlan {
    /// Its name, one of its own among the seller's plans.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "Business 50")]
    name: String,
    /// Who sells it, an operator or reseller; your own tenant when none is named.
    #[serde(default)]
    tenant: Option<TenantId>,
    /// How much its buyers may have.
    #[serde(default)]
    limits: LimitsBody,
    /// Whether its buyers may hand out more than they have, in sum.
    #[serde(default)]
    oversell: bool,
    /// What a mailbox may hold that names no quota.
    #[serde(default)]
    mailbox_quota: QuotaBody,
    /// The protocols that may be used at all; `null` allows all.
    #[schema(example = json!(["imap", "submission"]))]
    allowed_protocols: Option<Vec<Protocol>>,
    /// What it says about protocols: tenants, domains and mailboxes that say `inherit` take it.
    #[serde(default)]
    #[schema(example = json!({"imap": {"tls_only": true}}))]
    protocols: PatchProtocols,
}

impl From<UpdatePlan> for PlanPatch {
    fn from(body: UpdatePlan) -> Self {
        let (limits, quota) = (body.limits, body.mailbox_quota);
        Self {
            name: body.name,
            domains: limits.domains,
            mailboxes: limits.mailboxes,
            aliases: limits.aliases,
            bytes: limits.bytes,
            sends_per_day: limits.sends_per_day,
            oversell: body.oversell,
            quota_bytes: quota.bytes,
            quota_messages: quota.messages,
            allowed: body.allowed_protocols,
            protocols: body.protocols.into(),
        }
    }
}

/// Create a plan
///
/// Limits and defaults that the seller's customers get by naming it. Editing it reaches all of them.
#[utoipa::path(post, path = "/v1/plans", operation_id = "create_plan", tag = "Plans", request_body = CreatePlan,
    responses((status = 201, body = Written<Plan>), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Strict(body): Strict<CreatePlan>,
) -> Result<Response, Problem> {
    let new = UpdatePlan {
        name: Some(body.name),
        limits: body.limits,
        oversell: Some(body.oversell),
        mailbox_quota: body.mailbox_quota,
        allowed_protocols: Some(body.allowed_protocols),
        protocols: body.protocols,
    };
    let (plan, revision) = plans::create(&state.control, &caller, body.tenant, new.into()).await?;
    Ok(created(&state, format!("/v1/plans/{}", plan.id), plan, revision).await)
}

/// List plans
///
/// Those that your tenant and tenants below it sell.
#[utoipa::path(get, path = "/v1/plans", operation_id = "list_plans", tag = "Plans", params(ListQuery),
    responses((status = 200, body = PageOf<Plan>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<ListQuery>,
) -> Result<Json<PageOf<Plan>>, Problem> {
    let page = page(query.cursor.as_deref(), query.limit)?;
    Ok(Json(plans::list(&state.control, &caller, page).await?.into()))
}

/// Read a plan
///
/// One that you sell, or the one that your tenant has.
#[utoipa::path(get, path = "/v1/plans/{id}", operation_id = "get_plan", tag = "Plans", params(("id" = PlanId, Path)),
    responses((status = 200, body = Plan), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<PlanId>,
) -> Result<Response, Problem> {
    let plan = plans::get(&state.control, &caller, id).await?;
    let etag = plan.etag;
    Ok(found(plan, etag))
}

/// Change a plan
///
/// Holds at once for every tenant that has it; ends the live sessions that the change no longer admits.
#[utoipa::path(patch, path = "/v1/plans/{id}", operation_id = "update_plan", tag = "Plans", params(("id" = PlanId, Path)), request_body = UpdatePlan,
    responses((status = 200, body = Written<Plan>), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<PlanId>,
    IfMatch(expected): IfMatch,
    Strict(body): Strict<UpdatePlan>,
) -> Result<Response, Problem> {
    let (plan, revision) = plans::update(&state.control, &caller, id, body.into(), expected.as_deref()).await?;
    Ok(changed(&state, plan, revision).await)
}

/// Delete a plan
///
/// Only one that no tenant has.
#[utoipa::path(delete, path = "/v1/plans/{id}", operation_id = "delete_plan", tag = "Plans", params(("id" = PlanId, Path)),
    responses((status = 200, body = Effect), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<PlanId>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    let revision = plans::delete(&state.control, &caller, id, expected.as_deref()).await?;
    Ok(deleted(&state, revision).await)
}
