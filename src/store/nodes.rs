//! What other nodes on the same PostgreSQL have changed: their commits name the folders, and
//! those among them that are open here are brought up to date.
//!
//! A message may be lost with its connection, so after each loss all open folders are looked at, and every
//! few seconds in any case: a connection that is cut without a word says nothing more.
//! Invariant: this only hastens; what a write of this node needs it reads under its own lock.

use super::batch::Batch;
use super::load::Needs;
use super::tx::{Tx, TxResult, Value};
use super::watches::News;
use super::writer::{Write, submit};
use super::{Result, Shared};
use crate::model::ids::{FolderId, MailboxId};
use sqlx::postgres::PgListener;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

const CHANNEL: &str = "facteur_store";
/// Ids in one message: PostgreSQL takes 8000 octets, an id has at most 21.
const IDS_PER_MESSAGE: usize = 300;
/// Without news, how long until the connection is tried and all open folders are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long to wait before listening again after a loss.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells the other nodes which folders changed, and in which mailboxes (`m7`); they hear of it if and when the
/// transaction commits.
pub(super) async fn tell(
    tx: &mut Tx,
    node: u64,
    folders: &BTreeSet<FolderId>,
    mailboxes: &BTreeSet<MailboxId>,
) -> TxResult<()> {
    if !tx.is_shared() {
        return Ok(());
    }
    let mailboxes = mailboxes.iter().map(|id| format!("m{}", id.0));
    let ids: Vec<String> = folders.iter().map(|id| id.0.to_string()).chain(mailboxes).collect();
    for part in ids.chunks(IDS_PER_MESSAGE) {
        let text = Value::Text(format!("{node:x} {}", part.join(" ")));
        tx.query("SELECT 1::BIGINT FROM (SELECT pg_notify('facteur_store', $1)) told", &[text]).await?;
    }
    Ok(())
}

/// Listens until the store is closed.
pub(super) async fn follow(shared: Weak<Shared>, pool: sqlx::PgPool) {
    while let Some(alive) = shared.upgrade().filter(|shared| shared.is_running()) {
        drop(alive);
        if let Err(error) = listen(&shared, &pool).await {
            tracing::warn!(%error, "other nodes are not heard");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen(shared: &Weak<Shared>, pool: &sqlx::PgPool) -> std::result::Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let mut ended = match shared.upgrade() {
        Some(shared) => shared.ended(),
        None => return Ok(()),
    };
    // What happened while nobody listened.
    let mut all_of_them = refresh(shared, |open| open).await;
    if let Some(shared) = shared.upgrade() {
        shared.watches.tell_all();
    }
    loop {
        // What could not be brought up to date is tried again, with the rest.
        if all_of_them.is_err() {
            return Ok(());
        }
        let heard = tokio::select! {
            heard = tokio::time::timeout(LOOK_EVERY, listener.try_recv()) => heard,
            _ = ended.wait_for(|ended| *ended) => return Ok(()),
        };
        let Ok(heard) = heard else {
            let answer = tokio::time::timeout(LOOK_EVERY, sqlx::query("SELECT 1").execute(&mut listener)).await;
            answer.map_err(|_| sqlx::Error::PoolTimedOut)??;
            all_of_them = refresh(shared, |open| open).await;
            if let Some(shared) = shared.upgrade() {
                shared.watches.tell_all();
            }
            continue;
        };
        let Some(message) = heard? else { return Ok(()) };
        let mut words = message.payload().split(' ');
        let own = shared.upgrade().is_some_and(|shared| words.next() == Some(&format!("{:x}", shared.node)));
        if !own {
            let (folders, mailboxes): (Vec<&str>, Vec<&str>) = words.partition(|word| !word.starts_with('m'));
            let named: BTreeSet<FolderId> = folders.iter().filter_map(|word| word.parse().ok()).map(FolderId).collect();
            all_of_them = refresh(shared, |open| open.into_iter().filter(|id| named.contains(id)).collect()).await;
            let ids = mailboxes.iter().filter_map(|word| word.get(1..)?.parse().ok()).map(MailboxId);
            let news = News { mailboxes: ids.collect(), ..News::default() };
            if let Some(shared) = shared.upgrade() {
                shared.watches.tell(news);
            }
        }
    }
}

/// Brings some of the open folders up to date.
async fn refresh(shared: &Weak<Shared>, choose: impl FnOnce(Vec<FolderId>) -> Vec<FolderId>) -> Result<()> {
    let Some(shared) = shared.upgrade() else { return Ok(()) };
    let folders = choose(shared.open.loaded());
    if folders.is_empty() {
        return Ok(());
    }
    let refreshed = submit(&shared, Refresh { folders }).await;
    if let Err(error) = &refreshed {
        tracing::warn!(%error, "open folders could not be brought up to date");
    }
    refreshed
}

/// Brings open folders up to date; loading them does it.
struct Refresh {
    folders: Vec<FolderId>,
}

impl Write for Refresh {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.folders.extend(&self.folders);
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        // One that is only damaged is not gone.
        let there = |id: &FolderId| batch.heads.contains_key(id) || batch.damaged.contains_key(id);
        let gone: Vec<FolderId> = self.folders.iter().copied().filter(|id| !there(id)).collect();
        batch.gone.extend(gone);
        Ok(())
    }
}

/// Begins to follow the other nodes.
pub(super) fn start(shared: &Arc<Shared>, pool: sqlx::PgPool) {
    tokio::spawn(follow(Arc::downgrade(shared), pool));
}
