//! Rows of `mailboxes`.

use super::listing::{Filter, Listing, Parts, Place, SortKey, filter};
use super::protocols::{ProtocolSettings, protocol_args, read_protocols};
use super::reach::{LEVELS, mailbox_on};
use super::{Page, Result, Row, Tx};
use crate::model::ids::{DomainId, MailboxId, TenantId};
use crate::model::{EmailAddress, MailboxMode, Protocol, Quota};

/// A mailbox.
#[derive(Clone)]
pub struct MailboxRow {
    /// Its id.
    pub id: MailboxId,
    /// Its domain.
    pub domain: DomainId,
    /// The tenant that owns the domain.
    pub tenant: TenantId,
    /// That tenant's path.
    pub path: String,
    /// Its address.
    pub address: EmailAddress,
    /// The person's or purpose's name.
    pub name: String,
    /// The password's hash; none admits nobody.
    pub password_hash: Option<String>,
    /// Rises with the password.
    pub password_epoch: i64,
    /// Its limits.
    pub quota: Quota,
    /// Its say about protocols.
    pub protocols: ProtocolSettings,
    /// What it is for.
    pub mode: MailboxMode,
    /// When it ends, Unix milliseconds.
    pub expires_at: Option<i64>,
    /// Whether nodes have been told that it ended.
    pub expired: bool,
    /// When it was deleted, while it can be restored.
    pub deleted_at: Option<i64>,
    /// When it goes for good.
    pub purge_at: Option<i64>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The revision that last wrote it.
    pub revision: i64,
    /// Whether its own password opens the API alone.
    pub app_passwords_only: bool,
    /// Whether its owner must change the password before anything else.
    pub must_change_password: bool,
    /// Whether a sign-in of its owner takes a code besides the password.
    pub second_factor: bool,
}

/// What is read of a mailbox `m` of a tenant `t`.
macro_rules! columns {
    () => {
        "m.id, m.domain_id, m.tenant_id, t.path, m.address, m.name, m.password_hash, m.password_epoch, m.quota_bytes, m.quota_messages, m.imap, m.pop3, m.submission, m.pop3_on_delete, m.pop3_expire_days, m.restrictions, m.mode, m.expires_at, m.expired, m.deleted_at, m.purge_at, m.created_at, m.revision, m.app_passwords_only, m.must_change_password, m.second_factor"
    };
}

/// Whether a mailbox holds as much as it may, or more: its own limit, else the nearest plan's.
macro_rules! over_quota {
    () => {
        "(COALESCE(u.bytes >= COALESCE(m.quota_bytes, p.quota_bytes, p2.quota_bytes, p3.quota_bytes), FALSE) \
         OR COALESCE(u.messages >= COALESCE(m.quota_messages, p.quota_messages, p2.quota_messages, p3.quota_messages), FALSE))"
    };
}

const OVER_QUOTA: &str = over_quota!();
const USAGE: &str = "JOIN mailbox_usage u ON u.mailbox_id = m.id";
const DOMAIN: &str = "JOIN domains d ON d.id = m.domain_id";
const BY_PROTOCOL: &[&str] = &[DOMAIN, LEVELS];

