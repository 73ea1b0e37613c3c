//! Rows of `revisions` and their head: the log of configuration changes.
//!
//! Invariant: numbers have no gap and follow commit order, since [`next`] takes a row lock
//! that is held until the commit.

use super::{DbError, Result, Row, Tx};
use crate::model::Revision;
use crate::model::revision::Touch;

/// A revision.
#[derive(Debug, Clone)]
pub struct RevisionRow {
    /// Its number.
    pub number: i64,
    /// Unix milliseconds.
    pub at: i64,
    /// Who: the id of a user, key or mailbox, or `system`.
    pub caller: String,
    /// What was done: the operation's name.
    pub action: String,
    /// The id of what it was done to.
    pub object: String,
    /// The path of the tenant that the object belongs to.
    pub path: String,
    /// The object before, as JSON; none when it was created.
    pub before: Option<String>,
    /// The object after, as JSON; none when it was deleted.
    pub after: Option<String>,
    /// What nodes have to look at again.
    pub touches: Vec<Touch>,
    /// The revision that it undoes.
    pub undoes: Option<i64>,
    /// The id of the user or mailbox for whom the caller acted.
    pub on_behalf_of: Option<String>,
    /// The columns that cannot be read: what they stand for is empty.
    pub damaged: Vec<&'static str>,
}

/// What is read of a revision.
macro_rules! columns {
    () => {
        "number, at, caller, action, object, path, before_json, after_json, touches, undoes, on_behalf_of"
    };
}

/// A row as far as it can be read: one that is damaged breaks nothing but itself.
fn read(row: &Row) -> Result<RevisionRow> {
    let number = row.get(0)?;
    let mut damaged = Vec::new();
    let at = or_empty(row.get(1), "at", &mut damaged);
    let caller = or_empty(row.get(2), "caller", &mut damaged);
    let mut action: String = or_empty(row.get(3), "action", &mut damaged);
    // A line of an event stream, and a word of ours.
    if action.chars().any(char::is_control) {
        action = String::new();
        damaged.push("action");
    }
    let object = or_empty(row.get(4), "object", &mut damaged);
    let path = or_empty(row.get(5), "path", &mut damaged);
    let before = or_empty(row.get(6).and_then(checked_json), "before_json", &mut damaged);
    let after = or_empty(row.get(7).and_then(checked_json), "after_json", &mut damaged);
    let touches = or_empty(read_touches(row, 8), "touches", &mut damaged);
    let undoes = or_empty(row.get(9), "undoes", &mut damaged);
    let on_behalf_of = or_empty(row.get(10), "on_behalf_of", &mut damaged);
    if !damaged.is_empty() {
        tracing::error!(revision = number, columns = ?damaged, "a revision in the log is damaged");
    }
    Ok(RevisionRow { number, at, caller, action, object, path, before, after, touches, undoes, on_behalf_of, damaged })
}

fn or_empty<T: Default>(value: Result<T>, column: &'static str, damaged: &mut Vec<&'static str>) -> T {
    value.unwrap_or_else(|_| {
        damaged.push(column);
        T::default()
    })
}

fn checked_json(text: Option<String>) -> Result<Option<String>> {
    let wrong = text.as_deref().and_then(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).err());
    wrong.map_or(Ok(text), |error| Err(DbError::Damaged(error.to_string())))
}

fn read_touches(row: &Row, column: usize) -> Result<Vec<Touch>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|e| DbError::Damaged(e.to_string()))
}

/// Takes the next number and the lock that keeps it the next one.
pub async fn next(tx: &mut Tx) -> Result<Revision> {
    const SQL: &str = "UPDATE revision_head SET number = number + 1 WHERE one = 1 RETURNING number";
    let row = tx.one(SQL, &[]).await?.ok_or_else(|| DbError::Damaged("revision_head is empty".into()))?;
    row.get(0).map(Revision)
}

/// The newest number.
pub async fn newest(tx: &mut Tx) -> Result<Revision> {
    let row = tx.one("SELECT number FROM revision_head WHERE one = 1", &[]).await?;
    row.ok_or_else(|| DbError::Damaged("revision_head is empty".into()))?.get(0).map(Revision)
}

