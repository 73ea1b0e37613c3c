//! Rows of `plans`: limits and defaults that an operator or reseller sells.

use super::protocols::{ProtocolSettings, protocol_args, read_protocols};
use super::{Arg, DbError, Page, Result, Row, Tx};
use crate::model::ids::{PlanId, TenantId};
use crate::model::{Limits, Protocol, Quota};

/// A plan.
#[derive(Debug, Clone)]
pub struct PlanRow {
    /// Its id.
    pub id: PlanId,
    /// Who sells it.
    pub tenant: TenantId,
    /// That tenant's path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// How much its buyers may have.
    pub limits: Limits,
    /// Whether its buyers may hand out more than they have.
    pub oversell: bool,
    /// What a mailbox may hold that says nothing.
    pub quota: Quota,
    /// The protocols that its buyers may use at all; none allows all.
    pub allowed: Option<Vec<Protocol>>,
    /// Its say about protocols.
    pub protocols: ProtocolSettings,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The revision that last wrote it.
    pub revision: i64,
}

impl PlanRow {
    /// Whether its buyers may use a protocol at all.
    pub fn allows(&self, protocol: Protocol) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.contains(&protocol))
    }
}

/// The columns from `at` on, in the order of [`find`]'s query.
pub(super) fn read_at(row: &Row, at: usize) -> Result<PlanRow> {
    let number = |column: usize| row.get::<Option<i64>>(at + column).map(|n| n.and_then(|n| u64::try_from(n).ok()));
    let allowed: String = row.get(at + 12)?;
    let damaged = |error: serde_json::Error| DbError::Damaged(error.to_string());
    let allowed = if allowed.is_empty() { None } else { Some(serde_json::from_str(&allowed).map_err(damaged)?) };
    Ok(PlanRow {
        id: PlanId(row.get(at)?),
        tenant: TenantId(row.get(at + 1)?),
        path: row.get(at + 2)?,
        name: row.get(at + 3)?,
        limits: Limits {
            domains: number(4)?,
            mailboxes: number(5)?,
            aliases: number(6)?,
            bytes: number(7)?,
            sends_per_day: number(8)?,
        },
        oversell: row.get::<i64>(at + 9)? != 0,
        quota: Quota { bytes: number(10)?, messages: number(11)? },
        allowed,
        protocols: read_protocols(row, at + 13)?,
        created_at: row.get(at + 19)?,
        revision: row.get(at + 20)?,
    })
}

/// What a buyer of it gets, as parameters, from the name on.
fn args(plan: &PlanRow) -> Vec<Arg> {
    let number = |value: Option<u64>| Arg::from(value.map(|v| i64::try_from(v).unwrap_or(i64::MAX)));
    let allowed = plan.allowed.as_ref().and_then(|allowed| serde_json::to_string(allowed).ok()).unwrap_or_default();
    let mut args = vec![
        plan.name.as_str().into(),
        number(plan.limits.domains),
        number(plan.limits.mailboxes),
        number(plan.limits.aliases),
        number(plan.limits.bytes),
        number(plan.limits.sends_per_day),
        plan.oversell.into(),
        number(plan.quota.bytes),
        number(plan.quota.messages),
        allowed.into(),
    ];
    args.extend(protocol_args(&plan.protocols));
    args
}

/// A plan by its id.
pub async fn find(tx: &mut Tx, id: PlanId) -> Result<Option<PlanRow>> {
    const SQL: &str = "SELECT p.id, p.tenant_id, o.path, p.name, p.domains, p.mailboxes, p.aliases, p.bytes, p.sends_per_day, p.oversell, p.quota_bytes, p.quota_messages, p.allowed, \
         p.imap, p.pop3, p.submission, p.pop3_on_delete, p.pop3_expire_days, p.restrictions, p.created_at, p.revision \
         FROM plans p JOIN tenants o ON o.id = p.tenant_id WHERE p.id = $1";
    tx.one(SQL, &[id.0.into()]).await?.map(|row| read_at(&row, 0)).transpose()
}

/// Plans of tenants at and below a path, by id.
pub async fn list(tx: &mut Tx, path: &str, page: Page) -> Result<Vec<PlanRow>> {
    const SQL: &str = "SELECT p.id, p.tenant_id, o.path, p.name, p.domains, p.mailboxes, p.aliases, p.bytes, p.sends_per_day, p.oversell, p.quota_bytes, p.quota_messages, p.allowed, \
         p.imap, p.pop3, p.submission, p.pop3_on_delete, p.pop3_expire_days, p.restrictions, p.created_at, p.revision \
         FROM plans p JOIN tenants o ON o.id = p.tenant_id \
         WHERE o.path >= $1 AND o.path < $2 AND p.id > $3 ORDER BY p.id LIMIT $4";
    let args = [path.into(), super::tenants::path_end(path).into(), page.after.into(), page.fetch()];
    tx.all(SQL, &args).await?.iter().map(|row| read_at(row, 0)).collect()
}

/// Adds a plan.
pub async fn insert(tx: &mut Tx, plan: &PlanRow) -> Result<()> {
    const SQL: &str = "INSERT INTO plans (id, tenant_id, created_at, revision, name, domains, mailboxes, aliases, bytes, sends_per_day, oversell, \
         quota_bytes, quota_messages, allowed, imap, pop3, submission, pop3_on_delete, pop3_expire_days, restrictions) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";
    let mut all = vec![plan.id.0.into(), plan.tenant.0.into(), plan.created_at.into(), plan.revision.into()];
    all.extend(args(plan));
    tx.execute(SQL, &all).await.map(drop)
}

/// Writes what may change of it: all but its owner.
pub async fn update(tx: &mut Tx, plan: &PlanRow) -> Result<()> {
    const SQL: &str = "UPDATE plans SET revision = $2, name = $3, domains = $4, mailboxes = $5, aliases = $6, bytes = $7, sends_per_day = $8, oversell = $9, \
         quota_bytes = $10, quota_messages = $11, allowed = $12, imap = $13, pop3 = $14, submission = $15, pop3_on_delete = $16, pop3_expire_days = $17, \
         restrictions = $18 WHERE id = $1";
    let mut all = vec![plan.id.0.into(), plan.revision.into()];
    all.extend(args(plan));
    tx.execute(SQL, &all).await.map(drop)
}

/// Removes it; `Referred` while a tenant has it.
pub async fn delete(tx: &mut Tx, id: PlanId) -> Result<()> {
    tx.execute("DELETE FROM plans WHERE id = $1", &[id.0.into()]).await.map(drop)
}