/// What the list of mailboxes can be.
pub static PARTS: Parts = Parts {
    name: "mailboxes",
    columns: columns!(),
    from: "mailboxes m JOIN tenants t ON t.id = m.tenant_id",
    joins: &[USAGE, DOMAIN, LEVELS],
    filters: &[
        filter("below", "m.tenant_id IN (SELECT x.id FROM tenants x WHERE x.path >= ? AND x.path < ?)"),
        filter("tenant", "m.tenant_id = ?"),
        filter("domain", "m.domain_id = ?"),
        filter("prefix", "m.address_key >= ? AND m.address_key < ?"),
        filter("there", "m.deleted_at IS NULL"),
        filter("deleted", "m.id IN (SELECT x.id FROM mailboxes x WHERE x.purge_at > 0) AND m.deleted_at IS NOT NULL"),
        filter("expired", "m.expires_at IS NOT NULL AND m.expires_at <= ?"),
        filter("not_expired", "(m.expires_at IS NULL OR m.expires_at > ?)"),
        filter(
            "contained",
            "m.id IN (SELECT s.mailbox_id FROM suspensions s WHERE s.contains = 1 AND s.mailbox_id IS NOT NULL \
             AND (s.until_at IS NULL OR s.until_at > ?))",
        ),
        filter(
            "not_contained",
            "NOT EXISTS (SELECT 1 FROM suspensions s WHERE s.mailbox_id = m.id AND s.contains = 1 \
             AND (s.until_at IS NULL OR s.until_at > ?))",
        ),
        filter(
            "suspended",
            "m.id IN (SELECT s.mailbox_id FROM suspensions s WHERE s.mailbox_id IS NOT NULL \
             AND (s.until_at IS NULL OR s.until_at > ?) \
             UNION ALL SELECT x.id FROM suspensions s JOIN mailboxes x ON x.domain_id = s.domain_id \
             WHERE s.domain_id IS NOT NULL AND (s.until_at IS NULL OR s.until_at > ?))",
        ),
        filter(
            "not_suspended",
            "NOT EXISTS (SELECT 1 FROM suspensions s WHERE s.mailbox_id = m.id AND (s.until_at IS NULL OR s.until_at > ?)) \
             AND NOT EXISTS (SELECT 1 FROM suspensions s WHERE s.domain_id = m.domain_id AND (s.until_at IS NULL OR s.until_at > ?))",
        ),
        Filter { name: "imap", sql: mailbox_on!("imap", "'login'"), joins: BY_PROTOCOL },
        Filter { name: "not_imap", sql: concat!("NOT ", mailbox_on!("imap", "'login'")), joins: BY_PROTOCOL },
        Filter { name: "pop3", sql: mailbox_on!("pop3", "'login'"), joins: BY_PROTOCOL },
        Filter { name: "not_pop3", sql: concat!("NOT ", mailbox_on!("pop3", "'login'")), joins: BY_PROTOCOL },
        Filter {
            name: "submission",
            sql: concat!("m.mode <> 'receive_only' AND ", mailbox_on!("submission", "'login', 'send_reject'")),
            joins: BY_PROTOCOL,
        },
        Filter {
            name: "not_submission",
            sql: concat!("(m.mode = 'receive_only' OR NOT ", mailbox_on!("submission", "'login', 'send_reject'"), ")"),
            joins: BY_PROTOCOL,
        },
        filter(
            "not_used_since",
            "m.created_at < ? AND NOT EXISTS (SELECT 1 FROM logins l WHERE l.mailbox_id = m.id AND l.at >= ?)",
        ),
        Filter { name: "used_above", sql: "u.bytes > ?", joins: &[USAGE] },
        Filter { name: "over_quota", sql: OVER_QUOTA, joins: &[USAGE, LEVELS] },
        Filter { name: "not_over_quota", sql: concat!("NOT ", over_quota!()), joins: &[USAGE, LEVELS] },
    ],
    sorts: &[
        SortKey { name: "id", key: "m.id", id: "m.id", text: false, joins: &[] },
        SortKey { name: "address", key: "m.address_key", id: "m.id", text: true, joins: &[] },
        SortKey { name: "created_at", key: "m.created_at", id: "m.id", text: false, joins: &[] },
        SortKey { name: "used_bytes", key: "u.bytes", id: "u.mailbox_id", text: false, joins: &[USAGE] },
    ],
};

fn read(row: &Row) -> Result<MailboxRow> {
    let limit = |value: Option<i64>| value.map(|v| u64::try_from(v).unwrap_or(0));
    Ok(MailboxRow {
        id: MailboxId(row.get(0)?),
        domain: DomainId(row.get(1)?),
        tenant: TenantId(row.get(2)?),
        path: row.get(3)?,
        address: row.parse(4)?,
        name: row.get(5)?,
        password_hash: row.get(6)?,
        password_epoch: row.get(7)?,
        quota: Quota { bytes: limit(row.get(8)?), messages: limit(row.get(9)?) },
        protocols: read_protocols(row, 10)?,
        mode: row.parse(16)?,
        expires_at: row.get(17)?,
        expired: row.get::<i64>(18)? != 0,
        deleted_at: row.get(19)?,
        purge_at: row.get(20)?,
        created_at: row.get(21)?,
        revision: row.get(22)?,
        app_passwords_only: row.get::<i64>(23)? != 0,
        must_change_password: row.get::<i64>(24)? != 0,
        second_factor: row.get::<i64>(25)? != 0,
    })
}

fn limit(value: Option<u64>) -> super::Arg {
    value.map(|v| i64::try_from(v).unwrap_or(i64::MAX)).into()
}

/// A mailbox by id.
pub async fn find(tx: &mut Tx, id: MailboxId) -> Result<Option<MailboxRow>> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM mailboxes m JOIN tenants t ON t.id = m.tenant_id WHERE m.id = $1");
    tx.one(SQL, &[id.0.into()]).await?.as_ref().map(read).transpose()
}

/// A mailbox by its canonical address key.
pub async fn find_by_key(tx: &mut Tx, key: &str) -> Result<Option<MailboxRow>> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM mailboxes m JOIN tenants t ON t.id = m.tenant_id WHERE m.address_key = $1"
    );
    tx.one(SQL, &[key.into()]).await?.as_ref().map(read).transpose()
}

