//! Who a request comes from: sign-in by password, refresh tokens, access tokens and API keys.
//!
//! Failures are counted with those of the mail protocols. Invariant: an access token admits only while its
//! sign-in stands, and one refresh token is exchanged once.

use super::second_factor;
use super::sign_ins::Of;
use super::suspensions::in_force;
use super::users::parse_name;
use super::{Caller, CallerId, Control, Error, Result};
use crate::auth::tokens::{self, Claims, Tokens};
use crate::auth::{Memory, Throttle, seal::Seal};
use crate::db::api_sessions::{self, ApiSessionRow};
use crate::db::{Tx, keys, mailboxes, secrets, tenants, users};
use crate::model::ids::{KeyId, MailboxId, SignInId, UserId};
use crate::model::{Duty, EmailAddress, Role, SuspensionScope, bounds};
use std::net::IpAddr;
use std::sync::Arc;

/// Where a sign-in comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The address.
    pub address: IpAddr,
    /// What the program calls itself.
    pub user_agent: String,
}

impl Origin {
    /// As much of the program's name as is kept.
    fn agent(&self) -> String {
        self.user_agent.chars().filter(|c| !c.is_control()).take(bounds::USER_AGENT_CHARACTERS).collect()
    }
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        Self { address, user_agent: String::new() }
    }
}

/// How exactly the last use of a key or sign-in is noted, so that a busy one does not write at every request.
const USE_NOTED_MS: i64 = 60_000;

/// What a sign-in or a refresh answers.
pub struct SignedIn {
    /// The access token.
    pub access_token: String,
    /// Seconds until it expires.
    pub expires_in: i64,
    /// The one valid refresh token.
    pub refresh_token: String,
    /// Who signed in.
    pub caller: Caller,
}

/// What a right password comes to.
pub enum FirstStep {
    /// That was all.
    SignedIn(Box<SignedIn>),
    /// A code is to follow, with this challenge, within so many seconds.
    Challenge(String, i64),
}

/// Signs callers in and recognises them; cheap to clone.
#[derive(Clone)]
pub struct SignIn {
    control: Control,
    seal: Seal,
    tokens: Arc<Tokens>,
    throttle: Throttle,
    /// Requests for links, which are no failed sign-ins.
    requests: Throttle,
    memory: Memory,
}

/// A user or mailbox that may sign in.
struct Subject {
    caller: Caller,
    /// What its failures are counted under: its name or address.
    key: String,
    password_hash: Option<String>,
    password_epoch: i64,
    /// Whether a code is to follow the password.
    second_factor: bool,
    /// A mailbox that a suspension lets nobody sign in to.
    suspended: bool,
}

impl Subject {
    fn user(row: &users::UserRow) -> Self {
        let caller = Caller::new(CallerId::User(row.id), row.tenant, row.path.clone(), row.role);
        let grants = Arc::new(keys::Grants { scopes: row.duty.scopes(), ..Default::default() });
        let caller = Caller { read_only: row.duty == Duty::ReadOnly, duty: Some(row.duty), grants, ..caller };
        let caller = Caller { must_change_password: row.must_change_password, ..caller };
        let (key, password_hash) = (row.name.clone(), Some(row.password_hash.clone()).filter(|hash| !hash.is_empty()));
        Self {
            caller,
            key,
            password_hash,
            password_epoch: row.password_epoch,
            second_factor: row.second_factor,
            suspended: false,
        }
    }

    async fn mailbox(tx: &mut Tx, row: mailboxes::MailboxRow, now: i64) -> Result<Self> {
        let suspended = in_force(tx, row.id, row.domain, now).await?.contains(&SuspensionScope::Login);
        let caller = Caller::new(CallerId::Mailbox(row.id), row.tenant, row.path, Role::MailboxUser);
        let caller = Caller { must_change_password: row.must_change_password, ..caller };
        let key = row.address.key().to_owned();
        let (password_hash, password_epoch) = (row.password_hash, row.password_epoch);
        Ok(Self { caller, key, password_hash, password_epoch, second_factor: row.second_factor, suspended })
    }
}

