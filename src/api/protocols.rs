//! Protocols of plans, tenants, domains and mailboxes over HTTP: partial merge, effective values with their source.

use super::ApiState;
use super::caller::Permit;
use super::extract::{IfMatch, Of, Params, Strict, nullable};
use super::problem::Problem;
use super::written::{Written, changed, found};
use crate::control::protocols::{self, Protocols, ProtocolsPatch, RestrictionPatch};
use crate::model::ids::{DomainId, MailboxId, PlanId, TenantId};
use crate::model::{Network, OnDelete, ProtocolState};
use axum::extract::State;
use axum::response::Response;

/// One protocol's setting.
#[derive(Debug, Clone, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchProtocol {
    /// `inherit` takes what the level above says.
    #[schema(example = "disabled")]
    state: Option<ProtocolState>,
    /// Whether a login needs TLS also where the listener does not ask for it; `null` takes what the level above says.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<bool>)]
    tls_only: Option<Option<bool>>,
    /// The networks a login may come from, at most 100; an empty list is everywhere, `null` takes what the level above says.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<super::texts::NetworkText>>, max_items = 100, example = json!(["203.0.113.0/24"]))]
    allow_from: Option<Option<Vec<Network>>>,
}

impl PatchProtocol {
    fn restriction(self) -> RestrictionPatch {
        RestrictionPatch { tls_only: self.tls_only, allow_from: self.allow_from }
    }
}

/// A change of the POP3 policy: what is absent stays, `null` inherits.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchPolicy {
    /// What DELE does at QUIT.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<OnDelete>)]
    on_delete: Option<Option<OnDelete>>,
    /// Days after retrieval until a message is removed; 0 never.
    #[serde(default, deserialize_with = "days")]
    #[schema(value_type = Option<u16>, maximum = 3650, example = 30)]
    expire_days: Option<Option<u16>>,
}

/// Days within their bound, checked here because only here the place in the body is known.
fn days<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u16>>, D::Error> {
    let days: Option<Option<u16>> = nullable(deserializer)?;
    if days.flatten().is_some_and(|days| days > protocols::EXPIRE_DAYS) {
        return Err(serde::de::Error::custom(format!("must be at most {} days", protocols::EXPIRE_DAYS)));
    }
    Ok(days)
}

/// POP3's setting.
#[derive(Debug, Clone, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchPop3 {
    /// `inherit` takes what the level above says.
    #[schema(example = "disabled")]
    state: Option<ProtocolState>,
    /// Whether a login needs TLS also where the listener does not ask for it; `null` takes what the level above says.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<bool>)]
    tls_only: Option<Option<bool>>,
    /// The networks a login may come from, at most 100; an empty list is everywhere, `null` takes what the level above says.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<super::texts::NetworkText>>, max_items = 100, example = json!(["203.0.113.0/24"]))]
    allow_from: Option<Option<Vec<Network>>>,
    /// What the server does with what POP3 deletes and retrieves.
    #[serde(default)]
    policy: PatchPolicy,
}

/// A change of protocol settings: what is absent stays as it is.
#[derive(Debug, Clone, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"pop3": {"state": "disabled"}}))]
pub struct PatchProtocols {
    /// IMAP.
    #[serde(default)]
    imap: PatchProtocol,
    /// POP3.
    #[serde(default)]
    pop3: PatchPop3,
    /// Sending with login.
    #[serde(default)]
    submission: PatchProtocol,
}

impl From<PatchProtocols> for ProtocolsPatch {
    fn from(body: PatchProtocols) -> Self {
        Self {
            imap: body.imap.state,
            pop3: body.pop3.state,
            submission: body.submission.state,
            pop3_on_delete: body.pop3.policy.on_delete,
            pop3_expire_days: body.pop3.policy.expire_days,
            imap_from: body.imap.restriction(),
            pop3_from: RestrictionPatch { tls_only: body.pop3.tls_only, allow_from: body.pop3.allow_from },
            submission_from: body.submission.restriction(),
        }
    }
}

/// What to include; the effective values are always there.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct IncludeQuery {
    /// `effective` (always included).
    #[serde(rename = "include")]
    _include: Option<String>,
}

/// Read a mailbox's protocols
///
/// What the mailbox says, what holds for it now, and the level that decided.
#[utoipa::path(get, path = "/v1/mailboxes/{id}/protocols", operation_id = "get_mailbox_protocols", tag = "Protocols", params(("id" = MailboxId, Path), IncludeQuery),
    responses((status = 200, body = Protocols), (status = 404, body = Problem)))]
pub(super) async fn of_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
    _: Params<IncludeQuery>,
) -> Result<Response, Problem> {
    let protocols = protocols::of_mailbox(&state.control, &caller, id).await?;
    let etag = protocols.etag;
    Ok(found(protocols, etag))
}

