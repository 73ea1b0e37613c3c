//! LOGIN and AUTHENTICATE PLAIN (RFC 9051 §6.2.2, §6.2.3, RFC 4616, RFC 4959).
//!
//! Names and passwords go to `mail::sign_in` and nowhere else. Invariant: an [`Account`]
//! is made only here, and only when its session is registered.

use super::command::Secret;
use super::peer::{Account, Peer};
use super::reply::{Reply, Stop};
use super::wire::Wire;
use super::{capability, line};
use crate::mail::sign_in::{self, Credentials, SignInError};
use crate::model::Protocol;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// LOGIN.
pub(super) async fn login(peer: &mut Peer, user: &[u8], password: &Secret) -> Result<(Account, Reply), Stop> {
    refuse_unprotected(peer)?;
    sign_in(peer, user, &password.0).await
}

/// AUTHENTICATE.
pub(super) async fn authenticate(
    peer: &mut Peer,
    wire: &mut Wire,
    mechanism: &str,
    initial: Option<&Secret>,
) -> Result<(Account, Reply), Stop> {
    if mechanism != "PLAIN" {
        // RFC 9051 §6.2.2: NO for a mechanism that is not offered.
        return Err(Reply::no("That mechanism is not offered").into());
    }
    refuse_unprotected(peer)?;
    let response = match initial {
        Some(initial) => initial.clone(),
        None => {
            peer.out().extend_from_slice(b"+ \r\n");
            Secret(line::next(peer, wire).await?)
        }
    };
    if response.0 == b"*" {
        // RFC 9051 §6.2.2: the client gives up.
        return Err(Reply::bad("AUTHENTICATE was cancelled").into());
    }
    let malformed = || Stop::from(Reply::bad("That is no PLAIN response"));
    // RFC 4959 §3: `=` stands for an empty initial response, which PLAIN never has.
    let message = Secret(STANDARD.decode(&response.0).map_err(|_| malformed())?);
    let mut fields = message.0.split(|octet| *octet == 0);
    let (Some(acting), Some(user), Some(password), None) = (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(malformed());
    };
    if !acting.is_empty() && acting != user {
        // RFC 4616 §2: nobody may act for another here.
        return Err(Reply::no("Nobody may act for another").with("AUTHORIZATIONFAILED").into());
    }
    sign_in(peer, user, password).await
}

fn refuse_unprotected(peer: &Peer) -> Result<(), Stop> {
    if peer.conn.may_login() {
        return Ok(());
    }
    // RFC 5530 §3.
    Err(Reply::no("Start TLS first").with("PRIVACYREQUIRED").into())
}

async fn sign_in(peer: &mut Peer, user: &[u8], password: &[u8]) -> Result<(Account, Reply), Stop> {
    let refused = || Reply::no("Name or password is wrong, or access is not allowed").with("AUTHENTICATIONFAILED");
    let Ok(name) = String::from_utf8(user.to_vec()) else { return Err(refused().into()) };
    let credentials = Credentials { name, password: password.to_vec() };
    let signed_in = sign_in::sign_in(&mut peer.conn, &peer.services, Protocol::Imap, &credentials).await;
    let config = signed_in.map_err(|error| match error {
        SignInError::Refused | SignInError::Denied(_) => refused(),
        SignInError::Throttled => Reply::no("Too many failed logins, try again later").with("AUTHENTICATIONFAILED"),
        // RFC 5530 §3.
        SignInError::Unavailable => Reply::no("No login can be checked now, try again later").with("UNAVAILABLE"),
        SignInError::TooMany => Reply::no("The mailbox has too many sessions").with("LIMIT"),
    })?;
    // RFC 9051 §6.2.2: the new capabilities may come with the OK and spare the client a question.
    Ok((Account { config }, Reply::ok("Signed in").with(capability::text(peer, true))))
}