impl SignIn {
    /// With the signing key of the database, made and sealed when it is not there.
    pub async fn open(control: &Control, seal: &Seal, throttle: Throttle) -> Result<Self> {
        let secret = signing_key(control, seal).await?;
        Ok(Self {
            control: control.clone(),
            seal: seal.clone(),
            tokens: Arc::new(Tokens::new(&secret)),
            throttle,
            requests: Throttle::default(),
            memory: Memory::default(),
        })
    }

    /// Signs in by a user's name or a mailbox's address and the password, where that is enough.
    pub async fn password(&self, name: &str, password: &str, from: impl Into<Origin>) -> Result<SignedIn> {
        match self.first_step(name, password, from).await? {
            FirstStep::SignedIn(signed_in) => Ok(*signed_in),
            FirstStep::Challenge(..) => Err(Error::NotAllowed("a code is to follow the password")),
        }
    }

    /// Takes a user's name or a mailbox's address and the password; a code may have to follow.
    pub async fn first_step(&self, name: &str, password: &str, from: impl Into<Origin>) -> Result<FirstStep> {
        let (began, from) = (tokio::time::Instant::now(), from.into());
        let subject = late(began, self.judge(name, password, from.address).await).await?;
        if subject.second_factor {
            let (id, now) = (subject.caller.id.to_string(), self.control.clock.now());
            let challenge = self.tokens.challenge(&id, subject.password_epoch, now);
            let challenge = challenge.map_err(|e| Error::Internal(e.to_string()))?;
            return Ok(FirstStep::Challenge(challenge, tokens::CHALLENGE_SECONDS));
        }
        self.begin(subject, &from).await.map(Box::new).map(FirstStep::SignedIn)
    }

    /// Takes the code that follows a password, or a recovery code.
    pub async fn second_step(&self, challenge: &str, code: &str, from: impl Into<Origin>) -> Result<SignedIn> {
        let (began, from) = (tokio::time::Instant::now(), from.into());
        let subject = late(began, self.judge_code(challenge, code, from.address).await).await?;
        self.begin(subject, &from).await
    }

    async fn judge_code(&self, challenge: &str, code: &str, peer: IpAddr) -> Result<Subject> {
        let claims = self.tokens.check_challenge(challenge, self.control.clock.now()).ok_or(Error::SignInRefused)?;
        let now = self.control.now_ms();
        let mut tx = self.control.db.read().await?;
        let subject = subject_of(&mut tx, &claims.sub, now).await?;
        drop(tx);
        let stands =
            |subject: &Subject| subject.password_epoch == claims.epoch && subject.second_factor && !subject.suspended;
        let subject = subject.filter(stands).ok_or(Error::SignInRefused)?;
        match self.confirm_code(&subject.caller, code, peer).await? {
            true => Ok(subject),
            false => Err(Error::SignInRefused),
        }
    }

    /// Whether a code is right now and was never taken before, which takes it; counted with the failed sign-ins.
    pub(super) async fn confirm_code(&self, caller: &Caller, code: &str, peer: IpAddr) -> Result<bool> {
        let (owner, now) = (caller.id.to_string(), self.control.now_ms());
        let mut tx = self.control.db.read().await?;
        let subject = subject_of(&mut tx, &owner, now).await?.ok_or(Error::NotFound)?;
        drop(tx);
        let attempt = self.throttle.begin(&subject.key, peer, now).await.ok_or(Error::Throttled)?;
        let taken = second_factor::take(&self.control, &self.seal, &owner, code).await;
        match taken {
            Ok(true) => attempt.succeeded(),
            Ok(false) => drop(attempt),
            Err(_) => attempt.forgiven(),
        }
        taken
    }

