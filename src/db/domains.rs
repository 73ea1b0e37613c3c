//! Rows of `domains`.

use super::listing::{Filter, Listing, Parts, Place, SortKey, filter};
pub use super::protocols::ProtocolSettings;
use super::protocols::{protocol_args, read_protocols};
use super::reach::{LEVELS, domain_on};
use super::{DbError, Result, Row, Tx};
use crate::model::ids::{DomainId, TenantId};
use crate::model::{DomainName, EmailAddress};

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
    /// The domain that it only spells differently.
    pub alias_of: Option<DomainId>,
    /// Where mail for unknown addresses goes.
    pub catch_all: Option<EmailAddress>,
    /// Where postmaster and abuse go when they are no addresses of their own.
    pub reserved_to: Option<EmailAddress>,
    /// Between user and detail (RFC 5233); empty for none.
    pub separator: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The revision that last wrote it.
    pub revision: i64,
}

/// An address, or none where the text is empty.
fn address(row: &Row, column: usize) -> Result<Option<EmailAddress>> {
    let text: String = row.get(column)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| DbError::Damaged(text)) }
}

/// What is read of a domain `d` of a tenant `t`.
macro_rules! columns {
    () => {
        "d.id, d.tenant_id, t.path, d.name, d.imap, d.pop3, d.submission, d.pop3_on_delete, d.pop3_expire_days, d.restrictions, d.alias_of, d.catch_all, d.reserved_to, d.separator, d.created_at, d.revision"
    };
}

/// What the list of domains can be.
pub static PARTS: Parts = Parts {
    name: "domains",
    columns: columns!(),
    from: "domains d JOIN tenants t ON t.id = d.tenant_id",
    joins: &[LEVELS],
    filters: &[
        filter("below", "d.tenant_id IN (SELECT x.id FROM tenants x WHERE x.path >= ? AND x.path < ?)"),
        filter("tenant", "d.tenant_id = ?"),
        filter("prefix", "d.name >= ? AND d.name < ?"),
        filter(
            "suspended",
            "d.id IN (SELECT s.domain_id FROM suspensions s WHERE s.domain_id IS NOT NULL AND (s.until_at IS NULL OR s.until_at > ?))",
        ),
        filter(
            "not_suspended",
            "NOT EXISTS (SELECT 1 FROM suspensions s WHERE s.domain_id = d.id AND (s.until_at IS NULL OR s.until_at > ?))",
        ),
        Filter { name: "imap", sql: domain_on!("imap", "'login'"), joins: &[LEVELS] },
        Filter { name: "not_imap", sql: concat!("NOT ", domain_on!("imap", "'login'")), joins: &[LEVELS] },
        Filter { name: "pop3", sql: domain_on!("pop3", "'login'"), joins: &[LEVELS] },
        Filter { name: "not_pop3", sql: concat!("NOT ", domain_on!("pop3", "'login'")), joins: &[LEVELS] },
        Filter { name: "submission", sql: domain_on!("submission", "'login', 'send_reject'"), joins: &[LEVELS] },
        Filter {
            name: "not_submission",
            sql: concat!("NOT ", domain_on!("submission", "'login', 'send_reject'")),
            joins: &[LEVELS],
        },
    ],
    sorts: &[
        SortKey { name: "id", key: "d.id", id: "d.id", text: false, joins: &[] },
        SortKey { name: "name", key: "d.name", id: "d.id", text: true, joins: &[] },
        SortKey { name: "created_at", key: "d.created_at", id: "d.id", text: false, joins: &[] },
    ],
};

fn read(row: &Row) -> Result<DomainRow> {
    Ok(DomainRow {
        id: DomainId(row.get(0)?),
        tenant: TenantId(row.get(1)?),
        path: row.get(2)?,
        name: row.parse(3)?,
        protocols: read_protocols(row, 4)?,
        alias_of: row.get::<Option<i64>>(10)?.map(DomainId),
        catch_all: address(row, 11)?,
        reserved_to: address(row, 12)?,
        separator: row.get(13)?,
        created_at: row.get(14)?,
        revision: row.get(15)?,
    })
}

/// A domain by id.
pub async fn find(tx: &mut Tx, id: DomainId) -> Result<Option<DomainRow>> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM domains d JOIN tenants t ON t.id = d.tenant_id WHERE d.id = $1");
    tx.one(SQL, &[id.0.into()]).await?.as_ref().map(read).transpose()
}

/// A domain by name.
pub async fn find_by_name(tx: &mut Tx, name: &DomainName) -> Result<Option<DomainRow>> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM domains d JOIN tenants t ON t.id = d.tenant_id WHERE d.name = $1");
    tx.one(SQL, &[name.as_str().into()]).await?.as_ref().map(read).transpose()
}

/// A page of a list.
pub async fn list(tx: &mut Tx, listing: &Listing) -> Result<Vec<(DomainRow, Place)>> {
    listing.rows(tx, read, |row| row.id.0).await
}

/// Adds a domain.
pub async fn insert(tx: &mut Tx, domain: &DomainRow) -> Result<()> {
    const SQL: &str = "INSERT INTO domains (id, tenant_id, name, imap, pop3, submission, pop3_on_delete, pop3_expire_days, restrictions, alias_of, catch_all, reserved_to, separator, created_at, revision) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    let mut args = vec![domain.id.0.into(), domain.tenant.0.into(), domain.name.as_str().into()];
    args.extend(protocol_args(&domain.protocols));
    args.extend(address_args(domain));
    args.extend([domain.created_at.into(), domain.revision.into()]);
    tx.execute(SQL, &args).await.map(drop)
}

fn address_args(domain: &DomainRow) -> [super::Arg; 4] {
    let text = |address: &Option<EmailAddress>| address.as_ref().map(ToString::to_string).unwrap_or_default().into();
    [
        domain.alias_of.map(|id| id.0).into(),
        text(&domain.catch_all),
        text(&domain.reserved_to),
        domain.separator.as_str().into(),
    ]
}

/// Writes what may change of it.
pub async fn update(tx: &mut Tx, domain: &DomainRow) -> Result<()> {
    const SQL: &str = "UPDATE domains SET tenant_id = $2, imap = $3, pop3 = $4, submission = $5, pop3_on_delete = $6, pop3_expire_days = $7, restrictions = $8, \
         alias_of = $9, catch_all = $10, reserved_to = $11, separator = $12, revision = $13 WHERE id = $1";
    let mut args = vec![domain.id.0.into(), domain.tenant.0.into()];
    args.extend(protocol_args(&domain.protocols));
    args.extend(address_args(domain));
    args.push(domain.revision.into());
    tx.execute(SQL, &args).await.map(drop)
}

/// Marks it as written by a revision (for its suspensions).
pub async fn touch(tx: &mut Tx, id: DomainId, revision: i64) -> Result<()> {
    tx.execute("UPDATE domains SET revision = $2 WHERE id = $1", &[id.0.into(), revision.into()]).await.map(drop)
}

/// Removes it; `Referred` while it has mailboxes, aliases or domains that stand for it.
pub async fn delete(tx: &mut Tx, id: DomainId) -> Result<()> {
    tx.execute("DELETE FROM domains WHERE id = $1", &[id.0.into()]).await.map(drop)
}
