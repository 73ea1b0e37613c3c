//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 §6.3.4–6.3.8).
//!
//! The rules about names and INBOX are the store's; this file translates.

use super::command::MailboxName;
use super::peer::{Account, Peer, new_name};
use super::reply::{Answer, Reply};
use super::status::mailbox_id;
use crate::store::SpecialUse;

/// CREATE, with USE (RFC 6154 §3).
pub(super) async fn create(peer: &mut Peer, account: &Account, name: &MailboxName, uses: &[String]) -> Answer {
    let name = account.to_create(peer, name).await?;
    let special_use = match uses {
        [] => None,
        // RFC 6154 §3: USEATTR when the use cannot be given.
        [one] => Some(special_use(one).ok_or_else(|| Reply::no("That use is not known").with("USEATTR"))?),
        _ => return Ok(Reply::no("A folder has one use at most").with("USEATTR")),
    };
    let made = peer.store().create_folder(account.mailbox(), &name, special_use).await?;
    // RFC 8474 §4.1.
    Ok(Reply::ok("CREATE completed").with(format!("MAILBOXID ({})", mailbox_id(made.id))))
}

fn special_use(attribute: &str) -> Option<SpecialUse> {
    use SpecialUse::{Archive, Drafts, Junk, Sent, Trash};
    [Archive, Drafts, Junk, Sent, Trash].into_iter().find(|known| known.as_str().eq_ignore_ascii_case(attribute))
}

/// DELETE.
pub(super) async fn delete(peer: &mut Peer, account: &Account, name: &MailboxName) -> Answer {
    let name = account.to_remove(peer, name).await?;
    peer.store().delete_folder(account.mailbox(), &name).await?;
    Ok(Reply::ok("DELETE completed"))
}

/// RENAME.
pub(super) async fn rename(peer: &mut Peer, account: &Account, from: &MailboxName, to: &MailboxName) -> Answer {
    let (from, to) = (account.to_remove(peer, from).await?, account.to_create(peer, to).await?);
    if to.is_below(&from) && !from.is_inbox() {
        return Ok(Reply::no("A folder cannot move below itself").with("CANNOT"));
    }
    peer.store().rename_folder(account.mailbox(), &from, &to).await?;
    Ok(Reply::ok("RENAME completed"))
}

/// SUBSCRIBE, UNSUBSCRIBE; the name need not exist (RFC 9051 §6.3.7).
pub(super) async fn subscribe(peer: &mut Peer, account: &Account, name: &MailboxName, subscribed: bool) -> Answer {
    let name = new_name(peer, name)?;
    peer.store().subscribe(account.mailbox(), &name, subscribed).await?;
    Ok(Reply::ok(if subscribed { "SUBSCRIBE completed" } else { "UNSUBSCRIBE completed" }))
}
