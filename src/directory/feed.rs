//! Following the revision log: what a change touches becomes void, the sessions it concerns end.
//!
//! Woken by commits of this process, by other nodes' notifications and by a timer, it takes no
//! input and reads the log, so there is one way. What it cannot know of, an unreadable row or rows that are
//! gone, counts as touching everything. Invariant: a revision counts as applied only
//! after every session in its scope was looked at with configuration at least as new.

use super::sessions::Entry;
use super::{Applied, EndReason, Inner, MailboxConfig, load, nodes};
use crate::db::{DbError, Tx, revisions};
use crate::model::ids::MailboxId;
use crate::model::{Revision, SettingLevel, Touch};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// How long it may take to see a revision when every wake-up was lost.
const TIMER: Duration = Duration::from_secs(1);
/// How long to rest when the database does not answer.
const REST: Duration = Duration::from_millis(100);
/// Revisions read at once.
const BATCH: i64 = 500;
/// Revisions whose effect is remembered for the answers of their writes.
const REMEMBERED: usize = 4096;
/// Of them, how many other nodes are told of.
const REPORTED: usize = 64;

/// A node that has not seen the log for so long answers nothing from memory: whoever was
/// shut out meanwhile must not come in here.
const BLIND: Duration = Duration::from_secs(10);

/// How far this node has come.
pub(super) struct Progress {
    seen: Mutex<Instant>,
    applied: watch::Sender<Revision>,
    effects: Mutex<BTreeMap<Revision, Applied>>,
}

impl Progress {
    pub fn new(newest: Revision) -> Self {
        Self { seen: Mutex::new(Instant::now()), applied: watch::Sender::new(newest), effects: Mutex::default() }
    }

    /// Whether the log was read a short while ago.
    pub fn sees(&self) -> bool {
        self.seen.lock().elapsed() < BLIND
    }

    pub fn applied(&self) -> Revision {
        *self.applied.borrow()
    }

    pub async fn wait(&self, revision: Revision) -> Applied {
        // The sender lives as long as the directory, so this ends only when it is true.
        let _ = self.applied.subscribe().wait_for(|applied| *applied >= revision).await;
        self.effect(revision)
    }

    /// What a revision that is applied did here.
    pub fn effect(&self, revision: Revision) -> Applied {
        self.effects.lock().get(&revision).copied().unwrap_or_default()
    }

    /// Changes with each revision that is applied.
    pub fn subscribe(&self) -> watch::Receiver<Revision> {
        self.applied.subscribe()
    }

    /// What the newest revisions did that met sessions here.
    pub fn recent_effects(&self) -> Vec<(i64, u64, u64)> {
        let effects = self.effects.lock();
        let met = effects.iter().rev().filter(|(_, effect)| **effect != Applied::default());
        met.take(REPORTED).map(|(at, effect)| (at.0, effect.sessions_closed, effect.sessions_remaining)).collect()
    }

    fn done(&self, revision: Revision, effect: Applied) {
        let mut effects = self.effects.lock();
        effects.insert(revision, effect);
        if effects.len() > REMEMBERED {
            effects.pop_first();
        }
        drop(effects);
        self.applied.send_replace(revision);
    }
}

