//! Rows of `nodes`: which processes serve this configuration, and how far each has come.

use super::{DbError, Result, Row, Tx};
use crate::model::Revision;
use crate::model::ids::NodeId;

/// A node as it last reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Its id, another after each start.
    pub id: NodeId,
    /// The host name that it was given.
    pub name: String,
    /// Unix milliseconds.
    pub started_at: i64,
    /// When it last reported, Unix milliseconds.
    pub seen_at: i64,
    /// The newest revision that it obeys.
    pub applied: Revision,
    /// What recent revisions did there: revision, sessions closed, sessions that go on.
    pub effects: Vec<(i64, u64, u64)>,
}

fn read(row: &Row) -> Result<NodeRow> {
    let effects: String = row.get(5)?;
    Ok(NodeRow {
        id: NodeId(row.get(0)?),
        name: row.get(1)?,
        started_at: row.get(2)?,
        seen_at: row.get(3)?,
        applied: Revision(row.get(4)?),
        effects: serde_json::from_str(&effects).map_err(|e| DbError::Damaged(e.to_string()))?,
    })
}

/// All nodes, the oldest first.
pub async fn list(tx: &mut Tx) -> Result<Vec<NodeRow>> {
    const SQL: &str = "SELECT id, name, started_at, seen_at, applied, effects FROM nodes ORDER BY started_at, id";
    tx.all(SQL, &[]).await?.iter().map(read).collect()
}

/// Writes what a node reports.
pub async fn report(tx: &mut Tx, node: &NodeRow) -> Result<()> {
    const SQL: &str = "INSERT INTO nodes (id, name, started_at, seen_at, applied, effects) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, applied = excluded.applied, effects = excluded.effects";
    let effects = serde_json::to_string(&node.effects).map_err(|e| DbError::Damaged(e.to_string()))?;
    let args = [
        node.id.0.into(),
        node.name.as_str().into(),
        node.started_at.into(),
        node.seen_at.into(),
        node.applied.0.into(),
        effects.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Forgets a node that ends.
pub async fn leave(tx: &mut Tx, id: NodeId) -> Result<()> {
    tx.execute("DELETE FROM nodes WHERE id = $1", &[id.0.into()]).await.map(drop)
}

/// Forgets nodes that were not seen since a moment.
pub async fn forget(tx: &mut Tx, before: i64) -> Result<()> {
    tx.execute("DELETE FROM nodes WHERE seen_at < $1", &[before.into()]).await.map(drop)
}
