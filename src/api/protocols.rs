//! Protocols of mailboxes and domains over HTTP: partial merge, effective values with their source.

use super::ApiState;
use super::caller::Permit;
use super::extract::{IfMatch, Of, Params, Strict, nullable};
use super::problem::Problem;
use super::written::{Written, changed, found};
use crate::control::protocols::{self, Protocols, ProtocolsPatch};
use crate::model::ids::{DomainId, MailboxId};
use crate::model::{OnDelete, ProtocolState};
use axum::extract::State;
use axum::response::Response;

/// One protocol's setting.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchProtocol {
    /// `inherit` takes what the level above says.
    #[schema(example = "disabled")]
    state: Option<ProtocolState>,
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
    #[schema(value_type = Option<u16>, example = 30)]
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
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchPop3 {
    /// `inherit` takes what the level above says.
    #[schema(example = "disabled")]
    state: Option<ProtocolState>,
    /// What the server does with what POP3 deletes and retrieves.
    #[serde(default)]
    policy: PatchPolicy,
}

/// A change of protocol settings: what is absent stays as it is.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, utoipa::ToSchema)]
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
    Ok(found(protocols, protocols.etag))
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
    let (protocols, revision) = protocols::patch_mailbox(&state.control, &caller, id, body.into(), expected).await?;
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
    Ok(found(protocols, protocols.etag))
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
    let (protocols, revision) = protocols::patch_domain(&state.control, &caller, id, body.into(), expected).await?;
    Ok(changed(&state, protocols, revision).await)
}
