//! The nodes of this configuration: each reports how far it has come, and each knows what the others reported.
//!
//! On SQLite there is one node, and its own memory is all there is to know. Invariant: this node's own progress is
//! always told from memory, so that an answer never says less of it than it has done.

use super::feed::Progress;
use super::{DirectoryError, Inner};
use crate::clock::Clock;
use crate::db::Db;
use crate::db::nodes::{self as rows, NodeRow};
use crate::model::ids::NodeId;
use crate::model::{Revision, bounds};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// What PostgreSQL nodes are woken on when one has come further.
pub(super) const CHANNEL: &str = "facteur_applied";
/// Between two reports of a node that has no news.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Reports rest so long: what is applied meanwhile goes into the next.
const COALESCE: Duration = Duration::from_millis(5);
/// Rows of nodes that are gone are kept for so long.
const KEPT_MS: i64 = 24 * 3600 * 1000;

/// A node as this one knows it.
#[derive(Debug, Clone)]
pub struct NodeInfo {
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
    /// False once it has not been seen for [`bounds::NODE_GONE_TIME`].
    pub live: bool,
    /// Whether it is the node that was asked.
    pub own: bool,
}

/// How far a revision has come on all nodes, and what it did to their sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Everywhere {
    /// Nodes that obey it.
    pub nodes: u32,
    /// Live nodes that do not yet.
    pub pending: u32,
    /// Sessions that it ended on the nodes that obey it.
    pub sessions_closed: u64,
    /// Sessions in its scope that go on there.
    pub sessions_remaining: u64,
}

/// What this node knows of all.
pub(super) struct Nodes {
    id: NodeId,
    name: String,
    started_at: i64,
    others: watch::Sender<Vec<NodeRow>>,
    pub news: Arc<Notify>,
}

impl Nodes {
    pub fn new(name: &str, started_at: i64) -> Self {
        let id = NodeId((rand::random::<u64>() >> 1).max(1) as i64);
        Self { id, name: name.to_owned(), started_at, others: watch::Sender::default(), news: Arc::default() }
    }

    /// Waits until all live nodes obey a revision that this one obeys, but no longer than `patience`.
    pub async fn everywhere(
        &self,
        clock: &Clock,
        feed: &Progress,
        revision: Revision,
        patience: Duration,
    ) -> Everywhere {
        let own = feed.effect(revision);
        let count = |others: &[NodeRow]| {
            let start = Everywhere {
                nodes: 1,
                pending: 0,
                sessions_closed: own.sessions_closed,
                sessions_remaining: own.sessions_remaining,
            };
            others.iter().filter(|node| is_live(node, clock.now_ms())).fold(start, |all, node| add(all, node, revision))
        };
        let mut others = self.others.subscribe();
        let mut counted = count(&others.borrow_and_update());
        let all = async {
            while counted.pending > 0 && others.changed().await.is_ok() {
                counted = count(&others.borrow_and_update());
            }
        };
        let _ = tokio::time::timeout(patience, all).await;
        counted
    }

    /// All nodes, this one first.
    pub fn list(&self, now: i64, applied: Revision) -> Vec<NodeInfo> {
        let (name, started_at) = (self.name.clone(), self.started_at);
        let own = NodeInfo { id: self.id, name, started_at, seen_at: now, applied, live: true, own: true };
        let view = |node: &NodeRow| NodeInfo {
            id: node.id,
            name: node.name.clone(),
            started_at: node.started_at,
            seen_at: node.seen_at,
            applied: node.applied,
            live: is_live(node, now),
            own: false,
        };
        std::iter::once(own).chain(self.others.borrow().iter().map(view)).collect()
    }

    async fn refresh(&self, db: &Db) -> Result<(), DirectoryError> {
        let rows = rows::list(&mut db.read().await?).await?;
        self.others.send_replace(rows.into_iter().filter(|node| node.id != self.id).collect());
        Ok(())
    }

    async fn report(&self, inner: &Inner) -> Result<(), DirectoryError> {
        let now = inner.clock.now_ms();
        let row = NodeRow {
            id: self.id,
            name: self.name.clone(),
            started_at: self.started_at,
            seen_at: now,
            applied: inner.feed.applied(),
            effects: inner.feed.recent_effects(),
        };
        let mut tx = inner.db.write_lightly().await?;
        rows::report(&mut tx, &row).await?;
        rows::forget(&mut tx, now - KEPT_MS).await?;
        tx.notify(CHANNEL).await?;
        Ok(tx.commit().await?)
    }
}

fn is_live(node: &NodeRow, now: i64) -> bool {
    now - node.seen_at < i64::try_from(bounds::NODE_GONE_TIME.as_millis()).unwrap_or(i64::MAX)
}

fn add(all: Everywhere, node: &NodeRow, revision: Revision) -> Everywhere {
    if node.applied < revision {
        return Everywhere { pending: all.pending + 1, ..all };
    }
    let effect = node.effects.iter().find(|(number, ..)| *number == revision.0);
    let (closed, remaining) = effect.map_or((0, 0), |(_, closed, remaining)| (*closed, *remaining));
    Everywhere {
        nodes: all.nodes + 1,
        pending: all.pending,
        sessions_closed: all.sessions_closed + closed,
        sessions_remaining: all.sessions_remaining + remaining,
    }
}

/// Reports this node's progress and hears of the others'; never ends. On SQLite it has nothing to do.
pub(super) async fn run(inner: &Inner) {
    if !inner.db.is_shared() {
        return std::future::pending().await;
    }
    tokio::join!(report(inner), hear(inner));
}

async fn report(inner: &Inner) {
    let mut applied = inner.feed.subscribe();
    loop {
        if let Err(error) = inner.nodes.report(inner).await {
            tracing::warn!(%error, "other nodes cannot be told how far this one is");
        }
        tokio::time::sleep(COALESCE).await;
        let _ = tokio::time::timeout(HEARTBEAT, applied.changed()).await;
    }
}

async fn hear(inner: &Inner) {
    loop {
        if let Err(error) = inner.nodes.refresh(&inner.db).await {
            tracing::warn!(%error, "what other nodes report cannot be read");
        }
        let _ = tokio::time::timeout(HEARTBEAT, inner.nodes.news.notified()).await;
    }
}

/// Says goodbye, so that nobody waits for this node.
pub(super) async fn leave(inner: &Inner) {
    if !inner.db.is_shared() {
        return;
    }
    let left = async {
        let mut tx = inner.db.write_lightly().await?;
        rows::leave(&mut tx, inner.nodes.id).await?;
        tx.notify(CHANNEL).await?;
        tx.commit().await
    };
    if let Err(error) = left.await {
        tracing::warn!(%error, "other nodes are not told that this one ends");
    }
}
