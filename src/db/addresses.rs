//! Rows of `addresses`: each address is a mailbox or an alias, once.

use super::{Result, Tx};
use crate::model::ids::{AliasId, MailboxId};

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressee {
    /// A mailbox.
    Mailbox(MailboxId),
    /// An alias.
    Alias(AliasId),
}

/// What a canonical address key stands for.
pub async fn find(tx: &mut Tx, key: &str) -> Result<Option<Addressee>> {
    const SQL: &str = "SELECT mailbox_id, alias_id FROM addresses WHERE address_key = $1";
    let Some(row) = tx.one(SQL, &[key.into()]).await? else { return Ok(None) };
    let mailbox = row.get::<Option<i64>>(0)?.map(|id| Addressee::Mailbox(MailboxId(id)));
    let alias = row.get::<Option<i64>>(1)?.map(|id| Addressee::Alias(AliasId(id)));
    Ok(mailbox.or(alias))
}

/// Takes an address; `Unique` when it is taken.
pub async fn insert(tx: &mut Tx, key: &str, addressee: Addressee) -> Result<()> {
    const SQL: &str = "INSERT INTO addresses (address_key, mailbox_id, alias_id) VALUES ($1, $2, $3)";
    let (mailbox, alias) = match addressee {
        Addressee::Mailbox(id) => (Some(id.0), None),
        Addressee::Alias(id) => (None, Some(id.0)),
    };
    tx.execute(SQL, &[key.into(), mailbox.into(), alias.into()]).await.map(drop)
}

/// Gives an address back.
pub async fn delete(tx: &mut Tx, key: &str) -> Result<()> {
    tx.execute("DELETE FROM addresses WHERE address_key = $1", &[key.into()]).await.map(drop)
}
