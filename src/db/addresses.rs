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

/// What the first of these canonical keys stands for that stands for something, and which of them that is.
pub async fn find_first(tx: &mut Tx, keys: [&str; 3]) -> Result<Option<(usize, Addressee)>> {
    const SQL: &str = "SELECT address_key, mailbox_id, alias_id FROM addresses WHERE address_key IN ($1, $2, $3)";
    let mut first: Option<(usize, Addressee)> = None;
    for row in tx.all(SQL, &keys.map(Into::into)).await? {
        let key: String = row.get(0)?;
        let mailbox = row.get::<Option<i64>>(1)?.map(|id| Addressee::Mailbox(MailboxId(id)));
        let alias = row.get::<Option<i64>>(2)?.map(|id| Addressee::Alias(AliasId(id)));
        let (Some(at), Some(found)) = (keys.iter().position(|one| *one == key), mailbox.or(alias)) else { continue };
        if first.is_none_or(|(earlier, _)| at < earlier) {
            first = Some((at, found));
        }
    }
    Ok(first)
}

/// What a canonical address key stands for.
pub async fn find(tx: &mut Tx, key: &str) -> Result<Option<Addressee>> {
    // No address has the empty key.
    Ok(find_first(tx, [key, "", ""]).await?.map(|(_, addressee)| addressee))
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
