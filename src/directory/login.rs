//! The one way in for every protocol: throttle, look up, verify, admit.
//!
//! Invariant: unknown, wrong and disabled get the same error after the same time, and count the same.

pub use super::notes::Notes;

use super::notes::{Note, Notepad, Whose};
use super::{Access, Admitted, Directory, MailboxConfig};
use crate::auth::scram::{Proof, Salting};
use crate::auth::{Memory, Passwords, Throttle};
use crate::db::login_history::Seen;
use crate::db::mailboxes;
use crate::meters::meters;
use crate::model::ids::AppPasswordId;
use crate::model::{EmailAddress, LoginOutcome, LoginReason, Protocol, SettingLevel, bounds};
use std::net::IpAddr;
use std::sync::Arc;

/// Why a login did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Unknown, wrong, disabled or suspended: the peer cannot tell which.
    #[error("authentication failed")]
    Refused,
    /// Too many failures from this network or on this mailbox; answered like [`LoginError::Refused`] but
    /// may say that it is temporary.
    #[error("too many failed logins, try again later")]
    Throttled,
    /// The hashing lane is full, or the database does not answer: a temporary failure.
    #[error("temporary authentication failure")]
    Unavailable,
}

/// What verifying a password came to.
struct Outcome {
    right: bool,
    /// It was tried before.
    known: bool,
    /// The app password that it is, if it is one.
    app: Option<AppPasswordId>,
}

