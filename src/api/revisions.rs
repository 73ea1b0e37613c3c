//! Revisions over HTTP: who changed what, when, before and after.

use super::ApiState;
use super::caller::Permit;
use super::extract::{Of, Params};
use super::page::{PageOf, cursor, limit, place};
use super::problem::Problem;
use crate::control::revisions::{self, RevisionDetail, RevisionView};
use axum::Json;
use axum::extract::State;

/// Which revisions, and which page of them.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RevisionQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items, 1 to 1000.
    limit: Option<usize>,
    /// Only revisions of the object with this id.
    object: Option<String>,
}

/// List revisions
///
/// Newest first, of all objects in your tenant and below.
#[utoipa::path(get, path = "/v1/revisions", operation_id = "list_revisions", tag = "Revisions", params(RevisionQuery),
    responses((status = 200, body = PageOf<RevisionView>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Params(query): Params<RevisionQuery>,
) -> Result<Json<PageOf<RevisionView>>, Problem> {
    if query.object.as_deref().is_some_and(|object| object.chars().any(char::is_control)) {
        return Err(Problem::field("object", "control_character", "must not contain control characters"));
    }
    let (before, size) = (place(query.cursor.as_deref())?, limit(query.limit)?);
    let (items, next) = revisions::list(&state.control, &caller, query.object.as_deref(), before, size).await?;
    Ok(Json(PageOf { items, next_cursor: next.map(cursor) }))
}

/// Read a revision
///
/// With the fields that differ by it, and whether it can be undone.
#[utoipa::path(get, path = "/v1/revisions/{number}", operation_id = "get_revision", tag = "Revisions", params(("number" = i64, Path, example = 42)),
    responses((status = 200, body = RevisionDetail), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    Permit(caller): Permit,
    Of(number): Of<i64>,
) -> Result<Json<RevisionDetail>, Problem> {
    Ok(Json(revisions::detail(&state.control, &caller, number).await?))
}