/// Change a mailbox's protocols
///
/// Ends the live sessions that the change no longer admits; the answer counts them.
#[utoipa::path(patch, path = "/v1/mailboxes/{id}/protocols", operation_id = "update_mailbox_protocols", tag = "Protocols", params(("id" = MailboxId, Path)), request_body = PatchProtocols,
    responses((status = 200, body = Written<Protocols>), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn patch_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
    IfMatch(expected): IfMatch,
    Strict(body): Strict<PatchProtocols>,
) -> Result<Response, Problem> {
    let (protocols, revision) =
        protocols::patch_mailbox(&state.control, &caller, id, body.into(), expected.as_deref()).await?;
    Ok(changed(&state, protocols, revision).await)
}

/// Read a domain's protocols
///
/// What the domain says, and what holds for its mailboxes that say nothing.
#[utoipa::path(get, path = "/v1/domains/{id}/protocols", operation_id = "get_domain_protocols", tag = "Protocols", params(("id" = DomainId, Path), IncludeQuery),
    responses((status = 200, body = Protocols), (status = 404, body = Problem)))]
pub(super) async fn of_domain(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<DomainId>,
    _: Params<IncludeQuery>,
) -> Result<Response, Problem> {
    let protocols = protocols::of_domain(&state.control, &caller, id).await?;
    let etag = protocols.etag;
    Ok(found(protocols, etag))
}

/// Change a domain's protocols
///
/// Reaches every mailbox of the domain that inherits, and ends the live sessions that the change no longer admits.
#[utoipa::path(patch, path = "/v1/domains/{id}/protocols", operation_id = "update_domain_protocols", tag = "Protocols", params(("id" = DomainId, Path)), request_body = PatchProtocols,
    responses((status = 200, body = Written<Protocols>), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn patch_domain(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<DomainId>,
    IfMatch(expected): IfMatch,
    Strict(body): Strict<PatchProtocols>,
) -> Result<Response, Problem> {
    let (protocols, revision) =
        protocols::patch_domain(&state.control, &caller, id, body.into(), expected.as_deref()).await?;
    Ok(changed(&state, protocols, revision).await)
}

/// Read a tenant's protocols
///
/// What the tenant says, and what holds for its mailboxes where they and their domains say nothing.
#[utoipa::path(get, path = "/v1/tenants/{id}/protocols", operation_id = "get_tenant_protocols", tag = "Protocols", params(("id" = TenantId, Path), IncludeQuery),
    responses((status = 200, body = Protocols), (status = 404, body = Problem)))]
pub(super) async fn of_tenant(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<TenantId>,
    _: Params<IncludeQuery>,
) -> Result<Response, Problem> {
    let protocols = protocols::of_tenant(&state.control, &caller, id).await?;
    let etag = protocols.etag;
    Ok(found(protocols, etag))
}

/// Change a tenant's protocols
///
/// Reaches every mailbox at and below the tenant that inherits, and ends the live sessions that the change no longer admits.
#[utoipa::path(patch, path = "/v1/tenants/{id}/protocols", operation_id = "update_tenant_protocols", tag = "Protocols", params(("id" = TenantId, Path)), request_body = PatchProtocols,
    responses((status = 200, body = Written<Protocols>), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn patch_tenant(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<TenantId>,
    IfMatch(expected): IfMatch,
    Strict(body): Strict<PatchProtocols>,
) -> Result<Response, Problem> {
    let (protocols, revision) =
        protocols::patch_tenant(&state.control, &caller, id, body.into(), expected.as_deref()).await?;
    Ok(changed(&state, protocols, revision).await)
}

/// Read a plan's protocols
///
/// What the plan says, and what comes of it where nobody else says anything.
#[utoipa::path(get, path = "/v1/plans/{id}/protocols", operation_id = "get_plan_protocols", tag = "Protocols", params(("id" = PlanId, Path), IncludeQuery),
    responses((status = 200, body = Protocols), (status = 404, body = Problem)))]
pub(super) async fn of_plan(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<PlanId>,
    _: Params<IncludeQuery>,
) -> Result<Response, Problem> {
    let protocols = protocols::of_plan(&state.control, &caller, id).await?;
    let etag = protocols.etag;
    Ok(found(protocols, etag))
}

/// Change a plan's protocols
///
/// Reaches every mailbox of every tenant with this plan that inherits, and ends the live sessions that the change no longer admits.
#[utoipa::path(patch, path = "/v1/plans/{id}/protocols", operation_id = "update_plan_protocols", tag = "Protocols", params(("id" = PlanId, Path)), request_body = PatchProtocols,
    responses((status = 200, body = Written<Protocols>), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn patch_plan(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<PlanId>,
    IfMatch(expected): IfMatch,
    Strict(body): Strict<PatchProtocols>,
) -> Result<Response, Problem> {
    let (protocols, revision) =
        protocols::patch_plan(&state.control, &caller, id, body.into(), expected.as_deref()).await?;
    Ok(changed(&state, protocols, revision).await)
}
