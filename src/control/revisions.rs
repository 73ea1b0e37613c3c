//! Revisions as callers see them: who changed what, when, before and after.

use super::diff::{FieldChange, diff};
use super::{Caller, CallerId, Control, Error, Paged, Result, undo};
use crate::db::revisions::{self as rows, RevisionRow};
use crate::model::{Revision, Timestamp, bounds};

/// A revision.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct RevisionView {
    /// Its number.
    #[schema(example = 42)]
    pub number: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who: the id of a user, key or mailbox, or `system`.
    pub caller: String,
    /// The user or mailbox for whom the caller acted; `null` where for nobody else.
    #[schema(example = json!(null))]
    pub on_behalf_of: Option<String>,
    /// What was done.
    #[schema(example = "update_mailbox_protocols")]
    pub action: String,
    /// The id of what it was done to.
    pub object: String,
    /// The object before; none when it was created.
    #[schema(value_type = Option<Object>)]
    pub before: Option<serde_json::Value>,
    /// The object after; none when it was deleted.
    #[schema(value_type = Option<Object>)]
    pub after: Option<serde_json::Value>,
    /// The revision that it undoes, if it does.
    pub undoes: Option<i64>,
    /// `unreadable` where a part of it cannot be read in the database any more: that part is empty here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damaged: Option<&'static str>,
}

/// A revision, what differs by it, and whether it can be undone.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct RevisionDetail {
    /// The revision.
    #[serde(flatten)]
    pub revision: RevisionView,
    /// Each field that differs.
    pub changes: Vec<FieldChange>,
    /// The newest revision that undoes it, if one does.
    pub undone_by: Option<i64>,
    /// Why it cannot be undone, if it cannot: what it takes is kept nowhere. Conflicts show when it is tried.
    #[schema(example = json!(null))]
    pub not_revertible: Option<String>,
}

impl From<RevisionRow> for RevisionView {
    fn from(row: RevisionRow) -> Self {
        let parse = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        Self {
            number: row.number,
            at: Timestamp(row.at),
            caller: row.caller,
            on_behalf_of: row.on_behalf_of,
            action: row.action,
            object: row.object,
            before: parse(row.before),
            after: parse(row.after),
            undoes: row.undoes,
            damaged: (!row.damaged.is_empty()).then_some("unreadable"),
        }
    }
}

/// The object whose log is all that the caller sees: a mailbox's owner sees that of the mailbox.
fn own_log(caller: &Caller) -> Option<String> {
    matches!(caller.id, CallerId::Mailbox(_)).then(|| caller.id.to_string())
}

/// Why what is damaged cannot be undone.
pub const DAMAGED: &str = "it cannot be read any more: the database is damaged there";

/// One revision of an object that the caller reaches.
pub async fn get(control: &Control, caller: &Caller, number: i64) -> Result<RevisionView> {
    let mut tx = control.db.read().await?;
    let row = rows::find(&mut tx, number).await?.ok_or(Error::NotFound)?;
    if own_log(caller).is_none_or(|own| own != row.object) {
        caller.reach(&row.path)?;
    }
    Ok(row.into())
}

/// One revision with what differs by it.
pub async fn detail(control: &Control, caller: &Caller, number: i64) -> Result<RevisionDetail> {
    let revision = get(control, caller, number).await?;
    let undone_by = rows::undone_by(&mut control.db.read().await?, number).await?;
    let changes = diff(revision.before.as_ref(), revision.after.as_ref());
    let nothing = "it shows no difference: passwords and other secrets are not kept";
    let not_revertible = match undo::opposite(&revision.action, &revision.object) {
        _ if revision.damaged.is_some() => Some(DAMAGED.to_owned()),
        Err(reason) => Some(reason.to_owned()),
        Ok(_) if changes.is_empty() => Some(nothing.to_owned()),
        Ok(_) => None,
    };
    Ok(RevisionDetail { revision, changes, undone_by, not_revertible })
}

/// Revisions of objects that the caller reaches, newest first; the second value is where the next page begins.
pub async fn list(
    control: &Control,
    caller: &Caller,
    object: Option<&str>,
    before: Option<i64>,
    limit: usize,
) -> Result<(Vec<RevisionView>, Option<i64>)> {
    let own = own_log(caller);
    let (path, object) = match &own {
        Some(own) if object.is_none_or(|object| object == own) => (caller.path.as_str(), Some(own.as_str())),
        _ => (caller.list_path()?, object),
    };
    let limit = limit.clamp(1, bounds::PAGE_ITEMS);
    let (before, fetch) = (before.unwrap_or(i64::MAX), limit as i64 + 1);
    let mut tx = control.db.read().await?;
    let rows = match object {
        // PostgreSQL refuses such a text; no object has such an id.
        Some(object) if object.contains('\0') => Vec::new(),
        Some(object) => rows::list_of_object(&mut tx, object, path, before, fetch).await?,
        None => rows::list(&mut tx, path, before, fetch).await?,
    };
    let Paged { items, next } = Paged::cut(numbered(rows), limit);
    Ok((items, next))
}

/// What came after a revision.
pub struct Feed {
    /// Revisions in their order.
    pub items: Vec<RevisionView>,
    /// After which to ask next: what lies before it has been seen or is not the caller's.
    pub next_after: i64,
    /// Whether there is more already.
    pub more: bool,
}

fn numbered(rows: Vec<RevisionRow>) -> impl Iterator<Item = (RevisionView, i64)> {
    rows.into_iter().map(|row| {
        let number = row.number;
        (RevisionView::from(row), number)
    })
}

/// Revisions of objects that the caller reaches after a number, oldest first, at most `limit`.
pub async fn after(control: &Control, caller: &Caller, after: i64, limit: usize) -> Result<Feed> {
    let path = caller.list_path()?;
    let limit = limit.clamp(1, bounds::PAGE_ITEMS);
    let mut tx = control.db.read().await?;
    let newest = rows::newest(&mut tx).await?.0;
    if let Some(oldest) = rows::oldest(&mut tx).await?.filter(|oldest| after.saturating_add(1) < *oldest) {
        return Err(Error::HistoryDropped(oldest));
    }
    let rows = rows::list_after(&mut tx, path, after, limit as i64 + 1).await?;
    let Paged { items, next } = Paged::cut(numbered(rows), limit);
    Ok(Feed { items, next_after: next.unwrap_or(newest.max(after)), more: next.is_some() })
}

/// The newest revision.
pub async fn newest(control: &Control) -> Result<Revision> {
    let mut tx = control.db.read().await?;
    Ok(rows::newest(&mut tx).await?)
}
