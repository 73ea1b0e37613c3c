//! Containing a mailbox that somebody else may hold, and releasing it, over HTTP.
//!
//! What that means is `control::containment`'s to say; both answer with the mailbox and what its sessions felt of it.

use super::ApiState;
use super::caller::Permit;
use super::extract::{Of, Strict};
use super::mailboxes::{MailboxView, one_with_usage};
use super::problem::Problem;
use super::written::{Written, changed};
use crate::control::containment;
use crate::model::ids::MailboxId;
use axum::extract::State;
use axum::response::Response;

/// Why a mailbox is contained.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainMailbox {
    /// Why, for people.
    #[schema(
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "sends spam since this morning"
    )]
    reason: String,
}

/// Contain a mailbox
///
/// All its sessions end, also those of the API; nobody signs in, with the password or an app password, and nothing is
/// submitted. Mail still comes in. No setting and no password is changed, so releasing it restores what was.
#[utoipa::path(post, path = "/v1/mailboxes/{id}/contain", operation_id = "contain_mailbox", tag = "Suspensions", params(("id" = MailboxId, Path)), request_body = ContainMailbox,
    responses((status = 200, body = Written<MailboxView>), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn contain(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
    Strict(body): Strict<ContainMailbox>,
) -> Result<Response, Problem> {
    let (mailbox, revision) = containment::contain(&state.control, &caller, id, body.reason).await?;
    Ok(changed(&state, one_with_usage(&state, mailbox).await?, revision).await)
}

/// Release a contained mailbox
///
/// Only at the level that contained it, or above.
#[utoipa::path(delete, path = "/v1/mailboxes/{id}/contain", operation_id = "release_mailbox", tag = "Suspensions", params(("id" = MailboxId, Path)),
    responses((status = 200, body = Written<MailboxView>), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn release(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
) -> Result<Response, Problem> {
    let (mailbox, revision) = containment::release(&state.control, &caller, id).await?;
    Ok(changed(&state, one_with_usage(&state, mailbox).await?, revision).await)
}
