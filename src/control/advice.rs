//! Advice from use: which mailboxes have a protocol that nobody used for long.
//!
//! A protocol that is on and unused is a way in that nobody would miss. Invariant: only what is in effect on is named,
//! and what was used since it was named is not switched off.

use super::mailboxes::levels_of;
use super::protocols::{self, ProtocolsPatch};
use super::suspensions::in_force;
use super::{Caller, Control, Error, PageRequest, Paged, Result, domains, mailboxes, tenants};
use crate::db::effective::{self, Own, Said};
use crate::db::levels::Above;
use crate::db::mailboxes::{self as rows, Unused};
use crate::db::{Page, Tx, domains as domain_rows, logins};
use crate::model::ids::{DomainId, MailboxId, TenantId};
use crate::model::{EmailAddress, Protocol, ProtocolState, Revision, Timestamp, bounds};
use std::collections::HashMap;

const DAY_MS: i64 = 24 * 3_600_000;

/// A mailbox with a protocol that is on and was not used for long.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct UnusedProtocol {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its address.
    #[schema(value_type = String, example = "alice@example.org")]
    pub address: EmailAddress,
    /// Its domain.
    pub domain: DomainId,
    /// The protocol.
    pub protocol: Protocol,
    /// When somebody last signed in by it; `null` never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_login_at: Option<Timestamp>,
    /// When the mailbox was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The protocol.
    pub protocol: Protocol,
    /// Days without a login by it; of a mailbox that never had one, since it was made.
    pub days: u32,
    /// In this domain alone.
    pub domain: Option<DomainId>,
    /// At and below this tenant alone.
    pub tenant: Option<TenantId>,
}

impl Wanted {
    /// The moment since when the protocol was not used.
    fn before(&self, control: &Control) -> Result<i64> {
        if self.days == 0 || self.days > bounds::UNUSED_DAYS {
            let detail = format!("must be 1 to {}", bounds::UNUSED_DAYS);
            return Err(Error::field("/days", "out_of_range", detail));
        }
        Ok(control.now_ms() - i64::from(self.days) * DAY_MS)
    }
}

/// Mailboxes that have a protocol and do not use it. A page may hold less than was asked for.
pub async fn unused(
    control: &Control,
    caller: &Caller,
    wanted: Wanted,
    page: PageRequest,
) -> Result<Paged<UnusedProtocol>> {
    let before = wanted.before(control)?;
    let mut tx = control.db.read().await?;
    let mut found = candidates(&mut tx, caller, wanted, before, page.into()).await?;
    // Items are short: their number bounds the page, and where the next one begins does not depend on which of them stay.
    let limit = page.limit.clamp(1, bounds::PAGE_ITEMS);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|one| one.row.id.0);
    let items = switched_on(&mut tx, found, wanted.protocol, control.now_ms()).await?;
    Ok(Paged { items, next })
}

async fn candidates(tx: &mut Tx, caller: &Caller, wanted: Wanted, before: i64, page: Page) -> Result<Vec<Unused>> {
    let path = match (wanted.domain, wanted.tenant) {
        (Some(id), _) => {
            domains::reach(tx, caller, id).await?;
            return Ok(rows::unused_of_domain(tx, id, wanted.protocol, before, page).await?);
        }
        (None, Some(id)) => tenants::reach(tx, caller, id).await?.path,
        (None, None) => caller.list_path()?.to_owned(),
    };
    Ok(rows::unused(tx, &path, wanted.protocol, before, page).await?)
}

/// Those for which the protocol is in effect on; what they share is read once.
async fn switched_on(tx: &mut Tx, found: Vec<Unused>, protocol: Protocol, now: i64) -> Result<Vec<UnusedProtocol>> {
    let levels = levels_of(tx, found.iter().map(|one| &one.row)).await?;
    let (mut known, none, mut items) = (HashMap::new(), Above::default(), Vec::new());
    for Unused { row, last } in found {
        if let std::collections::hash_map::Entry::Vacant(entry) = known.entry(row.domain) {
            entry.insert(domain_rows::find(tx, row.domain).await?);
        }
        let domain = known.get(&row.domain).and_then(Option::as_ref);
        let above = levels.get(&row.tenant).unwrap_or(&none);
        let own = Own::of(&row, now);
        let said = Said { mailbox: Some(&row.protocols), domain: domain.map(|d| &d.protocols), above, own };
        let suspended = in_force(tx, row.id, row.domain, now).await?;
        let holds = effective::resolve(said, &suspended);
        let on = match protocol {
            Protocol::Imap => holds.imap.enabled,
            Protocol::Pop3 => holds.pop3.enabled,
            Protocol::Submission => holds.submission.enabled,
        };
        if on {
            items.push(UnusedProtocol {
                mailbox: row.id,
                address: row.address,
                domain: row.domain,
                protocol,
                last_login_at: last.map(Timestamp),
                created_at: Timestamp(row.created_at),
            });
        }
    }
    Ok(items)
}

/// Switches a protocol off for a mailbox that still does not use it.
pub async fn switch_off(
    control: &Control,
    caller: &Caller,
    id: MailboxId,
    protocol: Protocol,
    seen: Option<Timestamp>,
) -> Result<Revision> {
    let mut tx = match &caller.intent.together {
        // Within the job's own transaction: there may be one connection that writes.
        Some(together) => {
            let mut held = together.take()?;
            let last = last_login(&mut held, caller, id, protocol).await?;
            drop(held);
            check_unused(last, seen)?;
            return off(control, caller, id, protocol).await;
        }
        None => control.db.read().await?,
    };
    let last = last_login(&mut tx, caller, id, protocol).await?;
    drop(tx);
    check_unused(last, seen)?;
    off(control, caller, id, protocol).await
}

async fn last_login(tx: &mut Tx, caller: &Caller, id: MailboxId, protocol: Protocol) -> Result<Option<i64>> {
    mailboxes::reach(tx, caller, id).await?;
    let all = logins::list(tx, id).await?;
    Ok(all.into_iter().find(|row| row.protocol == protocol).map(|row| row.at))
}

fn check_unused(last: Option<i64>, seen: Option<Timestamp>) -> Result<()> {
    if last > seen.map(|at| at.0) {
        return Err(Error::InUse("the protocol was used since it was found unused"));
    }
    Ok(())
}

async fn off(control: &Control, caller: &Caller, id: MailboxId, protocol: Protocol) -> Result<Revision> {
    let mut patch = ProtocolsPatch::default();
    let state = match protocol {
        Protocol::Imap => &mut patch.imap,
        Protocol::Pop3 => &mut patch.pop3,
        Protocol::Submission => &mut patch.submission,
    };
    *state = Some(ProtocolState::Disabled);
    protocols::patch_mailbox(control, caller, id, patch, None).await.map(|(_, revision)| revision)
}
