//! Bodies: their octets against their checksums and hashes, their references against the messages, and what belongs to
//! nobody.
//!
//! References are counted over windows of ids, each in one moment of the database, so that memory stays bounded.

use super::folders::{self, IdSet};
use super::{Damage, Finding, Inspector, Report};
use crate::model::ids::MailboxId;
use crate::store::bodies::{BodyReader, Encoding, unpack};
use crate::store::tx::{Columns, Tx};
use crate::store::{Result, StoreError};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Ids of bodies whose references are counted at once: each window reads all message rows.
const WINDOW: i64 = 1_000_000;
/// Bodies verified in one moment of the database.
const BATCH: i64 = 100;
/// Message rows looked at by one query.
const ROWS: i64 = 10_000;
/// Findings of one kind of leftover: who has more has one problem, not thousands.
const LEFTOVERS: i64 = 1000;

/// The greatest numbers when the check began: what came later is not judged.
pub(super) struct Newest {
    pub message: i64,
    pub body: i64,
}

/// Reads them, and holds them against the numbers that will be given next.
pub(super) async fn newest_numbers(tx: &mut Tx, report: &mut Report) -> Result<Newest> {
    let mut next = HashMap::new();
    for row in tx.query("SELECT name, value FROM counters", &[]).await? {
        next.insert(row.text(0)?.to_owned(), row.int(1).unwrap_or(0));
    }
    let mut newest = HashMap::new();
    for (name, sql) in [
        ("folder", "SELECT COALESCE(MAX(id), 0) FROM folders"),
        ("message", "SELECT COALESCE(MAX(id), 0) FROM messages"),
        ("body", "SELECT COALESCE(MAX(id), 0) FROM bodies"),
        ("uid_validity", "SELECT COALESCE(MAX(uid_validity), 0) FROM folders"),
    ] {
        let rows = tx.query(sql, &[]).await?;
        let most = rows.first().map_or(Ok(0), |row| row.int(0)).unwrap_or(0);
        let value = next.get(name).copied().unwrap_or(0);
        // The counter of UIDVALIDITY is the last one given, the others the next.
        if value < most + i64::from(name != "uid_validity") {
            let detail = format!("{value} comes next, and {most} is given");
            report.findings.push(Finding::new(Damage::NextNumber, format!("the numbers of kind {name}"), detail));
        }
        newest.insert(name, most);
    }
    let of = |name| newest.get(name).copied().unwrap_or(0);
    Ok(Newest { message: of("message"), body: of("body") })
}

/// A body's row as far as it concerns its octets.
struct Body {
    size: usize,
    encoding: Encoding,
    checksum: u32,
    file: String,
    hash: Bytes,
    summary: Bytes,
}

impl Body {
    fn of(row: &Columns) -> Result<Self> {
        Ok(Self {
            size: usize::try_from(row.int(1)?).map_err(|_| StoreError::Corrupt("a body's size".into()))?,
            encoding: Encoding::from_number(row.int(2)?)?,
            checksum: row.small(3)?,
            file: row.text(4)?.to_owned(),
            hash: row.blob(5)?,
            summary: row.blob(6)?,
        })
    }
}

impl Inspector {
    /// Verifies the octets of every body.
    pub(super) async fn bodies(&self, report: &mut Report, progress: &mut (dyn FnMut(String) + Send)) -> Result<()> {
        let mut after = i64::MIN;
        loop {
            let mut tx = self.begin(false).await?;
            let sql = "SELECT id, size, encoding, checksum, file, hash, summary FROM bodies WHERE id > $1 \
                 ORDER BY id LIMIT $2";
            let rows = tx.query(sql, &[after.into(), BATCH.into()]).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            let (first, last) = (after, last.int(0)?);
            after = last;
            let sql = "SELECT body_id, data FROM body_octets WHERE body_id > $1 AND body_id <= $2";
            let octets = tx.query(sql, &[first.into(), last.into()]).await?;
            drop(tx);
            let octets: HashMap<i64, Bytes> =
                octets.iter().filter_map(|row| Some((row.int(0).ok()?, row.blob(1).ok()?))).collect();
            for row in &rows {
                report.bodies += 1;
                self.body(row, &octets, report).await?;
            }
            if report.bodies % (BATCH as u64 * 100) < BATCH as u64 {
                progress(format!("{} bodies", report.bodies));
            }
        }
    }

