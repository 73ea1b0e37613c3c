//! Usage history: what mailboxes, domains and tenants hold and do, by day.
//!
//! What is done is counted by the directory as it is done. What is held is compared once an hour with what it was at
//! the last count: all mailboxes are read, page by page, and those that changed are written, with the sums of their
//! domains and tenants. Invariant: a mailbox that did not change costs no write, however many there are.

use super::{Caller, Control, Error, Result, domains, mailboxes, tenants};
use crate::db::Tx;
use crate::db::usage::{self as rows, Done, MailboxUsage};
use crate::model::ids::{DomainId, MailboxId, TenantId};
use crate::model::{Day, Usage, bounds};
use std::collections::{BTreeMap, HashMap};

const HOUR_MS: i64 = 3_600_000;
/// Mailboxes that are compared at once.
const PAGE: i64 = 1000;

/// Logins by protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct LoginCounts {
    /// By IMAP.
    pub imap: i64,
    /// By POP3.
    pub pop3: i64,
    /// By submission.
    pub submission: i64,
}

/// A day of a mailbox, a domain or a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct UsageDay {
    /// The day, in UTC.
    #[schema(value_type = String, format = Date, example = "2026-11-29")]
    pub date: Day,
    /// Octets held at its last count; `null` where none was made yet.
    #[schema(example = 5242880)]
    pub bytes: Option<u64>,
    /// Messages held then.
    #[schema(example = 42)]
    pub messages: Option<u64>,
    /// Logins to mail protocols.
    pub logins: LoginCounts,
    /// Messages that came in: one for each mailbox that got it.
    pub received: i64,
    /// Messages that were submitted.
    pub sent: i64,
}

/// Which days, both included; the last 30 when nothing is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Days {
    /// From this one on.
    pub from: Option<Day>,
    /// To this one; today at most.
    pub to: Option<Day>,
}

impl Days {
    fn within(self, today: Day) -> Result<(Day, Day)> {
        let to = self.to.unwrap_or(today).min(today);
        let from = self.from.unwrap_or(Day(to.0 - 29));
        if from > self.to.unwrap_or(to) {
            return Err(Error::field("from", "out_of_range", "must not lie after to"));
        }
        if to.0 - from.0 >= bounds::USAGE_DAYS_AT_ONCE {
            let detail = format!("must lie at most {} days before to", bounds::USAGE_DAYS_AT_ONCE - 1);
            return Err(Error::field("from", "out_of_range", detail));
        }
        Ok((from, to))
    }
}

/// The days of a mailbox.
pub async fn of_mailbox(control: &Control, caller: &Caller, id: MailboxId, days: Days) -> Result<Vec<UsageDay>> {
    let mut tx = control.db.read().await?;
    mailboxes::reach(&mut tx, caller, id).await?;
    history(&mut tx, id.0, days, Day::of(control.now_ms())).await
}

/// The days of a domain, and what its mailboxes held at the last count.
pub async fn of_domain(control: &Control, caller: &Caller, id: DomainId, days: Days) -> Result<(Usage, Vec<UsageDay>)> {
    let mut tx = control.db.read().await?;
    domains::reach(&mut tx, caller, id).await?;
    let days = history(&mut tx, id.0, days, Day::of(control.now_ms())).await?;
    Ok((rows::sum(&mut tx, id.0).await?, days))
}

/// The days of a tenant and those below it, and what their mailboxes held at the last count.
pub async fn of_tenant(control: &Control, caller: &Caller, id: TenantId, days: Days) -> Result<(Usage, Vec<UsageDay>)> {
    let mut tx = control.db.read().await?;
    tenants::reach(&mut tx, caller, id).await?;
    let days = history(&mut tx, id.0, days, Day::of(control.now_ms())).await?;
    Ok((rows::sum(&mut tx, id.0).await?, days))
}

/// Every day asked for; one without a row is like the one before it, with nothing done.
async fn history(tx: &mut Tx, subject: i64, days: Days, today: Day) -> Result<Vec<UsageDay>> {
    let (from, to) = days.within(today)?;
    let mut held = rows::before(tx, subject, from).await?;
    let found = rows::days(tx, subject, from, to).await?;
    let mut known: HashMap<i64, _> = found.into_iter().map(|row| (row.day.0, row)).collect();
    let day = |day: i64| {
        let row = known.remove(&day);
        held = row.and_then(|row| row.held).or(held);
        let done = row.map_or(Done::default(), |row| row.done);
        UsageDay {
            date: Day(day),
            bytes: held.map(|held| held.bytes),
            messages: held.map(|held| held.messages),
            logins: LoginCounts { imap: done.imap, pop3: done.pop3, submission: done.submission },
            received: done.received,
            sent: done.sent,
        }
    };
    Ok((from.0..=to.0).map(day).collect())
}

