//! Reading configuration as the mail services want it: settings resolved, one moment of the database.

use super::{Above, Access, AppPassword, DirectoryError, MailboxConfig, SendLimit};
use crate::db::effective::{self, EffectiveAccess, Own, Said};
use crate::db::mailboxes::{self, MailboxRow};
use crate::db::{Db, Tx, app_passwords, domains, levels, revisions, suspensions};
use crate::model::ids::MailboxId;
use crate::model::{LimitName, Revision};
use std::sync::Arc;

type Result<T> = std::result::Result<T, DirectoryError>;

pub(super) async fn newest_revision(db: &Db) -> Result<Revision> {
    let mut tx = db.read().await?;
    Ok(revisions::newest(&mut tx).await?)
}

/// A mailbox as a transaction sees it.
pub(super) async fn mailbox_in(tx: &mut Tx, id: MailboxId, now: i64) -> Result<Option<MailboxConfig>> {
    match there(mailboxes::find(tx, id).await?) {
        Some(row) => resolve(tx, row, now).await.map(Some),
        None => Ok(None),
    }
}

pub(super) async fn mailbox_by_key(tx: &mut Tx, key: &str, now: i64) -> Result<Option<MailboxConfig>> {
    match there(mailboxes::find_by_key(tx, key).await?) {
        Some(row) => resolve(tx, row, now).await.map(Some),
        None => Ok(None),
    }
}

/// A mailbox that is not deleted.
fn there(row: Option<MailboxRow>) -> Option<MailboxRow> {
    row.filter(|row| row.deleted_at.is_none())
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
        tls_only_source: a.tls_only_source,
        allow_from: a.allow_from.into(),
        allow_from_source: a.allow_from_source,
    };
    let quota = above.quota(row.quota).quota();
    let limit = |tenant: &levels::TenantLevel| {
        tenant.limit(LimitName::SendsPerDay).map(|max| SendLimit { tenant: tenant.id, max })
    };
    let send_limits = above.0.iter().filter_map(limit).collect();
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
        send_limits,
        as_of: revisions::newest(tx).await?,
        valid_until: suspended.iter().filter_map(|(_, until)| *until).chain(ends).min(),
    })
}
