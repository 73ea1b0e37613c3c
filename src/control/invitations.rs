//! Invitations by mail: a user or mailbox was made without a password, and its owner chooses one.
//!
//! The links themselves are `password_links`'. Invariant: an invitation opens what has no password yet, and nobody but
//! whoever reads the mail ever holds its token.

use super::change::view;
use super::password_links::{Owner, end_of, enough, make, send};
use super::sign_in::SignIn;
use super::sign_ins::Of;
use super::{Caller, Control, Error, PageRequest, Paged, Record, Result, mailboxes, users};
use crate::auth::tokens;
use crate::db::password_links::{self as rows, LinkRow};
use crate::db::{Tx, outbox, recovery};
use crate::model::ids::{InvitationId, MailboxId, UserId};
use crate::model::{EmailAddress, LinkKind, Locale, Revision, Timestamp};

/// An invitation as callers see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// The user, or
    pub user: Option<UserId>,
    /// the mailbox whose password it lets its owner choose.
    pub mailbox: Option<MailboxId>,
    /// Where it was sent.
    #[schema(value_type = String, example = "ada@elsewhere.example")]
    pub to: EmailAddress,
    /// In which language.
    pub locale: Locale,
    /// `pending`, `used`, `revoked` or `expired`.
    #[schema(example = "pending")]
    pub state: String,
    /// What became of the mail.
    pub mail: Option<MailState>,
    /// Who made it.
    pub by: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// What became of a mail of ours.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct MailState {
    /// `waiting`, `sent` or `failed`.
    #[schema(example = "sent")]
    pub state: String,
    /// How often it was tried.
    #[schema(example = 1)]
    pub attempts: i64,
    /// What the last attempt failed of; empty where it did not.
    #[schema(example = "")]
    pub error: String,
    /// When it is tried next.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
}

/// An invitation to send.
pub struct NewInvitation {
    /// Whose password is to be chosen.
    pub of: Of,
    /// Where it goes.
    pub to: EmailAddress,
    /// In which language, if that was said.
    pub locale: Option<Locale>,
    /// What whoever asks reads.
    pub reads: Option<Locale>,
}

async fn view_of(tx: &mut Tx, row: LinkRow, now: i64) -> Result<Invitation> {
    let mail = outbox::newest(tx, row.id).await?.map(|mail| MailState {
        next_attempt_at: (mail.state == "waiting").then_some(Timestamp(mail.next_attempt_at)),
        state: mail.state,
        attempts: mail.attempts,
        error: mail.error,
    });
    let expired = row.state == "pending" && row.expires_at <= now;
    Ok(Invitation {
        id: row.id,
        user: row.owner.parse().ok(),
        mailbox: row.owner.parse().ok(),
        to: row.recipient,
        locale: row.locale,
        state: if expired { "expired".into() } else { row.state },
        mail,
        by: row.caller,
        created_at: Timestamp(row.created_at),
        expires_at: Timestamp(row.expires_at),
    })
}

/// Whose password a link sets, where the caller reaches them.
async fn reach(tx: &mut Tx, caller: &Caller, of: Of) -> Result<Owner> {
    match of {
        Of::User(id) => drop(users::reach(tx, caller, id).await?),
        Of::Mailbox(id) => drop(mailboxes::reach(tx, caller, id).await?),
    }
    Owner::find(tx, of).await?.ok_or(Error::NotFound)
}

async fn reach_link(tx: &mut Tx, caller: &Caller, id: InvitationId) -> Result<(LinkRow, Owner)> {
    let row = rows::find(tx, id).await?.ok_or(Error::NotFound)?;
    let of = row.owner.parse().map(Of::User).or_else(|_| row.owner.parse().map(Of::Mailbox));
    let owner = reach(tx, caller, of.map_err(|_| Error::NotFound)?).await?;
    Ok((row, owner))
}

fn may_invite(caller: &Caller, of: Of) -> Result<()> {
    caller.may_administer()?;
    caller.acts_for_itself()?;
    // Whoever accepts is a user, with all that users may.
    if matches!(of, Of::User(_)) { caller.may_make_lasting() } else { Ok(()) }
}