/// Whether it falls to this node to count now: one does, once an hour.
pub async fn take_turn(control: &Control) -> Result<bool> {
    let mut tx = control.db.write().await?;
    let taken = rows::take_turn(&mut tx, control.now_ms() / HOUR_MS).await?;
    tx.commit().await?;
    Ok(taken)
}

/// Mailboxes to count, after one; none at the end.
pub async fn to_count(control: &Control, after: MailboxId) -> Result<Vec<MailboxId>> {
    let mut tx = control.db.read().await?;
    Ok(rows::mailboxes(&mut tx, after, PAGE).await?)
}

/// Counts what mailboxes, with rising ids, hold now; how many changed.
pub async fn count(control: &Control, held: &[(MailboxId, Usage)]) -> Result<usize> {
    let (Some((first, _)), Some((last, _))) = (held.first(), held.last()) else { return Ok(0) };
    let now: HashMap<MailboxId, Usage> = held.iter().copied().collect();
    let mut tx = control.db.read().await?;
    let known = rows::between(&mut tx, *first, *last).await?;
    if !known.iter().any(|mailbox| changed(mailbox, &now)) {
        return Ok(0);
    }
    drop(tx);
    let mut tx = control.db.write().await?;
    // Another node may have counted since.
    rows::lock(&mut tx).await?;
    let mut known = rows::between(&mut tx, *first, *last).await?;
    known.retain(|mailbox| changed(mailbox, &now));
    write(&mut tx, &known, &now, Day::of(control.now_ms())).await?;
    tx.commit().await?;
    Ok(known.len())
}

/// Takes out of the sums what mailboxes held that are gone; how many there were.
pub async fn count_gone(control: &Control) -> Result<usize> {
    let mut tx = control.db.write().await?;
    rows::lock(&mut tx).await?;
    let gone = rows::gone(&mut tx, PAGE).await?;
    write(&mut tx, &gone, &HashMap::new(), Day::of(control.now_ms())).await?;
    tx.commit().await?;
    Ok(gone.len())
}

fn changed(mailbox: &MailboxUsage, now: &HashMap<MailboxId, Usage>) -> bool {
    let Some(usage) = now.get(&mailbox.id) else { return false };
    match (&mailbox.counted, &mailbox.place) {
        (None, _) => *usage != Usage::default(),
        (Some((domain, path, counted)), Some(place)) => counted != usage || (domain, path) != (&place.0, &place.1),
        (Some(_), None) => true,
    }
}

/// What is written of a day.
enum Entry {
    /// A mailbox that is gone.
    Gone(MailboxId),
    /// What a mailbox holds.
    Held(Usage),
    /// How much more a domain or tenant holds.
    More(i64, i64),
}

async fn write(tx: &mut Tx, changed: &[MailboxUsage], now: &HashMap<MailboxId, Usage>, day: Day) -> Result<()> {
    // In the order in which everybody writes days, so that two never wait for each other.
    let mut entries: BTreeMap<i64, Entry> = BTreeMap::new();
    for MailboxUsage { id, place, counted } in changed {
        if let Some((domain, path, usage)) = counted {
            add(&mut entries, *domain, path, *usage, -1);
        }
        let Some((domain, path)) = place else {
            entries.insert(id.0, Entry::Gone(*id));
            continue;
        };
        let usage = now.get(id).copied().unwrap_or_default();
        add(&mut entries, *domain, path, usage, 1);
        entries.insert(id.0, Entry::Held(usage));
        rows::hold(tx, *id, *domain, path, usage).await?;
    }
    for (subject, entry) in entries {
        match entry {
            Entry::Gone(id) => rows::let_go(tx, id).await?,
            Entry::Held(usage) => rows::set_held(tx, subject, day, usage).await?,
            Entry::More(0, 0) => {}
            Entry::More(bytes, messages) => rows::add_sum(tx, subject, day, bytes, messages).await?,
        }
    }
    Ok(())
}

/// Adds what a mailbox holds to its domain and to the tenants on its path, or takes it away.
fn add(entries: &mut BTreeMap<i64, Entry>, domain: DomainId, path: &str, usage: Usage, sign: i64) {
    for subject in tenants_of(path).chain([domain.0]) {
        if let Entry::More(bytes, messages) = entries.entry(subject).or_insert(Entry::More(0, 0)) {
            *bytes += sign * i64::try_from(usage.bytes).unwrap_or(i64::MAX);
            *messages += sign * i64::try_from(usage.messages).unwrap_or(i64::MAX);
        }
    }
}

/// The tenants on a path.
fn tenants_of(path: &str) -> impl Iterator<Item = i64> {
    let id = |text: &str| format!("{}{text}", TenantId::PREFIX).parse::<TenantId>().ok();
    path.split('.').filter(|part| !part.is_empty()).filter_map(id).map(|tenant| tenant.0)
}

/// Forgets days that are too long ago.
pub(super) async fn forget(tx: &mut Tx, now: i64) -> Result<()> {
    Ok(rows::forget(tx, Day(Day::of(now).0 - bounds::USAGE_DAYS)).await?)
}
