//! Rows of `aliases`.

use super::listing::{Listing, Parts, Place, SortKey, filter};
use super::{DbError, Result, Row, Tx};
use crate::model::ids::{AliasId, DomainId, TenantId};
use crate::model::{EmailAddress, WhoMayPost};

/// An alias.
#[derive(Debug, Clone)]
pub struct AliasRow {
    /// Its id.
    pub id: AliasId,
    /// Its domain.
    pub domain: DomainId,
    /// The tenant that owns the domain.
    pub tenant: TenantId,
    /// That tenant's path.
    pub path: String,
    /// Its address.
    pub address: EmailAddress,
    /// Where it delivers.
    pub targets: Vec<EmailAddress>,
    /// When it ends, Unix milliseconds.
    pub expires_at: Option<i64>,
    /// Who may send to it.
    pub who_may_post: WhoMayPost,
    /// Who may besides, or alone when it lists them.
    pub posters: Vec<EmailAddress>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The revision that last wrote it.
    pub revision: i64,
}

/// What is read of an alias `a` of a tenant `t`.
macro_rules! columns {
    () => {
        "a.id, a.domain_id, a.tenant_id, t.path, a.address, a.targets, a.expires_at, a.who_may_post, a.posters, a.created_at, a.revision"
    };
}

/// What the list of aliases can be.
pub static PARTS: Parts = Parts {
    name: "aliases",
    columns: columns!(),
    from: "aliases a JOIN tenants t ON t.id = a.tenant_id",
    joins: &[],
    filters: &[
        filter("below", "a.tenant_id IN (SELECT x.id FROM tenants x WHERE x.path >= ? AND x.path < ?)"),
        filter("tenant", "a.tenant_id = ?"),
        filter("domain", "a.domain_id = ?"),
        filter("prefix", "a.address_key >= ? AND a.address_key < ?"),
        filter("expired", "a.expires_at IS NOT NULL AND a.expires_at <= ?"),
        filter("not_expired", "(a.expires_at IS NULL OR a.expires_at > ?)"),
    ],
    sorts: &[
        SortKey { name: "id", key: "a.id", id: "a.id", text: false, joins: &[] },
        SortKey { name: "address", key: "a.address_key", id: "a.id", text: true, joins: &[] },
        SortKey { name: "created_at", key: "a.created_at", id: "a.id", text: false, joins: &[] },
    ],
};

fn read(row: &Row) -> Result<AliasRow> {
    let list = |column: usize| -> Result<Vec<EmailAddress>> {
        let text: String = row.get(column)?;
        serde_json::from_str(&text).map_err(|e| DbError::Damaged(e.to_string()))
    };
    Ok(AliasRow {
        id: AliasId(row.get(0)?),
        domain: DomainId(row.get(1)?),
        tenant: TenantId(row.get(2)?),
        path: row.get(3)?,
        address: row.parse(4)?,
        targets: list(5)?,
        expires_at: row.get(6)?,
        who_may_post: row.parse(7)?,
        posters: list(8)?,
        created_at: row.get(9)?,
        revision: row.get(10)?,
    })
}

fn text_of(addresses: &[EmailAddress]) -> String {
    serde_json::Value::from(addresses.iter().map(ToString::to_string).collect::<Vec<_>>()).to_string()
}

/// An alias by id.
pub async fn find(tx: &mut Tx, id: AliasId) -> Result<Option<AliasRow>> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM aliases a JOIN tenants t ON t.id = a.tenant_id WHERE a.id = $1");
    tx.one(SQL, &[id.0.into()]).await?.as_ref().map(read).transpose()
}

/// An alias by its canonical address key.
pub async fn find_by_key(tx: &mut Tx, key: &str) -> Result<Option<AliasRow>> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM aliases a JOIN tenants t ON t.id = a.tenant_id WHERE a.address_key = $1");
    tx.one(SQL, &[key.into()]).await?.as_ref().map(read).transpose()
}

/// A page of a list.
pub async fn list(tx: &mut Tx, listing: &Listing) -> Result<Vec<(AliasRow, Place)>> {
    listing.rows(tx, read, |row| row.id.0).await
}

/// Adds an alias (its address is taken in `addresses`).
pub async fn insert(tx: &mut Tx, alias: &AliasRow) -> Result<()> {
    const SQL: &str = "INSERT INTO aliases (id, domain_id, tenant_id, address, address_key, targets, expires_at, who_may_post, posters, created_at, revision) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let args = [
        alias.id.0.into(),
        alias.domain.0.into(),
        alias.tenant.0.into(),
        alias.address.to_string().into(),
        alias.address.key().into(),
        text_of(&alias.targets).into(),
        alias.expires_at.into(),
        alias.who_may_post.as_str().into(),
        text_of(&alias.posters).into(),
        alias.created_at.into(),
        alias.revision.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Writes where it delivers, for whom and how long.
pub async fn update(tx: &mut Tx, alias: &AliasRow) -> Result<()> {
    const SQL: &str = "UPDATE aliases SET targets = $2, expires_at = $3, who_may_post = $4, posters = $5, revision = $6 WHERE id = $1";
    let args = [
        alias.id.0.into(),
        text_of(&alias.targets).into(),
        alias.expires_at.into(),
        alias.who_may_post.as_str().into(),
        text_of(&alias.posters).into(),
        alias.revision.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Removes it.
pub async fn delete(tx: &mut Tx, id: AliasId) -> Result<()> {
    tx.execute("DELETE FROM aliases WHERE id = $1", &[id.0.into()]).await.map(drop)
}
