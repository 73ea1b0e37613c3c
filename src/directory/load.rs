//! Reading configuration as the mail services want it: settings resolved, one moment of the database.

use super::routes::Posting;
use super::{Above, Access, AppPassword, DirectoryError, MailboxConfig};
use crate::db::addresses::{self, Addressee};
use crate::db::effective::{self, EffectiveAccess, Own, Said};
use crate::db::mailboxes::{self, MailboxRow};
use crate::db::{Db, Tx, aliases, app_passwords, domains, levels, revisions, suspensions};
use crate::model::ids::{DomainId, MailboxId};
use crate::model::{DomainName, EmailAddress, Revision, SuspensionScope, WhoMayPost};
use std::sync::Arc;

type Result<T> = std::result::Result<T, DirectoryError>;

/// What an address stands for, and which suspensions of the domains on the way hold for it: a mailbox bears those of
/// its own domain itself.
pub(super) struct Lookup {
    pub found: Found,
    pub suspended: Vec<SuspensionScope>,
}

/// What an address stands for.
pub(super) enum Found {
    /// A mailbox.
    Mailbox(Box<MailboxConfig>),
    /// Other addresses; with who may send to them, where not everybody may.
    Others(Vec<EmailAddress>, Option<Posting>),
    /// Nothing, in a domain of ours.
    UnknownAddress,
    /// Nothing: the domain is not ours.
    NotLocal,
}

pub(super) async fn newest_revision(db: &Db) -> Result<Revision> {
    let mut tx = db.read().await?;
    Ok(revisions::newest(&mut tx).await?)
}

pub(super) async fn mailbox(db: &Db, id: MailboxId, now: i64) -> Result<Option<MailboxConfig>> {
    mailbox_in(&mut db.read().await?, id, now).await
}

/// A mailbox as a transaction sees it.
pub(super) async fn mailbox_in(tx: &mut Tx, id: MailboxId, now: i64) -> Result<Option<MailboxConfig>> {
    match there(mailboxes::find(tx, id).await?) {
        Some(row) => resolve(tx, row, now).await.map(Some),
        None => Ok(None),
    }
}

pub(super) async fn mailbox_by_key(db: &Db, key: &str, now: i64) -> Result<Option<MailboxConfig>> {
    let mut tx = db.read().await?;
    match there(mailboxes::find_by_key(&mut tx, key).await?) {
        Some(row) => resolve(&mut tx, row, now).await.map(Some),
        None => Ok(None),
    }
}

/// What an address stands for, in one read: the address itself, else the same one of the domain that its domain
/// stands for, else the user without the detail (RFC 5233 §1), else who takes reserved addresses, else who takes all.
/// What once stood for something and is deleted or expired stands for nothing, so that nobody else gets its mail.
pub(super) async fn address(db: &Db, address: &EmailAddress, now: i64) -> Result<Lookup> {
    let mut tx = db.read().await?;
    let mut suspended = Vec::new();
    let found = look_up(&mut tx, address, &mut suspended, now).await?;
    Ok(Lookup { found, suspended })
}

async fn look_up(tx: &mut Tx, address: &EmailAddress, suspended: &mut Vec<SuspensionScope>, now: i64) -> Result<Found> {
    if let Some(found) = exactly(tx, address.key(), suspended, now).await? {
        return Ok(found);
    }
    let Some(mut domain) = domains::find_by_name(tx, address.domain()).await? else { return Ok(Found::NotLocal) };
    suspended.extend(of_domain(tx, domain.id, now).await?);
    let mut address = address.clone();
    if let Some(target) = domain.alias_of {
        let gone = || DirectoryError("a domain stands for none".into());
        domain = domains::find(tx, target).await?.ok_or_else(gone)?;
        suspended.extend(of_domain(tx, domain.id, now).await?);
        let Some(there) = in_domain(address.local(), &domain.name) else { return Ok(Found::UnknownAddress) };
        address = there;
        if let Some(found) = exactly(tx, address.key(), suspended, now).await? {
            return Ok(found);
        }
    }
    if let Some(user) = without_detail(&address, &domain.separator) {
        if let Some(found) = exactly(tx, user.key(), suspended, now).await? {
            return Ok(found);
        }
        address = user;
    }
    let taker = match (is_reserved(&address), domain.reserved_to, domain.catch_all) {
        (true, Some(to), _) | (true, None, Some(to)) | (false, _, Some(to)) => Some(to),
        (true, None, None) => mailboxes::oldest(tx, domain.id).await?,
        (false, _, None) => None,
    };
    Ok(taker.map_or(Found::UnknownAddress, |to| Found::Others(vec![to], None)))
}

/// The suspensions of a domain itself.
async fn of_domain(tx: &mut Tx, id: DomainId, now: i64) -> Result<impl Iterator<Item = SuspensionScope>> {
    Ok(suspensions::in_force(tx, MailboxId(0), id, now).await?.into_iter().map(|(scope, _)| scope))
}

