//! Rows of `domains`.

pub use super::protocols::ProtocolSettings;
use super::protocols::{protocol_args, read_protocols};
use super::{Page, Result, Row, Tx};
use crate::model::DomainName;
use crate::model::ids::{DomainId, TenantId};

/// A domain.
#[derive(Debug, Clone)]
pub struct DomainRow {
    /// Its id.
    pub id: DomainId,
    /// Whose it is.
    pub tenant: TenantId,
    /// That tenant's path.
    pub path: String,
    /// Its name.
    pub name: DomainName,
    /// Its say about protocols.
    pub protocols: ProtocolSettings,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The revision that last wrote it.
    pub revision: i64,
}

fn read(row: &Row) -> Result<DomainRow> {
    Ok(DomainRow {
        id: DomainId(row.get(0)?),
        tenant: TenantId(row.get(1)?),
        path: row.get(2)?,
        name: row.parse(3)?,
        protocols: read_protocols(row, 4)?,
        created_at: row.get(10)?,
        revision: row.get(11)?,
    })
}

/// A domain by id.
pub async fn find(tx: &mut Tx, id: DomainId) -> Result<Option<DomainRow>> {
    const SQL: &str = "SELECT d.id, d.tenant_id, t.path, d.name, d.imap, d.pop3, d.submission, d.pop3_on_delete, d.pop3_expire_days, d.restrictions, d.created_at, d.revision \
         FROM domains d JOIN tenants t ON t.id = d.tenant_id WHERE d.id = $1";
    tx.one(SQL, &[id.0.into()]).await?.as_ref().map(read).transpose()
}

/// A domain by name.
pub async fn find_by_name(tx: &mut Tx, name: &DomainName) -> Result<Option<DomainRow>> {
    const SQL: &str = "SELECT d.id, d.tenant_id, t.path, d.name, d.imap, d.pop3, d.submission, d.pop3_on_delete, d.pop3_expire_days, d.restrictions, d.created_at, d.revision \
         FROM domains d JOIN tenants t ON t.id = d.tenant_id WHERE d.name = $1";
    tx.one(SQL, &[name.as_str().into()]).await?.as_ref().map(read).transpose()
}

/// Domains of tenants at and below a path, by id.
pub async fn list(tx: &mut Tx, path: &str, page: Page) -> Result<Vec<DomainRow>> {
    const SQL: &str = "SELECT d.id, d.tenant_id, t.path, d.name, d.imap, d.pop3, d.submission, d.pop3_on_delete, d.pop3_expire_days, d.restrictions, d.created_at, d.revision \
         FROM domains d JOIN tenants t ON t.id = d.tenant_id \
         WHERE t.path >= $1 AND t.path < $2 AND d.id > $3 ORDER BY d.id LIMIT $4";
    let args = [path.into(), super::tenants::path_end(path).into(), page.after.into(), page.fetch()];
    tx.all(SQL, &args).await?.iter().map(read).collect()
}

/// Adds a domain.
pub async fn insert(tx: &mut Tx, domain: &DomainRow) -> Result<()> {
    const SQL: &str = "INSERT INTO domains (id, tenant_id, name, imap, pop3, submission, pop3_on_delete, pop3_expire_days, restrictions, created_at, revision) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let mut args = vec![domain.id.0.into(), domain.tenant.0.into(), domain.name.as_str().into()];
    args.extend(protocol_args(&domain.protocols));
    args.extend([domain.created_at.into(), domain.revision.into()]);
    tx.execute(SQL, &args).await.map(drop)
}

/// Writes its say about protocols.
pub async fn set_protocols(tx: &mut Tx, id: DomainId, protocols: &ProtocolSettings, revision: i64) -> Result<()> {
    const SQL: &str = "UPDATE domains SET imap = $2, pop3 = $3, submission = $4, pop3_on_delete = $5, pop3_expire_days = $6, restrictions = $7, revision = $8 WHERE id = $1";
    let mut args = vec![id.0.into()];
    args.extend(protocol_args(protocols));
    args.push(revision.into());
    tx.execute(SQL, &args).await.map(drop)
}

/// Marks it as written by a revision (for its suspensions).
pub async fn touch(tx: &mut Tx, id: DomainId, revision: i64) -> Result<()> {
    tx.execute("UPDATE domains SET revision = $2 WHERE id = $1", &[id.0.into(), revision.into()]).await.map(drop)
}

/// Removes it; `Referred` while it has mailboxes or aliases.
pub async fn delete(tx: &mut Tx, id: DomainId) -> Result<()> {
    tx.execute("DELETE FROM domains WHERE id = $1", &[id.0.into()]).await.map(drop)
}
