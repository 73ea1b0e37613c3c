//! Changes that begin or end by themselves, over HTTP, and the node's part: doing them when they are due.
//!
//! What a change does is the request of its own operation, made from within with all its rules. Invariant: that request and how far
//! the scheduled change has come are one transaction.

use super::ApiState;
use super::batch::within;
use super::caller::Permit;
use super::extract::{Of, OfBoth, Params, Strict, parse};
use super::from_within::{self, FromWithin, Routes};
use super::problem::Problem;
use super::protocols::PatchProtocols;
use super::suspensions::CreateSuspension;
use super::written::{Effect, Written, created, deleted};
use crate::control::diff::diff;
use crate::control::scheduled_changes::{self as changes, NewScheduledChange, ScheduledChange};
use crate::control::together::Together;
use crate::control::{Caller, Error, revisions, undo};
use crate::db::scheduled_changes::ScheduledRow;
use crate::db::suspensions::Suspended;
use crate::model::Timestamp;
use crate::model::ids::{DomainId, MailboxId, ScheduledChangeId};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

/// How often going back is tried when somebody else writes between look and write.
const TRIES: usize = 3;

/// A change to schedule: of protocols, or a suspension.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleChange {
    /// When it begins; without it now.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// When each field goes back to what it was, unless it was changed since; without it never. A suspension ends then.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// What changes, as `…/protocols` takes it.
    #[schema(value_type = Option<PatchProtocols>)]
    protocols: Option<Value>,
    /// What is suspended from `at` on, as `…/suspensions` takes it, without `until`.
    #[schema(value_type = Option<CreateSuspension>, example = json!(null))]
    suspension: Option<Value>,
}

/// What to do with what a change has changed already.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CancelQuery {
    /// `true` keeps what the change has changed; otherwise it goes back at once.
    keep: Option<bool>,
}

/// All scheduled changes of one object.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct ScheduledChanges {
    /// Oldest first.
    items: Vec<ScheduledChange>,
}

/// Schedule a change of a mailbox
///
/// POP3 on until Friday, or off from Monday, or a suspension from the first of the month. Without `at` it begins with the answer.
#[utoipa::path(post, path = "/v1/mailboxes/{id}/scheduled-changes", operation_id = "create_mailbox_scheduled_change", tag = "Scheduled changes", params(("id" = MailboxId, Path)), request_body = ScheduleChange,
    responses((status = 201, body = Written<ScheduledChange>), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn of_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Extension(routes): Extension<Routes>,
    Of(id): Of<MailboxId>,
    Strict(body): Strict<ScheduleChange>,
) -> Result<Response, Problem> {
    schedule(&state, &routes, &caller, Suspended::Mailbox(id), body).await
}

/// Schedule a change of a domain
///
/// As for a mailbox, for all mailboxes of the domain.
#[utoipa::path(post, path = "/v1/domains/{id}/scheduled-changes", operation_id = "create_domain_scheduled_change", tag = "Scheduled changes", params(("id" = DomainId, Path)), request_body = ScheduleChange,
    responses((status = 201, body = Written<ScheduledChange>), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn of_domain(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Extension(routes): Extension<Routes>,
    Of(id): Of<DomainId>,
    Strict(body): Strict<ScheduleChange>,
) -> Result<Response, Problem> {
    schedule(&state, &routes, &caller, Suspended::Domain(id), body).await
}

/// List a mailbox's scheduled changes
///
/// Those that wait, those that will go back, and those that failed.
#[utoipa::path(get, path = "/v1/mailboxes/{id}/scheduled-changes", operation_id = "list_mailbox_scheduled_changes", tag = "Scheduled changes", params(("id" = MailboxId, Path)),
    responses((status = 200, body = ScheduledChanges), (status = 404, body = Problem)))]
pub(super) async fn list_of_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
) -> Result<Json<ScheduledChanges>, Problem> {
    let items = changes::list(&state.control, &caller, Suspended::Mailbox(id)).await?;
    Ok(Json(ScheduledChanges { items }))
}