    /// A sign-in with which `actor` acts for somebody for a few minutes; nothing refreshes it.
    pub(super) async fn act_as(
        &self,
        tx: &mut Tx,
        actor: &Caller,
        of: &str,
        reason: &str,
        from: &Origin,
    ) -> Result<SignedIn> {
        let now = self.control.now_ms();
        let subject = subject_of(tx, of, now).await?.ok_or(Error::NotFound)?;
        if !stands_above(actor, &subject.caller) {
            return Err(Error::NotAllowed("operators and resellers act for users and mailboxes below them"));
        }
        if subject.suspended {
            return Err(Error::InUse("a suspension lets nobody sign in to the mailbox"));
        }
        let peer = from.address.to_canonical().to_string();
        let row = ApiSessionRow {
            id: tokens::random_text(),
            number: SignInId(self.control.ids.next(now)),
            caller: of.to_owned(),
            password_epoch: subject.password_epoch,
            // Of a token that nobody has.
            token_hash: tokens::token_hash(&tokens::random_text()),
            created_at: now,
            expires_at: now + tokens::ACCESS_SECONDS * 1000,
            revoked: false,
            last_used_at: now,
            last_used_from: peer.clone(),
            peer,
            user_agent: from.agent(),
            actor: actor.id.to_string(),
            reason: reason.to_owned(),
        };
        api_sessions::insert(tx, &row).await?;
        let caller = Caller { sign_in: Some(row.number), actor: Some(row.actor), ..subject.caller };
        self.answer(caller, &row.id, String::new())
    }

    /// Takes a place among the requests for a link to a new password: so many of a name, and from a network.
    pub(super) async fn take_reset(&self, name: &str, peer: IpAddr) -> Result<()> {
        // Dropped, it counts: every request does.
        let taken = self.requests.begin(&subject_key(name), peer, self.control.now_ms()).await;
        taken.map(drop).ok_or(Error::Throttled)
    }

    /// Who signs in by a name, where a suspension does not forbid it.
    pub(super) async fn owner_of(&self, name: &str) -> Result<Option<Of>> {
        let subject = self.find_subject(name).await?.filter(|subject| !subject.suspended);
        Ok(subject.and_then(|subject| match subject.caller.id {
            CallerId::User(id) => Some(Of::User(id)),
            CallerId::Mailbox(id) => Some(Of::Mailbox(id)),
            _ => None,
        }))
    }

