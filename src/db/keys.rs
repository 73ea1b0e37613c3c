//! Rows of `api_keys`: a hash of each key, never the key.

use super::listing::{Listing, Parts, Place, SortKey, filter};
use super::{Arg, DbError, Result, Row, Tx};
use crate::model::ids::{DomainId, KeyId, TenantId};
use crate::model::{Network, Role, Scope};

/// What narrows a key besides its role; none does not narrow it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// What it may be used for.
    pub scopes: Option<Vec<Scope>>,
    /// The domains it reaches, and nothing else.
    pub domains: Option<Vec<DomainId>>,
    /// The networks it may be used from.
    pub allow_from: Option<Vec<Network>>,
}

/// An API key.
#[derive(Debug, Clone)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// In which tenant it acts.
    pub tenant: TenantId,
    /// That tenant's path.
    pub path: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// True when it may only read.
    pub read_only: bool,
    /// What it may do besides.
    pub grants: Grants,
    /// Unix milliseconds; none never expires.
    pub expires_at: Option<i64>,
    /// Unix milliseconds.
    pub last_used_at: Option<i64>,
    /// The address of the last use.
    pub last_used_from: Option<String>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The revision that last wrote it.
    pub revision: i64,
}

/// A JSON list; none where the text is empty.
fn granted<T: serde::de::DeserializeOwned>(row: &Row, column: usize) -> Result<Option<Vec<T>>> {
    let text: String = row.get(column)?;
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(&text).map(Some).map_err(|error| DbError::Damaged(error.to_string()))
}

fn text_of<T: serde::Serialize>(list: Option<&Vec<T>>) -> Arg {
    list.and_then(|list| serde_json::to_string(list).ok()).unwrap_or_default().into()
}

/// What is read of a key `k` of a tenant `t`.
macro_rules! columns {
    () => {
        "k.id, k.tenant_id, t.path, k.name, k.role, k.read_only, k.expires_at, k.last_used_at, k.created_at, k.revision, k.scopes, k.domains, k.allow_from, k.last_used_from"
    };
}

/// What the list of keys can be.
pub static PARTS: Parts = Parts {
    name: "keys",
    columns: columns!(),
    from: "api_keys k JOIN tenants t ON t.id = k.tenant_id",
    joins: &[],
    filters: &[
        filter("below", "k.tenant_id IN (SELECT x.id FROM tenants x WHERE x.path >= ? AND x.path < ?)"),
        filter("tenant", "k.tenant_id = ?"),
        filter("prefix", "LOWER(k.name) >= ? AND LOWER(k.name) < ?"),
        filter("expired", "k.expires_at IS NOT NULL AND k.expires_at <= ?"),
        filter("not_expired", "(k.expires_at IS NULL OR k.expires_at > ?)"),
        filter("not_used_since", "k.created_at < ? AND (k.last_used_at IS NULL OR k.last_used_at < ?)"),
    ],
    sorts: &[
        SortKey { name: "id", key: "k.id", id: "k.id", text: false, joins: &[] },
        SortKey { name: "name", key: "LOWER(k.name)", id: "k.id", text: true, joins: &[] },
        SortKey { name: "created_at", key: "k.created_at", id: "k.id", text: false, joins: &[] },
        SortKey { name: "last_used_at", key: "COALESCE(k.last_used_at, 0)", id: "k.id", text: false, joins: &[] },
    ],
};

fn read(row: &Row) -> Result<KeyRow> {
    Ok(KeyRow {
        id: KeyId(row.get(0)?),
        tenant: TenantId(row.get(1)?),
        path: row.get(2)?,
        name: row.get(3)?,
        role: row.parse(4)?,
        read_only: row.get::<i64>(5)? != 0,
        grants: Grants { scopes: granted(row, 10)?, domains: granted(row, 11)?, allow_from: granted(row, 12)? },
        expires_at: row.get(6)?,
        last_used_at: row.get(7)?,
        last_used_from: Some(row.get::<String>(13)?).filter(|from| !from.is_empty()),
        created_at: row.get(8)?,
        revision: row.get(9)?,
    })
}

/// A key by its id.
pub async fn find(tx: &mut Tx, id: KeyId) -> Result<Option<KeyRow>> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM api_keys k JOIN tenants t ON t.id = k.tenant_id WHERE k.id = $1");
    tx.one(SQL, &[id.0.into()]).await?.as_ref().map(read).transpose()
}

/// A key by the SHA-256 of its text.
pub async fn find_by_secret(tx: &mut Tx, secret_hash: &[u8]) -> Result<Option<KeyRow>> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM api_keys k JOIN tenants t ON t.id = k.tenant_id WHERE k.secret_hash = $1"
    );
    tx.one(SQL, &[secret_hash.into()]).await?.as_ref().map(read).transpose()
}

/// A page of a list.
pub async fn list(tx: &mut Tx, listing: &Listing) -> Result<Vec<(KeyRow, Place)>> {
    listing.rows(tx, read, |row| row.id.0).await
}

/// Adds a key.
pub async fn insert(tx: &mut Tx, key: &KeyRow, secret_hash: &[u8]) -> Result<()> {
    const SQL: &str = "INSERT INTO api_keys (id, tenant_id, name, role, read_only, secret_hash, expires_at, created_at, revision, scopes, domains, allow_from) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let args = [
        key.id.0.into(),
        key.tenant.0.into(),
        key.name.as_str().into(),
        key.role.as_str().into(),
        key.read_only.into(),
        secret_hash.into(),
        key.expires_at.into(),
        key.created_at.into(),
        key.revision.into(),
        text_of(key.grants.scopes.as_ref()),
        text_of(key.grants.domains.as_ref()),
        text_of(key.grants.allow_from.as_ref()),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Gives it another name or expiry; its rights never change.
pub async fn update(tx: &mut Tx, key: &KeyRow) -> Result<()> {
    const SQL: &str = "UPDATE api_keys SET name = $2, expires_at = $3, revision = $4 WHERE id = $1";
    let args = [key.id.0.into(), key.name.as_str().into(), key.expires_at.into(), key.revision.into()];
    tx.execute(SQL, &args).await.map(drop)
}

/// Notes when it was used, and from where.
pub async fn used(tx: &mut Tx, id: KeyId, at: i64, from: &str) -> Result<()> {
    const SQL: &str = "UPDATE api_keys SET last_used_at = $2, last_used_from = $3 WHERE id = $1";
    tx.execute(SQL, &[id.0.into(), at.into(), from.into()]).await.map(drop)
}

/// Removes it.
pub async fn delete(tx: &mut Tx, id: KeyId) -> Result<()> {
    tx.execute("DELETE FROM api_keys WHERE id = $1", &[id.0.into()]).await.map(drop)
}