/// Follows the log until the shutdown.
pub(super) async fn follow(inner: &Inner, committed: Arc<Notify>, shutdown: CancellationToken) {
    let notified = Arc::new(Notify::new());
    let listening = listen(inner, notified.clone());
    let following = async {
        let mut ahead = Ahead::new();
        loop {
            tokio::select! {
                () = committed.notified() => {}
                () = notified.notified() => {}
                () = tokio::time::sleep(TIMER) => {}
            }
            while let Err(error) = catch_up(inner, &mut ahead).await {
                tracing::warn!(%error, "the revision log cannot be read");
                tokio::time::sleep(REST).await;
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = following => {}
        () = listening => {}
        () = nodes::run(inner) => {}
    }
    nodes::leave(inner).await;
}

/// Hears other nodes' commits; on SQLite there are none.
async fn listen(inner: &Inner, notified: Arc<Notify>) {
    loop {
        match inner.db.listen("facteur_revisions").await {
            Ok(None) => std::future::pending().await,
            Ok(Some(mut listener)) => {
                // What came while nobody listened is read now.
                notified.notify_one();
                if let Err(error) = listener.listen(nodes::CHANNEL).await {
                    tracing::warn!(%error, "other nodes' progress cannot be heard");
                }
                while let Ok(heard) = listener.recv().await {
                    if heard.channel() == nodes::CHANNEL { &inner.nodes.news } else { &notified }.notify_one();
                }
            }
            Err(error) => tracing::warn!(%error, "other nodes cannot be heard"),
        }
        tokio::time::sleep(REST).await;
    }
}

async fn catch_up(inner: &Inner, ahead: &mut Ahead) -> Result<(), super::DirectoryError> {
    loop {
        let mut tx = inner.db.read().await?;
        let later = revisions::touches_after(&mut tx, inner.feed.applied(), BATCH).await?;
        let newest = revisions::newest(&mut tx).await?;
        drop(tx);
        let complete = later.is_empty();
        for (revision, touches) in later {
            mind_gap(inner, Revision(revision.0 - 1), ahead).await?;
            let effect = apply(inner, revision, &scope_of(revision, touches), ahead).await?;
            inner.feed.done(revision, effect);
        }
        if complete {
            mind_gap(inner, newest, ahead).await?;
            ahead.clear();
            *inner.feed.seen.lock() = Instant::now();
            return Ok(());
        }
    }
}

/// What a revision touches.
enum Scope {
    These(Vec<Touch>),
    /// It is not known: whatever is remembered may be old, and every session may have lost its right.
    Everything,
}

impl Scope {
    fn touches(&self, session: &Entry) -> bool {
        match self {
            Self::These(touches) => touches.iter().any(|touch| session.is_touched_by(touch)),
            Self::Everything => true,
        }
    }

    /// Whether sessions of this one's protocol lose their right by it.
    fn closes(&self, session: &Entry) -> bool {
        match self {
            Self::These(touches) => touches.contains(&Touch::Closes(session.protocol)),
            Self::Everything => true,
        }
    }
}

/// A damaged row must not keep this node from obeying those after it.
fn scope_of(revision: Revision, touches: Result<Vec<Touch>, DbError>) -> Scope {
    touches.map_or_else(
        |error| {
            tracing::error!(%revision, %error, "a revision cannot be read: everything is read anew");
            Scope::Everything
        },
        Scope::These,
    )
}

/// Numbers have no gap, so what is missing up to here was dropped from the log before this node saw it: it was away for
/// longer than history is kept.
async fn mind_gap(inner: &Inner, through: Revision, ahead: &mut Ahead) -> Result<(), super::DirectoryError> {
    let applied = inner.feed.applied();
    if applied >= through {
        return Ok(());
    }
    tracing::error!(%applied, missing_through = %through, "revisions are gone unseen: everything is read anew");
    let effect = apply(inner, through, &Scope::Everything, ahead).await?;
    inner.feed.done(through, effect);
    Ok(())
}

/// Sessions that were ended before the revision was applied which took their right: what is read for a revision
/// may already hold what a later one did. They count as the later one's.
type Ahead = Vec<Arc<Entry>>;

/// Makes void what a revision touches and looks at the sessions in its scope.
async fn apply(
    inner: &Inner,
    revision: Revision,
    scope: &Scope,
    ahead: &mut Ahead,
) -> Result<Applied, super::DirectoryError> {
    match scope {
        Scope::These(touches) => inner.cache.touch(revision, touches),
        Scope::Everything => inner.cache.touch_everything(revision),
    }
    let mut effect = Applied::default();
    ahead.retain(|session| {
        let touched = scope.touches(session);
        let own = touched && scope.closes(session);
        effect.sessions_closed += u64::from(own);
        effect.sessions_remaining += u64::from(touched && !own);
        !own
    });
    let concerned = match scope {
        Scope::These(touches) => concerned(inner, touches),
        Scope::Everything => inner.registry.below(|_| true),
    };
    for (mailbox, sessions) in concerned {
        let at = inner.clock.now_ms();
        let now = inner.mailbox(mailbox).await?;
        for session in sessions.iter().filter(|session| !session.is_ending()) {
            if let Some(now) = &now {
                session.stands_below(&now.above);
            }
            match verdict(session, now.as_deref(), at) {
                Some(reason) if !session.end(reason) => {}
                Some(_) if scope.closes(session) => effect.sessions_closed += 1,
                Some(_) => {
                    ahead.push(session.clone());
                    effect.sessions_remaining += 1;
                }
                None => effect.sessions_remaining += 1,
            }
        }
    }
    Ok(effect)
}

/// What a change that is not committed would do to the sessions of this node: the same questions, asked in
/// its own transaction.
pub(super) async fn foresee(inner: &Inner, tx: &mut Tx, touches: &[Touch]) -> Result<Applied, super::DirectoryError> {
    let mut effect = Applied::default();
    for (mailbox, sessions) in concerned(inner, touches) {
        let at = inner.clock.now_ms();
        let then = load::mailbox_in(tx, mailbox, at).await?;
        for session in sessions.iter().filter(|session| !session.is_ending()) {
            match verdict(session, then.as_ref(), at) {
                Some(_) => effect.sessions_closed += 1,
                None => effect.sessions_remaining += 1,
            }
        }
    }
    Ok(effect)
}

/// The sessions in the scope of a change, by mailbox.
fn concerned(inner: &Inner, touches: &[Touch]) -> HashMap<MailboxId, Vec<Arc<Entry>>> {
    let mut concerned: HashMap<MailboxId, Vec<Arc<Entry>>> = HashMap::new();
    for touch in touches {
        match touch {
            Touch::Mailbox(id) => concerned.extend([(*id, inner.registry.of_mailbox(*id))]),
            Touch::Domain(id) => concerned.extend(inner.registry.of_domain(*id)),
            Touch::Tenant(id) => concerned.extend(inner.registry.below(|above| above.tenants.contains(id))),
            Touch::Plan(id) => concerned.extend(inner.registry.below(|above| above.plans.contains(id))),
            Touch::Alias(_) | Touch::User(_) | Touch::Key(_) | Touch::Closes(_) => {}
        }
    }
    concerned.retain(|_, sessions| !sessions.is_empty());
    concerned
}

/// Why a session may not go on, if it may not.
pub(super) fn verdict(session: &Entry, now: Option<&MailboxConfig>, at: i64) -> Option<EndReason> {
    let Some(now) = now else { return Some(EndReason::MailboxGone) };
    if now.address.key() != &*session.address_key {
        return Some(EndReason::MailboxGone);
    }
    match session.app_password {
        None if now.password_epoch != session.password_epoch => return Some(EndReason::PasswordChanged),
        None if now.app_passwords_only => return Some(EndReason::PasswordRevoked),
        Some(id) if !session.is_open_to(now.app_password(id), at) => return Some(EndReason::PasswordRevoked),
        _ => {}
    }
    let access = now.access(session.protocol);
    if session.is_admitted(access) {
        return None;
    }
    match access.source {
        SettingLevel::Suspension if !access.allowed => Some(EndReason::Suspended),
        _ => Some(EndReason::ProtocolDisabled),
    }
}