    /// What seals secrets.
    pub(super) fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Whose the name and password are. What was tried before and was wrong, or was right where a suspension forbids
    /// it, is no further guess.
    async fn judge(&self, name: &str, password: &str, peer: IpAddr) -> Result<Subject> {
        let subject_key = subject_key(name);
        let attempt = self.throttle.begin(&subject_key, peer, self.control.now_ms()).await.ok_or(Error::Throttled)?;
        let checked = match self.find_subject(name).await {
            Ok(subject) => {
                self.verify(&subject_key, subject.as_ref(), password).await.map(|outcome| (subject, outcome))
            }
            Err(error) => Err(error),
        };
        let (subject, (right, known)) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                // A fault of ours is no guess.
                attempt.forgiven();
                return Err(error);
            }
        };
        match subject.filter(|subject| right && !subject.suspended) {
            // A network is known to have signed in after the last step.
            Some(subject) if subject.second_factor => {
                attempt.forgiven();
                Ok(subject)
            }
            Some(subject) => {
                attempt.succeeded();
                Ok(subject)
            }
            None => {
                if known {
                    attempt.forgiven();
                }
                Err(Error::SignInRefused)
            }
        }
    }

    /// Whether who has signed in knows the password: a token alone must not be enough to change what guards it. Counted
    /// with the failed sign-ins.
    pub(super) async fn confirm(&self, caller: &Caller, password: &str, peer: IpAddr) -> Result<bool> {
        let now = self.control.now_ms();
        let mut tx = self.control.db.read().await?;
        let subject = subject_of(&mut tx, &caller.id.to_string(), now).await?.ok_or(Error::NotFound)?;
        drop(tx);
        let attempt = self.throttle.begin(&subject.key, peer, now).await.ok_or(Error::Throttled)?;
        match self.verify(&subject.key, Some(&subject), password).await {
            Ok((true, _)) => {
                attempt.succeeded();
                Ok(true)
            }
            Ok((false, known)) => {
                if known {
                    attempt.forgiven();
                }
                Ok(false)
            }
            Err(error) => {
                attempt.forgiven();
                Err(error)
            }
        }
    }

    /// Whether the password is right, and whether that was known without hashing it.
    async fn verify(&self, name: &str, subject: Option<&Subject>, password: &str) -> Result<(bool, bool)> {
        let epoch = subject.map_or(0, |subject| subject.password_epoch);
        let tried = self.memory.tried(name, epoch, password.as_bytes());
        if let Some(right) = self.memory.recall(&tried) {
            return Ok((right, true));
        }
        let hash = subject.and_then(|subject| subject.password_hash.as_deref());
        let right = self.control.passwords.verify(hash, password.as_bytes()).await?;
        self.memory.note(tried, right);
        Ok((right, false))
    }

    async fn find_subject(&self, name: &str) -> Result<Option<Subject>> {
        let mut tx = self.control.db.read().await?;
        if let Ok(address) = name.parse::<EmailAddress>() {
            let row = mailboxes::find_by_key(&mut tx, address.key()).await?;
            let now = self.control.now_ms();
            let Some(row) = row.filter(|row| may_sign_in(row, now)) else { return Ok(None) };
            return Subject::mailbox(&mut tx, row, now).await.map(Some);
        }
        let Ok(name) = parse_name(name) else { return Ok(None) };
        Ok(users::find_by_name(&mut tx, &name).await?.as_ref().map(Subject::user))
    }

    async fn begin(&self, Subject { caller, password_epoch, .. }: Subject, from: &Origin) -> Result<SignedIn> {
        let now = self.control.now_ms();
        let peer = from.address.to_canonical().to_string();
        let session = tokens::random_text();
        let refresh = format!("{session}.{}", tokens::random_text());
        let row = ApiSessionRow {
            id: session.clone(),
            number: SignInId(self.control.ids.next(now)),
            caller: caller.id.to_string(),
            password_epoch,
            token_hash: tokens::token_hash(&refresh),
            created_at: now,
            expires_at: now + tokens::REFRESH_SECONDS * 1000,
            revoked: false,
            last_used_at: now,
            last_used_from: peer.clone(),
            peer,
            user_agent: from.agent(),
            actor: String::new(),
            reason: String::new(),
        };
        let caller = Caller { sign_in: Some(row.number), ..caller };
        let mut tx = self.control.db.write().await?;
        api_sessions::insert(&mut tx, &row).await?;
        tx.commit().await?;
        self.answer(caller, &session, refresh)
    }

    fn answer(&self, caller: Caller, session: &str, refresh_token: String) -> Result<SignedIn> {
        let now = self.control.clock.now();
        let access_token =
            self.tokens.access(&caller.id.to_string(), session, now).map_err(|e| Error::Internal(e.to_string()))?;
        Ok(SignedIn { access_token, expires_in: tokens::ACCESS_SECONDS, refresh_token, caller })
    }

    /// Exchanges a refresh token for new tokens. An old one that comes back was stolen
    /// from one of the two who have it: the whole sign-in ends.
    pub async fn refresh(&self, token: &str) -> Result<SignedIn> {
        let session = token.split_once('.').map_or("", |(session, _)| session);
        // What we never made is not asked of the database, which would take offence at some of it.
        if !session.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(Error::SignInRefused);
        }
        let now = self.control.now_ms();
        let mut tx = self.control.db.write().await?;
        let row = api_sessions::find(&mut tx, session).await?.ok_or(Error::SignInRefused)?;
        if row.revoked || row.expires_at <= now {
            return Err(Error::SignInRefused);
        }
        let new = format!("{session}.{}", tokens::random_text());
        let expires_at = now + tokens::REFRESH_SECONDS * 1000;
        let (old_hash, new_hash) = (tokens::token_hash(token), tokens::token_hash(&new));
        if !api_sessions::rotate(&mut tx, session, &old_hash, &new_hash, expires_at).await? {
            api_sessions::revoke(&mut tx, session).await?;
            tx.commit().await?;
            return Err(Error::SignInRefused);
        }
        let caller = find_caller(&mut tx, &row, now).await?.ok_or(Error::SignInRefused)?;
        tx.commit().await?;
        self.answer(caller, session, new)
    }

    /// Ends the sign-in that an access token belongs to.
    pub async fn sign_out(&self, token: &str) -> Result<()> {
        let Some(claims) = self.tokens.check(token, self.control.clock.now()) else { return Ok(()) };
        let mut tx = self.control.db.write().await?;
        api_sessions::revoke(&mut tx, &claims.sid).await?;
        Ok(tx.commit().await?)
    }

    /// Who a bearer token or API key stands for, as of now, whatever the address; `None` when for nobody.
    pub async fn recognise(&self, token: &str) -> Result<Option<Caller>> {
        self.recognise_at(token, None).await
    }

    /// Who a bearer token or API key stands for, as of now, when it is sent from an address; `None` when for nobody.
    pub async fn recognise_at(&self, token: &str, from: Option<IpAddr>) -> Result<Option<Caller>> {
        if token.starts_with(tokens::KEY_PREFIX) {
            return self.by_key(token, from.map(|address| address.to_canonical())).await;
        }
        match self.tokens.check(token, self.control.clock.now()) {
            Some(claims) => self.by_claims(&claims, from).await,
            None => Ok(None),
        }
    }

    async fn by_claims(&self, claims: &Claims, from: Option<IpAddr>) -> Result<Option<Caller>> {
        let mut tx = self.control.db.read().await?;
        let Some(session) = api_sessions::find(&mut tx, &claims.sid).await? else { return Ok(None) };
        let now = self.control.now_ms();
        let stands = !session.revoked && session.caller == claims.sub && session.expires_at > now;
        let caller = if stands { find_caller(&mut tx, &session, now).await? } else { None };
        drop(tx);
        if let (Some(_), Some(from)) = (&caller, from) {
            self.note_sign_in(&session, now, from).await;
        }
        Ok(caller)
    }

    /// To the minute, or when the address changes; like a key's, it must not keep anybody from reading.
    async fn note_sign_in(&self, session: &ApiSessionRow, now: i64, from: IpAddr) {
        let from = from.to_canonical().to_string();
        if now - session.last_used_at <= USE_NOTED_MS && from == session.last_used_from {
            return;
        }
        let noted = async {
            let mut tx = self.control.db.write_lightly().await?;
            api_sessions::used(&mut tx, &session.id, now, &from).await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "a sign-in's last use is not noted");
        }
    }

    async fn note_use(&self, key: KeyId, now: i64, from: &str) -> Result<()> {
        let mut tx = self.control.db.write().await?;
        keys::used(&mut tx, key, now, from).await?;
        Ok(tx.commit().await?)
    }

    async fn by_key(&self, token: &str, from: Option<IpAddr>) -> Result<Option<Caller>> {
        let now = self.control.now_ms();
        let mut tx = self.control.db.read().await?;
        let row = keys::find_by_secret(&mut tx, &tokens::token_hash(token)).await?;
        let Some(row) = row.filter(|row| row.expires_at.is_none_or(|at| at > now)) else { return Ok(None) };
        drop(tx);
        // A key that comes from elsewhere is no key.
        let networks = row.grants.allow_from.as_ref();
        if from.is_some_and(|from| networks.is_some_and(|networks| !networks.iter().any(|net| net.contains(from)))) {
            return Ok(None);
        }
        let from = from.map(|from| from.to_string()).unwrap_or_default();
        // To the minute, so that a busy key does not write at every request.
        if row.last_used_at.is_none_or(|at| now - at > USE_NOTED_MS) {
            // A full disk must not keep a key from reading.
            if let Err(error) = self.note_use(row.id, now, &from).await {
                tracing::warn!(%error, "a key's last use is not noted");
            }
        }
        Ok(Some(by_row(row)))
    }
}