/// What a login shows that it knows the password.
#[derive(Clone, Copy)]
enum Given<'a> {
    /// The password.
    Password(&'a [u8]),
    /// SCRAM's proof of it.
    Proof(&'a Proof),
}

/// Checks logins; cheap to clone.
#[derive(Clone)]
pub struct Login {
    directory: Directory,
    passwords: Passwords,
    throttle: Throttle,
    memory: Memory,
    notes: Notepad,
}

impl Login {
    /// The way in, and the task that notes who came.
    pub fn new(directory: Directory, passwords: Passwords, throttle: Throttle) -> (Self, Notes) {
        let (notes, writer) = Notes::new(directory.clone());
        (Self { directory, passwords, throttle, memory: Memory::default(), notes }, writer)
    }

    /// Verifies a name (an address) and password for a protocol from a network address, with or without TLS.
    ///
    /// # Errors
    /// See [`LoginError`]; the reason of a refusal is in the log and in the login history alone.
    pub async fn password(
        &self,
        protocol: Protocol,
        peer: IpAddr,
        tls: bool,
        name: &str,
        password: &[u8],
    ) -> Result<Admitted, LoginError> {
        self.counted(protocol, peer, tls, name, Given::Password(password)).await
    }

    /// Whether passwords can be proven by SCRAM.
    pub fn offers_scram(&self) -> bool {
        self.passwords.offer_scram()
    }

    /// How the password of a name is salted; a name that nobody has is answered alike, after the same time.
    ///
    /// # Errors
    /// [`LoginError::Unavailable`]; [`LoginError::Refused`] where SCRAM is not offered.
    pub async fn salting(&self, name: &str) -> Result<Salting, LoginError> {
        let until = tokio::time::Instant::now() + bounds::SCRAM_CHALLENGE_TIME;
        let address = name.parse::<EmailAddress>().ok();
        let mailbox = self.find(address.as_ref()).await?;
        let subject = address.as_ref().map_or(name, |address| address.key());
        let stored = mailbox.as_ref().and_then(|mailbox| mailbox.password_hash.as_deref());
        let salting = self.passwords.salting(stored, subject).ok_or(LoginError::Refused);
        tokio::time::sleep_until(until).await;
        salting
    }

    /// Verifies a proof by SCRAM like [`Login::password`]; also answers what proves to the client who we are.
    ///
    /// # Errors
    /// See [`LoginError`]; the reason of a refusal is in the log and in the login history alone.
    pub async fn scram(
        &self,
        protocol: Protocol,
        peer: IpAddr,
        tls: bool,
        name: &str,
        proof: &Proof,
    ) -> Result<(Admitted, String), LoginError> {
        let admitted = self.counted(protocol, peer, tls, name, Given::Proof(proof)).await?;
        let keys = self.passwords.scram(admitted.mailbox.password_hash.as_deref()).ok_or(LoginError::Unavailable)?;
        Ok((admitted, proof.answer(&keys)))
    }

    async fn counted(
        &self,
        protocol: Protocol,
        peer: IpAddr,
        tls: bool,
        name: &str,
        given: Given<'_>,
    ) -> Result<Admitted, LoginError> {
        let outcome = self.check(protocol, peer, tls, name, given).await;
        let word = match &outcome {
            Ok(_) => "ok",
            Err(LoginError::Refused) => "refused",
            Err(LoginError::Throttled) => "throttled",
            Err(LoginError::Unavailable) => "unavailable",
        };
        meters().login(protocol.as_str(), word);
        outcome
    }

    async fn check(
        &self,
        protocol: Protocol,
        peer: IpAddr,
        tls: bool,
        name: &str,
        given: Given<'_>,
    ) -> Result<Admitted, LoginError> {
        let began = tokio::time::Instant::now();
        let outcome = self.judge(protocol, peer, tls, name, given).await;
        if matches!(outcome, Err(LoginError::Refused)) {
            tokio::time::sleep_until(began + bounds::REFUSED_LOGIN_TIME).await;
        }
        outcome
    }

    async fn judge(
        &self,
        protocol: Protocol,
        peer: IpAddr,
        tls: bool,
        name: &str,
        given: Given<'_>,
    ) -> Result<Admitted, LoginError> {
        let now = self.directory.inner().clock.now_ms();
        let address = name.parse::<EmailAddress>().ok();
        let subject = address.as_ref().map_or("", |address| address.key());
        let Some(attempt) = self.throttle.begin(subject, peer, now).await else {
            tracing::info!(%protocol, %peer, mailbox = subject, "login throttled");
            if let Some(address) = address {
                let seen = self::seen(protocol, peer, tls, LoginOutcome::Throttled);
                let reason = Some(LoginReason::TooManyFailures);
                self.notes.leave(Note { whose: Whose::Name(address), at: now, seen: Seen { reason, ..seen } });
            }
            return Err(LoginError::Throttled);
        };
        let checked = match self.find(address.as_ref()).await {
            Ok(mailbox) => self.verify(subject, mailbox.as_deref(), given).await.map(|outcome| (mailbox, outcome)),
            Err(error) => Err(error),
        };
        let (mailbox, Outcome { right, known, app }) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                attempt.forgiven();
                return Err(error);
            }
        };
        let opens = |mailbox: &&Arc<MailboxConfig>| {
            right && mailbox.access(protocol).admits(peer, tls) && mailbox.is_opened_by(app, protocol, peer, now)
        };
        if let Some(mailbox) = mailbox.as_ref().filter(opens) {
            attempt.succeeded();
            let seen = Seen { app, ..self::seen(protocol, peer, tls, LoginOutcome::Admitted) };
            self.notes.leave(Note { whose: Whose::Mailbox(mailbox.clone()), at: now, seen });
            return Ok(Admitted { mailbox: mailbox.clone(), app_password: app });
        }
        // A password that is right where the mailbox may not sign in counts once, as a wrong one does: nothing
        // tells them apart, and a client that goes on with either locks nobody out.
        if known {
            attempt.forgiven();
        }
        let (reason, level) = match &mailbox {
            Some(mailbox) if right => because(mailbox.access(protocol), app, peer, tls),
            _ => (LoginReason::WrongPassword, None),
        };
        tracing::info!(%protocol, %peer, mailbox = subject, because = %reason, "login refused");
        if let Some(mailbox) = mailbox {
            let seen = self::seen(protocol, peer, tls, LoginOutcome::Refused);
            let seen = Seen { reason: Some(reason), level, app, ..seen };
            self.notes.leave(Note { whose: Whose::Mailbox(mailbox), at: now, seen });
        }
        Err(LoginError::Refused)
    }

    /// Notes that somebody who was admitted found no place for one more session.
    pub fn found_no_place(&self, admitted: &Admitted, protocol: Protocol, peer: IpAddr, tls: bool) {
        let (app, reason) = (admitted.app_password, Some(LoginReason::TooManySessions));
        let seen = Seen { app, reason, ..seen(protocol, peer, tls, LoginOutcome::Refused) };
        let at = self.directory.inner().clock.now_ms();
        self.notes.leave(Note { whose: Whose::Mailbox(admitted.mailbox.clone()), at, seen });
    }

    async fn find(&self, address: Option<&EmailAddress>) -> Result<Option<Arc<MailboxConfig>>, LoginError> {
        let Some(address) = address else { return Ok(None) };
        self.directory.mailbox_by_address(address).await.map_err(|error| {
            tracing::warn!(%error, "login cannot be checked");
            LoginError::Unavailable
        })
    }

    /// Whether the password is right, and whether that was known without hashing it.
    async fn verify(
        &self,
        subject: &str,
        mailbox: Option<&MailboxConfig>,
        given: Given<'_>,
    ) -> Result<Outcome, LoginError> {
        let password = match given {
            Given::Password(password) => password,
            Given::Proof(proof) => {
                // Of the password alone: app passwords have no keys. No nonce comes twice, so nothing is remembered.
                let keys = self.passwords.scram(mailbox.and_then(|mailbox| mailbox.password_hash.as_deref()));
                return Ok(Outcome { right: proof.is_right(keys.as_ref()), known: false, app: None });
            }
        };
        let epoch = mailbox.map_or(0, |mailbox| mailbox.password_epoch);
        // Far cheaper than the other, so it comes first.
        if let Some(app) = mailbox.and_then(|mailbox| mailbox.app_password_of(password)) {
            let tried = self.memory.tried(subject, app.0, password);
            let known = self.memory.recall(&tried).is_some();
            self.memory.note(tried, true);
            return Ok(Outcome { right: true, known, app: Some(app) });
        }
        let tried = self.memory.tried(subject, epoch, password);
        if let Some(right) = self.memory.recall(&tried) {
            return Ok(Outcome { right, known: true, app: None });
        }
        let hash = mailbox.and_then(|mailbox| mailbox.password_hash.as_deref());
        let right = self.passwords.verify(hash, password).await.map_err(|_| LoginError::Unavailable)?;
        self.memory.note(tried, right);
        if let Some(mailbox) = mailbox.filter(|_| right) {
            self.strengthen(mailbox, password);
        }
        Ok(Outcome { right, known: false, app: None })
    }

    /// Replaces an imported hash, or one without keys for SCRAM, by one of ours, behind the login's back.
    fn strengthen(&self, mailbox: &MailboxConfig, password: &[u8]) {
        let outdated = mailbox.password_hash.as_deref().is_some_and(|stored| self.passwords.is_outdated(stored));
        let Some(password) = std::str::from_utf8(password).ok().filter(|_| outdated).map(str::to_owned) else { return };
        let (login, mailbox) = (self.clone(), mailbox.clone());
        tokio::spawn(async move {
            let Ok(hash) = login.passwords.hash(&password).await else { return };
            let written = async {
                let mut tx = login.directory.inner().db.write().await?;
                mailboxes::rehash(&mut tx, mailbox.id, mailbox.password_epoch, &hash).await?;
                tx.commit().await
            };
            match written.await {
                // Else every login would find the imported one in memory and do this again.
                Ok(()) => login.directory.inner().cache.forget(&mailbox).await,
                Err(error) => tracing::debug!(%error, "an imported hash stays as it is"),
            }
        });
    }
}

/// What is seen of every login.
fn seen(protocol: Protocol, peer: IpAddr, tls: bool, outcome: LoginOutcome) -> Seen {
    let peer = peer.to_canonical().to_string();
    Seen { protocol, peer, tls, outcome, reason: None, level: None, app: None }
}

/// Why a right password does not open a protocol, and the level that decided.
fn because(
    access: &Access,
    app: Option<AppPasswordId>,
    peer: IpAddr,
    tls: bool,
) -> (LoginReason, Option<SettingLevel>) {
    match app {
        _ if !access.allowed => (LoginReason::ProtocolOff, Some(access.source)),
        _ if access.tls_only && !tls => (LoginReason::TlsRequired, Some(access.tls_only_source)),
        _ if !access.admits(peer, tls) => (LoginReason::NetworkNotAllowed, Some(access.allow_from_source)),
        Some(_) => (LoginReason::AppPassword, None),
        None => (LoginReason::AppPasswordsOnly, Some(SettingLevel::Mailbox)),
    }
}