/// Appends a revision whose number is from [`next`] of the same transaction.
pub async fn insert(tx: &mut Tx, revision: &RevisionRow) -> Result<()> {
    const SQL: &str = "INSERT INTO revisions (number, at, caller, action, object, path, before_json, after_json, touches, undoes, on_behalf_of) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let touches = serde_json::to_string(&revision.touches).map_err(|e| DbError::Damaged(e.to_string()))?;
    let args = [
        revision.number.into(),
        revision.at.into(),
        revision.caller.as_str().into(),
        revision.action.as_str().into(),
        revision.object.as_str().into(),
        revision.path.as_str().into(),
        revision.before.clone().into(),
        revision.after.clone().into(),
        touches.into(),
        revision.undoes.into(),
        revision.on_behalf_of.clone().into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// What revisions after `number` touch, in order, at most `limit` of them. One that cannot be read says why instead,
/// and hides none of the others.
pub async fn touches_after(tx: &mut Tx, number: Revision, limit: i64) -> Result<Vec<(Revision, Result<Vec<Touch>>)>> {
    const SQL: &str = "SELECT number, touches FROM revisions WHERE number > $1 ORDER BY number LIMIT $2";
    let rows = tx.all(SQL, &[number.0.into(), limit.into()]).await?;
    rows.iter().map(|row| Ok((Revision(row.get(0)?), read_touches(row, 1)))).collect()
}

/// One revision.
pub async fn find(tx: &mut Tx, number: i64) -> Result<Option<RevisionRow>> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM revisions WHERE number = $1");
    tx.one(SQL, &[number.into()]).await?.as_ref().map(read).transpose()
}

/// The newest revision that undoes one.
pub async fn undone_by(tx: &mut Tx, number: i64) -> Result<Option<i64>> {
    const SQL: &str = "SELECT MAX(number) FROM revisions WHERE undoes = $1";
    tx.one(SQL, &[number.into()]).await?.map_or(Ok(None), |row| row.get(0))
}

/// Revisions of objects of tenants at and below a path, newest first, before a number.
pub async fn list(tx: &mut Tx, path: &str, before: i64, limit: i64) -> Result<Vec<RevisionRow>> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM revisions WHERE path >= $1 AND path < $2 AND number < $3 ORDER BY number DESC LIMIT $4"
    );
    let args = [path.into(), super::tenants::path_end(path).into(), before.into(), limit.into()];
    tx.all(SQL, &args).await?.iter().map(read).collect()
}

/// Revisions of objects of tenants at and below a path, oldest first, after a number.
pub async fn list_after(tx: &mut Tx, path: &str, after: i64, limit: i64) -> Result<Vec<RevisionRow>> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM revisions WHERE path >= $1 AND path < $2 AND number > $3 ORDER BY number LIMIT $4"
    );
    let args = [path.into(), super::tenants::path_end(path).into(), after.into(), limit.into()];
    tx.all(SQL, &args).await?.iter().map(read).collect()
}

/// What a revision is about, without what it says.
#[derive(Debug, Clone)]
pub struct Heading {
    /// Its number.
    pub number: i64,
    /// The path of the tenant that the object belongs to.
    pub path: String,
    /// What was done.
    pub action: String,
}

/// Headings of all revisions after a number, in order, at most `limit` of them.
pub async fn headings_after(tx: &mut Tx, number: i64, limit: i64) -> Result<Vec<Heading>> {
    const SQL: &str = "SELECT number, path, action FROM revisions WHERE number > $1 ORDER BY number LIMIT $2";
    let rows = tx.all(SQL, &[number.into(), limit.into()]).await?;
    // What cannot be read is nobody's.
    let heading = |row: &Row| {
        let (path, action) = (row.get(1).unwrap_or_default(), row.get(2).unwrap_or_default());
        Ok(Heading { number: row.get(0)?, path, action })
    };
    rows.iter().map(heading).collect()
}

/// The oldest revisions that are still kept, in order.
pub async fn oldest_of(tx: &mut Tx, limit: i64) -> Result<Vec<RevisionRow>> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM revisions ORDER BY number LIMIT $1");
    tx.all(SQL, &[limit.into()]).await?.iter().map(read).collect()
}

/// Drops all revisions up to a number; how many that were.
pub async fn drop_through(tx: &mut Tx, number: i64) -> Result<u64> {
    tx.execute("DELETE FROM revisions WHERE number <= $1", &[number.into()]).await
}

/// The oldest number that is still kept.
pub async fn oldest(tx: &mut Tx) -> Result<Option<i64>> {
    tx.one("SELECT MIN(number) FROM revisions", &[]).await?.map_or(Ok(None), |row| row.get(0))
}

/// Revisions of one object, newest first, before a number.
pub async fn list_of_object(
    tx: &mut Tx,
    object: &str,
    path: &str,
    before: i64,
    limit: i64,
) -> Result<Vec<RevisionRow>> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM revisions WHERE object = $1 AND path >= $2 AND path < $3 AND number < $4 ORDER BY number DESC LIMIT $5"
    );
    let args = [object.into(), path.into(), super::tenants::path_end(path).into(), before.into(), limit.into()];
    tx.all(SQL, &args).await?.iter().map(read).collect()
}

/// Numbers that the log lacks, at most a hundred; what history has dropped at its beginning is no gap.
pub async fn gaps(tx: &mut Tx) -> Result<Vec<i64>> {
    const SQL: &str = "SELECT r.number + 1 FROM revisions r LEFT JOIN revisions n ON n.number = r.number + 1 \
         WHERE n.number IS NULL AND r.number < (SELECT number FROM revision_head WHERE one = 1) \
         ORDER BY r.number LIMIT 100";
    tx.all(SQL, &[]).await?.iter().map(|row| row.get(0)).collect()
}
