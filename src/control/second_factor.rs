//! A second factor of users and mailbox owners: codes by time (RFC 6238), and recovery codes for a lost device.
//!
//! It guards sign-ins to the API; mail programs are not asked, they have app passwords. The secret is sealed, recovery codes
//! are keyed hashes, neither is ever in a revision. Invariant: one code is taken once, also by racing requests.

use super::change::view;
use super::mailboxes::{self, view_of};
use super::sign_in::SignIn;
use super::sign_ins::Of;
use super::users::{self, User};
use super::{Caller, CallerId, Change, Control, Error, Record, Result};
use crate::auth::seal::Seal;
use crate::auth::totp::{self, Typed};
use crate::db::second_factors as rows;
use crate::db::{Tx, mailboxes as mailbox_rows, users as user_rows};
use crate::model::{Revision, Role, Timestamp, Touch};
use std::net::IpAddr;

/// The second factor of who calls.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct SecondFactor {
    /// True when signing in takes a code.
    pub enabled: bool,
    /// When its secret was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Recovery codes that were not used yet.
    #[schema(example = 9)]
    pub recovery_codes_left: i64,
}

/// A secret that is shown once.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Enrolment {
    /// The secret, for typing (RFC 4648 base32).
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    pub secret: String,
    /// The same for a QR code.
    #[schema(
        example = "otpauth://totp/Facteur%20mail.example.org:alice?secret=JBSWY3DPEHPK3PXP&issuer=Facteur%20mail.example.org"
    )]
    pub uri: String,
}

/// The user or mailbox that calls: a key has no second factor.
fn own(caller: &Caller) -> Result<Of> {
    caller.acts_for_itself()?;
    match caller.id {
        CallerId::User(id) => Ok(Of::User(id)),
        CallerId::Mailbox(id) => Ok(Of::Mailbox(id)),
        _ => Err(Error::NotAllowed("a key has no second factor of its own")),
    }
}

/// What the secret of somebody is sealed under.
fn sealed_name(owner: &str) -> String {
    format!("second factor of {owner}")
}

fn code_hash(seal: &Seal, owner: &str, code: &str) -> [u8; 32] {
    seal.fingerprint(&[b"recovery code", owner.as_bytes(), code.as_bytes()])
}

fn secret_of(seal: &Seal, owner: &str, row: &rows::SecondFactorRow) -> Result<Vec<u8>> {
    seal.open_sealed(&sealed_name(owner), &row.secret).map_err(|e| Error::Internal(e.to_string()))
}

/// Takes a code or recovery code of a second factor in force; false when it is none, or was taken before.
pub(super) async fn take(control: &Control, seal: &Seal, owner: &str, code: &str) -> Result<bool> {
    let Some(typed) = totp::typed(code) else { return Ok(false) };
    let mut tx = control.db.write().await?;
    let Some(row) = rows::find(&mut tx, owner).await?.filter(|row| row.confirmed) else { return Ok(false) };
    let taken = match typed {
        Typed::Code(code) => match totp::step_of(&secret_of(seal, owner, &row)?, &code, control.clock.now()) {
            Some(step) => rows::take_step(&mut tx, owner, step).await?,
            None => false,
        },
        Typed::Recovery(code) => rows::take_code(&mut tx, owner, &code_hash(seal, owner, &code)).await?,
    };
    tx.commit().await?;
    Ok(taken)
}

/// The second factor of who calls.
pub async fn get(control: &Control, caller: &Caller) -> Result<SecondFactor> {
    let owner = own(caller)?.to_string();
    let mut tx = control.db.read().await?;
    let row = rows::find(&mut tx, &owner).await?.filter(|row| row.confirmed);
    Ok(SecondFactor {
        enabled: row.is_some(),
        since: row.map(|row| Timestamp(row.created_at)),
        recovery_codes_left: rows::codes_left(&mut tx, &owner).await?,
    })
}

async fn check_password(sign_in: &SignIn, caller: &Caller, password: &str, from: IpAddr) -> Result<()> {
    match sign_in.confirm(caller, password, from).await? {
        true => Ok(()),
        false => Err(Error::field("/password", "wrong_password", "is not your password")),
    }
}

async fn check_code(sign_in: &SignIn, caller: &Caller, code: &str, from: IpAddr) -> Result<()> {
    match sign_in.confirm_code(caller, code, from).await? {
        true => Ok(()),
        false => Err(wrong_code()),
    }
}

fn wrong_code() -> Error {
    Error::field("/code", "wrong_code", "is not the code of this moment, or was used before")
}

/// Makes a secret and shows it once. Nothing is asked at sign-ins before it is confirmed; until then another may be made.
pub async fn enrol(
    control: &Control,
    sign_in: &SignIn,
    caller: &Caller,
    (password, host): (&str, &str),
    from: IpAddr,
) -> Result<Enrolment> {
    let (owner, caller) = (own(caller)?, &caller.unbound());
    check_password(sign_in, caller, password, from).await?;
    let secret = totp::random_secret();
    let owner_id = owner.to_string();
    let sealed = sign_in.seal().seal(&sealed_name(&owner_id), &secret);
    let sealed = sealed.map_err(|e| Error::Internal(e.to_string()))?;
    let mut tx = control.db.write().await?;
    if !rows::begin(&mut tx, &owner_id, &sealed, control.now_ms()).await? {
        return Err(Error::InUse("a second factor is in force: disable it first"));
    }
    let name = name_of(&mut tx, owner).await?;
    tx.commit().await?;
    Ok(Enrolment { secret: totp::base32(&secret), uri: totp::uri(host, &name, &secret) })
}

