//! Rows of `tenant_counts`: how much each tenant has, kept in the transaction that changes it.
//!
//! Invariant: the row of every tenant concerned is written, and so locked, before it is
//! read, so that what a limit is held against stays true until the commit.

use super::{Arg, Result, Tx};
use crate::model::LimitName;
use crate::model::ids::TenantId;

/// What a tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Domains at and below it.
    pub domains: u64,
    /// Mailboxes at and below it.
    pub mailboxes: u64,
    /// Aliases at and below it.
    pub aliases: u64,
    /// Octets that its own mailboxes were given by name.
    pub quota_bytes: u64,
    /// How many of its own mailboxes take their quota from the plan.
    pub inheriting: u64,
}

/// What the tenants right below one have, and what their plans let them have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sold {
    /// How much the plans of the tenants below come to.
    pub limits: u64,
    /// How many of them have no limit.
    pub unlimited: u64,
    /// How much they and theirs have.
    pub used: u64,
}

/// The first row of a tenant.
pub async fn insert(tx: &mut Tx, tenant: TenantId) -> Result<()> {
    const SQL: &str = "INSERT INTO tenant_counts (tenant_id, domains, mailboxes, aliases, quota_bytes, inheriting) VALUES ($1, 0, 0, 0, 0, 0)";
    tx.execute(SQL, &[tenant.0.into()]).await.map(drop)
}

/// Removes the row of a tenant that goes.
pub async fn delete(tx: &mut Tx, tenant: TenantId) -> Result<()> {
    tx.execute("DELETE FROM tenant_counts WHERE tenant_id = $1", &[tenant.0.into()]).await.map(drop)
}

/// Counts `n` more (or fewer) domains, mailboxes or aliases for each of these tenants.
pub async fn add(tx: &mut Tx, tenants: impl Iterator<Item = TenantId>, name: LimitName, n: i64) -> Result<()> {
    let sql = match name {
        LimitName::Domains => "UPDATE tenant_counts SET domains = domains + $2 WHERE tenant_id = $1",
        LimitName::Mailboxes => "UPDATE tenant_counts SET mailboxes = mailboxes + $2 WHERE tenant_id = $1",
        LimitName::Aliases => "UPDATE tenant_counts SET aliases = aliases + $2 WHERE tenant_id = $1",
        LimitName::Bytes | LimitName::SendsPerDay => return Ok(()),
    };
    for tenant in tenants {
        tx.execute(sql, &[tenant.0.into(), n.into()]).await?;
    }
    Ok(())
}

/// Counts what a tenant's own mailboxes are given.
pub async fn add_quota(tx: &mut Tx, tenant: TenantId, bytes: i64, inheriting: i64) -> Result<()> {
    const SQL: &str =
        "UPDATE tenant_counts SET quota_bytes = quota_bytes + $2, inheriting = inheriting + $3 WHERE tenant_id = $1";
    tx.execute(SQL, &[tenant.0.into(), bytes.into(), inheriting.into()]).await.map(drop)
}

/// What a tenant has.
pub async fn of(tx: &mut Tx, tenant: TenantId) -> Result<Counts> {
    const SQL: &str =
        "SELECT domains, mailboxes, aliases, quota_bytes, inheriting FROM tenant_counts WHERE tenant_id = $1";
    let Some(row) = tx.one(SQL, &[tenant.0.into()]).await? else { return Ok(Counts::default()) };
    let number = |column: usize| row.get::<i64>(column).map(|n| u64::try_from(n).unwrap_or(0));
    Ok(Counts {
        domains: number(0)?,
        mailboxes: number(1)?,
        aliases: number(2)?,
        quota_bytes: number(3)?,
        inheriting: number(4)?,
    })
}

/// What a tenant has handed out to those right below it.
pub async fn sold(tx: &mut Tx, tenant: TenantId, name: LimitName) -> Result<Sold> {
    let sql = match name {
        LimitName::Domains => {
            "SELECT CAST(COALESCE(SUM(p.domains), 0) AS BIGINT), COUNT(*) - COUNT(p.domains), CAST(COALESCE(SUM(c.domains), 0) AS BIGINT) \
             FROM tenants t LEFT JOIN plans p ON p.id = t.plan_id LEFT JOIN tenant_counts c ON c.tenant_id = t.id WHERE t.parent_id = $1"
        }
        LimitName::Mailboxes => {
            "SELECT CAST(COALESCE(SUM(p.mailboxes), 0) AS BIGINT), COUNT(*) - COUNT(p.mailboxes), CAST(COALESCE(SUM(c.mailboxes), 0) AS BIGINT) \
             FROM tenants t LEFT JOIN plans p ON p.id = t.plan_id LEFT JOIN tenant_counts c ON c.tenant_id = t.id WHERE t.parent_id = $1"
        }
        LimitName::Aliases => {
            "SELECT CAST(COALESCE(SUM(p.aliases), 0) AS BIGINT), COUNT(*) - COUNT(p.aliases), CAST(COALESCE(SUM(c.aliases), 0) AS BIGINT) \
             FROM tenants t LEFT JOIN plans p ON p.id = t.plan_id LEFT JOIN tenant_counts c ON c.tenant_id = t.id WHERE t.parent_id = $1"
        }
        LimitName::Bytes => {
            "SELECT CAST(COALESCE(SUM(p.bytes), 0) AS BIGINT), COUNT(*) - COUNT(p.bytes), 0 + CAST(0 AS BIGINT) \
             FROM tenants t LEFT JOIN plans p ON p.id = t.plan_id WHERE t.parent_id = $1"
        }
        LimitName::SendsPerDay => {
            "SELECT CAST(COALESCE(SUM(p.sends_per_day), 0) AS BIGINT), COUNT(*) - COUNT(p.sends_per_day), 0 + CAST(0 AS BIGINT) \
             FROM tenants t LEFT JOIN plans p ON p.id = t.plan_id WHERE t.parent_id = $1"
        }
    };
    let Some(row) = tx.one(sql, &[Arg::from(tenant.0)]).await? else { return Ok(Sold::default()) };
    let number = |column: usize| row.get::<i64>(column).map(|n| u64::try_from(n).unwrap_or(0));
    Ok(Sold { limits: number(0)?, unlimited: number(1)?, used: number(2)? })
}
