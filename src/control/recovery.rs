//! Where mail of Facteur's own reaches a user or a mailbox's owner: the recovery address, and the language they read.
//!
//! Whoever has it can set a new password, so its owner changes it with the password alone. Invariant: it is never the
//! mailbox itself, which is what cannot be read when its password is lost.

use super::change::view;
use super::sign_in::SignIn;
use super::sign_ins::Of;
use super::{Caller, Control, Error, Record, Result, mailboxes, users};
use crate::db::Tx;
use crate::db::recovery::{self as rows, RecoveryRow};
use crate::model::{EmailAddress, Locale, Revision, bounds};
use std::net::IpAddr;

/// Where and how mail of ours reaches somebody.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Recovery {
    /// The address; `null` where none is known: then nobody can reset the password by mail.
    #[schema(value_type = Option<String>, example = "ada@elsewhere.example")]
    pub recovery_address: Option<EmailAddress>,
    /// The language; `null` is as whoever asks reads.
    pub locale: Option<Locale>,
}

impl From<RecoveryRow> for Recovery {
    fn from(row: RecoveryRow) -> Self {
        Self { recovery_address: row.address.and_then(|address| address.parse().ok()), locale: row.locale.parse().ok() }
    }
}

impl From<&Recovery> for RecoveryRow {
    fn from(recovery: &Recovery) -> Self {
        Self {
            address: recovery.recovery_address.as_ref().map(ToString::to_string),
            locale: recovery.locale.map(|locale| locale.to_string()).unwrap_or_default(),
        }
    }
}

/// A change of it: what is `None` stays.
#[derive(Clone, Default)]
pub struct RecoveryPatch {
    /// Another address; `Some(None)` takes it away.
    pub address: Option<Option<EmailAddress>>,
    /// Another language; `Some(None)` takes it away.
    pub locale: Option<Option<Locale>>,
    /// The password of who changes their own.
    pub password: Option<String>,
}

/// What is known of a user or mailbox, and the path of its tenant; the mailbox's own address besides.
async fn reach(tx: &mut Tx, caller: &Caller, of: Of) -> Result<(String, Option<EmailAddress>)> {
    match of {
        Of::User(id) if of.is(caller) => Ok((crate::db::users::find(tx, id).await?.ok_or(Error::NotFound)?.path, None)),
        Of::User(id) => Ok((users::reach(tx, caller, id).await?.path, None)),
        Of::Mailbox(id) => {
            let row = mailboxes::reach(tx, caller, id).await?;
            Ok((row.path, Some(row.address)))
        }
    }
}

/// Of a user or mailbox that the caller reaches.
pub async fn get(control: &Control, caller: &Caller, of: Of) -> Result<Recovery> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, of).await?;
    Ok(rows::find(&mut tx, &of.to_string()).await?.into())
}

/// Changes it.
pub async fn update(
    control: &Control,
    sign_in: &SignIn,
    caller: &Caller,
    of: Of,
    patch: RecoveryPatch,
    from: IpAddr,
) -> Result<(Recovery, Revision)> {
    caller.acts_for_itself()?;
    if patch.password.as_ref().is_some_and(|password| password.len() > bounds::PASSWORD_OCTETS) {
        let detail = format!("must have at most {} octets", bounds::PASSWORD_OCTETS);
        return Err(Error::field("/password", "too_long", detail));
    }
    if of.is(caller) {
        let right = match &patch.password {
            Some(password) => sign_in.confirm(caller, password, from).await?,
            None => return Err(Error::field("/password", "required", "is required to change your own")),
        };
        if !right {
            return Err(Error::field("/password", "wrong_password", "is not your password"));
        }
    } else {
        caller.may_administer()?;
        if matches!(of, Of::User(_)) {
            caller.may_make_lasting()?;
        }
    }
    let unbound = caller.unbound();
    let caller = if of.is(caller) { &unbound } else { caller };
    let action = match of {
        Of::User(_) => "update_user_recovery",
        Of::Mailbox(_) => "update_mailbox_recovery",
    };
    let mut change = control.begin(caller, action).await?;
    let (path, own) = reach(change.tx(), caller, of).await?;
    let before = Recovery::from(rows::find(change.tx(), &of.to_string()).await?);
    let after = Recovery {
        recovery_address: patch.address.unwrap_or(before.recovery_address.clone()),
        locale: patch.locale.unwrap_or(before.locale),
    };
    if own.is_some() && after.recovery_address == own {
        return Err(Error::field("/recovery_address", "itself", "must be another mailbox than this one"));
    }
    rows::put(change.tx(), &of.to_string(), &RecoveryRow::from(&after)).await?;
    let (seen, now) = (view(&before), view(&after));
    let record = Record { object: of.to_string(), path, before: seen, after: now, touches: Vec::new() };
    Ok((after, change.commit(record).await?))
}
