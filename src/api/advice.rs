//! Advice over HTTP: what is on and unused, and one call that switches it off.

use super::ApiState;
use super::caller::Permit;
use super::csv::{CsvPage, wants_csv};
use super::extract::{Params, Strict};
use super::imports::{ImportQuery, SWITCH_OFF, accepted};
use super::page::{PageOf, page};
use super::problem::Problem;
use crate::control::advice::{self, UnusedProtocol, Wanted};
use crate::control::bulk_jobs::{self, Job, NewJob};
use crate::control::{Caller, PageRequest};
use crate::model::ids::{DomainId, MailboxId, TenantId};
use crate::model::{Protocol, Timestamp, bounds};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// What is looked for, and which page of it.
#[derive(Clone, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UnusedQuery {
    /// The protocol.
    protocol: Protocol,
    /// Days without a login by it, 1 to 3650; of a mailbox that never had one, since it was made.
    #[param(minimum = 1, maximum = 3650)]
    days: u32,
    /// Only mailboxes of this domain.
    domain: Option<DomainId>,
    /// Only mailboxes of this tenant and below.
    tenant: Option<TenantId>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Mailboxes to look at, 1 to 1000: a page may hold less.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// What is to be switched off.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchOffUnused {
    /// The protocol.
    #[schema(example = "pop3")]
    protocol: Protocol,
    /// Days without a login by it, 1 to 3650.
    #[schema(minimum = 1, maximum = 3650, example = 90)]
    days: u32,
    /// Only for mailboxes of this domain.
    domain: Option<DomainId>,
    /// Only for mailboxes of this tenant and below.
    tenant: Option<TenantId>,
}

/// A row of the job that switches off.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct SwitchOffRow {
    /// For people who read the results.
    pub address: String,
    pub mailbox: MailboxId,
    pub protocol: Protocol,
    /// The last login that was known.
    pub seen: Option<Timestamp>,
}

/// List mailboxes that have a protocol and do not use it
///
/// Where the protocol is on, whatever the level that decided, and nobody signed in by it for so many days. With `Accept: text/csv`
/// all pages as one document.
#[utoipa::path(get, path = "/v1/advice/unused-protocols", operation_id = "list_unused_protocols", tag = "Advice", params(UnusedQuery),
    responses((status = 200, content((PageOf<UnusedProtocol> = "application/json"), (String = "text/csv")))))]
pub(super) async fn unused(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<UnusedQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = page(query.cursor.as_deref(), query.limit)?;
    let wanted = Wanted { protocol: query.protocol, days: query.days, domain: query.domain, tenant: query.tenant };
    if !wants_csv(&headers) {
        let found = advice::unused(&state.control, &caller, wanted, page).await?;
        return Ok(Json(PageOf::from(found)).into_response());
    }
    let pages = move |after: Option<i64>| {
        let (control, caller) = (state.control.clone(), caller.clone());
        let page = PageRequest { after: after.unwrap_or(0), limit: bounds::PAGE_ITEMS };
        async move { CsvPage::of(&advice::unused(&control, &caller, wanted, page).await?, row_of) }
    };
    super::csv::answer(COLUMNS, Some(page.after), pages).await
}

const COLUMNS: &[&str] = &["mailbox", "address", "domain", "protocol", "last_login_at", "created_at"];

fn row_of(one: &UnusedProtocol) -> Vec<String> {
    vec![
        one.mailbox.to_string(),
        one.address.to_string(),
        one.domain.to_string(),
        one.protocol.to_string(),
        one.last_login_at.map(|at| at.to_string()).unwrap_or_default(),
        one.created_at.to_string(),
    ]
}

/// Switch off what is not used
///
/// A job: for each mailbox that the list names now, the protocol is set to `disabled` on the mailbox, as a revision of its own that
/// can be undone. One that was used meanwhile is refused. With `dry_run=true` the job's results say what would be done.
#[utoipa::path(post, path = "/v1/advice/unused-protocols:switch-off", operation_id = "switch_off_unused_protocols", tag = "Advice", params(ImportQuery), request_body = SwitchOffUnused,
    responses((status = 202, body = Job, headers(("Location" = String, description = "The job."))), (status = 422, body = Problem)))]
pub(super) async fn switch_off(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<ImportQuery>,
    Strict(body): Strict<SwitchOffUnused>,
) -> Result<Response, Problem> {
    let wanted = Wanted { protocol: body.protocol, days: body.days, domain: body.domain, tenant: body.tenant };
    // What is wrong is said before there is a job.
    advice::unused(&state.control, &caller, wanted, PageRequest { after: 0, limit: 1 }).await?;
    let parameters = json!({"protocol": body.protocol, "days": body.days});
    let new = NewJob { kind: SWITCH_OFF, dry_run: query.is_dry(), parameters, receiving: true };
    let job = bulk_jobs::create(&state.control, &caller, new).await?;
    match keep_rows(&state, &caller, wanted, &job).await {
        Ok(total) => Ok(accepted(&state, bulk_jobs::received(&state.control, &caller, job.id, total).await?)),
        Err(problem) => {
            bulk_jobs::refuse(&state.control, job.id).await?;
            Err(problem)
        }
    }
}

/// Keeps what is unused now as the job's rows; how many there are.
async fn keep_rows(state: &ApiState, caller: &Caller, wanted: Wanted, job: &Job) -> Result<i64, Problem> {
    let (mut after, mut next) = (0, 1);
    loop {
        let limit = bounds::IMPORT_CHUNK.0;
        let found = advice::unused(&state.control, caller, wanted, PageRequest { after, limit }).await?;
        let row = |one: &UnusedProtocol| {
            let (address, seen) = (one.address.to_string(), one.last_login_at);
            json!(SwitchOffRow { address, mailbox: one.mailbox, protocol: one.protocol, seen })
        };
        let rows: Vec<_> = found.items.iter().map(row).collect();
        if !rows.is_empty() {
            bulk_jobs::receive(&state.control, &state.seal, job.id, next, &rows).await?;
            next += rows.len() as i64;
        }
        match found.next {
            // Who has more gives another job after this one.
            Some(cursor) if next <= bounds::IMPORT_ROWS => after = cursor,
            _ => return Ok(next - 1),
        }
    }
}
