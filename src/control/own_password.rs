//! A password changed by whom it is of, however narrow their rights: with the old one, and keeping the sign-in that asks.
//!
//! It is also the only thing that whoever must change the password may do. Invariant: without the old password nothing
//! changes, and guesses at it are counted with failed sign-ins.

use super::change::{closes_all, view};
use super::mailboxes::{self, view_of, words_of};
use super::passwords::NewPassword;
use super::sign_in::SignIn;
use super::users::{self, User};
use super::{Caller, CallerId, Control, Error, FieldError, Record, Result};
use crate::db::{api_sessions, mailboxes as mailbox_rows, users as user_rows};
use crate::model::ids::{MailboxId, UserId};
use crate::model::{Revision, Touch};
use std::net::IpAddr;

/// Puts a new password in the place of the old one. Other sign-ins of the caller end, and a mailbox's sessions do.
pub async fn change(
    control: &Control,
    sign_in: &SignIn,
    caller: &Caller,
    (old, new): (&str, String),
    from: IpAddr,
) -> Result<Revision> {
    if !matches!(caller.id, CallerId::User(_) | CallerId::Mailbox(_)) {
        return Err(Error::NotAllowed("a key has no password of its own"));
    }
    caller.acts_for_itself()?;
    let mut errors = NewPassword { password: Some(new.clone()), ..NewPassword::default() }.check();
    if new == old {
        errors.push(FieldError::new("/password", "unchanged", "must be another than the old one"));
    }
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    // That right comes with having a password, whatever else somebody may do.
    let caller = &caller.unbound();
    if !sign_in.confirm(caller, old, from).await? {
        return Err(Error::field("/current_password", "wrong_password", "is not your password"));
    }
    let new = NewPassword { password: Some(new), ..NewPassword::default() };
    match caller.id {
        CallerId::User(id) => of_user(control, caller, id, new).await,
        CallerId::Mailbox(id) => of_mailbox(control, caller, id, new).await,
        _ => Err(Error::NotFound),
    }
}

async fn of_user(control: &Control, caller: &Caller, id: UserId, new: NewPassword) -> Result<Revision> {
    let hash = new.hash(control, caller).await?.unwrap_or_default();
    let mut change = control.begin(caller, "change_own_password").await?;
    let before = users::reach(change.tx(), caller, id).await?;
    new.refuse_words(&[&before.name])?;
    let mut after = before.clone();
    (after.password_hash, after.password_epoch) = (hash, change.revision());
    (after.must_change_password, after.revision) = (false, change.revision());
    user_rows::update(change.tx(), &after).await?;
    api_sessions::revoke_others(change.tx(), &id.to_string(), caller.sign_in, after.password_epoch).await?;
    let (before, after, path) = (view(&User::from(&before)), view(&User::from(&after)), before.path);
    let touches = vec![Touch::User(id)];
    change.commit(Record { object: id.to_string(), path, before, after, touches }).await
}

async fn of_mailbox(control: &Control, caller: &Caller, id: MailboxId, new: NewPassword) -> Result<Revision> {
    let hash = new.hash(control, caller).await?;
    let mut change = control.begin(caller, "change_own_password").await?;
    let before = mailboxes::reach(change.tx(), caller, id).await?;
    mailboxes::check_there(&before)?;
    new.refuse_words(&words_of(&before.address, &before.name))?;
    let mut after = before.clone();
    (after.password_hash, after.password_epoch) = (hash, change.revision());
    (after.must_change_password, after.revision) = (false, change.revision());
    mailbox_rows::update(change.tx(), &after).await?;
    api_sessions::revoke_others(change.tx(), &id.to_string(), caller.sign_in, after.password_epoch).await?;
    let path = after.path.clone();
    let (before, after) =
        (view(&view_of(change.tx(), caller, &before).await?), view(&view_of(change.tx(), caller, &after).await?));
    let touches = [Touch::Mailbox(id)].into_iter().chain(closes_all()).collect();
    change.commit(Record { object: id.to_string(), path, before, after, touches }).await
}