/// List a domain's scheduled changes
///
/// Those that wait, those that will go back, and those that failed.
#[utoipa::path(get, path = "/v1/domains/{id}/scheduled-changes", operation_id = "list_domain_scheduled_changes", tag = "Scheduled changes", params(("id" = DomainId, Path)),
    responses((status = 200, body = ScheduledChanges), (status = 404, body = Problem)))]
pub(super) async fn list_of_domain(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<DomainId>,
) -> Result<Json<ScheduledChanges>, Problem> {
    let items = changes::list(&state.control, &caller, Suspended::Domain(id)).await?;
    Ok(Json(ScheduledChanges { items }))
}

/// Cancel a mailbox's scheduled change
///
/// One that waits never begins. One that runs goes back at once, or with `keep=true` stays as it is.
#[utoipa::path(delete, path = "/v1/mailboxes/{id}/scheduled-changes/{change}", operation_id = "delete_mailbox_scheduled_change", tag = "Scheduled changes", params(("id" = MailboxId, Path), ("change" = ScheduledChangeId, Path), CancelQuery),
    responses((status = 200, body = Effect), (status = 404, body = Problem)))]
pub(super) async fn cancel_of_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Extension(routes): Extension<Routes>,
    OfBoth(id, change): OfBoth<MailboxId, ScheduledChangeId>,
    Params(query): Params<CancelQuery>,
) -> Result<Response, Problem> {
    cancel(&state, &routes, &caller, Suspended::Mailbox(id), change, query).await
}

/// Cancel a domain's scheduled change
///
/// One that waits never begins. One that runs goes back at once, or with `keep=true` stays as it is.
#[utoipa::path(delete, path = "/v1/domains/{id}/scheduled-changes/{change}", operation_id = "delete_domain_scheduled_change", tag = "Scheduled changes", params(("id" = DomainId, Path), ("change" = ScheduledChangeId, Path), CancelQuery),
    responses((status = 200, body = Effect), (status = 404, body = Problem)))]
pub(super) async fn cancel_of_domain(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Extension(routes): Extension<Routes>,
    OfBoth(id, change): OfBoth<DomainId, ScheduledChangeId>,
    Params(query): Params<CancelQuery>,
) -> Result<Response, Problem> {
    cancel(&state, &routes, &caller, Suspended::Domain(id), change, query).await
}

fn path_of(of: Suspended, what: &str) -> String {
    match of {
        Suspended::Mailbox(id) => format!("/v1/mailboxes/{id}/{what}"),
        Suspended::Domain(id) => format!("/v1/domains/{id}/{what}"),
    }
}

/// The request that a change stands for.
fn request_of(of: Suspended, body: &Value) -> (&'static str, String, Value) {
    match body.get("suspension") {
        Some(suspension) => ("POST", path_of(of, "suspensions"), suspension.clone()),
        None => ("PATCH", path_of(of, "protocols"), body.get("protocols").cloned().unwrap_or_default()),
    }
}

impl ScheduleChange {
    /// What is to be kept of it; what is wrong is said here, with its place.
    fn check(self) -> Result<NewScheduledChange, Problem> {
        let at_place = |name: &str, mut problem: Problem| {
            for error in &mut problem.errors {
                error.pointer = format!("/{name}{}", error.pointer);
            }
            problem
        };
        let wrong = |pointer, code, detail: &str| Err(Problem::field(pointer, code, detail));
        match (self.protocols, self.suspension) {
            (Some(protocols), None) => {
                parse::<PatchProtocols>(protocols.clone()).map_err(|problem| at_place("protocols", problem))?;
                Ok(NewScheduledChange { at: self.at, until: self.until, body: json!({ "protocols": protocols }) })
            }
            (None, Some(mut suspension)) => {
                parse::<CreateSuspension>(suspension.clone()).map_err(|problem| at_place("suspension", problem))?;
                if self.at.is_none() {
                    return wrong("/at", "required", "is required: what begins now is a suspension by itself");
                }
                if suspension.get("until").is_some() {
                    return wrong("/suspension/until", "conflict", "say until beside it");
                }
                if let (Some(until), Some(fields)) = (self.until, suspension.as_object_mut()) {
                    fields.insert("until".to_owned(), json!(until));
                }
                // It ends by itself, as every suspension.
                Ok(NewScheduledChange { at: self.at, until: None, body: json!({ "suspension": suspension }) })
            }
            (None, None) => wrong("/protocols", "required", "say what changes: protocols or suspension"),
            (Some(_), Some(_)) => wrong("/suspension", "conflict", "protocols and suspension exclude each other"),
        }
    }
}

