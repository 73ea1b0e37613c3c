//! Jobs over HTTP: how far each has come, what came of its rows, and an early end.

use super::ApiState;
use super::caller::Permit;
use super::csv::{CsvPage, wants_csv};
use super::extract::{Of, Params};
use super::page::{PageOf, page};
use super::problem::Problem;
use crate::control::PageRequest;
use crate::control::bulk_jobs::{self, Job, RowResult};
use crate::model::bounds;
use crate::model::ids::JobId;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

/// Which page.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// List jobs
#[utoipa::path(get, path = "/v1/jobs", operation_id = "list_jobs", tag = "Jobs", params(JobQuery),
    responses((status = 200, body = PageOf<Job>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<JobQuery>,
) -> Result<Json<PageOf<Job>>, Problem> {
    let page = page(query.cursor.as_deref(), query.limit)?;
    Ok(Json(bulk_jobs::list(&state.control, &caller, page).await?.into()))
}

/// Read a job
#[utoipa::path(get, path = "/v1/jobs/{id}", operation_id = "get_job", tag = "Jobs", params(("id" = JobId, Path)),
    responses((status = 200, body = Job), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<JobId>,
) -> Result<Json<Job>, Problem> {
    Ok(Json(bulk_jobs::get(&state.control, &caller, id).await?))
}

/// Cancel a job
///
/// It ends before its next few rows. What it has done stays, each row a revision that can be undone.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", operation_id = "cancel_job", tag = "Jobs", params(("id" = JobId, Path)),
    responses((status = 200, body = Job), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn cancel(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<JobId>,
) -> Result<Json<Job>, Problem> {
    Ok(Json(bulk_jobs::cancel(&state.control, &caller, id).await?))
}

/// Read what came of a job's rows
///
/// In the order of the rows, also while the job goes on. With `Accept: text/csv` all of them at once.
#[utoipa::path(get, path = "/v1/jobs/{id}/results", operation_id = "list_job_results", tag = "Jobs", params(("id" = JobId, Path), JobQuery),
    responses((status = 200, content((PageOf<RowResult> = "application/json"), (String = "text/csv"))), (status = 404, body = Problem)))]
pub(super) async fn results(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(id): Of<JobId>,
    Params(query): Params<JobQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = page(query.cursor.as_deref(), query.limit)?;
    if !wants_csv(&headers) {
        return Ok(Json(PageOf::from(bulk_jobs::results(&state.control, &caller, id, page).await?)).into_response());
    }
    let pages = move |after: Option<i64>| {
        let (control, caller) = (state.control.clone(), caller.clone());
        let page = PageRequest { after: after.unwrap_or(0), limit: bounds::PAGE_ITEMS };
        async move { CsvPage::of(&bulk_jobs::results(&control, &caller, id, page).await?, row_of) }
    };
    super::csv::answer(RESULT_COLUMNS, Some(page.after), pages).await
}

const RESULT_COLUMNS: &[&str] = &["row", "outcome", "address", "id", "revision", "code", "pointer", "detail"];

fn row_of(result: &RowResult) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    vec![
        result.row.to_string(),
        result.outcome.clone(),
        result.address.clone(),
        text(&result.id),
        result.revision.map(|revision| revision.to_string()).unwrap_or_default(),
        text(&result.code),
        text(&result.pointer),
        text(&result.detail),
    ]
}
