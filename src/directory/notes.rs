//! Who came in and who was refused, written behind the login's back.
//!
//! Logins only leave notes here, and one task writes them, many in one transaction. Invariant: no login waits for a
//! note or fails for want of one. What comes in and what is refused have a queue each, so that a flood of failures
//! takes no room from logins; and what such a flood may write is bounded for each mailbox, its numbers are kept.

use super::activity::DoneByDay;
use super::{Directory, Inner, MailboxConfig};
use crate::db::login_history::{self, Seen, Times};
use crate::db::logins::LoginRow;
use crate::db::{app_passwords, logins};
use crate::model::ids::{AppPasswordId, MailboxId};
use crate::model::{EmailAddress, LoginOutcome, Protocol, bounds};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Notes that wait to be written, of each kind; what comes beyond is not noted.
const NOTES: usize = 10_000;
/// How long notes are gathered for one write.
const GATHER: Duration = Duration::from_millis(200);

/// Whose login it was.
pub(super) enum Whose {
    /// A mailbox's.
    Mailbox(Arc<MailboxConfig>),
    /// Of a name that nobody has looked up.
    Name(EmailAddress),
}

/// A login to note.
pub(super) struct Note {
    /// Whose.
    pub whose: Whose,
    /// When, Unix milliseconds.
    pub at: i64,
    /// What was seen of it.
    pub seen: Seen,
}

/// Where logins leave their notes; cheap to clone.
#[derive(Clone)]
pub(super) struct Notepad {
    admitted: mpsc::Sender<Note>,
    others: mpsc::Sender<Note>,
}

impl Notepad {
    /// Leaves a note, if there is room.
    pub fn leave(&self, note: Note) {
        let queue = if note.seen.outcome == LoginOutcome::Admitted { &self.admitted } else { &self.others };
        // Under a flood some are not noted; the last ones will be.
        let _ = queue.try_send(note);
    }
}

/// Writes the notes of logins; see [`Notes::write`].
pub struct Notes {
    admitted: mpsc::Receiver<Note>,
    others: mpsc::Receiver<Note>,
    directory: Directory,
}

/// Of logins alike in these the last one is noted.
type LastOf = (MailboxId, Protocol, Option<AppPasswordId>);

/// What is written at once, in an order that is the same on all nodes.
#[derive(Default)]
struct Batch {
    last: BTreeMap<LastOf, LoginRow>,
    history: BTreeMap<(MailboxId, Seen), Times>,
    done: DoneByDay,
}

impl Notes {
    /// The notepad, and the task that writes what is on it.
    pub(super) fn new(directory: Directory) -> (Notepad, Self) {
        let (of_admitted, admitted) = mpsc::channel(NOTES);
        let (of_others, others) = mpsc::channel(NOTES);
        (Notepad { admitted: of_admitted, others: of_others }, Self { admitted, others, directory })
    }

    /// Notes logins, many in one write, until the shutdown.
    pub async fn write(mut self, shutdown: CancellationToken) {
        loop {
            let first = tokio::select! {
                biased;
                note = self.admitted.recv() => note,
                note = self.others.recv() => note,
                () = shutdown.cancelled() => None,
            };
            let Some(first) = first else { return };
            // What more comes is written with it; a shutdown writes at once what is there.
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = shutdown.cancelled() => {}
            }
            let mut notes = vec![first];
            while let Ok(note) = self.admitted.try_recv() {
                notes.push(note);
            }
            while let Ok(note) = self.others.try_recv() {
                notes.push(note);
            }
            let batch = self.sort(notes).await;
            if let Err(error) = write(self.directory.inner(), &batch).await {
                tracing::warn!(%error, "logins are not noted");
            }
        }
    }

    async fn sort(&self, notes: Vec<Note>) -> Batch {
        let (mut batch, mut named, mut unlike) = (Batch::default(), HashMap::new(), HashMap::new());
        for Note { whose, at, mut seen } in notes {
            let mailbox = match whose {
                Whose::Mailbox(config) => {
                    if seen.outcome == LoginOutcome::Admitted {
                        batch.done.add(&config, at, |done| match seen.protocol {
                            Protocol::Imap => done.imap += 1,
                            Protocol::Pop3 => done.pop3 += 1,
                            Protocol::Submission => done.submission += 1,
                        });
                    }
                    Some(config.id)
                }
                Whose::Name(address) => self.mailbox_of(&mut named, address).await,
            };
            // A name that is no mailbox's leaves nothing.
            let Some(mailbox) = mailbox else { continue };
            if seen.outcome == LoginOutcome::Admitted {
                let row = LoginRow { protocol: seen.protocol, at, peer: seen.peer.clone() };
                batch.last.insert((mailbox, seen.protocol, seen.app), row);
            } else if !batch.history.contains_key(&(mailbox, seen.clone())) {
                let unlike: &mut usize = unlike.entry(mailbox).or_default();
                *unlike += 1;
                if *unlike > bounds::LOGIN_FAILURES_AT_ONCE {
                    seen.peer.clear();
                }
            }
            let times = Times::once(at);
            batch.history.entry((mailbox, seen)).and_modify(|known| *known = known.and(times)).or_insert(times);
        }
        batch
    }

    /// The mailbox of a name, for so many names at once.
    async fn mailbox_of(
        &self,
        named: &mut HashMap<EmailAddress, Option<MailboxId>>,
        address: EmailAddress,
    ) -> Option<MailboxId> {
        if let Some(known) = named.get(&address) {
            return *known;
        }
        if named.len() >= bounds::LOGIN_NAMES_AT_ONCE {
            return None;
        }
        let found = self.directory.mailbox_by_address(&address).await.ok().flatten().map(|mailbox| mailbox.id);
        named.insert(address, found);
        found
    }
}

async fn write(inner: &Inner, batch: &Batch) -> crate::db::Result<()> {
    let mut tx = inner.db.write().await?;
    for ((mailbox, _, app), row) in &batch.last {
        logins::note(&mut tx, *mailbox, row).await?;
        if let Some(app) = app {
            app_passwords::used(&mut tx, *app, row).await?;
        }
    }
    for ((mailbox, seen), times) in &batch.history {
        login_history::note(&mut tx, *mailbox, seen, *times).await?;
    }
    batch.done.write(&mut tx).await?;
    tx.commit().await
}
