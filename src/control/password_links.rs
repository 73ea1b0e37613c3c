//! Links that set a password, once: made for invitations and resets, sent by mail, exchanged for a new password.
//!
//! A token is 256 random bits; the database holds its hash, and the letter sealed until it is out. Invariant: a link opens
//! once, within its time, while its owner's password is the one that it was made at.

use super::change::{closes_all, view};
use super::letters::Letter;
use super::mailboxes::{view_of, words_of};
use super::passwords::NewPassword;
use super::sign_in::SignIn;
use super::sign_ins::Of;
use super::users::User;
use super::{Caller, CallerId, Change, Control, Error, Record, Result, outbox};
use crate::auth::tokens;
use crate::db::password_links::{self as rows, LinkRow};
use crate::db::recovery::{self, RecoveryRow};
use crate::db::{Tx, api_sessions, mailboxes as mailbox_rows, tenants, users as user_rows};
use crate::model::ids::{InvitationId, MailboxId, UserId};
use crate::model::{EmailAddress, LinkKind, Locale, Revision, Role, Touch, bounds};
use std::net::IpAddr;
use std::time::Duration;

/// Whose password a link sets.
pub(super) struct Owner {
    pub of: Of,
    pub path: String,
    /// The name or address to sign in with.
    pub name: String,
    pub has_password: bool,
    pub epoch: i64,
    tenant: crate::model::ids::TenantId,
}

impl Owner {
    pub async fn find(tx: &mut Tx, of: Of) -> Result<Option<Self>> {
        Ok(match of {
            Of::User(id) => user_rows::find(tx, id).await?.map(|row| Self {
                of,
                path: row.path,
                name: row.name,
                has_password: !row.password_hash.is_empty(),
                epoch: row.password_epoch,
                tenant: row.tenant,
            }),
            Of::Mailbox(id) => {
                mailbox_rows::find(tx, id).await?.filter(|row| row.deleted_at.is_none()).map(|row| Self {
                    of,
                    path: row.path,
                    name: row.address.to_string(),
                    has_password: row.password_hash.is_some(),
                    epoch: row.password_epoch,
                    tenant: row.tenant,
                })
            }
        })
    }
}

/// How long a link of a kind opens.
fn time_of(kind: LinkKind) -> Duration {
    match kind {
        LinkKind::Invitation => bounds::INVITATION_TIME,
        LinkKind::Reset => bounds::RESET_TIME,
    }
}

pub(super) fn end_of(kind: LinkKind, now: i64) -> i64 {
    now + i64::try_from(time_of(kind).as_millis()).unwrap_or(0)
}

/// Whether the owner has got as many links today as one may.
pub(super) async fn enough(tx: &mut Tx, of: Of, kind: LinkKind, now: i64) -> Result<bool> {
    let day = 24 * 3600 * 1000;
    Ok(rows::count_since(tx, &of.to_string(), kind, now - day).await? >= bounds::LINKS_PER_DAY)
}

/// Makes a link in the place of those before it, and the letter that brings it.
pub(super) async fn make(
    control: &Control,
    tx: &mut Tx,
    sign_in: &SignIn,
    owner: &Owner,
    (kind, to, locale, caller): (LinkKind, EmailAddress, Locale, String),
) -> Result<LinkRow> {
    let now = control.now_ms();
    let token = tokens::random_text();
    rows::revoke_all(tx, &owner.of.to_string(), kind).await?;
    let link = LinkRow {
        id: InvitationId(control.ids.next(now)),
        kind,
        owner: owner.of.to_string(),
        path: owner.path.clone(),
        recipient: to,
        locale,
        token_hash: tokens::token_hash(&token),
        password_epoch: owner.epoch,
        caller,
        created_at: now,
        expires_at: end_of(kind, now),
        state: "pending".into(),
    };
    rows::insert(tx, &link).await?;
    send(control, tx, sign_in, owner, &link, token).await?;
    Ok(link)
}

/// Puts the letter of a link into the outbox.
pub(super) async fn send(
    control: &Control,
    tx: &mut Tx,
    sign_in: &SignIn,
    owner: &Owner,
    link: &LinkRow,
    token: String,
) -> Result<()> {
    let tenant = tenants::find(tx, owner.tenant).await?.map(|row| row.name).unwrap_or_default();
    let letter = Letter {
        kind: link.kind,
        locale: link.locale,
        token,
        name: owner.name.clone(),
        tenant,
        expires_at: link.expires_at,
    };
    outbox::queue(control, tx, sign_in.seal(), link, &letter).await
}

/// Asks for a link to a new password of whoever has this name. Nobody learns whether there is such, not by time either.
pub async fn request(
    control: &Control,
    sign_in: &SignIn,
    name: &str,
    reads: Option<Locale>,
    from: IpAddr,
) -> Result<()> {
    if name.chars().count() > bounds::ADDRESS_CHARACTERS {
        let detail = format!("must have at most {} characters", bounds::ADDRESS_CHARACTERS);
        return Err(Error::field("/name", "too_long", detail));
    }
    let began = tokio::time::Instant::now();
    let outcome = send_reset(control, sign_in, name, reads, from).await;
    tokio::time::sleep_until(began + bounds::REFUSED_LOGIN_TIME).await;
    outcome
}