/// A page of a list.
pub async fn list(tx: &mut Tx, listing: &Listing) -> Result<Vec<(MailboxRow, Place)>> {
    listing.rows(tx, read, |row| row.id.0).await
}

fn life_args(mailbox: &MailboxRow) -> [super::Arg; 5] {
    [
        mailbox.mode.as_str().into(),
        mailbox.expires_at.into(),
        mailbox.expired.into(),
        mailbox.deleted_at.into(),
        mailbox.purge_at.into(),
    ]
}

/// Adds a mailbox (its address is taken in `addresses`).
pub async fn insert(tx: &mut Tx, mailbox: &MailboxRow) -> Result<()> {
    const SQL: &str = "INSERT INTO mailboxes (id, domain_id, tenant_id, address, address_key, name, password_hash, password_epoch, quota_bytes, quota_messages, \
         imap, pop3, submission, pop3_on_delete, pop3_expire_days, restrictions, mode, expires_at, expired, deleted_at, purge_at, created_at, revision, app_passwords_only, must_change_password, second_factor) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)";
    let mut args = vec![
        mailbox.id.0.into(),
        mailbox.domain.0.into(),
        mailbox.tenant.0.into(),
        mailbox.address.to_string().into(),
        mailbox.address.key().into(),
        mailbox.name.as_str().into(),
        mailbox.password_hash.clone().into(),
        mailbox.password_epoch.into(),
        limit(mailbox.quota.bytes),
        limit(mailbox.quota.messages),
    ];
    args.extend(protocol_args(&mailbox.protocols));
    args.extend(life_args(mailbox));
    args.extend([mailbox.created_at.into(), mailbox.revision.into()]);
    args.extend([mailbox.app_passwords_only.into(), mailbox.must_change_password.into(), mailbox.second_factor.into()]);
    tx.execute(SQL, &args).await?;
    super::usage_copy::insert(tx, mailbox.id).await
}

/// Writes what may change of it.
pub async fn update(tx: &mut Tx, mailbox: &MailboxRow) -> Result<()> {
    const SQL: &str = "UPDATE mailboxes SET domain_id = $2, tenant_id = $3, address = $4, address_key = $5, name = $6, password_hash = $7, \
         password_epoch = $8, quota_bytes = $9, quota_messages = $10, imap = $11, pop3 = $12, submission = $13, pop3_on_delete = $14, \
         pop3_expire_days = $15, restrictions = $16, mode = $17, expires_at = $18, expired = $19, \
         deleted_at = $20, purge_at = $21, revision = $22, app_passwords_only = $23, must_change_password = $24, second_factor = $25 WHERE id = $1";
    let mut args = vec![
        mailbox.id.0.into(),
        mailbox.domain.0.into(),
        mailbox.tenant.0.into(),
        mailbox.address.to_string().into(),
        mailbox.address.key().into(),
        mailbox.name.as_str().into(),
        mailbox.password_hash.clone().into(),
        mailbox.password_epoch.into(),
        limit(mailbox.quota.bytes),
        limit(mailbox.quota.messages),
    ];
    args.extend(protocol_args(&mailbox.protocols));
    args.extend(life_args(mailbox));
    args.extend([mailbox.revision.into(), mailbox.app_passwords_only.into()]);
    args.extend([mailbox.must_change_password.into(), mailbox.second_factor.into()]);
    tx.execute(SQL, &args).await.map(drop)
}

/// Writes a stronger hash of the same password; no configuration changes, so no revision.
pub async fn rehash(tx: &mut Tx, id: MailboxId, epoch: i64, hash: &str) -> Result<()> {
    const SQL: &str = "UPDATE mailboxes SET password_hash = $3 WHERE id = $1 AND password_epoch = $2";
    tx.execute(SQL, &[id.0.into(), epoch.into(), hash.into()]).await.map(drop)
}

/// Mailboxes whose POP3 policy, at whichever level, may expire mail, by id. Tenants stand three deep.
pub async fn with_expiry(tx: &mut Tx, page: Page) -> Result<Vec<MailboxId>> {
    const SQL: &str = "SELECT m.id FROM mailboxes m JOIN domains d ON d.id = m.domain_id \
         JOIN tenants t ON t.id = m.tenant_id LEFT JOIN plans p ON p.id = t.plan_id \
         LEFT JOIN tenants t2 ON t2.id = t.parent_id LEFT JOIN plans p2 ON p2.id = t2.plan_id \
         LEFT JOIN tenants t3 ON t3.id = t2.parent_id LEFT JOIN plans p3 ON p3.id = t3.plan_id \
         WHERE COALESCE(m.pop3_expire_days, d.pop3_expire_days, t.pop3_expire_days, p.pop3_expire_days, \
         t2.pop3_expire_days, p2.pop3_expire_days, t3.pop3_expire_days, p3.pop3_expire_days, 0) > 0 \
         AND m.id > $1 ORDER BY m.id LIMIT $2";
    tx.all(SQL, &[page.after.into(), page.fetch()]).await?.iter().map(|row| row.get(0).map(MailboxId)).collect()
}