/// Who takes the mail of reserved addresses when nobody else does: a domain's oldest mailbox, or for none the oldest
/// one of the operator's own.
pub(super) async fn last_resort(db: &Db, domain: Option<&DomainName>) -> Result<Option<EmailAddress>> {
    let mut tx = db.read().await?;
    let Some(name) = domain else { return Ok(mailboxes::oldest_of_operator(&mut tx).await?) };
    let Some(mut domain) = domains::find_by_name(&mut tx, name).await? else { return Ok(None) };
    if let Some(target) = domain.alias_of {
        let Some(there) = domains::find(&mut tx, target).await? else { return Ok(None) };
        domain = there;
    }
    Ok(mailboxes::oldest(&mut tx, domain.id).await?)
}

/// Whether an address is one that every domain must take mail for.
pub(super) fn is_reserved(address: &EmailAddress) -> bool {
    RESERVED.iter().any(|local| address.local().eq_ignore_ascii_case(local))
}

/// Addresses that every domain must take mail for (RFC 5321 §4.5.1, RFC 2142 §4, §5).
const RESERVED: [&str; 2] = ["postmaster", "abuse"];

fn in_domain(local: &str, domain: &DomainName) -> Option<EmailAddress> {
    EmailAddress::from_parts(local, domain.clone()).ok()
}

/// The user of `user+detail` (RFC 5233 §1).
fn without_detail(address: &EmailAddress, separator: &str) -> Option<EmailAddress> {
    if separator.is_empty() {
        return None;
    }
    let (user, _) = address.local().split_once(separator)?;
    in_domain(user, address.domain())
}

/// What an address stands for by name; `None` when the name was never given.
async fn exactly(tx: &mut Tx, key: &str, suspended: &mut Vec<SuspensionScope>, now: i64) -> Result<Option<Found>> {
    Ok(match addresses::find(tx, key).await? {
        Some(Addressee::Mailbox(id)) => match there(mailboxes::find(tx, id).await?) {
            Some(row) => Some(Found::Mailbox(Box::new(resolve(tx, row, now).await?))),
            None => Some(Found::UnknownAddress),
        },
        Some(Addressee::Alias(id)) => {
            let row = aliases::find(tx, id).await?.filter(|row| row.expires_at.is_none_or(|at| at > now));
            let Some(row) = row else { return Ok(Some(Found::UnknownAddress)) };
            suspended.extend(of_domain(tx, row.domain, now).await?);
            let posting = (row.who_may_post != WhoMayPost::Anyone).then(|| Posting::of(&row));
            Some(Found::Others(row.targets, posting))
        }
        None => None,
    })
}

/// A mailbox that is not deleted.
fn there(row: Option<MailboxRow>) -> Option<MailboxRow> {
    row.filter(|row| row.deleted_at.is_none())
}

pub(super) async fn is_local(db: &Db, domain: &DomainName) -> Result<bool> {
    let mut tx = db.read().await?;
    Ok(domains::find_by_name(&mut tx, domain).await?.is_some())
}

async fn resolve(tx: &mut Tx, row: MailboxRow, now: i64) -> Result<MailboxConfig> {
    let domain =
        domains::find(tx, row.domain).await?.ok_or_else(|| DirectoryError("a mailbox has no domain".into()))?;
    let suspended = suspensions::in_force(tx, row.id, row.domain, now).await?;
    let scopes: Vec<_> = suspended.iter().map(|(scope, _)| *scope).collect();
    let above = levels::above(tx, &row.path).await?;
    let own = Own::of(&row, now);
    let said = Said { mailbox: Some(&row.protocols), domain: Some(&domain.protocols), above: &above, own };
    let effective = effective::resolve(said, &scopes);
    let app_passwords = app_passwords::list(tx, row.id).await?.iter().filter_map(AppPassword::of).collect();
    let ends = row.expires_at.filter(|at| *at > now);
    let (pop3_policy, may_send) = (effective.policy(), effective.submission.enabled);
    let access = |a: EffectiveAccess| Access {
        allowed: a.enabled,
        source: a.source,
        tls_only: a.tls_only,
        allow_from: a.allow_from.into(),
    };
    let quota = above.quota(row.quota).quota();
    let above = Above {
        tenants: above.0.iter().map(|tenant| tenant.id).collect(),
        plans: above.plans().map(|plan| plan.id).collect(),
    };
    Ok(MailboxConfig {
        id: row.id,
        domain: row.domain,
        tenant: row.tenant,
        above: Arc::new(above),
        address: row.address,
        password_hash: row.password_hash.map(Into::into),
        app_passwords,
        app_passwords_only: row.app_passwords_only,
        password_epoch: row.password_epoch,
        quota,
        access: [access(effective.imap), access(effective.pop3), access(effective.submission)],
        pop3_policy,
        may_receive: effective.receiving.enabled,
        takes_mail: own.takes_mail(),
        may_send,
        as_of: revisions::newest(tx).await?,
        valid_until: suspended.iter().filter_map(|(_, until)| *until).chain(ends).min(),
    })
}
