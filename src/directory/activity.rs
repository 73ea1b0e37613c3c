//! What mailboxes do, counted behind their backs.
//!
//! Whoever serves mail leaves a note, and one task adds the notes up, many in one transaction. Invariant: no mail waits
//! for a note or fails for want of one; of a crash the counts of its last second are lost.

use super::sends::subjects;
use super::{Directory, MailboxConfig};
use crate::db::usage::{self, Done};
use crate::db::{Tx, sends};
use crate::model::Day;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Notes that wait to be added up; what comes beyond is not counted.
const NOTES: usize = 10_000;
/// How long notes are gathered for one write.
const GATHER: Duration = Duration::from_secs(1);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Did {
    /// A message came in.
    Received,
    /// A message was sent; to so many recipients, where these are not counted already.
    Sent(usize),
}

struct Note {
    mailbox: Arc<MailboxConfig>,
    at: i64,
    did: Did,
}

/// Where notes are left; cheap to clone.
#[derive(Clone)]
pub struct Activity(mpsc::Sender<Note>);

impl Activity {
    /// A mailbox has sent a message to so many recipients.
    pub fn sent(&self, mailbox: &Arc<MailboxConfig>, at: i64, recipients: usize) {
        // What something limits was counted before it was delivered.
        let recipients = if mailbox.send_limits.is_empty() { recipients } else { 0 };
        self.leave(mailbox, at, Did::Sent(recipients));
    }

    /// A mailbox has got a message.
    pub fn received(&self, mailbox: &Arc<MailboxConfig>, at: i64) {
        self.leave(mailbox, at, Did::Received);
    }

    fn leave(&self, mailbox: &Arc<MailboxConfig>, at: i64, did: Did) {
        let _ = self.0.try_send(Note { mailbox: mailbox.clone(), at, did });
    }
}

/// Adds up what is noted; see [`Counting::run`].
pub struct Counting {
    notes: mpsc::Receiver<Note>,
    directory: Directory,
}

impl Counting {
    /// Where to leave notes, and the task that adds them up.
    pub fn new(directory: Directory) -> (Activity, Self) {
        let (sender, notes) = mpsc::channel(NOTES);
        (Activity(sender), Self { notes, directory })
    }

    /// Adds notes up until the shutdown.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let first = tokio::select! {
                biased;
                note = self.notes.recv() => note,
                () = shutdown.cancelled() => None,
            };
            let Some(first) = first else { return };
            // What more comes is added; a shutdown writes at once what is there.
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = shutdown.cancelled() => {}
            }
            let mut sums = Sums::default();
            sums.add(&first);
            while let Ok(note) = self.notes.try_recv() {
                sums.add(&note);
            }
            if let Err(error) = self.write(&sums).await {
                tracing::warn!(%error, "what mailboxes did is not counted");
            }
        }
    }

    async fn write(&self, sums: &Sums) -> crate::db::Result<()> {
        let mut tx = self.directory.inner().db.write().await?;
        for ((subject, at), recipients) in &sums.sends {
            sends::add(&mut tx, *subject, *at, *recipients).await?;
        }
        sums.done.write(&mut tx).await?;
        tx.commit().await
    }
}

/// Sums of notes, in an order that is the same on all nodes.
#[derive(Default)]
struct Sums {
    sends: BTreeMap<(i64, i64), i64>,
    done: DoneByDay,
}

impl Sums {
    fn add(&mut self, Note { mailbox, at, did }: &Note) {
        match did {
            Did::Received => self.done.add(mailbox, *at, |done| done.received += 1),
            Did::Sent(recipients) => {
                self.done.add(mailbox, *at, |done| done.sent += 1);
                for subject in subjects(mailbox).filter(|_| *recipients > 0) {
                    *self.sends.entry((subject, *at)).or_default() += *recipients as i64;
                }
            }
        }
    }
}

/// What was done, by whom and on which day: a mailbox, its domain, its tenant and those above.
#[derive(Default)]
pub(super) struct DoneByDay(BTreeMap<(i64, Day), Done>);

impl DoneByDay {
    /// Adds what a mailbox did.
    pub fn add(&mut self, mailbox: &MailboxConfig, at: i64, count: impl Fn(&mut Done)) {
        for subject in subjects(mailbox).chain([mailbox.domain.0]) {
            count(self.0.entry((subject, Day::of(at))).or_default());
        }
    }

    /// Writes all of it, in an order that is the same on all nodes.
    pub async fn write(&self, tx: &mut Tx) -> crate::db::Result<()> {
        for ((subject, day), done) in &self.0 {
            usage::add_done(tx, *subject, *day, done).await?;
        }
        Ok(())
    }
}
