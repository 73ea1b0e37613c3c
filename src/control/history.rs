//! The log is kept for a set time; what is older goes into a file first, then out of the database.
//!
//! One file a batch, named by its first and last number, whole or not there at all: a crash between file and deletion only
//! writes the same file again. Invariant: what leaves the database is on disk and was
//! sent by every webhook that wants it, and the newest revision always stays.

use super::dispatch::is_for;
use super::revisions::RevisionView;
use super::{Control, Error, Result};
use crate::db::revisions::{self as rows, RevisionRow};
use crate::db::webhooks::{self, WebhookRow};
use std::fs;
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Revisions of one file.
const BATCH: usize = 5000;
/// A file that is not full waits so long for more: where little changes there is one a day, not one a look.
const GATHER_MS: i64 = 24 * 3600 * 1000;

/// A line of a file: the revision, and the tenant's path that says who could see it.
#[derive(serde::Serialize)]
struct Line {
    path: String,
    #[serde(flatten)]
    revision: RevisionView,
}

/// Exports to `folder` what is older than `keep`, and drops it; how many revisions that were.
pub async fn export(control: &Control, folder: &Path, keep: Duration) -> Result<u64> {
    let before = control.now_ms() - i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let mut dropped = 0;
    loop {
        let mut tx = control.db.read().await?;
        let mut batch = rows::oldest_of(&mut tx, BATCH as i64).await?;
        let newest = rows::newest(&mut tx).await?.0;
        let webhooks = webhooks::enabled(&mut tx).await?;
        drop(tx);
        // A beginning of the log, so that it has no holes also where clocks went back.
        let ripe = |row: &RevisionRow| row.at < before && row.number < newest && !is_waited_for(row, &webhooks);
        let old = batch.iter().take_while(|row| ripe(row)).count();
        let full = old == BATCH;
        if !full && batch.first().is_some_and(|row| row.at >= before - GATHER_MS) {
            return Ok(dropped);
        }
        batch.truncate(old);
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(dropped) };
        let last = last.number;
        let path = folder.join(format!("revisions-{:012}-{last:012}.jsonl", first.number));
        let written = tokio::task::spawn_blocking(move || write(&path, batch)).await;
        let written = written.map_err(|e| Error::Internal(e.to_string()))?;
        written.map_err(|e| Error::Internal(format!("the history cannot be exported, so it is kept: {e}")))?;
        let mut tx = control.db.write().await?;
        dropped += rows::drop_through(&mut tx, last).await?;
        tx.commit().await?;
        if !full {
            return Ok(dropped);
        }
    }
}

/// Whether a webhook has still to send it: one that fails is disabled after some days, so this ends.
fn is_waited_for(row: &RevisionRow, webhooks: &[WebhookRow]) -> bool {
    webhooks.iter().any(|webhook| webhook.progress.delivered_to < row.number && is_for(webhook, &row.path, &row.action))
}

/// Writes a file whole or not at all: temporary name, sync, rename, sync of the folder.
fn write(path: &Path, batch: Vec<RevisionRow>) -> std::io::Result<()> {
    let folder: PathBuf = path.parent().map(Path::to_owned).unwrap_or_default();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let mut out = BufWriter::new(file);
    for row in batch {
        let line = Line { path: row.path.clone(), revision: row.into() };
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    out.into_inner()?.sync_all()?;
    fs::rename(&temporary, path)?;
    fs::File::open(&folder)?.sync_all()
}
