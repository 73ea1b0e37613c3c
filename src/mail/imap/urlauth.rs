//! GENURLAUTH, RESETKEY, URLFETCH: URLs that let others fetch one message (RFC 4467, RFC 5550 §3).
//!
//! The mechanism INTERNAL: a token is a keyed hash of the URL, of the folder and of how often its keys were reset, under
//! the server's master key, so that nothing secret is stored. Invariant: a URL is fetched only while its owner could
//! fetch it himself, and one that is not is answered by NIL, whatever the reason.

use super::catenate::piece;
use super::command::MailboxName;
use super::encode;
use super::fetch::Piece;
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply, Stop};
use super::url::{Access, Authorized, ImapUrl};
use crate::directory::MailboxConfig;
use crate::mail::conn::Interrupt;
use crate::model::{EmailAddress, Protocol, Rights};
use crate::store::{FolderInfo, MailboxRef};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The one mechanism (RFC 4467 §3).
const MECHANISM: &str = "INTERNAL";

/// GENURLAUTH (RFC 4467 §7).
pub(super) async fn generate(peer: &mut Peer, account: &Account, asked: &[(Vec<u8>, String)]) -> Answer {
    let mut line = b"* GENURLAUTH".to_vec();
    for (text, mechanism) in asked {
        if mechanism != MECHANISM {
            return Ok(Reply::bad("INTERNAL is the only mechanism"));
        }
        let refused = || Reply::no("That URL cannot be authorized").with("CANNOT");
        let Ok(text) = std::str::from_utf8(text) else { return Ok(refused()) };
        let url = ImapUrl::new(text).filter(|url| is_here(peer, url, account.config.address.key()));
        let Some((url, authorized)) = url.as_ref().and_then(|url| Some((url, url.authorized.as_ref()?))) else {
            return Ok(refused());
        };
        let Some(name) = url.folder.as_ref().filter(|_| authorized.token.is_none()) else { return Ok(refused()) };
        let folder = account.folder_named(peer, name, Rights::READ).await?;
        let token = token(peer, account.mailbox(), &folder, &authorized.rump).await?;
        let hex: String = token.iter().map(|octet| format!("{octet:02x}")).collect();
        line.push(b' ');
        encode::quoted(&mut line, format!("{}:{MECHANISM}:{hex}", authorized.rump).as_bytes());
    }
    peer.out().extend_from_slice(&line);
    peer.out().extend_from_slice(b"\r\n");
    Ok(Reply::ok("GENURLAUTH completed"))
}

/// RESETKEY (RFC 4467 §7): of one folder, or of all.
pub(super) async fn reset(
    peer: &mut Peer,
    account: &Account,
    name: Option<&MailboxName>,
    mechanisms: &[String],
) -> Answer {
    if mechanisms.iter().any(|mechanism| mechanism != MECHANISM) {
        return Ok(Reply::bad("INTERNAL is the only mechanism"));
    }
    let folder = match name {
        Some(name) => Some(account.folder(peer, name, Rights::READ).await?.id),
        None => None,
    };
    peer.store().reset_urls(account.mailbox(), folder).await?;
    // RFC 4467 §7: the mechanisms that there are.
    Ok(Reply::ok("RESETKEY completed").with(format!("URLMECH {MECHANISM}")))
}

/// URLFETCH (RFC 4467 §7).
pub(super) async fn fetch(peer: &mut Peer, account: &Account, urls: &[Vec<u8>]) -> Answer {
    peer.out().extend_from_slice(b"* URLFETCH");
    for text in urls {
        let found = std::str::from_utf8(text).ok();
        let found = match found.and_then(ImapUrl::new) {
            Some(url) => authorized(peer, account, &url).await,
            None => None,
        };
        peer.out().push(b' ');
        encode::string(peer.out(), text);
        match found {
            None => peer.out().extend_from_slice(b" NIL"),
            Some(piece) => write(peer, piece).await?,
        }
        peer.conn.flush_if_full().await.map_err(|_| Stop::Interrupt(Interrupt::Closed))?;
    }
    peer.out().extend_from_slice(b"\r\n");
    Ok(Reply::ok("URLFETCH completed"))
}