async fn send_reset(
    control: &Control,
    sign_in: &SignIn,
    name: &str,
    reads: Option<Locale>,
    from: IpAddr,
) -> Result<()> {
    sign_in.take_reset(name, from).await?;
    let Some(of) = sign_in.owner_of(name).await? else { return Ok(()) };
    let mut tx = control.db.write().await?;
    let now = control.now_ms();
    recovery::lock(&mut tx, &of.to_string()).await?;
    let Some(owner) = Owner::find(&mut tx, of).await? else { return Ok(()) };
    let known = recovery::find(&mut tx, &of.to_string()).await?;
    let Some(to) = known.address.and_then(|address| address.parse::<EmailAddress>().ok()) else { return Ok(()) };
    if enough(&mut tx, of, LinkKind::Reset, now).await? {
        return Ok(());
    }
    let locale = known.locale.parse().ok().or(reads).unwrap_or(Locale::English);
    make(control, &mut tx, sign_in, &owner, (LinkKind::Reset, to, locale, of.to_string())).await?;
    Ok(tx.commit().await?)
}

fn refused() -> Error {
    Error::field(
        "/token",
        "invalid_token",
        "is unknown, was used or revoked, or its time is over: ask for another link",
    )
}

/// Exchanges a token for a new password. All sign-ins of its owner end.
pub async fn confirm(control: &Control, token: &str, password: String) -> Result<Revision> {
    let new = NewPassword { password: Some(password), ..NewPassword::default() };
    let errors = new.check();
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    let hash = tokens::token_hash(token);
    let now = control.now_ms();
    let mut tx = control.db.read().await?;
    let link = rows::find_by_token(&mut tx, &hash).await?;
    let link = link.filter(|link| link.state == "pending" && link.expires_at > now).ok_or_else(refused)?;
    drop(tx);
    let action = match link.kind {
        LinkKind::Invitation => "accept_invitation",
        LinkKind::Reset => "reset_password",
    };
    if let Ok(id) = link.owner.parse::<UserId>() {
        return of_user(control, action, &link, id, new).await;
    }
    let id = link.owner.parse::<MailboxId>().map_err(|_| refused())?;
    of_mailbox(control, action, &link, id, new).await
}

/// Takes the link, once, and learns where its owner is reached.
async fn take(change: &mut Change, link: &LinkRow, epoch: i64) -> Result<()> {
    let now = change.now();
    if epoch != link.password_epoch || !rows::take(change.tx(), &link.token_hash, now).await? {
        return Err(refused());
    }
    let known = recovery::find(change.tx(), &link.owner).await?;
    if known.address.is_none() {
        // Whoever has taken the link reads mail there.
        let row = RecoveryRow { address: Some(link.recipient.to_string()), locale: known.locale };
        recovery::put(change.tx(), &link.owner, &row).await?;
    }
    Ok(())
}

async fn of_user(
    control: &Control,
    action: &'static str,
    link: &LinkRow,
    id: UserId,
    new: NewPassword,
) -> Result<Revision> {
    let row = user_rows::find(&mut control.db.read().await?, id).await?.ok_or_else(refused)?;
    new.refuse_words(&[&row.name])?;
    let caller = Caller::new(CallerId::User(id), row.tenant, row.path, row.role);
    let hash = new.hash(control, &caller).await?.unwrap_or_default();
    let mut change = control.begin(&caller, action).await?;
    let before = user_rows::find(change.tx(), id).await?.ok_or_else(refused)?;
    take(&mut change, link, before.password_epoch).await?;
    let mut after = before.clone();
    (after.password_hash, after.password_epoch) = (hash, change.revision());
    (after.must_change_password, after.revision) = (false, change.revision());
    user_rows::update(change.tx(), &after).await?;
    api_sessions::revoke_all(change.tx(), &link.owner).await?;
    let (before, after, path) = (view(&User::from(&before)), view(&User::from(&after)), before.path);
    let touches = vec![Touch::User(id)];
    change.commit(Record { object: link.owner.clone(), path, before, after, touches }).await
}

async fn of_mailbox(
    control: &Control,
    action: &'static str,
    link: &LinkRow,
    id: MailboxId,
    new: NewPassword,
) -> Result<Revision> {
    let row = mailbox_rows::find(&mut control.db.read().await?, id).await?.ok_or_else(refused)?;
    new.refuse_words(&words_of(&row.address, &row.name))?;
    let caller = Caller::new(CallerId::Mailbox(id), row.tenant, row.path, Role::MailboxUser);
    let hash = new.hash(control, &caller).await?;
    let mut change = control.begin(&caller, action).await?;
    let before = mailbox_rows::find(change.tx(), id).await?.filter(|row| row.deleted_at.is_none());
    let before = before.ok_or_else(refused)?;
    take(&mut change, link, before.password_epoch).await?;
    let mut after = before.clone();
    (after.password_hash, after.password_epoch) = (hash, change.revision());
    (after.must_change_password, after.revision) = (false, change.revision());
    mailbox_rows::update(change.tx(), &after).await?;
    api_sessions::revoke_all(change.tx(), &link.owner).await?;
    let path = after.path.clone();
    let (before, after) =
        (view(&view_of(change.tx(), &caller, &before).await?), view(&view_of(change.tx(), &caller, &after).await?));
    let touches = [Touch::Mailbox(id)].into_iter().chain(closes_all()).collect();
    change.commit(Record { object: link.owner.clone(), path, before, after, touches }).await
}
