//! Undoing a revision: the opposite write is made through its own route, so that every rule of it holds.
//!
//! What to write is worked out by `control::undo`; here it is sent. Invariant: it is made only if the object is
//! still as the fields that go back were left (If-Match between the look and the write).

use super::caller::Permit;
use super::extract::Of;
use super::from_within::{FromWithin, Routes, json};
use super::operations::{Operation, operations};
use super::problem::Problem;
use super::written::Effect;
use super::{ApiState, kinds};
use crate::control::FieldError;
use crate::control::diff::diff;
use crate::control::revisions::{self, RevisionView};
use crate::control::undo::{self, Opposite};
use crate::model::ids::{AliasId, DomainId, TenantId};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// How often it is tried when somebody else writes between look and write.
const TRIES: usize = 3;
/// Something that an undoing did not bring back.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct NotUndone {
    /// Which field, if it is one.
    #[schema(example = "/has_password")]
    pointer: String,
    /// Why, or what it is now.
    detail: String,
}

/// A revision that was undone.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Reverted {
    /// The revision that was undone.
    #[schema(example = 41)]
    reverted: i64,
    /// The object as it is now; none when it was deleted.
    #[schema(value_type = Option<Object>)]
    object: Option<Value>,
    /// What could not be brought back: secrets, mail, ids.
    not_undone: Vec<NotUndone>,
    /// The effect of the new revision.
    #[serde(flatten)]
    effect: Effect,
}

/// Undo a revision
///
/// Makes the opposite write as a new revision. Fields that were changed since are conflicts (409, each with its pointer), and
/// nothing is done. What cannot come back (secrets, mail that was purged) is refused or listed in `not_undone`.
#[utoipa::path(post, path = "/v1/revisions/{number}/revert", operation_id = "revert_revision", tag = "Revisions", params(("number" = i64, Path, example = 42)),
    responses((status = 200, body = Reverted), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn revert(
    State(state): State<ApiState>,
    Permit(mut caller): Permit,
    Extension(routes): Extension<Routes>,
    Of(number): Of<i64>,
) -> Result<Response, Problem> {
    let revision = revisions::get(&state.control, &caller, number).await?;
    if revision.damaged.is_some() {
        return Err(not_revertible(revisions::DAMAGED));
    }
    caller.intent.undoes = Some(number);
    let from_within = FromWithin { routes: routes.0, caller };
    let opposite = undo::opposite(&revision.action, &revision.object).map_err(not_revertible)?;
    match &opposite {
        Opposite::Update(name) => from_within.change_back(&revision, operation(name)?).await,
        Opposite::Delete(name) => from_within.delete(&revision, operation(name)?).await,
        Opposite::Restore(name) => from_within.restore(&revision, operation(name)?).await,
        Opposite::Create(name) => from_within.create_again(&revision, operation(name)?).await,
    }
}

fn operation(id: &str) -> Result<&'static Operation, Problem> {
    operations().by_id(id).ok_or_else(|| not_revertible("this kind of change has no opposite"))
}

fn not_revertible(detail: impl Into<String>) -> Problem {
    Problem::new(&kinds::NOT_REVERTIBLE, detail)
}

impl FromWithin {
    async fn change_back(&self, revision: &RevisionView, operation: &Operation) -> Result<Response, Problem> {
        let changes = diff(revision.before.as_ref(), revision.after.as_ref());
        let (can, cannot) = undo::part(changes, &operation.fields);
        if can.is_empty() {
            let detail =
                "the revision shows no difference that can be written: passwords and other secrets are not kept";
            return Err(not_revertible(detail));
        }
        let path = path_of(operation, revision, None);
        for _ in 0..TRIES {
            let (now, etag) = self.look(&path).await?.ok_or_else(gone)?;
            let conflicts = undo::conflicts(&can, &now);
            if !conflicts.is_empty() {
                return Err(conflict(conflicts));
            }
            let body = undo::patch_back(&can);
            let response = self.send(&operation.method, &path, etag.as_ref(), Some(&body)).await?;
            if response.status() == StatusCode::PRECONDITION_FAILED {
                continue;
            }
            let left = cannot
                .iter()
                .map(|change| NotUndone { pointer: change.pointer.clone(), detail: "cannot be written".to_owned() });
            return answer(revision, response, left.collect()).await;
        }
        Err(Problem::unavailable())
    }