/// A refusal comes no sooner than every other.
async fn late<T>(began: tokio::time::Instant, outcome: Result<T>) -> Result<T> {
    if matches!(outcome, Err(Error::SignInRefused)) {
        tokio::time::sleep_until(began + bounds::REFUSED_LOGIN_TIME).await;
    }
    outcome
}

/// What failures on a name are counted under; what cannot be a name is counted together, and kept short.
fn subject_key(name: &str) -> String {
    match name.parse::<EmailAddress>() {
        Ok(address) => address.key().to_owned(),
        Err(_) => parse_name(name).unwrap_or_default(),
    }
}

/// A mailbox that is deleted, or has ended, lets nobody in.
fn may_sign_in(row: &mailboxes::MailboxRow, now: i64) -> bool {
    row.deleted_at.is_none() && row.expires_at.is_none_or(|at| at > now)
}

/// The caller of a sign-in, while its password is the one that it was made with and no suspension forbids it:
/// like all suspensions that one lifts without a trace, so the sign-in is not revoked.
async fn find_caller(tx: &mut Tx, session: &ApiSessionRow, now: i64) -> Result<Option<Caller>> {
    let subject = subject_of(tx, &session.caller, now).await?;
    let stands = |subject: &Subject| subject.password_epoch == session.password_epoch && !subject.suspended;
    let Some(subject) = subject.filter(stands) else { return Ok(None) };
    let caller = Caller { sign_in: Some(session.number), ..subject.caller };
    if session.actor.is_empty() {
        return Ok(Some(caller));
    }
    // Who acts must still stand above, and is not asked for what only the owner knows.
    let actor = still(tx, &session.actor, now).await?.filter(|actor| stands_above(actor, &caller));
    Ok(actor.map(|_| Caller { actor: Some(session.actor.clone()), must_change_password: false, ..caller }))
}