    async fn body(&self, row: &Columns, octets: &HashMap<i64, Bytes>, report: &mut Report) -> Result<()> {
        let id = row.int(0)?;
        let object = format!("body {id}");
        let body = match Body::of(row) {
            Ok(body) => body,
            Err(error) => {
                report.findings.push(Finding::new(Damage::BodyOctets, object, error.to_string()));
                return Ok(());
            }
        };
        if let Err(error) = self.octets_of(&body, octets.get(&id)) {
            // Its last message may have gone meanwhile, and the file with it.
            let there = "SELECT id FROM bodies WHERE id = $1";
            if !self.begin(false).await?.query(there, &[id.into()]).await?.is_empty() {
                report.findings.push(Finding::new(Damage::BodyOctets, object.as_str(), error.to_string()));
            }
        }
        if crate::store::reads::unsealed(body.summary).is_none() {
            report.findings.push(Finding::new(Damage::Summary, object, "its checksum is wrong".to_owned()));
        }
        Ok(())
    }

    /// Reads a body as a client would, and more: the hash says that it is what came in.
    fn octets_of(&self, body: &Body, stored: Option<&Bytes>) -> Result<()> {
        let mut hasher = blake3::Hasher::new();
        let mut size = 0;
        if body.encoding == Encoding::File {
            let mut file = BodyReader::open(&self.bodies.path(&body.file))?;
            while let Some(frame) = file.frame()? {
                size += frame.len();
                hasher.update(&frame);
            }
        } else {
            let stored = stored.ok_or_else(|| StoreError::Corrupt("its octets are not there".into()))?;
            let open = unpack(body.encoding, stored.clone(), body.checksum, body.size)?;
            size = open.len();
            hasher.update(&open);
        }
        if size != body.size {
            return Err(StoreError::Corrupt(format!("it has {size} octets, its row says {}", body.size)));
        }
        if hasher.finalize().as_bytes()[..] != body.hash[..] {
            return Err(StoreError::Corrupt("its octets are not those that its hash was made of".into()));
        }
        Ok(())
    }

    /// Counts the messages of every body.
    pub(super) async fn body_references(
        &self,
        newest: i64,
        repair: bool,
        report: &mut Report,
        progress: &mut (dyn FnMut(String) + Send),
    ) -> Result<()> {
        let mut from = 0;
        while from <= newest {
            let wrong = window(&mut self.begin(false).await?, from, from.saturating_add(WINDOW)).await?;
            for wrong in wrong {
                let mut finding = wrong.finding();
                if repair && finding.damage == Damage::BodyReferences {
                    self.repair_references(&wrong).await?;
                    finding.repaired = true;
                }
                report.findings.push(finding);
            }
            from = from.saturating_add(WINDOW);
            progress(format!("references of bodies up to {}", from.min(newest)));
        }
        Ok(())
    }

    /// Messages that no folder shows.
    pub(super) async fn orphan_messages(
        &self,
        newest: i64,
        shown: &IdSet,
        unknown: &[MailboxId],
        report: &mut Report,
    ) -> Result<()> {
        let mut suspects: BTreeMap<MailboxId, Vec<i64>> = BTreeMap::new();
        let mut after = i64::MIN;
        loop {
            let sql = "SELECT id, mailbox_id FROM messages WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3";
            let mut tx = self.begin(false).await?;
            let rows = tx.query(sql, &[after.into(), newest.into(), ROWS.into()]).await?;
            let Some(last) = rows.last() else { break };
            after = last.int(0)?;
            for row in rows.iter().filter(|row| row.int(0).is_ok_and(|id| !shown.contains(id))) {
                let mailbox = MailboxId(row.int(1)?);
                if !unknown.contains(&mailbox) {
                    suspects.entry(mailbox).or_default().push(row.int(0)?);
                }
            }
        }
        // Looked at again, each mailbox in one moment: a server may have written in between.
        for (mailbox, ids) in suspects {
            let mut tx = self.begin(false).await?;
            let seen = folders::inspect(&mut tx, mailbox).await?;
            let there = tx.query("SELECT id FROM messages WHERE id = ANY($1)", &[ids.into()]).await?;
            let lost = there.iter().filter_map(|row| row.int(0).ok()).filter(|id| !seen.references.contains_key(id));
            for id in lost.filter(|_| seen.complete) {
                let object = format!("message {id} of mailbox {mailbox}");
                report.findings.push(Finding::new(Damage::OrphanMessage, object, "no folder shows it"));
            }
        }
        Ok(())
    }

