//! Which mailboxes lie in the scope of a change: for previews.

use super::{Result, Row, Tx};
use crate::model::ids::{DomainId, MailboxId, PlanId, TenantId};

fn read(row: &Row) -> Result<(MailboxId, String)> {
    Ok((MailboxId(row.get(0)?), row.get(1)?))
}

async fn number(tx: &mut Tx, sql: &'static str, id: i64) -> Result<u64> {
    let count = tx.one(sql, &[id.into()]).await?.map_or(Ok(0), |row| row.get::<i64>(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The address of a mailbox.
pub async fn mailbox(tx: &mut Tx, id: MailboxId) -> Result<Option<(MailboxId, String)>> {
    const SQL: &str = "SELECT id, address FROM mailboxes WHERE id = $1";
    tx.one(SQL, &[id.0.into()]).await?.as_ref().map(read).transpose()
}

/// How many mailboxes a domain has, and the first of them.
pub async fn of_domain(tx: &mut Tx, id: DomainId, limit: usize) -> Result<(u64, Vec<(MailboxId, String)>)> {
    const SQL: &str = "SELECT id, address FROM mailboxes WHERE domain_id = $1 ORDER BY id LIMIT $2";
    let count = number(tx, "SELECT COUNT(*) FROM mailboxes WHERE domain_id = $1", id.0).await?;
    let rows = tx.all(SQL, &[id.0.into(), (limit as i64).into()]).await?;
    Ok((count, rows.iter().map(read).collect::<Result<_>>()?))
}

/// How many mailboxes lie at and below a tenant, and the first of them.
pub async fn of_tenant(tx: &mut Tx, id: TenantId, limit: usize) -> Result<(u64, Vec<(MailboxId, String)>)> {
    const COUNT: &str = "SELECT COUNT(*) FROM tenants x JOIN tenants t ON t.path >= x.path AND t.path < x.path || '~' \
         JOIN mailboxes m ON m.tenant_id = t.id WHERE x.id = $1";
    const SQL: &str = "SELECT m.id, m.address FROM tenants x JOIN tenants t ON t.path >= x.path AND t.path < x.path || '~' \
         JOIN mailboxes m ON m.tenant_id = t.id WHERE x.id = $1 ORDER BY m.id LIMIT $2";
    let count = number(tx, COUNT, id.0).await?;
    let rows = tx.all(SQL, &[id.0.into(), (limit as i64).into()]).await?;
    Ok((count, rows.iter().map(read).collect::<Result<_>>()?))
}

/// How many mailboxes lie at and below tenants with a plan, and the first of them.
pub async fn of_plan(tx: &mut Tx, id: PlanId, limit: usize) -> Result<(u64, Vec<(MailboxId, String)>)> {
    const COUNT: &str = "SELECT COUNT(DISTINCT m.id) FROM tenants x JOIN tenants t ON t.path >= x.path AND t.path < x.path || '~' \
         JOIN mailboxes m ON m.tenant_id = t.id WHERE x.plan_id = $1";
    const SQL: &str = "SELECT DISTINCT m.id, m.address FROM tenants x JOIN tenants t ON t.path >= x.path AND t.path < x.path || '~' \
         JOIN mailboxes m ON m.tenant_id = t.id WHERE x.plan_id = $1 ORDER BY m.id LIMIT $2";
    let count = number(tx, COUNT, id.0).await?;
    let rows = tx.all(SQL, &[id.0.into(), (limit as i64).into()]).await?;
    Ok((count, rows.iter().map(read).collect::<Result<_>>()?))
}
