//! Rows of `users`: who signs in to the API by name and password.

use super::listing::{Listing, Parts, Place, SortKey, filter};
use super::{Result, Row, Tx};
use crate::model::ids::{TenantId, UserId};
use crate::model::{Duty, Role};

/// A user.
#[derive(Clone)]
pub struct UserRow {
    /// Its id.
    pub id: UserId,
    /// In which tenant.
    pub tenant: TenantId,
    /// That tenant's path.
    pub path: String,
    /// The name to sign in with, lower case.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What it is there for.
    pub duty: Duty,
    /// The password's hash.
    pub password_hash: String,
    /// Rises with the password.
    pub password_epoch: i64,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The revision that last wrote it.
    pub revision: i64,
    /// Whether the password must be changed before anything else.
    pub must_change_password: bool,
    /// Whether a sign-in takes a code besides the password.
    pub second_factor: bool,
}

/// What is read of a user `u` of a tenant `t`.
macro_rules! columns {
    () => {
        "u.id, u.tenant_id, t.path, u.name, u.role, u.password_hash, u.password_epoch, u.created_at, u.revision, u.duty, u.must_change_password, u.second_factor"
    };
}

/// What the list of users can be.
pub static PARTS: Parts = Parts {
    name: "users",
    columns: columns!(),
    from: "users u JOIN tenants t ON t.id = u.tenant_id",
    joins: &[],
    filters: &[
        filter("below", "u.tenant_id IN (SELECT x.id FROM tenants x WHERE x.path >= ? AND x.path < ?)"),
        filter("tenant", "u.tenant_id = ?"),
        filter("prefix", "LOWER(u.name) >= ? AND LOWER(u.name) < ?"),
    ],
    sorts: &[
        SortKey { name: "id", key: "u.id", id: "u.id", text: false, joins: &[] },
        SortKey { name: "name", key: "LOWER(u.name)", id: "u.id", text: true, joins: &[] },
        SortKey { name: "created_at", key: "u.created_at", id: "u.id", text: false, joins: &[] },
    ],
};

fn read(row: &Row) -> Result<UserRow> {
    Ok(UserRow {
        id: UserId(row.get(0)?),
        tenant: TenantId(row.get(1)?),
        path: row.get(2)?,
        name: row.get(3)?,
        role: row.parse(4)?,
        password_hash: row.get(5)?,
        password_epoch: row.get(6)?,
        created_at: row.get(7)?,
        revision: row.get(8)?,
        duty: row.parse(9)?,
        must_change_password: row.get::<i64>(10)? != 0,
        second_factor: row.get::<i64>(11)? != 0,
    })
}

/// A user by id.
pub async fn find(tx: &mut Tx, id: UserId) -> Result<Option<UserRow>> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM users u JOIN tenants t ON t.id = u.tenant_id WHERE u.id = $1");
    tx.one(SQL, &[id.0.into()]).await?.as_ref().map(read).transpose()
}

/// A user by the name it signs in with.
pub async fn find_by_name(tx: &mut Tx, name: &str) -> Result<Option<UserRow>> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM users u JOIN tenants t ON t.id = u.tenant_id WHERE u.name = $1");
    tx.one(SQL, &[name.into()]).await?.as_ref().map(read).transpose()
}

/// A page of a list.
pub async fn list(tx: &mut Tx, listing: &Listing) -> Result<Vec<(UserRow, Place)>> {
    listing.rows(tx, read, |row| row.id.0).await
}

/// The names of the first hundred operators.
pub async fn operators(tx: &mut Tx) -> Result<Vec<String>> {
    const SQL: &str = "SELECT name FROM users WHERE role = 'operator' ORDER BY id LIMIT 100";
    tx.all(SQL, &[]).await?.iter().map(|row| row.get(0)).collect()
}

/// Adds a user.
pub async fn insert(tx: &mut Tx, user: &UserRow) -> Result<()> {
    const SQL: &str = "INSERT INTO users (id, tenant_id, name, role, password_hash, password_epoch, created_at, revision, duty, must_change_password, second_factor) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let args = [
        user.id.0.into(),
        user.tenant.0.into(),
        user.name.as_str().into(),
        user.role.as_str().into(),
        user.password_hash.as_str().into(),
        user.password_epoch.into(),
        user.created_at.into(),
        user.revision.into(),
        user.duty.as_str().into(),
        user.must_change_password.into(),
        user.second_factor.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Writes what may change of it.
pub async fn update(tx: &mut Tx, user: &UserRow) -> Result<()> {
    const SQL: &str = "UPDATE users SET name = $2, role = $3, password_hash = $4, password_epoch = $5, revision = $6, duty = $7, must_change_password = $8, second_factor = $9 WHERE id = $1";
    let args = [
        user.id.0.into(),
        user.name.as_str().into(),
        user.role.as_str().into(),
        user.password_hash.as_str().into(),
        user.password_epoch.into(),
        user.revision.into(),
        user.duty.as_str().into(),
        user.must_change_password.into(),
        user.second_factor.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Removes it.
pub async fn delete(tx: &mut Tx, id: UserId) -> Result<()> {
    tx.execute("DELETE FROM users WHERE id = $1", &[id.0.into()]).await.map(drop)
}
