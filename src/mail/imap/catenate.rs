//! APPEND with CATENATE: messages made of texts and of parts of messages that are there (RFC 4469, RFC 5550 §3).
//!
//! Parts go from the store into the store as they are read; only texts are held, within the bounds of a command's
//! literals. Invariant: all messages of one command are stored, in one change, or none.

use super::append::{self, Intake};
use super::command::{Catenate, CatenatePart};
use super::fetch::{self, Piece};
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply, Stop};
use super::url::ImapUrl;
use super::view::Selected;
use crate::mail::imap::encode;
use crate::model::{Rights, bounds};
use crate::store::{FolderState, StoreError};
use std::sync::Arc;

/// APPEND … CATENATE.
pub(super) async fn catenate(
    peer: &mut Peer,
    account: &Account,
    selected: Option<&Selected>,
    command: &Catenate,
) -> Answer {
    let mut intake = append::begin(peer, account, &command.mailbox).await?;
    for message in &command.messages {
        let mut stager = peer.services.store.stage();
        let mut octets = 0;
        for part in &message.parts {
            match part {
                CatenatePart::Text(text) => {
                    octets += text.len() as u64;
                    refuse_large(peer, account, &intake, octets)?;
                    stager.write(text).await?;
                }
                CatenatePart::Url(url) => {
                    let mut piece = resolve(peer, account, selected, url).await?;
                    while let Some(chunk) = piece.next().await? {
                        octets += chunk.len() as u64;
                        refuse_large(peer, account, &intake, octets)?;
                        stager.write(&chunk).await?;
                        // A copy of a large message must not outlive the switch that ends the session.
                        peer.conn.flush().await?;
                    }
                }
            }
        }
        intake.admit(octets)?;
        let now = peer.services.clock.now();
        intake.push(stager.finish().await?, &message.flags, message.internal_date.unwrap_or(now));
    }
    intake.store(peer, account).await
}

/// RFC 4469 §4: what has grown too large, or beyond the quota, is given up at once.
fn refuse_large(peer: &Peer, account: &Account, intake: &Intake, octets: u64) -> Result<(), Stop> {
    if octets > bounds::MESSAGE_OCTETS {
        return Err(Reply::no("The message is too large").with("TOOBIG").into());
    }
    if intake.has_room(octets) {
        return Ok(());
    }
    peer.services.growth.refused(account.config.id);
    Err(StoreError::OverQuota.into())
}

/// The octets that a URL names.
async fn resolve(peer: &Peer, account: &Account, selected: Option<&Selected>, text: &[u8]) -> Result<Piece, Stop> {
    let url = std::str::from_utf8(text).ok().and_then(ImapUrl::new);
    let Some(url) = url.filter(|url| is_own(peer, account, url)) else { return Err(bad_url(text)) };
    let state = state(peer, account, selected, &url).await.ok_or_else(|| bad_url(text))?;
    match piece(peer, &state, &url).await? {
        Some(piece) => Ok(piece),
        None => Err(bad_url(text)),
    }
}

/// A URL of this mailbox that needs no other's leave.
fn is_own(peer: &Peer, account: &Account, url: &ImapUrl) -> bool {
    let here = url.authority.as_ref().is_none_or(|authority| {
        authority.host.eq_ignore_ascii_case(&peer.services.host)
            && authority.user.eq_ignore_ascii_case(account.config.address.key())
    });
    here && url.authorized.is_none()
}

/// The folder of a URL as it stands now; none that may not be read, or has another UIDVALIDITY.
async fn state(peer: &Peer, account: &Account, selected: Option<&Selected>, url: &ImapUrl) -> Option<Arc<FolderState>> {
    let state = match &url.folder {
        None => selected?.view.seen.clone(),
        Some(name) => {
            let folder = account.folder_named(peer, name, Rights::READ).await.ok()?;
            peer.store().open(account.mailbox(), folder.id).await.ok()?.state()
        }
    };
    Some(state).filter(|state| url.uid_validity.is_none_or(|known| known == state.uid_validity))
}

/// What a URL names of a folder's message.
pub(super) async fn piece(peer: &Peer, state: &FolderState, url: &ImapUrl) -> Result<Option<Piece>, Stop> {
    let Some(row) = state.position(url.uid).ok().and_then(|position| state.row(position)) else { return Ok(None) };
    fetch::piece(peer, row.message, &url.section, url.partial).await
}

/// RFC 4469 §5 badurl-response-code.
fn bad_url(text: &[u8]) -> Stop {
    let mut code = b"BADURL ".to_vec();
    // What was sent in a literal may hold line ends, which no response code can.
    let plain: Vec<u8> = text.iter().copied().filter(|octet| (b' '..=b'~').contains(octet)).collect();
    encode::quoted(&mut code, &plain);
    Reply::no("The URL names nothing that is here").with(String::from_utf8_lossy(&code).into_owned()).into()
}
