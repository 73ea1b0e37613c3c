//! GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208). A mailbox has one root, called `""`.

use super::command::MailboxName;
use super::list;
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply, Stop};
use crate::model::Rights;

/// GETQUOTA.
pub(super) async fn get(peer: &mut Peer, account: &Account, root: &str) -> Answer {
    if !root.is_empty() {
        return Ok(Reply::no("There is no such quota root").with("NONEXISTENT"));
    }
    tell(peer, account).await?;
    Ok(Reply::ok("GETQUOTA completed"))
}

/// GETQUOTAROOT.
pub(super) async fn root_of(peer: &mut Peer, account: &Account, folder: &MailboxName) -> Answer {
    let info = account.folder(peer, folder, Rights::READ).await?;
    let utf8 = peer.enabled.utf8_names();
    let out = peer.out();
    out.extend_from_slice(b"* QUOTAROOT ");
    list::name(out, info.name.as_str(), utf8);
    out.extend_from_slice(b" \"\"\r\n");
    tell(peer, account).await?;
    Ok(Reply::ok("GETQUOTAROOT completed"))
}

/// SETQUOTA: limits are set over the API, not by the mailbox itself.
pub(super) fn set() -> Reply {
    // RFC 9208 §4.1.3: NO when the client may not set limits.
    Reply::no("Quotas are set by the administrator").with("NOPERM")
}

/// `* QUOTA "" (STORAGE used limit MESSAGE used limit)`.
async fn tell(peer: &mut Peer, account: &Account) -> Result<(), Stop> {
    let quota = account.quota(&peer.services).await?;
    let usage = peer.store().usage(account.config.id).await?;
    let mut resources = Vec::new();
    if let Some(bytes) = quota.bytes {
        // RFC 9208 §5.1: STORAGE counts units of 1024 octets; part of a unit is one that is used.
        resources.push(format!("STORAGE {} {}", usage.bytes.div_ceil(1024), bytes / 1024));
    }
    if let Some(messages) = quota.messages {
        resources.push(format!("MESSAGE {} {messages}", usage.messages));
    }
    // RFC 9208 §4.2.1: a resource without a limit is not listed.
    peer.out().extend_from_slice(format!("* QUOTA \"\" ({})\r\n", resources.join(" ")).as_bytes());
    Ok(())
}