async fn name_of(tx: &mut Tx, owner: Of) -> Result<String> {
    let name = match owner {
        Of::User(id) => user_rows::find(tx, id).await?.map(|row| row.name),
        Of::Mailbox(id) => mailbox_rows::find(tx, id).await?.map(|row| row.address.to_string()),
    };
    name.ok_or(Error::NotFound)
}

/// Puts a secret in force with the first code; the recovery codes, which are shown once.
pub async fn confirm(
    control: &Control,
    sign_in: &SignIn,
    caller: &Caller,
    code: &str,
) -> Result<(Vec<String>, Revision)> {
    let (owner, caller) = (own(caller)?, &caller.unbound());
    let id = owner.to_string();
    let mut change = control.begin(caller, "enable_second_factor").await?;
    let row =
        rows::find(change.tx(), &id).await?.ok_or(Error::InUse("there is no secret to confirm: make one first"))?;
    if row.confirmed {
        return Err(Error::InUse("a second factor is in force already"));
    }
    let Some(Typed::Code(code)) = totp::typed(code) else { return Err(wrong_code()) };
    let secret = secret_of(sign_in.seal(), &id, &row)?;
    let step = totp::step_of(&secret, &code, control.clock.now()).ok_or_else(wrong_code)?;
    if !(rows::take_step(change.tx(), &id, step).await? && rows::confirm(change.tx(), &id).await?) {
        return Err(wrong_code());
    }
    let codes = make_codes(change.tx(), sign_in.seal(), &id).await?;
    let revision = mark(change, caller, owner, true).await?;
    Ok((codes, revision))
}

/// Makes recovery codes in the place of those there are.
async fn make_codes(tx: &mut Tx, seal: &Seal, owner: &str) -> Result<Vec<String>> {
    rows::forget_codes(tx, owner).await?;
    let codes: Vec<String> = (0..totp::RECOVERY_CODES).map(|_| totp::random_recovery_code()).collect();
    for code in &codes {
        rows::add_code(tx, owner, &code_hash(seal, owner, code)).await?;
    }
    Ok(codes)
}

/// Makes new recovery codes; those there were are worth nothing.
pub async fn renew_codes(
    control: &Control,
    sign_in: &SignIn,
    caller: &Caller,
    (password, code): (&str, &str),
    from: IpAddr,
) -> Result<(Vec<String>, Revision)> {
    let (owner, caller) = (own(caller)?, &caller.unbound());
    check_password(sign_in, caller, password, from).await?;
    check_code(sign_in, caller, code, from).await?;
    let mut change = control.begin(caller, "renew_recovery_codes").await?;
    let codes = make_codes(change.tx(), sign_in.seal(), &owner.to_string()).await?;
    let revision = mark(change, caller, owner, true).await?;
    Ok((codes, revision))
}

/// Switches it off, for whoever has both the password and a code.
pub async fn disable(
    control: &Control,
    sign_in: &SignIn,
    caller: &Caller,
    (password, code): (&str, &str),
    from: IpAddr,
) -> Result<Revision> {
    let (owner, caller) = (own(caller)?, &caller.unbound());
    check_password(sign_in, caller, password, from).await?;
    check_code(sign_in, caller, code, from).await?;
    let mut change = control.begin(caller, "disable_second_factor").await?;
    rows::delete(change.tx(), &owner.to_string()).await?;
    mark(change, caller, owner, false).await
}

/// Takes it away from somebody below who lost it. An operator's is taken by another operator who has signed in.
pub async fn reset(control: &Control, caller: &Caller, of: Of) -> Result<Revision> {
    caller.may_administer()?;
    caller.may_make_lasting()?;
    let mut change = control.begin(caller, "reset_second_factor").await?;
    match of {
        Of::User(id) => {
            let row = users::reach(change.tx(), caller, id).await?;
            let above = row.path != caller.path && row.path.starts_with(&caller.path);
            let another = matches!(caller.id, CallerId::User(own) if own != id) && caller.role == Role::Operator;
            if !above && !another {
                return Err(Error::NotAllowed("a second factor is reset from above; your own is disabled with a code"));
            }
        }
        Of::Mailbox(id) => drop(mailboxes::reach(change.tx(), caller, id).await?),
    }
    if rows::find(change.tx(), &of.to_string()).await?.is_none() {
        return Err(Error::InUse("there is no second factor"));
    }
    rows::delete(change.tx(), &of.to_string()).await?;
    mark(change, caller, of, false).await
}

/// Notes on the user or mailbox whether a code is asked for, and commits.
async fn mark(mut change: Change, caller: &Caller, of: Of, on: bool) -> Result<Revision> {
    let revision = change.revision();
    let record = match of {
        Of::User(id) => {
            let before = users::reach(change.tx(), caller, id).await?;
            let mut after = before.clone();
            (after.second_factor, after.revision) = (on, revision);
            user_rows::update(change.tx(), &after).await?;
            let (before, after, path) = (view(&User::from(&before)), view(&User::from(&after)), before.path);
            Record { object: id.to_string(), path, before, after, touches: vec![Touch::User(id)] }
        }
        Of::Mailbox(id) => {
            let before = mailboxes::reach(change.tx(), caller, id).await?;
            let mut after = before.clone();
            (after.second_factor, after.revision) = (on, revision);
            mailbox_rows::update(change.tx(), &after).await?;
            let (seen, now) =
                (view_of(change.tx(), caller, &before).await?, view_of(change.tx(), caller, &after).await?);
            let touches = vec![Touch::Mailbox(id)];
            Record { object: id.to_string(), path: after.path, before: view(&seen), after: view(&now), touches }
        }
    };
    change.commit(record).await
}