/// Invites whoever reads an address to choose the password of a user or mailbox that has none.
pub async fn create(
    control: &Control,
    sign_in: &SignIn,
    caller: &Caller,
    new: NewInvitation,
) -> Result<(Invitation, Revision)> {
    may_invite(caller, new.of)?;
    let mut change = control.begin(caller, "create_invitation").await?;
    let now = change.now();
    let owner = reach(change.tx(), caller, new.of).await?;
    if owner.has_password {
        return Err(Error::InUse("it has a password already: whoever lost it asks for a reset"));
    }
    if owner.name == new.to.to_string() {
        return Err(Error::field("/to", "itself", "must be an address that its owner reads already"));
    }
    if enough(change.tx(), new.of, LinkKind::Invitation, now).await? {
        return Err(Error::InUse("as many invitations as there may be in a day were sent to it"));
    }
    let known = recovery::find(change.tx(), &new.of.to_string()).await?.locale.parse().ok();
    let locale = new.locale.or(known).or(new.reads).unwrap_or(Locale::English);
    let what = (LinkKind::Invitation, new.to, locale, caller.who());
    let link = make(control, change.tx(), sign_in, &owner, what).await?;
    let seen = view_of(change.tx(), link, now).await?;
    let record =
        Record { object: seen.id.to_string(), path: owner.path, before: None, after: view(&seen), touches: Vec::new() };
    Ok((seen, change.commit(record).await?))
}

/// Invitations of users and mailboxes at and below the caller's tenant.
pub async fn list(control: &Control, caller: &Caller, page: PageRequest) -> Result<Paged<Invitation>> {
    let mut tx = control.db.read().await?;
    let now = control.now_ms();
    let found = rows::invitations(&mut tx, caller.list_path()?, page.into()).await?;
    let mut views = Vec::new();
    for row in found {
        views.push((row.id.0, view_of(&mut tx, row, now).await?));
    }
    Ok(Paged::new(views, page, |(id, _)| *id, |(_, view)| view))
}

/// One invitation.
pub async fn get(control: &Control, caller: &Caller, id: InvitationId) -> Result<Invitation> {
    let mut tx = control.db.read().await?;
    let (row, _) = reach_link(&mut tx, caller, id).await?;
    view_of(&mut tx, row, control.now_ms()).await
}

/// Sends an invitation anew, with another link: the one before opens nothing.
pub async fn resend(
    control: &Control,
    sign_in: &SignIn,
    caller: &Caller,
    id: InvitationId,
) -> Result<(Invitation, Revision)> {
    let mut change = control.begin(caller, "resend_invitation").await?;
    let now = change.now();
    let (mut row, owner) = reach_link(change.tx(), caller, id).await?;
    may_invite(caller, owner.of)?;
    if owner.has_password || owner.epoch != row.password_epoch {
        return Err(Error::InUse("it has a password already: whoever lost it asks for a reset"));
    }
    let before = view_of(change.tx(), row.clone(), now).await?;
    let token = tokens::random_text();
    (row.token_hash, row.expires_at) = (tokens::token_hash(&token), end_of(LinkKind::Invitation, now));
    outbox::cancel(change.tx(), id).await?;
    if !rows::renew(change.tx(), id, &row.token_hash, row.expires_at).await? {
        return Err(Error::InUse("the invitation was used or revoked"));
    }
    send(control, change.tx(), sign_in, &owner, &row, token).await?;
    let seen = view_of(change.tx(), row, now).await?;
    let (before, after) = (view(&before), view(&seen));
    let record = Record { object: id.to_string(), path: owner.path, before, after, touches: Vec::new() };
    Ok((seen, change.commit(record).await?))
}

/// Revokes an invitation: its link opens nothing, and its mail does not go out if it waits.
pub async fn revoke(control: &Control, caller: &Caller, id: InvitationId) -> Result<Revision> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "revoke_invitation").await?;
    let now = change.now();
    let (row, owner) = reach_link(change.tx(), caller, id).await?;
    let before = view_of(change.tx(), row.clone(), now).await?;
    if !rows::revoke(change.tx(), id).await? {
        return Err(Error::InUse("the invitation was used or revoked already"));
    }
    outbox::cancel(change.tx(), id).await?;
    let after = view_of(change.tx(), LinkRow { state: "revoked".into(), ..row }, now).await?;
    let (before, after) = (view(&before), view(&after));
    change.commit(Record { object: id.to_string(), path: owner.path, before, after, touches: Vec::new() }).await
}