/// Whether somebody may act for another: a user or mailbox of a tenant below, or a mailbox of the own one.
pub(super) fn stands_above(actor: &Caller, other: &Caller) -> bool {
    let seller = matches!(actor.role, Role::Operator | Role::Reseller);
    let below = other.path.starts_with(&actor.path) && (other.path != actor.path || other.role == Role::MailboxUser);
    seller && below && !actor.read_only
}

/// A user or mailbox that may sign in, by its id.
async fn subject_of(tx: &mut Tx, id: &str, now: i64) -> Result<Option<Subject>> {
    if let Ok(id) = id.parse::<UserId>() {
        return Ok(users::find(tx, id).await?.as_ref().map(Subject::user));
    }
    let Ok(id) = id.parse::<MailboxId>() else { return Ok(None) };
    match mailboxes::find(tx, id).await?.filter(|row| may_sign_in(row, now)) {
        Some(row) => Subject::mailbox(tx, row, now).await.map(Some),
        None => Ok(None),
    }
}

/// A user or key by its id, as it is now, for what it asked for earlier; `None` when it is gone.
pub(super) async fn still(tx: &mut Tx, caller: &str, now: i64) -> Result<Option<Caller>> {
    if let Ok(id) = caller.parse::<UserId>() {
        let caller = users::find(tx, id).await?.as_ref().map(Subject::user).map(|subject| subject.caller);
        // What was given before goes on.
        return Ok(caller.map(|caller| Caller { must_change_password: false, ..caller }));
    }
    let Ok(id) = caller.parse::<KeyId>() else { return Ok(None) };
    let row = keys::find(tx, id).await?.filter(|row| row.expires_at.is_none_or(|at| at > now));
    Ok(row.map(by_row))
}

/// Who a key stands for.
fn by_row(row: keys::KeyRow) -> Caller {
    let caller = Caller::new(CallerId::Key(row.id), row.tenant, row.path, row.role);
    Caller { read_only: row.read_only, until: row.expires_at, grants: Arc::new(row.grants), ..caller }
}

async fn signing_key(control: &Control, seal: &Seal) -> Result<Vec<u8>> {
    const NAME: &str = "jwt";
    let internal = |e: crate::auth::seal::SealError| Error::Internal(e.to_string());
    let mut tx = control.db.write().await?;
    if secrets::find(&mut tx, NAME).await?.is_none() {
        let fresh: [u8; 32] = rand::random();
        secrets::insert(&mut tx, NAME, &seal.seal(NAME, &fresh).map_err(internal)?).await?;
    }
    let sealed = secrets::find(&mut tx, NAME).await?.unwrap_or_default();
    tx.commit().await?;
    seal.open_sealed(NAME, &sealed).map_err(internal)
}

/// What `GET /v1/me` says of the tenant.
pub async fn tenant_name(control: &Control, caller: &Caller) -> Result<String> {
    let mut tx = control.db.read().await?;
    Ok(tenants::find(&mut tx, caller.tenant).await?.map(|row| row.name).unwrap_or_default())
}
