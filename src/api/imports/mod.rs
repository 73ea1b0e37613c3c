//! `POST …:import`: a document of many rows, CSV or JSON, becomes a job.
//!
//! The document is read as it comes and kept in pieces, sealed; `turns` does the rows later. Invariant: however long
//! the document is, no more than [`bounds::IMPORT_CHUNK`] of it is in memory.

mod csv;
mod json_items;

use super::ApiState;
use super::aliases::CreateAlias;
use super::caller::Permit;
use super::extract::Params;
use super::kinds;
use super::mailboxes::CreateMailbox;
use super::problem::Problem;
use crate::control::Caller;
use crate::control::bulk_jobs::{self, Job, NewJob};
use crate::model::bounds;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use csv::{Column, CsvRows};
use futures_util::StreamExt;
use json_items::JsonItems;
use serde_json::Value;

/// The kind of a job that makes mailboxes.
pub(super) const MAILBOXES: &str = "import_mailboxes";
/// The kind of a job that makes aliases.
pub(super) const ALIASES: &str = "import_aliases";

/// The kind of a job that switches off what is not used.
pub(super) const SWITCH_OFF: &str = "switch_off_unused";

/// Whether to try out.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// `true` finds out what would become of each row, and makes nothing.
    dry_run: Option<bool>,
}

impl ImportQuery {
    /// Whether to try out.
    pub fn is_dry(&self) -> bool {
        self.dry_run.unwrap_or(false)
    }
}

/// Import mailboxes
///
/// CSV with a heading (`address`, `name`, `password`, `password_hash`, `quota_bytes`, `quota_messages`, `imap`, `pop3`,
/// `submission`, `mode`, `expires_at`; only `address` is needed), or a JSON list of what `create_mailbox` takes. At most
/// 200,000 rows and 64 MiB. The answer is a job: each row is a mailbox and a revision of its own, or a refusal in the job's results.
#[utoipa::path(post, path = "/v1/mailboxes:import", operation_id = "import_mailboxes", tag = "Jobs", params(ImportQuery),
    request_body(content((Vec<CreateMailbox> = "application/json"), (String = "text/csv"))),
    responses((status = 202, body = Job, headers(("Location" = String, description = "The job."))), (status = 422, body = Problem)))]
pub(super) async fn mailboxes(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<ImportQuery>,
    request: Request,
) -> Result<Response, Problem> {
    import(&state, &caller, MAILBOXES, csv::MAILBOX, query, request).await
}

/// Import aliases
///
/// CSV with a heading (`address`, `targets`, `expires_at`, `who_may_post`, `posters`; several addresses in a cell are parted by
/// spaces), or a JSON list of what `create_alias` takes. As with mailboxes, the answer is a job.
#[utoipa::path(post, path = "/v1/aliases:import", operation_id = "import_aliases", tag = "Jobs", params(ImportQuery),
    request_body(content((Vec<CreateAlias> = "application/json"), (String = "text/csv"))),
    responses((status = 202, body = Job, headers(("Location" = String, description = "The job."))), (status = 422, body = Problem)))]
pub(super) async fn aliases(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<ImportQuery>,
    request: Request,
) -> Result<Response, Problem> {
    import(&state, &caller, ALIASES, csv::ALIAS, query, request).await
}

/// A document as it comes in: octets to rows. A row that cannot be read is a text that says why.
enum Rows {
    Csv(Box<CsvRows>),
    Json(JsonItems),
}

impl Rows {
    fn of(headers: &HeaderMap, columns: &'static [Column]) -> Result<Self, Problem> {
        let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/csv" => Ok(Self::Csv(Box::new(CsvRows::new(columns)))),
            "application/json" => Ok(Self::Json(JsonItems::default())),
            _ => Err(Problem::new(&kinds::MEDIA_TYPE, "send text/csv, or application/json")),
        }
    }

    fn push(&mut self, octets: &[u8], rows: &mut Vec<Value>) -> Result<(), Problem> {
        match self {
            Self::Csv(csv) => csv.push(octets, rows),
            Self::Json(items) => items.push(octets, rows),
        }
    }

    fn finish(&mut self, rows: &mut Vec<Value>) -> Result<(), Problem> {
        match self {
            Self::Csv(csv) => csv.finish(rows),
            Self::Json(items) => items.finish(),
        }
    }
}

async fn import(
    state: &ApiState,
    caller: &Caller,
    kind: &'static str,
    columns: &'static [Column],
    query: ImportQuery,
    request: Request,
) -> Result<Response, Problem> {
    let rows = Rows::of(request.headers(), columns)?;
    let dry_run = query.is_dry();
    let new = NewJob { kind, dry_run, parameters: Value::Null, receiving: true };
    let job = bulk_jobs::create(&state.control, caller, new).await?;
    match receive(state, &job, rows, request).await {
        Ok(total) => {
            let job = bulk_jobs::received(&state.control, caller, job.id, total).await?;
            Ok(accepted(state, job))
        }
        Err(problem) => {
            bulk_jobs::refuse(&state.control, job.id).await?;
            Err(problem)
        }
    }
}

/// The answer to whoever gave a job (RFC 9110 §15.3.3).
pub(super) fn accepted(state: &ApiState, job: Job) -> Response {
    state.job_given.notify_one();
    let location = format!("/v1/jobs/{}", job.id);
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(job)).into_response()
}

/// Keeps the rows of a document as they come; how many there are.
async fn receive(state: &ApiState, job: &Job, mut rows: Rows, request: Request) -> Result<i64, Problem> {
    let mut body = request.into_body().into_data_stream();
    let (mut octets, mut held) = (0, 0);
    let (mut pending, mut next) = (Vec::new(), 1_i64);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| Problem::new(&kinds::MALFORMED, "the document ended early"))?;
        octets += piece.len() as u64;
        if octets > bounds::IMPORT_OCTETS {
            let detail = format!("a document may have at most {} octets: send it in parts", bounds::IMPORT_OCTETS);
            return Err(Problem::new(&kinds::TOO_LARGE, detail));
        }
        // A piece may be large itself.
        for part in piece.chunks(bounds::IMPORT_ROW_OCTETS) {
            rows.push(part, &mut pending)?;
            held += part.len();
            if pending.len() >= bounds::IMPORT_CHUNK.0 || held >= bounds::IMPORT_CHUNK.1 {
                next = keep(state, job, next, &mut pending).await?;
                held = 0;
            }
        }
    }
    rows.finish(&mut pending)?;
    next = keep(state, job, next, &mut pending).await?;
    if next == 1 {
        return Err(Problem::field("", "required", "the document has no rows"));
    }
    Ok(next - 1)
}

async fn keep(state: &ApiState, job: &Job, first: i64, rows: &mut Vec<Value>) -> Result<i64, Problem> {
    let next = first + rows.len() as i64;
    if next - 1 > bounds::IMPORT_ROWS {
        let detail = format!("a document may have at most {} rows: send it in parts", bounds::IMPORT_ROWS);
        return Err(Problem::new(&kinds::TOO_LARGE, detail));
    }
    if !rows.is_empty() {
        bulk_jobs::receive(&state.control, &state.seal, job.id, first, rows).await?;
        rows.clear();
    }
    Ok(next)
}
