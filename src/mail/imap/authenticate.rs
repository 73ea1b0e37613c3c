//! LOGIN and AUTHENTICATE by PLAIN and SCRAM-SHA-256 (RFC 9051 §6.2.2, §6.2.3, RFC 4616, RFC 4959, RFC 5802, RFC 7677).
//!
//! Names and passwords go to `mail::sign_in` and nowhere else. Invariant: an [`Account`]
//! is made only here, and only when its session is registered.

use super::command::Secret;
use super::peer::{Account, Peer};
use super::reply::{Reply, Stop};
use super::wire::Wire;
use super::{capability, line};
use crate::directory::MailboxConfig;
use crate::mail::sign_in::{self, Credentials, Scram, SignInError};
use crate::model::Protocol;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

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
    refuse_unprotected(peer)?;
    match mechanism {
        "PLAIN" => plain(peer, wire, initial).await,
        name if sign_in::scram_mechanisms(&peer.conn, &peer.services).contains(&name) => {
            scram(peer, wire, name, initial).await
        }
        // RFC 9051 §6.2.2: NO for a mechanism that is not offered.
        _ => Err(Reply::no("That mechanism is not offered").into()),
    }
}

/// The client's first message: what came with the command, or its answer to an empty challenge.
async fn first(peer: &mut Peer, wire: &mut Wire, initial: Option<&Secret>) -> Result<Vec<u8>, Stop> {
    match initial {
        Some(initial) => decoded(&initial.0),
        None => challenge(peer, wire, "").await,
    }
}

/// Sends a challenge and waits for the answer.
async fn challenge(peer: &mut Peer, wire: &mut Wire, text: &str) -> Result<Vec<u8>, Stop> {
    peer.out().extend_from_slice(format!("+ {}\r\n", STANDARD.encode(text)).as_bytes());
    let line = line::next(peer, wire).await?;
    if line == b"*" {
        // RFC 9051 §6.2.2: the client gives up.
        return Err(Reply::bad("AUTHENTICATE was cancelled").into());
    }
    decoded(&line)
}

fn decoded(line: &[u8]) -> Result<Vec<u8>, Stop> {
    // RFC 4959 §3: `=` stands for an empty initial response.
    sign_in::decode_sasl(line).ok_or_else(|| Reply::bad("The response is not base64").into())
}

/// PLAIN (RFC 4616).
async fn plain(peer: &mut Peer, wire: &mut Wire, initial: Option<&Secret>) -> Result<(Account, Reply), Stop> {
    let message = Secret(first(peer, wire, initial).await?);
    let mut fields = message.0.split(|octet| *octet == 0);
    let (Some(acting), Some(user), Some(password), None) = (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Reply::bad("That is no PLAIN response").into());
    };
    if !acting.is_empty() && acting != user {
        // RFC 4616 §2: nobody may act for another here.
        return Err(Reply::no("Nobody may act for another").with("AUTHORIZATIONFAILED").into());
    }
    sign_in(peer, user, password).await
}

/// SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677).
async fn scram(
    peer: &mut Peer,
    wire: &mut Wire,
    mechanism: &str,
    initial: Option<&Secret>,
) -> Result<(Account, Reply), Stop> {
    let message = first(peer, wire, initial).await?;
    let exchange = Scram::begin(&peer.conn, &peer.services, mechanism, &message).await.map_err(refusal)?;
    let last = challenge(peer, wire, exchange.challenge()).await?;
    let services = peer.services.clone();
    let finished = exchange.finish(&mut peer.conn, &services, Protocol::Imap, &last).await;
    let (config, answer) = finished.map_err(refusal)?;
    if let Err(stop) = challenge(peer, wire, &answer).await {
        // The client does not believe that we are who we say.
        peer.conn.sign_out();
        return Err(stop);
    }
    Ok(signed_in(peer, config))
}

fn refuse_unprotected(peer: &Peer) -> Result<(), Stop> {
    if peer.conn.may_login() {
        return Ok(());
    }
    // RFC 5530 §3.
    Err(Reply::no("Start TLS first").with("PRIVACYREQUIRED").into())
}

async fn sign_in(peer: &mut Peer, user: &[u8], password: &[u8]) -> Result<(Account, Reply), Stop> {
    let Ok(name) = String::from_utf8(user.to_vec()) else { return Err(refusal(SignInError::Refused)) };
    let credentials = Credentials { name, password: password.to_vec() };
    let config = sign_in::sign_in(&mut peer.conn, &peer.services, Protocol::Imap, &credentials).await;
    Ok(signed_in(peer, config.map_err(refusal)?))
}

fn signed_in(peer: &Peer, config: Arc<MailboxConfig>) -> (Account, Reply) {
    // RFC 9051 §6.2.2: the new capabilities may come with the OK and spare the client a question.
    (Account { config }, Reply::ok("Signed in").with(capability::text(peer, true)))
}

fn refusal(error: SignInError) -> Stop {
    let reply = match error {
        SignInError::Refused | SignInError::Denied(_) => {
            Reply::no("Name or password is wrong, or access is not allowed").with("AUTHENTICATIONFAILED")
        }
        SignInError::Throttled => Reply::no("Too many failed logins, try again later").with("AUTHENTICATIONFAILED"),
        // RFC 5530 §3.
        SignInError::Unavailable => Reply::no("No login can be checked now, try again later").with("UNAVAILABLE"),
        SignInError::TooMany => Reply::no("The mailbox has too many sessions").with("LIMIT"),
    };
    reply.into()
}
