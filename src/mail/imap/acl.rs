//! MYRIGHTS, GETACL, LISTRIGHTS, SETACL, DELETEACL (RFC 4314 §3).
//!
//! It translates between identifiers on the wire and [`Who`]; the list itself is the model's. Invariant: the owner
//! goes by the address that the mailbox has now.

use super::command::{AclCommand, MailboxName};
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply, Stop};
use super::{encode, list};
use crate::model::acl::ANYONE;
use crate::model::{EmailAddress, Rights, RightsChange, Who};
use crate::store::FolderInfo;

/// Answers one of them.
pub(super) async fn answer(peer: &mut Peer, account: &Account, name: &MailboxName, command: AclCommand) -> Answer {
    if command == AclCommand::Mine {
        let folder = account.folder(peer, name, Rights::EMPTY).await?;
        my_rights(peer, account, &folder);
        return Ok(Reply::ok("MYRIGHTS completed"));
    }
    let folder = account.folder(peer, name, Rights::ADMINISTER).await?;
    Ok(match command {
        AclCommand::Mine | AclCommand::Get => {
            get(peer, account, &folder);
            Reply::ok("GETACL completed")
        }
        AclCommand::List(identifier) => {
            let who = who(account, &identifier)?;
            list_rights(peer, &folder, &identifier, &who);
            Reply::ok("LISTRIGHTS completed")
        }
        AclCommand::Set(identifier, change) => {
            let who = who(account, &identifier)?;
            peer.store().change_acl(account.mailbox(), folder.id, who, change).await?;
            Reply::ok("SETACL completed")
        }
        AclCommand::Delete(identifier) => {
            let (who, nothing) = (who(account, &identifier)?, RightsChange::Replace(Rights::EMPTY));
            peer.store().change_acl(account.mailbox(), folder.id, who, nothing).await?;
            Reply::ok("DELETEACL completed")
        }
    })
}

/// `* MYRIGHTS folder rights`.
pub(super) fn my_rights(peer: &mut Peer, account: &Account, folder: &FolderInfo) {
    start(peer, "MYRIGHTS", folder);
    word(peer, &account.rights(folder).with_virtual());
    peer.out().extend_from_slice(b"\r\n");
}

/// Whom an identifier means.
fn who(account: &Account, identifier: &str) -> Result<Who, Stop> {
    if identifier == ANYONE {
        return Ok(Who::Other(ANYONE.into()));
    }
    // RFC 4314 §2: negative rights are optional, and an address does not begin so here.
    let address: Option<EmailAddress> = identifier.parse().ok().filter(|_| !identifier.starts_with('-'));
    let address = address.ok_or_else(|| Reply::no("An identifier is an address or anyone").with("CANNOT"))?;
    let own = address.key() == account.config.address.key();
    Ok(if own { Who::Owner } else { Who::Other(address.key().into()) })
}

fn get(peer: &mut Peer, account: &Account, folder: &FolderInfo) {
    start(peer, "ACL", folder);
    word(peer, account.config.address.key());
    word(peer, &folder.acl.rights_of(&Who::Owner).with_virtual());
    for (identifier, rights) in folder.acl.others() {
        word(peer, identifier);
        word(peer, &rights.with_virtual());
    }
    peer.out().extend_from_slice(b"\r\n");
}

fn list_rights(peer: &mut Peer, folder: &FolderInfo, identifier: &str, who: &Who) {
    start(peer, "LISTRIGHTS", folder);
    // RFC 4314 §3.4: the identifier as the client spelled it.
    word(peer, identifier);
    // RFC 4314 §3.7: what is always granted, then the rights one by one, as none are tied.
    let always = if *who == Who::Owner { Rights::OF_OWNER } else { Rights::EMPTY };
    word(peer, &always.to_string());
    Rights::ALL.without(always).with_virtual().chars().for_each(|letter| word(peer, letter.encode_utf8(&mut [0; 4])));
    peer.out().extend_from_slice(b"\r\n");
}

/// `* WORD folder`.
fn start(peer: &mut Peer, response: &str, folder: &FolderInfo) {
    let utf8 = peer.enabled.utf8_names();
    let out = peer.out();
    out.extend_from_slice(format!("* {response} ").as_bytes());
    list::name(out, folder.name.as_str(), utf8);
}

/// A space and an astring.
fn word(peer: &mut Peer, text: &str) {
    let out = peer.out();
    out.push(b' ');
    let atom = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"@.-_+".contains(&octet));
    if atom { out.extend_from_slice(text.as_bytes()) } else { encode::string(out, text.as_bytes()) }
}
