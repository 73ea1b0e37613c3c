//! `facteur store check`: looks at the whole store, beside a running server or without one, and says what it found.
//!
//! Progress stands on standard error, the verdict on standard output.

use crate::db::{Db, revisions};
use crate::settings::{Database, Settings};
use crate::store::check::{Damage, Finding, Inspector, Report};
use anyhow::{Context, bail};
use std::io::Write;
use std::time::{Duration, SystemTime};

/// Body files younger than this are not judged: they may wait for their commit.
const YOUNG: Duration = Duration::from_secs(24 * 3600);

/// Looks at everything.
///
/// # Errors
/// There is no store, or it does not answer.
pub(super) async fn check(settings: &Settings, repair: bool) -> anyhow::Result<Report> {
    let before = clock_time() - YOUNG;
    let (db, inspector) = match &settings.database {
        Database::Sqlite => {
            let file = settings.data.join("control.db");
            if !file.is_file() {
                bail!("{} is not there: the first `facteur serve` makes it", file.display());
            }
            let inspector = Inspector::sqlite(&settings.data, before).await?;
            (Db::open_sqlite(&settings.data).await.context("control.db")?, inspector)
        }
        Database::Postgres(url) => {
            let db = Db::open_postgres(&url.0).await.context("PostgreSQL")?;
            let pool = db.postgres().cloned().context("PostgreSQL")?;
            (db, Inspector::postgres(pool, &settings.data, before).await?)
        }
    };
    let mut report = inspector.check(repair, &mut |line| progress(&line)).await?;
    let gaps = revisions::gaps(&mut db.read().await?).await?;
    report.findings.extend(
        gaps.into_iter()
            .map(|number| Finding::new(Damage::RevisionGap, format!("revision {number}"), "it is not in the log")),
    );
    db.close().await;
    Ok(report)
}

fn clock_time() -> SystemTime {
    let now = crate::clock::Clock::system().now_ms();
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now).unwrap_or(0))
}

fn progress(line: &str) {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The report for people.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    for Finding { damage, object, detail, repaired } in &report.findings {
        let name = serde_json::to_value(damage).ok().and_then(|name| name.as_str().map(str::to_owned));
        let mended = if *repaired { " (repaired)" } else { "" };
        text.push_str(&format!("{}: {object}: {detail}{mended}\n", name.unwrap_or_default()));
    }
    let Report { mailboxes, folders, messages, bodies, findings } = report;
    let left = findings.iter().filter(|finding| !finding.repaired).count();
    let verdict = if left == 0 { "sound".to_owned() } else { format!("damaged: {left} findings") };
    text.push_str(&format!(
        "{mailboxes} mailboxes, {folders} folders, {messages} messages, {bodies} bodies: the store is {verdict}."
    ));
    text
}

/// Whether nothing is left to mend.
pub(super) fn is_sound(report: &Report) -> bool {
    report.findings.iter().all(|finding| finding.repaired)
}