async fn schedule(
    state: &ApiState,
    routes: &Routes,
    caller: &Caller,
    of: Suspended,
    body: ScheduleChange,
) -> Result<Response, Problem> {
    caller.may_administer()?;
    let new = body.check()?;
    let begins_now = new.at.is_none();
    let (method, path, request) = request_of(of, &new.body);
    let from_within = |caller: Caller| FromWithin { routes: routes.0.clone(), caller };
    if begins_now && caller.intent.dry_run.is_some() {
        // What is asked is what would happen now.
        return from_within(caller.clone()).send(method, &path, None, Some(&request)).await;
    }
    let mut acting = caller.clone();
    let dry_run = acting.intent.dry_run.take();
    let together = Together::begin(&state.control).await?;
    let member = together.of(&acting, None);
    let (row, mut revision) = changes::create(&state.control, &member, of, new.clone()).await?;
    // Also what begins later is tried now, so that a mistake is heard of while somebody listens.
    let mark = together.mark().await?;
    let response = within(from_within(member).send(method, &path, None, Some(&request))).await?;
    if !response.status().is_success() {
        let place = if new.body.get("suspension").is_some() { "/suspension" } else { "/protocols" };
        return at_place(place, response).await;
    }
    let mut shown = row.clone();
    if begins_now {
        revision = together.since(mark).last().copied().unwrap_or(revision);
        shown = changes::begun(&together, &row, revision.0).await?;
    } else {
        together.back_to(mark).await?;
    }
    if dry_run.is_some() {
        drop(together);
        // It ends in the preview.
        let (_, revision) = changes::create(&state.control, caller, of, new).await?;
        return Ok(deleted(state, revision).await);
    }
    together.commit().await?;
    let location = path_of(of, &format!("scheduled-changes/{}", row.id));
    Ok(created(state, location, ScheduledChange::from(&shown), revision).await)
}

/// A refusal of what was tried, with the fields where they stand in the request that schedules it.
async fn at_place(place: &str, response: Response) -> Result<Response, Problem> {
    let (mut parts, body) = response.into_parts();
    let mut problem = from_within::json(Response::new(body)).await?;
    for error in problem.get_mut("errors").and_then(Value::as_array_mut).into_iter().flatten() {
        let pointer = error["pointer"].as_str().unwrap_or_default();
        if pointer.is_empty() || pointer.starts_with('/') {
            error["pointer"] = Value::from(format!("{place}{pointer}"));
        }
    }
    parts.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(problem.to_string())))
}

async fn cancel(
    state: &ApiState,
    routes: &Routes,
    caller: &Caller,
    of: Suspended,
    id: ScheduledChangeId,
    query: CancelQuery,
) -> Result<Response, Problem> {
    let row = changes::find(&state.control, caller, of, id).await?;
    let goes_back = row.state == "running" && query.keep != Some(true);
    if caller.intent.dry_run.is_some() || !goes_back {
        let revision = changes::delete(&state.control, caller, of, id).await?;
        return Ok(deleted(state, revision).await);
    }
    for _ in 0..TRIES {
        let back = back_of(state, routes, &row).await?;
        let together = Together::begin(&state.control).await?;
        let member = together.of(caller, None);
        let mut revision = changes::delete(&state.control, &member, of, id).await?;
        if let Some((back, etag)) = back {
            let from_within = FromWithin { routes: routes.0.clone(), caller: member };
            let path = path_of(of, "protocols");
            let response = within(from_within.send("PATCH", &path, etag.as_ref(), Some(&back))).await?;
            if response.status() == StatusCode::PRECONDITION_FAILED {
                continue;
            }
            if !response.status().is_success() {
                return Ok(response);
            }
        }
        revision = together.commit().await?.last().copied().unwrap_or(revision);
        return Ok(deleted(state, revision).await);
    }
    Err(Problem::unavailable())
}

