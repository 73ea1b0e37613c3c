//! Rows of `password_links`: invitations and password resets. Of a token only the hash is here.

use super::{Page, Result, Row, Tx};
use crate::model::ids::InvitationId;
use crate::model::{EmailAddress, LinkKind, Locale};

/// A link.
#[derive(Debug, Clone)]
pub struct LinkRow {
    /// Its id.
    pub id: InvitationId,
    /// What it is.
    pub kind: LinkKind,
    /// The id of the user or mailbox whose password it sets.
    pub owner: String,
    /// The path of the owner's tenant.
    pub path: String,
    /// Where it is sent.
    pub recipient: EmailAddress,
    /// In which language.
    pub locale: Locale,
    /// SHA-256 of its token.
    pub token_hash: Vec<u8>,
    /// The owner's password epoch when it was made.
    pub password_epoch: i64,
    /// Who made it.
    pub caller: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub expires_at: i64,
    /// `pending`, `used` or `revoked`.
    pub state: String,
}

macro_rules! columns {
    () => {
        "id, kind, owner, path, recipient, locale, token_hash, password_epoch, caller, created_at, expires_at, state"
    };
}

fn read(row: &Row) -> Result<LinkRow> {
    Ok(LinkRow {
        id: InvitationId(row.get(0)?),
        kind: row.parse(1)?,
        owner: row.get(2)?,
        path: row.get(3)?,
        recipient: row.parse(4)?,
        locale: row.parse(5)?,
        token_hash: row.get(6)?,
        password_epoch: row.get(7)?,
        caller: row.get(8)?,
        created_at: row.get(9)?,
        expires_at: row.get(10)?,
        state: row.get(11)?,
    })
}

/// Adds one.
pub async fn insert(tx: &mut Tx, link: &LinkRow) -> Result<()> {
    const SQL: &str = "INSERT INTO password_links (id, kind, owner, path, recipient, locale, token_hash, password_epoch, caller, created_at, expires_at, state) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let args = [
        link.id.0.into(),
        link.kind.as_str().into(),
        link.owner.as_str().into(),
        link.path.as_str().into(),
        link.recipient.to_string().into(),
        link.locale.as_str().into(),
        link.token_hash.as_slice().into(),
        link.password_epoch.into(),
        link.caller.as_str().into(),
        link.created_at.into(),
        link.expires_at.into(),
        link.state.as_str().into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// An invitation.
pub async fn find(tx: &mut Tx, id: InvitationId) -> Result<Option<LinkRow>> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM password_links WHERE id = $1 AND kind = 'invitation'");
    tx.one(SQL, &[id.0.into()]).await?.as_ref().map(read).transpose()
}

/// Any link by its token's hash.
pub async fn find_by_token(tx: &mut Tx, hash: &[u8]) -> Result<Option<LinkRow>> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM password_links WHERE token_hash = $1");
    tx.one(SQL, &[hash.into()]).await?.as_ref().map(read).transpose()
}

/// Invitations of tenants at and below a path, by id.
pub async fn invitations(tx: &mut Tx, path: &str, page: Page) -> Result<Vec<LinkRow>> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM password_links WHERE kind = 'invitation' AND path >= $1 AND path < $2 AND id > $3 ORDER BY id LIMIT $4"
    );
    let args = [path.into(), super::tenants::path_end(path).into(), page.after.into(), page.fetch()];
    tx.all(SQL, &args).await?.iter().map(read).collect()
}

/// How many links of a kind an owner got since a time.
pub async fn count_since(tx: &mut Tx, owner: &str, kind: LinkKind, since: i64) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM password_links WHERE owner = $1 AND kind = $2 AND created_at > $3";
    tx.one(SQL, &[owner.into(), kind.as_str().into(), since.into()]).await?.map_or(Ok(0), |row| row.get(0))
}

/// Takes a link, once; false when it was taken or revoked, or its time is over.
pub async fn take(tx: &mut Tx, hash: &[u8], now: i64) -> Result<bool> {
    const SQL: &str =
        "UPDATE password_links SET state = 'used' WHERE token_hash = $1 AND state = 'pending' AND expires_at > $2";
    Ok(tx.execute(SQL, &[hash.into(), now.into()]).await? == 1)
}

/// Gives a pending invitation another token and another end; false when it is not pending.
pub async fn renew(tx: &mut Tx, id: InvitationId, hash: &[u8], expires_at: i64) -> Result<bool> {
    const SQL: &str = "UPDATE password_links SET token_hash = $2, expires_at = $3 WHERE id = $1 AND state = 'pending'";
    Ok(tx.execute(SQL, &[id.0.into(), hash.into(), expires_at.into()]).await? == 1)
}

/// Revokes a pending one; false when it is not pending.
pub async fn revoke(tx: &mut Tx, id: InvitationId) -> Result<bool> {
    const SQL: &str = "UPDATE password_links SET state = 'revoked' WHERE id = $1 AND state = 'pending'";
    Ok(tx.execute(SQL, &[id.0.into()]).await? == 1)
}

/// Revokes all that are pending of a kind for an owner, with mail about them that waits: of several only the newest opens.
pub async fn revoke_all(tx: &mut Tx, owner: &str, kind: LinkKind) -> Result<()> {
    const MAIL: &str = "UPDATE outbox SET state = 'failed', error = 'revoked', letter_sealed = $3 WHERE state = 'waiting' AND link_id IN \
         (SELECT id FROM password_links WHERE owner = $1 AND kind = $2 AND state = 'pending')";
    const LINKS: &str =
        "UPDATE password_links SET state = 'revoked' WHERE owner = $1 AND kind = $2 AND state = 'pending'";
    const EMPTY: &[u8] = &[];
    tx.execute(MAIL, &[owner.into(), kind.as_str().into(), EMPTY.into()]).await?;
    tx.execute(LINKS, &[owner.into(), kind.as_str().into()]).await.map(drop)
}

/// Forgets links, and mail about them, that ended before a time.
pub async fn forget(tx: &mut Tx, before: i64) -> Result<()> {
    tx.execute("DELETE FROM outbox WHERE expires_at < $1", &[before.into()]).await?;
    tx.execute("DELETE FROM password_links WHERE expires_at < $1", &[before.into()]).await.map(drop)
}
