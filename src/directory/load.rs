//! Reading configuration as the mail services want it: settings resolved, one moment of the database.

use super::routes::Posting;
use super::{Above, Access, DirectoryError, MailboxConfig};
use crate::db::addresses::{self, Addressee};
use crate::db::effective::{self, EffectiveAccess, Own, Said};
use crate::db::mailboxes::{self, MailboxRow};
use crate::db::{Db, Tx, aliases, domains, levels, revisions, suspensions};
use crate::model::ids::MailboxId;
use crate::model::{DomainName, EmailAddress, Revision, WhoMayPost};
use std::sync::Arc;

type Result<T> = std::result::Result<T, DirectoryError>;

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
pub(super) async fn address(db: &Db, address: &EmailAddress, now: i64) -> Result<Found> {
    let mut tx = db.read().await?;
    if let Some(found) = exactly(&mut tx, address.key(), now).await? {
        return Ok(found);
    }
    let Some(mut domain) = domains::find_by_name(&mut tx, address.domain()).await? else { return Ok(Found::NotLocal) };
    let mut address = address.clone();
    if let Some(target) = domain.alias_of {
        let gone = || DirectoryError("a domain stands for none".into());
        domain = domains::find(&mut tx, target).await?.ok_or_else(gone)?;
        let Some(there) = in_domain(address.local(), &domain.name) else { return Ok(Found::UnknownAddress) };
        address = there;
        if let Some(found) = exactly(&mut tx, address.key(), now).await? {
            return Ok(found);
        }
    }
    if let Some(user) = without_detail(&address, &domain.separator) {
        if let Some(found) = exactly(&mut tx, user.key(), now).await? {
            return Ok(found);
        }
        address = user;
    }
    let reserved = RESERVED.iter().any(|local| address.local().eq_ignore_ascii_case(local));
    let taker = match (reserved, domain.reserved_to, domain.catch_all) {
        (true, Some(to), _) | (true, None, Some(to)) | (false, _, Some(to)) => Some(to),
        (true, None, None) => mailboxes::oldest(&mut tx, domain.id).await?,
        (false, _, None) => None,
    };
    Ok(taker.map_or(Found::UnknownAddress, |to| Found::Others(vec![to], None)))
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

/// What an address stands for by name.
async fn exactly(tx: &mut Tx, key: &str, now: i64) -> Result<Option<Found>> {
    match addresses::find(tx, key).await? {
        Some(Addressee::Mailbox(id)) => match there(mailboxes::find(tx, id).await?) {
            Some(row) => resolve(tx, row, now).await.map(|config| Some(Found::Mailbox(Box::new(config)))),
            None => Ok(None),
        },
        Some(Addressee::Alias(id)) => {
            let row = aliases::find(tx, id).await?.filter(|row| row.expires_at.is_none_or(|at| at > now));
            Ok(row.map(|row| {
                let posting = (row.who_may_post != WhoMayPost::Anyone).then(|| Posting::of(&row));
                Found::Others(row.targets, posting)
            }))
        }
        None => Ok(None),
    }
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