    /// What belongs to nobody.
    pub(super) async fn orphans(&self, report: &mut Report) -> Result<()> {
        let files = self.bodies.names_before(self.before);
        let mut tx = self.begin(false).await?;
        let known = tx.query("SELECT file FROM bodies WHERE file <> ''", &[]).await?;
        let known: HashSet<&str> = known.iter().filter_map(|row| row.text(0).ok()).collect();
        for name in files.iter().filter(|name| !known.contains(name.as_str())) {
            report.findings.push(Finding::new(Damage::OrphanFile, format!("file {name}"), "no body names it"));
        }
        let sql =
            "SELECT o.body_id FROM body_octets o LEFT JOIN bodies b ON b.id = o.body_id WHERE b.id IS NULL LIMIT $1";
        for row in tx.query(sql, &[LEFTOVERS.into()]).await? {
            let object = format!("octets of body {}", row.int(0)?);
            report.findings.push(Finding::new(Damage::OrphanOctets, object, "there is no such body"));
        }
        let mut folders = BTreeSet::new();
        for sql in [
            "SELECT DISTINCT o.folder_id FROM folder_ops o LEFT JOIN folders f ON f.id = o.folder_id \
             WHERE f.id IS NULL LIMIT $1",
            "SELECT s.folder_id FROM folder_snapshots s LEFT JOIN folders f ON f.id = s.folder_id \
             WHERE f.id IS NULL LIMIT $1",
        ] {
            for row in tx.query(sql, &[LEFTOVERS.into()]).await? {
                folders.insert(row.int(0)?);
            }
        }
        for folder in folders {
            report.findings.push(Finding::new(
                Damage::OrphanLog,
                format!("folder {folder}"),
                "there is no such folder",
            ));
        }
        Ok(())
    }
}

/// A body whose references are not as counted.
pub(super) struct Wrong {
    pub id: i64,
    /// What its row says; `None` without a row.
    pub says: Option<Option<i64>>,
    pub counted: i64,
}

impl Wrong {
    fn finding(&self) -> Finding {
        let Self { counted, .. } = self;
        let (damage, detail) = match self.says {
            None => (Damage::BodyMissing, format!("{counted} messages refer to it, and it is not there")),
            Some(Some(0)) if *counted == 0 => (Damage::OrphanBody, "no message refers to it".to_owned()),
            Some(Some(says)) => (Damage::BodyReferences, format!("{says} are noted, {counted} were counted")),
            Some(None) => (Damage::BodyReferences, format!("their number does not read, {counted} were counted")),
        };
        Finding::new(damage, format!("body {}", self.id), detail)
    }
}

/// The bodies of a window of ids whose references are wrong.
async fn window(tx: &mut Tx, from: i64, to: i64) -> Result<Vec<Wrong>> {
    let sql = "SELECT body_id, CAST(COUNT(*) AS BIGINT) FROM messages WHERE body_id >= $1 AND body_id < $2 \
         GROUP BY body_id";
    let mut counted: HashMap<i64, i64> = HashMap::new();
    for row in tx.query(sql, &[from.into(), to.into()]).await? {
        counted.insert(row.int(0)?, row.int(1)?);
    }
    let mut wrong = Vec::new();
    let sql = "SELECT id, refs FROM bodies WHERE id >= $1 AND id < $2 ORDER BY id";
    for row in tx.query(sql, &[from.into(), to.into()]).await? {
        let (id, says) = (row.int(0)?, row.int(1).ok());
        let counted = counted.remove(&id).unwrap_or(0);
        if says != Some(counted) || counted == 0 {
            wrong.push(Wrong { id, says: Some(says), counted });
        }
    }
    let mut missing: Vec<(i64, i64)> = counted.into_iter().collect();
    missing.sort_unstable();
    wrong.extend(missing.into_iter().map(|(id, counted)| Wrong { id, says: None, counted }));
    Ok(wrong)
}
