//! Verifies everything that the store holds, beside a running server or without one.
//!
//! It reads in short transactions (one a mailbox, one a window of ids), so that what a server writes meanwhile is no
//! finding. Invariant: without repair it writes nothing; with it, counters and numbers of references alone, under the
//! lock of those who write them.

mod bodies;
mod folders;
mod repair;

use super::bodies::BodyFolder;
use super::postgres::PostgresTx;
use super::sqlite::{self, SqliteTx, WriteSlot};
use super::tx::{Tx, TxResult};
use super::{Result, StoreError};
use crate::model::ids::MailboxId;
use folders::IdSet;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// What is wrong with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// A folder's head does not read.
    HeadUnreadable,
    /// A head counts its folder's messages, or the octets of its log, wrongly.
    HeadCounter,
    /// A head's UIDNEXT is not what its log says.
    UidNext,
    /// UIDs that came in do not rise.
    UidOrder,
    /// A record of a folder's log is missing, or its end.
    LogGap,
    /// A record of a folder's log does not read, or stands where none may.
    LogRecord,
    /// A MODSEQ is above its folder's HIGHESTMODSEQ.
    Modseq,
    /// A folder's snapshot does not read, or is of another state than its row says.
    Snapshot,
    /// Records or a snapshot of a folder that is not there.
    OrphanLog,
    /// A mailbox's usage counter is wrong, does not read, or is missing.
    Usage,
    /// A folder shows a message that is not there.
    MessageMissing,
    /// Three numbers that say a message's size differ.
    MessageSize,
    /// The number of a message's further references is wrong.
    MessageReferences,
    /// A message that no folder shows.
    OrphanMessage,
    /// Messages refer to a body that is not there.
    BodyMissing,
    /// The number of messages that refer to a body is wrong.
    BodyReferences,
    /// A body that no message refers to.
    OrphanBody,
    /// A body's octets are not those that were stored, or not there.
    BodyOctets,
    /// A body's summary does not read; it is made again on reading.
    Summary,
    /// Octets in the database that belong to no body.
    OrphanOctets,
    /// A file older than a day that belongs to no body.
    OrphanFile,
    /// Numbers that were given already would be given again.
    NextNumber,
    /// A revision of the configuration is missing in the log.
    RevisionGap,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What is wrong.
    pub damage: Damage,
    /// With what: `mailbox 5`, `folder 7 of mailbox 5`, `body 9`.
    pub object: String,
    /// What was found, and what should have been.
    pub detail: String,
    /// True once it is mended.
    pub repaired: bool,
}

impl Finding {
    /// What is wrong with what.
    pub fn new(damage: Damage, object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { damage, object: object.into(), detail: detail.into(), repaired: false }
    }
}

/// How much was looked at, and what was found.
#[derive(Debug, Default, serde::Serialize)]
pub struct Report {
    /// Mailboxes.
    pub mailboxes: u64,
    /// Folders.
    pub folders: u64,
    /// Messages, each time that a folder shows one.
    pub messages: u64,
    /// Bodies.
    pub bodies: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// The store as it is looked at from outside.
pub struct Inspector {
    end: End,
    bodies: BodyFolder,
    /// Body files younger than this are not judged: they may wait for their commit.
    before: SystemTime,
}

enum End {
    Sqlite(WriteSlot),
    Postgres(sqlx::PgPool),
}

/// Mailboxes named by one query.
const MAILBOXES: i64 = 500;

impl Inspector {
    /// The store of one machine.
    ///
    /// # Errors
    /// There is none, or another version of the program made it.
    pub async fn sqlite(data_dir: &Path, before: SystemTime) -> Result<Self> {
        let path = data_dir.join("store.db");
        if !path.is_file() {
            return Err(StoreError::Failed(format!("{} is not there", path.display())));
        }
        let slot = Arc::new(Mutex::new(Some(sqlite::connect(&path)?)));
        Self { end: End::Sqlite(slot), bodies: BodyFolder::at(data_dir), before }.known().await
    }

    /// The store of several nodes; `data_dir` has the bodies' files.
    ///
    /// # Errors
    /// There is none, or another version of the program made it.
    pub async fn postgres(pool: sqlx::PgPool, data_dir: &Path, before: SystemTime) -> Result<Self> {
        Self { end: End::Postgres(pool), bodies: BodyFolder::at(data_dir), before }.known().await
    }

    async fn known(self) -> Result<Self> {
        let mut tx = self.begin(false).await?;
        let rows = tx.query("SELECT version FROM store_migrations", &[]).await?;
        if !super::start::knows(&rows) {
            return Err(StoreError::Failed("another version of facteur made this store: start that one first".into()));
        }
        Ok(self)
    }

    async fn begin(&self, writes: bool) -> TxResult<Tx> {
        Ok(match &self.end {
            End::Sqlite(slot) => Tx::Sqlite(SqliteTx::begin(slot, writes)?),
            End::Postgres(pool) => Tx::Postgres(PostgresTx::begin(pool, writes).await?),
        })
    }

    /// Looks at everything; `progress` is told what it does. With `repair` counters and numbers of references are
    /// mended.
    ///
    /// # Errors
    /// The database does not answer: then nothing is said about the store.
    pub async fn check(&self, repair: bool, progress: &mut (dyn FnMut(String) + Send)) -> Result<Report> {
        let mut report = Report::default();
        let newest = bodies::newest_numbers(&mut self.begin(false).await?, &mut report).await?;
        let mut shown = IdSet::default();
        let mut unknown = Vec::new();
        let mut after = i64::MIN;
        loop {
            let mailboxes = folders::mailboxes(&mut self.begin(false).await?, after, MAILBOXES).await?;
            let Some(last) = mailboxes.last() else { break };
            after = last.0;
            for mailbox in mailboxes {
                if !self.mailbox(mailbox, repair, &mut report, &mut shown).await? {
                    unknown.push(mailbox);
                }
            }
            progress(format!(
                "{} mailboxes, {} folders, {} messages",
                report.mailboxes, report.folders, report.messages
            ));
        }
        self.orphan_messages(newest.message, &shown, &unknown, &mut report).await?;
        drop(shown);
        self.body_references(newest.body, repair, &mut report, progress).await?;
        self.bodies(&mut report, progress).await?;
        self.orphans(&mut report).await?;
        Ok(report)
    }

    /// One mailbox; false where not all that it shows is known.
    async fn mailbox(&self, id: MailboxId, repair: bool, report: &mut Report, shown: &mut IdSet) -> Result<bool> {
        let mut seen = folders::inspect(&mut self.begin(false).await?, id).await?;
        if repair && seen.findings.iter().any(|finding| repair::mends(finding.damage)) {
            seen = self.repair_mailbox(id).await?;
        }
        report.mailboxes += 1;
        report.folders += seen.folders;
        report.messages += seen.references.values().sum::<i64>().unsigned_abs();
        seen.references.keys().for_each(|message| shown.insert(*message));
        report.findings.append(&mut seen.findings);
        Ok(seen.complete)
    }
}