/// The request that gives each field its value from before, where it is still as the change left it, and the ETag of what
/// was looked at; none when no field is.
async fn back_of(
    state: &ApiState,
    routes: &Routes,
    row: &ScheduledRow,
) -> Result<Option<(Value, Option<HeaderValue>)>, Problem> {
    let system = changes::taker_back();
    let began = row.began.unwrap_or_default();
    let revision = revisions::get(&state.control, &system, began).await?;
    let mut fields = diff(revision.before.as_ref(), revision.after.as_ref());
    let from_within = FromWithin { routes: routes.0.clone(), caller: system };
    let Some((now, etag)) = from_within.look(&path_of(row.of, "protocols")).await? else { return Ok(None) };
    let changed = undo::conflicts(&fields, &now);
    fields.retain(|field| !changed.iter().any(|conflict| conflict.pointer == field.pointer));
    Ok((!fields.is_empty()).then(|| (undo::patch_back(&fields), etag)))
}

/// Does what is due; what cannot be done now is tried again.
pub(super) async fn due(state: &ApiState, routes: &Routes) -> Result<(), Error> {
    for row in changes::due(&state.control).await? {
        let done =
            if row.state == "waiting" { begin(state, routes, &row).await } else { end(state, routes, &row).await };
        match done {
            Ok(()) => {}
            Err(problem) if problem.status == 404 => changes::forget(&state.control, &row).await?,
            Err(problem) if problem.status >= 500 => {
                tracing::warn!(change = %row.id, detail = problem.detail, "a scheduled change waits");
            }
            Err(problem) => {
                let detail = problem.errors.into_iter().next().map_or(problem.detail, |error| error.detail);
                tracing::warn!(change = %row.id, detail, "a scheduled change failed");
                changes::failed(&state.control, &row, detail).await?;
            }
        }
    }
    Ok(())
}

async fn begin(state: &ApiState, routes: &Routes, row: &ScheduledRow) -> Result<(), Problem> {
    let Some(caller) = changes::caller_of(&state.control, row).await? else {
        return Err(Problem::field("", "caller_gone", "who scheduled it is gone"));
    };
    let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
    let (method, path, request) = request_of(row.of, &body);
    let together = Together::begin(&state.control).await?;
    if !changes::take(&together, row).await? {
        return Ok(());
    }
    let revision = act(routes, &together, &caller, (method, &path), None, &request).await?;
    changes::begun(&together, row, revision).await?;
    together.commit().await?;
    Ok(())
}

/// Ends a change; anew when somebody else wrote between the look and the write.
async fn end(state: &ApiState, routes: &Routes, row: &ScheduledRow) -> Result<(), Problem> {
    for _ in 0..TRIES {
        match end_once(state, routes, row).await {
            Err(problem) if problem.status == StatusCode::PRECONDITION_FAILED => {}
            done => return done,
        }
    }
    Err(Problem::unavailable())
}

async fn end_once(state: &ApiState, routes: &Routes, row: &ScheduledRow) -> Result<(), Problem> {
    let back = back_of(state, routes, row).await?;
    let together = Together::begin(&state.control).await?;
    if !changes::take(&together, row).await? {
        return Ok(());
    }
    if let Some((back, etag)) = back {
        let path = path_of(row.of, "protocols");
        act(routes, &together, &changes::taker_back(), ("PATCH", &path), etag.as_ref(), &back).await?;
    }
    changes::done(&together, row).await?;
    together.commit().await?;
    Ok(())
}

/// Makes the request of a change; its revision.
async fn act(
    routes: &Routes,
    together: &Together,
    caller: &Caller,
    (method, path): (&str, &str),
    etag: Option<&HeaderValue>,
    body: &Value,
) -> Result<i64, Problem> {
    let mark = together.mark().await?;
    let from_within = FromWithin { routes: routes.0.clone(), caller: together.of(caller, None) };
    let response = within(from_within.send(method, path, etag, Some(body))).await?;
    if response.status().is_success() {
        return Ok(together.since(mark).last().map_or(0, |revision| revision.0));
    }
    Err(from_within::refused(response).await)
}