/// Writes what a URL names as a literal.
async fn write(peer: &mut Peer, mut piece: Piece) -> Result<(), Stop> {
    let announced = piece.octets();
    peer.out().push(b' ');
    encode::literal_start(peer.out(), announced);
    let mut sent = 0;
    while let Some(chunk) = piece.next().await? {
        sent += chunk.len() as u64;
        peer.out().extend_from_slice(&chunk);
        // Inside a literal nothing that we say is understood: an ended session just closes.
        peer.conn.flush_if_full().await.map_err(|_| Stop::Interrupt(Interrupt::Closed))?;
    }
    if sent == announced { Ok(()) } else { Err(Stop::Interrupt(Interrupt::Closed)) }
}

/// What an authorized URL names, if this session may have it.
async fn authorized(peer: &Peer, account: &Account, url: &ImapUrl) -> Option<Piece> {
    let given = url.authorized.as_ref()?;
    let (mechanism, token_given) = given.token.as_ref()?;
    let now = peer.services.clock.now();
    if mechanism != MECHANISM || !is_for(given, account) || given.expires_at.is_some_and(|end| end <= now) {
        return None;
    }
    let owner = owner(peer, url).await?;
    let mailbox = MailboxRef { id: owner.id, tenant: owner.tenant };
    let folders = peer.services.store.folders(mailbox).await.ok()?;
    let name = url.folder.as_ref()?;
    let folder = folders.into_iter().find(|folder| folder.name == *name && folder.selectable && !folder.damaged)?;
    let token = token(peer, mailbox, &folder, &given.rump).await.ok()?;
    if !bool::from(token.ct_eq(unhex(token_given)?.as_slice())) {
        return None;
    }
    let state = peer.services.store.open(mailbox, folder.id).await.ok()?.state();
    if url.uid_validity.is_some_and(|known| known != state.uid_validity) {
        return None;
    }
    piece(peer, &state, url).await.ok()?
}

/// Whether a URL was authorized for this session (RFC 4467 §3).
fn is_for(authorized: &Authorized, account: &Account) -> bool {
    match &authorized.access {
        Access::Anonymous | Access::AuthUser => true,
        Access::User(user) => user.eq_ignore_ascii_case(account.config.address.key()),
        // No submission server signs in here.
        Access::Submit(_) => false,
    }
}

/// The mailbox of a URL, while its owner may use IMAP.
async fn owner(peer: &Peer, url: &ImapUrl) -> Option<Arc<MailboxConfig>> {
    let address: EmailAddress = url.authority.as_ref()?.user.parse().ok()?;
    if !is_here(peer, url, address.key()) {
        return None;
    }
    let found = peer.services.directory.mailbox_by_address(&address).await.ok()??;
    found.access(Protocol::Imap).allowed.then_some(found)
}

/// Whether a URL is absolute, of this server and this mailbox.
fn is_here(peer: &Peer, url: &ImapUrl, key: &str) -> bool {
    url.authority.as_ref().is_some_and(|authority| {
        let user: Option<EmailAddress> = authority.user.parse().ok();
        authority.host.eq_ignore_ascii_case(&peer.services.host) && user.is_some_and(|user| user.key() == key)
    })
}

/// The token of a URL.
async fn token(peer: &Peer, mailbox: MailboxRef, folder: &FolderInfo, rump: &str) -> Result<[u8; 32], Stop> {
    let (of_all, of_folder) = peer.services.store.url_epochs(mailbox, folder.id).await?;
    let numbers = [mailbox.id.0, folder.id.0, i64::from(folder.uid_validity), of_all, of_folder].map(i64::to_le_bytes);
    Ok(peer.services.seal.fingerprint(&[b"urlauth", numbers.as_flattened(), rump.as_bytes()]))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
            _ => None,
        })
        .collect()
}