/// A mailbox that did not use a protocol since a moment.
pub struct Unused {
    /// The mailbox.
    pub row: MailboxRow,
    /// Its last login by the protocol, Unix milliseconds.
    pub last: Option<i64>,
}

fn read_unused(row: &Row) -> Result<Unused> {
    Ok(Unused { row: read(row)?, last: row.get(26)? })
}

/// Mailboxes of tenants at and below a path without a login by a protocol since a moment, by id.
pub async fn unused(tx: &mut Tx, path: &str, protocol: Protocol, before: i64, page: Page) -> Result<Vec<Unused>> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        ", l.at FROM mailboxes m JOIN tenants t ON t.id = m.tenant_id LEFT JOIN logins l ON l.mailbox_id = m.id AND l.protocol = $5 WHERE t.path >= $1 AND t.path < $2 AND m.deleted_at IS NULL AND m.created_at < $6 AND (l.at IS NULL OR l.at < $6) AND m.id > $3 ORDER BY m.id LIMIT $4"
    );
    let end = super::tenants::path_end(path);
    let args = [path.into(), end.into(), page.after.into(), page.fetch(), protocol.as_str().into(), before.into()];
    tx.all(SQL, &args).await?.iter().map(read_unused).collect()
}

/// Like [`unused`], of one domain.
pub async fn unused_of_domain(
    tx: &mut Tx,
    domain: DomainId,
    protocol: Protocol,
    before: i64,
    page: Page,
) -> Result<Vec<Unused>> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        ", l.at FROM mailboxes m JOIN tenants t ON t.id = m.tenant_id LEFT JOIN logins l ON l.mailbox_id = m.id AND l.protocol = $4 WHERE m.domain_id = $1 AND m.deleted_at IS NULL AND m.created_at < $5 AND (l.at IS NULL OR l.at < $5) AND m.id > $2 ORDER BY m.id LIMIT $3"
    );
    let args = [domain.0.into(), page.after.into(), page.fetch(), protocol.as_str().into(), before.into()];
    tx.all(SQL, &args).await?.iter().map(read_unused).collect()
}

/// The oldest mailbox of a domain that takes mail.
pub async fn oldest(tx: &mut Tx, domain: DomainId) -> Result<Option<EmailAddress>> {
    const SQL: &str = "SELECT address FROM mailboxes WHERE domain_id = $1 AND deleted_at IS NULL AND expired = 0 AND mode <> 'send_only' ORDER BY id LIMIT 1";
    tx.one(SQL, &[domain.0.into()]).await?.map(|row| row.parse(0)).transpose()
}

/// The oldest mailbox of the operator's own domains that takes mail.
pub async fn oldest_of_operator(tx: &mut Tx) -> Result<Option<EmailAddress>> {
    const SQL: &str = "SELECT m.address FROM mailboxes m JOIN tenants t ON t.id = m.tenant_id WHERE t.parent_id IS NULL AND m.deleted_at IS NULL AND m.expired = 0 AND m.mode <> 'send_only' ORDER BY m.id LIMIT 1";
    tx.one(SQL, &[]).await?.map(|row| row.parse(0)).transpose()
}

/// Mailboxes whose end has come and of which nodes do not know yet.
pub async fn ending(tx: &mut Tx, now: i64, limit: i64) -> Result<Vec<MailboxId>> {
    const SQL: &str = "SELECT id FROM mailboxes WHERE expires_at IS NOT NULL AND expires_at <= $1 AND expired = 0 ORDER BY expires_at LIMIT $2";
    tx.all(SQL, &[now.into(), limit.into()]).await?.iter().map(|row| row.get(0).map(MailboxId)).collect()
}

/// Deleted mailboxes whose time to be restored is over.
pub async fn to_purge(tx: &mut Tx, now: i64, limit: i64) -> Result<Vec<MailboxId>> {
    const SQL: &str =
        "SELECT id FROM mailboxes WHERE purge_at IS NOT NULL AND purge_at <= $1 ORDER BY purge_at LIMIT $2";
    tx.all(SQL, &[now.into(), limit.into()]).await?.iter().map(|row| row.get(0).map(MailboxId)).collect()
}

/// Removes it.
pub async fn delete(tx: &mut Tx, id: MailboxId) -> Result<()> {
    super::usage_copy::delete(tx, id).await?;
    tx.execute("DELETE FROM mailboxes WHERE id = $1", &[id.0.into()]).await.map(drop)
}
