//! Rows of `tenants`: the tree under the operator.

use super::listing::{Listing, Parts, Place, SortKey, filter};
use super::protocols::{ProtocolSettings, protocol_args, read_protocols};
use super::{Result, Row, Tx};
use crate::model::TenantKind;
use crate::model::ids::{PlanId, TenantId};

/// A tenant.
#[derive(Debug, Clone)]
pub struct TenantRow {
    /// Its id.
    pub id: TenantId,
    /// The tenant above; none for the operator's root.
    pub parent: Option<TenantId>,
    /// The ids from the root down to it: "below" is a range of paths.
    pub path: String,
    /// Operator, reseller or customer.
    pub kind: TenantKind,
    /// Its name.
    pub name: String,
    /// What it bought, if that has a name.
    pub plan: Option<PlanId>,
    /// Its say about protocols.
    pub protocols: ProtocolSettings,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The revision that last wrote it.
    pub revision: i64,
}

/// What is read of a tenant `t`.
macro_rules! columns {
    () => {
        "t.id, t.parent_id, t.path, t.kind, t.name, t.plan_id, t.imap, t.pop3, t.submission, t.pop3_on_delete, t.pop3_expire_days, t.restrictions, t.created_at, t.revision"
    };
}

/// What the list of tenants can be.
pub static PARTS: Parts = Parts {
    name: "tenants",
    columns: columns!(),
    from: "tenants t",
    joins: &[],
    filters: &[
        filter("below", "t.path >= ? AND t.path < ?"),
        filter("tenant", "t.id = ?"),
        filter("prefix", "LOWER(t.name) >= ? AND LOWER(t.name) < ?"),
        filter("kind", "t.kind = ?"),
        filter("plan", "t.plan_id = ?"),
    ],
    sorts: &[
        SortKey { name: "id", key: "t.id", id: "t.id", text: false, joins: &[] },
        SortKey { name: "name", key: "LOWER(t.name)", id: "t.id", text: true, joins: &[] },
        SortKey { name: "created_at", key: "t.created_at", id: "t.id", text: false, joins: &[] },
    ],
};

fn read(row: &Row) -> Result<TenantRow> {
    Ok(TenantRow {
        id: TenantId(row.get(0)?),
        parent: row.get::<Option<i64>>(1)?.map(TenantId),
        path: row.get(2)?,
        kind: row.parse(3)?,
        name: row.get(4)?,
        plan: row.get::<Option<i64>>(5)?.map(PlanId),
        protocols: read_protocols(row, 6)?,
        created_at: row.get(12)?,
        revision: row.get(13)?,
    })
}

/// One more than every path that begins with `path`.
pub fn path_end(path: &str) -> String {
    format!("{path}~")
}

/// A tenant by its id.
pub async fn find(tx: &mut Tx, id: TenantId) -> Result<Option<TenantRow>> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM tenants t WHERE t.id = $1");
    tx.one(SQL, &[id.0.into()]).await?.as_ref().map(read).transpose()
}

/// The operator's root, if the database has been set up.
pub async fn root(tx: &mut Tx) -> Result<Option<TenantRow>> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM tenants t WHERE t.parent_id IS NULL");
    tx.one(SQL, &[]).await?.as_ref().map(read).transpose()
}

/// A page of a list.
pub async fn list(tx: &mut Tx, listing: &Listing) -> Result<Vec<(TenantRow, Place)>> {
    listing.rows(tx, read, |row| row.id.0).await
}

/// Adds a tenant.
pub async fn insert(tx: &mut Tx, tenant: &TenantRow) -> Result<()> {
    const SQL: &str = "INSERT INTO tenants (id, parent_id, path, kind, name, plan_id, imap, pop3, submission, pop3_on_delete, pop3_expire_days, restrictions, created_at, revision) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    let mut args = vec![
        tenant.id.0.into(),
        tenant.parent.map(|p| p.0).into(),
        tenant.path.as_str().into(),
        tenant.kind.as_str().into(),
        tenant.name.as_str().into(),
        tenant.plan.map(|p| p.0).into(),
    ];
    args.extend(protocol_args(&tenant.protocols));
    args.extend([tenant.created_at.into(), tenant.revision.into()]);
    tx.execute(SQL, &args).await.map(drop)
}

/// Writes what may change of it.
pub async fn update(tx: &mut Tx, tenant: &TenantRow) -> Result<()> {
    const SQL: &str = "UPDATE tenants SET name = $2, plan_id = $3, imap = $4, pop3 = $5, submission = $6, pop3_on_delete = $7, \
         pop3_expire_days = $8, restrictions = $9, revision = $10 WHERE id = $1";
    let mut args = vec![tenant.id.0.into(), tenant.name.as_str().into(), tenant.plan.map(|p| p.0).into()];
    args.extend(protocol_args(&tenant.protocols));
    args.push(tenant.revision.into());
    tx.execute(SQL, &args).await.map(drop)
}

/// The tenants right above those that have a plan.
pub async fn sellers_of(tx: &mut Tx, plan: PlanId) -> Result<Vec<TenantId>> {
    const SQL: &str = "SELECT DISTINCT parent_id FROM tenants WHERE plan_id = $1 AND parent_id IS NOT NULL";
    tx.all(SQL, &[plan.0.into()]).await?.iter().map(|row| row.get(0).map(TenantId)).collect()
}

/// Removes it; `Referred` while it has tenants, domains, users, keys or plans.
pub async fn delete(tx: &mut Tx, id: TenantId) -> Result<()> {
    tx.execute("DELETE FROM tenants WHERE id = $1", &[id.0.into()]).await.map(drop)
}
