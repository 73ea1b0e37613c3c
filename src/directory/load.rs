//! Reading configuration as the mail services want it: settings resolved, one moment of the database.

use super::{Above, Access, DirectoryError, MailboxConfig};
use crate::db::addresses::{self, Addressee};
use crate::db::effective::{self, EffectiveAccess, Said};
use crate::db::mailboxes::{self, MailboxRow};
use crate::db::{Db, Tx, aliases, domains, levels, revisions, suspensions};
use crate::model::ids::MailboxId;
use crate::model::{DomainName, Revision};
use std::sync::Arc;

type Result<T> = std::result::Result<T, DirectoryError>;

/// What an address stands for.
pub(super) enum Found {
    /// A mailbox.
    Mailbox(Box<MailboxConfig>),
    /// An alias with its targets.
    Alias(Vec<crate::model::EmailAddress>),
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
    match mailboxes::find(tx, id).await? {
        Some(row) => resolve(tx, row, now).await.map(Some),
        None => Ok(None),
    }
}

pub(super) async fn mailbox_by_key(db: &Db, key: &str, now: i64) -> Result<Option<MailboxConfig>> {
    let mut tx = db.read().await?;
    match mailboxes::find_by_key(&mut tx, key).await? {
        Some(row) => resolve(&mut tx, row, now).await.map(Some),
        None => Ok(None),
    }
}

/// What an address stands for, in one read.
pub(super) async fn address(db: &Db, key: &str, now: i64) -> Result<Option<Found>> {
    let mut tx = db.read().await?;
    match addresses::find(&mut tx, key).await? {
        Some(Addressee::Mailbox(id)) => match mailboxes::find(&mut tx, id).await? {
            Some(row) => resolve(&mut tx, row, now).await.map(|config| Some(Found::Mailbox(Box::new(config)))),
            None => Ok(None),
        },
        Some(Addressee::Alias(id)) => Ok(aliases::find(&mut tx, id).await?.map(|alias| Found::Alias(alias.targets))),
        None => Ok(None),
    }
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
    let said = Said { mailbox: Some(&row.protocols), domain: Some(&domain.protocols), above: &above };
    let effective = effective::resolve(said, &scopes);
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
        may_send,
        as_of: revisions::newest(tx).await?,
        valid_until: suspended.iter().filter_map(|(_, until)| *until).min(),
    })
}
