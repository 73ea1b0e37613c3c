//! Usage over HTTP: what mailboxes, domains and tenants hold and did, by day.

use super::ApiState;
use super::caller::Permit;
use super::csv::{CsvPage, wants_csv};
use super::extract::{Of, Params};
use super::mailboxes::usage_of;
use super::problem::Problem;
use crate::control::Paged;
use crate::control::usage::{self, Days, UsageDay};
use crate::model::ids::{DomainId, MailboxId, TenantId};
use crate::model::{Day, Usage};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

/// Which days, both included.
#[derive(Clone, Copy, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// The first day, in UTC; 29 days before the last one when nothing is said.
    #[param(value_type = Option<String>, format = Date)]
    from: Option<Day>,
    /// The last day; today when nothing is said.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<Day>,
}

impl From<UsageQuery> for Days {
    fn from(query: UsageQuery) -> Self {
        Self { from: query.from, to: query.to }
    }
}

/// What is held now, and every day asked for.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct UsageHistory {
    /// Octets: of a mailbox as it is now, of a domain or tenant at the last count, which is made once an hour.
    #[schema(example = 5242880)]
    bytes: u64,
    /// Messages.
    #[schema(example = 42)]
    messages: u64,
    /// The days, oldest first.
    days: Vec<UsageDay>,
}

/// The columns of the CSV document.
const COLUMNS: &[&str] =
    &["date", "bytes", "messages", "logins_imap", "logins_pop3", "logins_submission", "received", "sent"];

fn row_of(day: &UsageDay) -> Vec<String> {
    let number = |value: Option<u64>| value.map(|n| n.to_string()).unwrap_or_default();
    let counts = [day.logins.imap, day.logins.pop3, day.logins.submission, day.received, day.sent];
    let held = [day.date.to_string(), number(day.bytes), number(day.messages)];
    held.into_iter().chain(counts.map(|n| n.to_string())).collect()
}

async fn answer(headers: &HeaderMap, now: Usage, days: Vec<UsageDay>) -> Result<Response, Problem> {
    if !wants_csv(headers) {
        return Ok(Json(UsageHistory { bytes: now.bytes, messages: now.messages, days }).into_response());
    }
    let pages = move |_| {
        let page = CsvPage::of(&Paged { items: days.clone(), next: None }, row_of);
        async move { page }
    };
    super::csv::answer(COLUMNS, None::<i64>, pages).await
}

/// Read what a mailbox holds, and what it held and did by day
///
/// With `Accept: text/csv` the days as one document.
#[utoipa::path(get, path = "/v1/mailboxes/{id}/usage", operation_id = "get_mailbox_usage", tag = "Mailboxes", params(("id" = MailboxId, Path), UsageQuery),
    responses((status = 200, content((UsageHistory = "application/json"), (String = "text/csv"))), (status = 404, body = Problem)))]
pub(super) async fn of_mailbox(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<MailboxId>,
    Params(query): Params<UsageQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut days = usage::of_mailbox(&state.control, &caller, id, query.into()).await?;
    let now = usage_of(&state, id).await?;
    // Of today more is known than the last count.
    if let Some(today) = days.last_mut().filter(|day| day.date == Day::of(state.control.now_ms())) {
        (today.bytes, today.messages) = (Some(now.bytes), Some(now.messages));
    }
    answer(&headers, now, days).await
}

/// Read what a domain's mailboxes hold, and what they held and did by day
///
/// With `Accept: text/csv` the days as one document.
#[utoipa::path(get, path = "/v1/domains/{id}/usage", operation_id = "get_domain_usage", tag = "Domains", params(("id" = DomainId, Path), UsageQuery),
    responses((status = 200, content((UsageHistory = "application/json"), (String = "text/csv"))), (status = 404, body = Problem)))]
pub(super) async fn of_domain(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<DomainId>,
    Params(query): Params<UsageQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (now, days) = usage::of_domain(&state.control, &caller, id, query.into()).await?;
    answer(&headers, now, days).await
}

/// Read what the mailboxes at and below a tenant hold, and what they held and did by day
///
/// With `Accept: text/csv` the days as one document.
#[utoipa::path(get, path = "/v1/tenants/{id}/usage", operation_id = "get_tenant_usage", tag = "Tenants", params(("id" = TenantId, Path), UsageQuery),
    responses((status = 200, content((UsageHistory = "application/json"), (String = "text/csv"))), (status = 404, body = Problem)))]
pub(super) async fn of_tenant(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<TenantId>,
    Params(query): Params<UsageQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (now, days) = usage::of_tenant(&state.control, &caller, id, query.into()).await?;
    answer(&headers, now, days).await
}