    async fn delete(&self, revision: &RevisionView, operation: &Operation) -> Result<Response, Problem> {
        let made = revision.after.as_ref().and_then(|view| view.get("id")).and_then(Value::as_str);
        let path = path_of(operation, revision, made);
        let mut etag = None;
        // What has a page of its own shows whether it was changed since.
        if made == Some(revision.object.as_str()) {
            let (now, tag) = self.look(&path).await?.ok_or_else(gone)?;
            let unchanged =
                tag.as_ref().is_some_and(|tag| tag.as_bytes() == format!("\"{}\"", revision.number).as_bytes());
            if !unchanged {
                let shown = diff(None, revision.after.as_ref());
                let conflicts = undo::conflicts(&shown, &now);
                if !conflicts.is_empty() {
                    return Err(conflict(conflicts));
                }
            }
            etag = tag;
        }
        let response = self.send(&operation.method, &path, etag.as_ref(), None).await?;
        answer(revision, response, Vec::new()).await
    }

    async fn restore(&self, revision: &RevisionView, operation: &Operation) -> Result<Response, Problem> {
        let response = self.send(&operation.method, &path_of(operation, revision, None), None, None).await?;
        answer(revision, response, Vec::new()).await
    }

    async fn create_again(mut self, revision: &RevisionView, operation: &Operation) -> Result<Response, Problem> {
        let before = revision.before.clone().unwrap_or_default();
        let body = undo::create_again(&before, &operation.fields);
        if let Some(pointer) = undo::missing(&body, &operation.required) {
            return Err(not_revertible(format!("{pointer} is needed to create it again and was kept nowhere")));
        }
        self.caller.intent.old_id = old_id(&revision.object);
        let response = self.send(&operation.method, &path_of(operation, revision, None), None, Some(&body)).await?;
        if !response.status().is_success() {
            return Ok(response);
        }
        let mut left = Vec::new();
        if revision.object.starts_with("mbx_") && revision.action == "delete_mailbox" {
            let detail = "the mail went with the deletion";
            left.push(NotUndone { pointer: String::new(), detail: detail.to_owned() });
        }
        answer(revision, response, left).await
    }
}

/// The id that it had, where nothing else was done under that id meanwhile: the mail of a mailbox is removed under its id.
fn old_id(object: &str) -> Option<i64> {
    let domain = object.parse::<DomainId>().map(|id| id.0);
    let alias = object.parse::<AliasId>().map(|id| id.0);
    domain.or(alias).or(object.parse::<TenantId>().map(|id| id.0)).ok()
}

/// The path of an operation for the object of a revision.
fn path_of(operation: &Operation, revision: &RevisionView, made: Option<&str>) -> String {
    let mut path = operation.path.replace("{id}", &revision.object);
    if let (Some(open), Some(close)) = (path.find('{'), path.find('}')) {
        path.replace_range(open..=close, made.unwrap_or_default());
    }
    path
}

fn gone() -> Problem {
    conflict(vec![FieldError::new("", "gone", "the object is gone")])
}

fn conflict(errors: Vec<FieldError>) -> Problem {
    let detail = "it was changed since this revision: see errors; nothing was done";
    Problem::with_errors(&kinds::CONFLICT, detail, errors)
}

/// The answer of the opposite write as that of the undoing; its refusals as they are.
async fn answer(
    revision: &RevisionView,
    response: Response,
    mut not_undone: Vec<NotUndone>,
) -> Result<Response, Problem> {
    if !response.status().is_success() {
        return Ok(response);
    }
    let mut object = json(response).await?;
    let effect: Effect = serde_json::from_value(object.clone()).map_err(|_| Problem::unavailable())?;
    if let Some(fields) = object.as_object_mut() {
        for name in ["revision", "applied", "sessions"] {
            fields.remove(name);
        }
    }
    let object = Some(object).filter(|object| object.as_object().is_some_and(|fields| !fields.is_empty()));
    if let (Some(before), Some(now)) = (&revision.before, &object) {
        let known = before.as_object().into_iter().flatten();
        let lost =
            known.filter(|(name, _)| *name != "created_at" && now.get(*name).is_some()).flat_map(|(name, value)| {
                let one = |value: &Value| Value::Object([(name.clone(), value.clone())].into_iter().collect());
                diff(Some(&one(value)), Some(&one(&now[name])))
            });
        // Of a change that went back, only what it had changed is compared.
        let changed = diff(revision.before.as_ref(), revision.after.as_ref());
        let concerned =
            |pointer: &str| revision.after.is_none() || changed.iter().any(|change| change.pointer == pointer);
        let lost = lost.filter(|change| concerned(&change.pointer));
        let lost = lost.filter(|change| not_undone.iter().all(|known| known.pointer != change.pointer));
        let say = |change: crate::control::diff::FieldChange| NotUndone {
            detail: format!("was {}, is {}", change.before, change.after),
            pointer: change.pointer,
        };
        let lost: Vec<NotUndone> = lost.map(say).collect();
        not_undone.extend(lost);
    }
    Ok(Json(Reverted { reverted: revision.number, object, not_undone, effect }).into_response())
}
