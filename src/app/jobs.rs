//! Work that nobody waits for: mail of deleted mailboxes, POP3 expiry, forgetting old sign-ins.
//!
//! Each job takes no input and asks the database what is to be done, so that a restart loses
//! nothing. Invariant: one that fails is tried again at the next turn.

use crate::control::{Control, jobs, usage, usage_copy};
use crate::directory::Directory;
use crate::model::Revision;
use crate::model::ids::MailboxId;
use crate::store::Store;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks for purges.
const PURGE_EVERY: Duration = Duration::from_secs(1);
/// Between two copies of what mailboxes hold.
const USAGE_EVERY: Duration = Duration::from_secs(2);
/// Between two pages of the comparison.
const CHECK_REST: Duration = Duration::from_millis(50);
/// Between two looks for what was to happen by now.
const DUE_EVERY: Duration = Duration::from_secs(5);
/// Between two sweeps of everything else.
const SWEEP_EVERY: Duration = Duration::from_secs(15 * 60);

/// Where old revisions go, and after how long.
pub(super) struct History {
    /// The folder.
    pub folder: PathBuf,
    /// How long they are kept in the database.
    pub keep: Duration,
}

impl History {
    async fn export(&self, control: &Control) {
        match crate::control::history::export(control, &self.folder, self.keep).await {
            Ok(0) => {}
            Ok(revisions) => {
                tracing::info!(revisions, folder = %self.folder.display(), "old revisions were exported and dropped")
            }
            Err(error) => tracing::warn!(%error, "old revisions stay where they are"),
        }
    }
}

/// Runs the jobs until it is told to stop; a long one keeps no other waiting.
pub(super) async fn run(
    control: Control,
    directory: Directory,
    store: Store,
    history: Option<History>,
    stop: CancellationToken,
) {
    let jobs = async {
        tokio::join!(
            purge(&control, &directory, &store),
            act_when_due(&control),
            copy_usage(&control, &store),
            sweep(&control, &directory, &store, history)
        );
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = jobs => {}
    }
}

async fn purge(control: &Control, directory: &Directory, store: &Store) {
    let mut every = tokio::time::interval(PURGE_EVERY);
    let mut purged_at = Revision(-1);
    loop {
        every.tick().await;
        // Purges come with revisions: without a new one there is nothing to look for.
        let applied = directory.applied();
        if applied != purged_at && purge_mailboxes(control, directory, store).await {
            purged_at = applied;
        }
    }
}

/// Keeps the copy of what mailboxes hold; once after the start it looks for what a crash kept from being copied, a page
/// at a time.
async fn copy_usage(control: &Control, store: &Store) {
    let mut every = tokio::time::interval(USAGE_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut to_check = Some(MailboxId(0));
    loop {
        if let Some(after) = to_check {
            match usage_copy::check(control, store, after).await {
                Ok(next) => to_check = next,
                Err(error) => tracing::warn!(%error, "what mailboxes hold cannot be compared"),
            }
        }
        if let Err(error) = usage_copy::copy(control, store).await {
            tracing::debug!(%error, "what mailboxes hold is copied later");
        }
        match to_check {
            Some(_) => tokio::time::sleep(CHECK_REST).await,
            None => drop(every.tick().await),
        }
    }
}

async fn act_when_due(control: &Control) {
    let mut every = tokio::time::interval(DUE_EVERY);
    loop {
        every.tick().await;
        if let Err(error) = jobs::due(control).await {
            tracing::warn!(%error, "what was to happen by now waits");
        }
    }
}

async fn sweep(control: &Control, directory: &Directory, store: &Store, history: Option<History>) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    loop {
        every.tick().await;
        expire(control, directory, store).await;
        if let Err(error) = count_usage(control, store).await {
            tracing::warn!(%error, "what mailboxes hold is not counted");
        }
        if let Some(history) = &history {
            history.export(control).await;
        }
        if let Err(error) = jobs::forget(control).await {
            tracing::warn!(%error, "old sign-ins are not forgotten");
        }
    }
}

/// Removes the mail of deleted mailboxes; true when none is left.
async fn purge_mailboxes(control: &Control, directory: &Directory, store: &Store) -> bool {
    let mailboxes = match jobs::purges(control).await {
        Ok(mailboxes) => mailboxes,
        Err(error) => {
            tracing::warn!(%error, "purges cannot be read");
            return false;
        }
    };
    // A full batch may have left more behind.
    let mut all = mailboxes.len() < jobs::PURGE_BATCH;
    for mailbox in mailboxes {
        // Sessions were told to end; their last words may still be under way.
        if !directory.sessions().of_mailbox(mailbox).is_empty() {
            all = false;
            continue;
        }
        let purged = match store.delete_mailbox(mailbox).await {
            Ok(()) => jobs::purged(control, mailbox).await.map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = purged {
            tracing::warn!(%mailbox, error, "a deleted mailbox's mail is still there");
            all = false;
        }
    }
    all
}

/// Removes what POP3 retrieved longer ago than each mailbox's policy keeps it.
async fn expire(control: &Control, directory: &Directory, store: &Store) {
    let mut after = MailboxId(0);
    loop {
        let mailboxes = match jobs::with_expiry(control, after).await {
            Ok(mailboxes) => mailboxes,
            Err(error) => return tracing::warn!(%error, "expiry cannot be read"),
        };
        let Some(last) = mailboxes.last() else { return };
        after = *last;
        for mailbox in mailboxes {
            let Ok(Some(config)) = directory.mailbox(mailbox).await else { continue };
            match crate::delivery::expire(store, &config, control.now_ms() / 1000).await {
                Ok(0) => {}
                Ok(expired) => tracing::info!(%mailbox, expired, "retrieved messages expired"),
                Err(error) => tracing::warn!(%mailbox, %error, "retrieved messages are still there"),
            }
        }
    }
}

/// Once an hour, and on one node: counts what mailboxes hold.
async fn count_usage(control: &Control, store: &Store) -> anyhow::Result<()> {
    if !usage::take_turn(control).await? {
        return Ok(());
    }
    let (mut after, mut changed) = (MailboxId(0), 0);
    loop {
        let mailboxes = usage::to_count(control, after).await?;
        let Some(last) = mailboxes.last() else { break };
        after = *last;
        let held = store.usages(&mailboxes).await?;
        // Of a damaged counter nothing is known: what was counted last stands.
        let held: Vec<_> = mailboxes.into_iter().zip(held).filter_map(|(id, held)| Some((id, held?))).collect();
        changed += usage::count(control, &held).await?;
    }
    while usage::count_gone(control).await? > 0 {}
    tracing::debug!(changed, "usage was counted");
    Ok(())
}
