//! Mailboxes: created, changed and renamed by whoever reaches their domain; how they end is in `ends`.

mod ends;
mod last_logins;

pub use ends::{GRACE_DAYS, delete, delete_softly, restore};
pub(super) use ends::{end, purge};
pub use last_logins::{LastLogin, last_logins};

use super::change::{check_unchanged, closes_all, taken, view};
use super::containment::{self, Containment};
use super::editable::{Named, Patch, Writable, check, editable};
use super::limits::{take, take_quota};
use super::lists::{self, ListPage, MailboxState, Place, Switches, prefix_range};
use super::passwords::{NewPassword, check_name};
use super::protocols::{ProtocolsPatch, ProtocolsView};
use super::suspensions::refuse_escape;
use super::{Caller, CallerId, Change, Control, Error, FieldError, Paged, Record, Result, domains};
use crate::db::addresses::{self, Addressee};
use crate::db::aliases::{self, AliasRow};
use crate::db::levels::{self, Above, EffectiveQuota};
use crate::db::listing::Listing;
use crate::db::mailboxes::{self as rows, MailboxRow};
use crate::db::protocols::ProtocolSettings;
use crate::db::{Arg, Tx, api_sessions, domains as domain_rows};
use crate::model::ids::{AliasId, DomainId, MailboxId, TenantId};
use crate::model::{
    EmailAddress, LimitName, Limits, MailboxMode, Protocol, Quota, Resource, Revision, Timestamp, Touch, WhoMayPost,
};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The limits of a mailbox as one level says them; `null` leaves them to the level above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct QuotaView {
    /// Octets.
    #[schema(example = 1073741824)]
    pub bytes: Option<u64>,
    /// Messages.
    pub messages: Option<u64>,
}

impl From<Quota> for QuotaView {
    fn from(quota: Quota) -> Self {
        Self { bytes: quota.bytes, messages: quota.messages }
    }
}

/// A mailbox as callers see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Mailbox {
    /// Its id.
    pub id: MailboxId,
    /// Its domain.
    pub domain: DomainId,
    /// The tenant that owns the domain.
    pub tenant: TenantId,
    /// Its address: the name to sign in with.
    #[schema(value_type = String, example = "alice@example.org")]
    pub address: EmailAddress,
    /// The person's or purpose's name.
    #[schema(example = "Alice")]
    pub name: String,
    /// False when nobody can sign in yet.
    pub has_password: bool,
    /// Its limits; `null` takes what the plan says.
    pub quota: QuotaView,
    /// What it may hold, and the level that decided.
    pub effective_quota: EffectiveQuota,
    /// What it says about protocols.
    pub protocols: ProtocolsView,
    /// What it is for: `both`, `send_only` or `receive_only`.
    pub mode: MailboxMode,
    /// True when mail protocols take app passwords alone, and the mailbox's own password opens the API.
    pub app_passwords_only: bool,
    /// True when its owner must change the password before anything else here; mail programs are not asked.
    pub must_change_password: bool,
    /// True when its owner's sign-in here takes a code besides the password; mail programs are not asked.
    pub second_factor: bool,
    /// Why nobody may use it while it goes on receiving; `null` where nobody contained it.
    #[schema(example = json!(null))]
    pub contained: Option<Containment>,
    /// When it ends: from then on nobody signs in and no mail is taken; `null` never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was deleted; until `purge_at` it can be restored.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deleted_at: Option<Timestamp>,
    /// When a deleted one goes for good.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub purge_at: Option<Timestamp>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The fields that you may set on it: those of its PATCH.
    #[schema(value_type = Vec<String>, example = json!(["name", "password", "app_passwords_only"]))]
    pub editable: Vec<&'static str>,
    /// The revision that last changed it: the value of its ETag.
    #[serde(skip)]
    pub etag: i64,
}

impl Mailbox {
    fn new(caller: &Caller, row: &MailboxRow, above: &Above, contained: Option<Containment>) -> Self {
        Self {
            id: row.id,
            domain: row.domain,
            tenant: row.tenant,
            address: row.address.clone(),
            name: row.name.clone(),
            has_password: row.password_hash.is_some(),
            quota: row.quota.into(),
            effective_quota: above.quota(row.quota),
            protocols: row.protocols.clone().into(),
            mode: row.mode,
            app_passwords_only: row.app_passwords_only,
            must_change_password: row.must_change_password,
            second_factor: row.second_factor,
            contained,
            expires_at: row.expires_at.map(Timestamp),
            deleted_at: row.deleted_at.map(Timestamp),
            purge_at: row.purge_at.map(Timestamp),
            created_at: Timestamp(row.created_at),
            editable: editable(caller, row),
            etag: row.revision,
        }
    }
}

/// A mailbox to create.
#[derive(Clone)]
pub struct NewMailbox {
    /// Its address, in a domain that the caller reaches.
    pub address: EmailAddress,
    /// The person's or purpose's name.
    pub name: String,
    /// Its password, if any yet.
    pub password: NewPassword,
    /// Its limits.
    pub quota: Quota,
    /// What it says about protocols.
    pub protocols: ProtocolsPatch,
    /// What it is for.
    pub mode: MailboxMode,
    /// Whether mail protocols take app passwords alone.
    pub app_passwords_only: bool,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A change of a mailbox: what is `None` stays as it is.
#[derive(Clone, Default)]
pub struct MailboxPatch {
    /// Another address: a rename. The mail stays.
    pub address: Option<EmailAddress>,
    /// The person's or purpose's name.
    pub name: Option<String>,
    /// A new password: ends every session that knew the old one.
    pub password: NewPassword,
    /// `Some(None)` takes the limit away.
    pub quota_bytes: Option<Option<u64>>,
    /// `Some(None)` takes the limit away.
    pub quota_messages: Option<Option<u64>>,
    /// With another address: an alias stays behind at the old one.
    pub leave_alias: bool,
    /// What it is for.
    pub mode: Option<MailboxMode>,
    /// Whether mail protocols take app passwords alone.
    pub app_passwords_only: Option<bool>,
    /// When it ends; `Some(None)` never.
    pub expires_at: Option<Option<Timestamp>>,
}

impl MailboxPatch {
    fn check(&self, now: i64) -> Vec<FieldError> {
        let mut errors = self.password.check();
        errors.extend(self.name.as_deref().and_then(|name| check_name("/name", name)));
        errors.extend(check_limits(self.quota_bytes, self.quota_messages));
        errors.extend(check_end(self.expires_at.flatten(), now));
        if self.leave_alias && self.address.is_none() {
            errors.push(FieldError::new("/leave_alias", "needs_address", "goes with another address alone"));
        }
        errors
    }
}

impl Writable for MailboxRow {
    type Patch = MailboxPatch;
    const RESOURCE: Resource = Resource::Mailboxes;

    fn may_set(&self, caller: &Caller, field: &str) -> Result<()> {
        caller.may_write()?;
        check_there(self)?;
        if matches!(field, "password" | "password_hash" | "app_passwords_only" | "must_change_password") {
            caller.acts_for_itself()?;
        }
        let own = matches!(field, "name" | "password" | "password_hash" | "app_passwords_only");
        if caller.id == CallerId::Mailbox(self.id) && !own {
            let refused = "a mailbox's owner may change its name, its password and app_passwords_only alone";
            return Err(Error::NotAllowed(refused));
        }
        Ok(())
    }
}

impl Patch for MailboxPatch {
    fn named(&self) -> Named {
        vec![
            ("address", self.address.is_some()),
            ("name", self.name.is_some()),
            ("password", self.password.password.is_some()),
            ("password_hash", self.password.password_hash.is_some()),
            ("quota", self.quota_bytes.is_some() || self.quota_messages.is_some()),
            ("leave_alias", self.leave_alias),
            ("mode", self.mode.is_some()),
            ("app_passwords_only", self.app_passwords_only.is_some()),
            ("must_change_password", self.password.must_change.is_some()),
            ("expires_at", self.expires_at.is_some()),
        ]
    }
}

pub(super) async fn view_of(tx: &mut Tx, caller: &Caller, row: &MailboxRow) -> Result<Mailbox> {
    let contained = containment::of(tx, row.id).await?;
    Ok(Mailbox::new(caller, row, &levels::above(tx, &row.path).await?, contained))
}

/// A page of mailboxes: what they share is read once.
async fn page_of(
    tx: &mut Tx,
    caller: &Caller,
    rows: Vec<(MailboxRow, Place)>,
    page: &ListPage,
) -> Result<Paged<Mailbox, Place>> {
    let levels_of = levels_of(tx, rows.iter().map(|(row, _)| row)).await?;
    let mut contained = containment::of_all(tx, rows.iter().map(|(row, _)| row.id)).await?;
    let none = Above::default();
    let view = |row: MailboxRow| {
        let above = levels_of.get(&row.tenant).unwrap_or(&none);
        Mailbox::new(caller, &row, above, contained.remove(&row.id))
    };
    Ok(Paged::of_list(rows, page, view))
}

/// The levels above the mailboxes of a page, each tenant's read once.
pub(super) async fn levels_of(
    tx: &mut Tx,
    rows: impl Iterator<Item = &MailboxRow>,
) -> Result<HashMap<TenantId, Above>> {
    let mut found = HashMap::new();
    for row in rows {
        if let Entry::Vacant(entry) = found.entry(row.tenant) {
            entry.insert(levels::above(tx, &row.path).await?);
        }
    }
    Ok(found)
}

/// A mailbox that the caller reaches, as its administrator or its owner.
pub(super) async fn reach(tx: &mut Tx, caller: &Caller, id: MailboxId) -> Result<MailboxRow> {
    let row = rows::find(tx, id).await?.ok_or(Error::NotFound)?;
    caller.reach_mailbox(&row.path, row.domain, id)?;
    Ok(row)
}

/// Refuses to change what is deleted.
pub(super) fn check_there(row: &MailboxRow) -> Result<()> {
    if row.deleted_at.is_some() { Err(Error::InUse("the mailbox is deleted: restore it first")) } else { Ok(()) }
}

fn check_end(at: Option<Timestamp>, now: i64) -> Option<FieldError> {
    at.filter(|at| at.0 <= now).map(|_| FieldError::new("/expires_at", "past", "must lie in the future"))
}

/// The domain of an address, which the caller must reach.
pub(super) async fn domain_of(tx: &mut Tx, caller: &Caller, address: &EmailAddress) -> Result<domain_rows::DomainRow> {
    let row = domain_rows::find_by_name(tx, address.domain()).await?;
    let row = row.filter(|row| caller.reach_domain(&row.path, row.id).is_ok());
    // Whether another tenant has the domain is not ours to tell.
    let row = row.ok_or_else(|| {
        Error::field("/address", "unknown_domain", "its domain is none of yours: create the domain first")
    })?;
    if row.alias_of.is_some() {
        let detail = "its domain stands for another one and has no addresses of its own";
        return Err(Error::field("/address", "alias_domain", detail));
    }
    Ok(row)
}

/// Creates a mailbox.
pub async fn create(control: &Control, caller: &Caller, new: NewMailbox) -> Result<(Mailbox, Revision)> {
    caller.may_administer()?;
    let mut errors = new.password.check();
    errors.extend(check_name("/name", &new.name));
    errors.extend(check_limits(Some(new.quota.bytes), Some(new.quota.messages)));
    errors.extend(check_end(new.expires_at, control.now_ms()));
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    new.password.refuse_words(&words_of(&new.address, &new.name))?;
    let mut protocols = ProtocolSettings::default();
    new.protocols.apply("/protocols", &mut protocols)?;
    let password_hash = new.password.hash(control, caller).await?;
    let mut change = control.begin(caller, "create_mailbox").await?;
    let domain = domain_of(change.tx(), caller, &new.address).await?;
    let row = MailboxRow {
        id: MailboxId(change.new_id()),
        domain: domain.id,
        tenant: domain.tenant,
        path: domain.path,
        address: new.address,
        name: new.name,
        password_hash,
        password_epoch: change.revision(),
        quota: new.quota,
        protocols,
        mode: new.mode,
        app_passwords_only: new.app_passwords_only,
        must_change_password: new.password.must_change.unwrap_or(false),
        second_factor: false,
        expires_at: new.expires_at.map(|at| at.0),
        expired: false,
        deleted_at: None,
        purge_at: None,
        created_at: change.now(),
        revision: change.revision(),
    };
    new.protocols.check_allowed(change.tx(), "/protocols", &row.path).await?;
    take_address(change.tx(), &row.address, row.id).await?;
    rows::insert(change.tx(), &row).await.map_err(|e| taken(e, "mailboxes", "address", "the address"))?;
    take(change.tx(), caller, &row.path, LimitName::Mailboxes).await?;
    take_quota(change.tx(), caller, &row.path, None, Some(row.quota)).await?;
    let mailbox = view_of(change.tx(), caller, &row).await?;
    let record = Record {
        object: row.id.to_string(),
        path: row.path,
        before: None,
        after: view(&mailbox),
        touches: vec![Touch::Mailbox(row.id)],
    };
    Ok((mailbox, change.commit(record).await?))
}

/// What no password of a mailbox is to be made of.
pub(super) fn words_of<'a>(address: &'a EmailAddress, name: &'a str) -> Vec<&'a str> {
    let (local, domain) = address.key().rsplit_once('@').unwrap_or_default();
    [address.key(), local, domain, name].into_iter().chain(name.split_whitespace()).collect()
}

async fn take_address(tx: &mut Tx, address: &EmailAddress, id: MailboxId) -> Result<()> {
    let taken = |e| taken(e, "addresses", "address_key", "the address");
    addresses::insert(tx, address.key(), Addressee::Mailbox(id)).await.map_err(taken)
}

fn check_limits(bytes: Option<Option<u64>>, messages: Option<Option<u64>>) -> Vec<FieldError> {
    let limits = [("/quota/bytes", bytes.flatten()), ("/quota/messages", messages.flatten())];
    let too_large = |(pointer, limit): (&'static str, Option<u64>)| {
        let detail = || format!("must be at most {}", Limits::MOST);
        // Sums of many must not overflow.
        limit.filter(|limit| *limit > Limits::MOST).map(|_| FieldError::new(pointer, "too_large", detail()))
    };
    limits.into_iter().filter_map(too_large).collect()
}

/// One mailbox.
pub async fn get(control: &Control, caller: &Caller, id: MailboxId) -> Result<Mailbox> {
    let mut tx = control.db.read().await?;
    let row = reach(&mut tx, caller, id).await?;
    view_of(&mut tx, caller, &row).await
}

/// One mailbox by its address.
pub async fn get_by_address(control: &Control, caller: &Caller, address: &EmailAddress) -> Result<Mailbox> {
    let mut tx = control.db.read().await?;
    let row = rows::find_by_key(&mut tx, address.key()).await?.ok_or(Error::NotFound)?;
    caller.reach_mailbox(&row.path, row.domain, row.id)?;
    view_of(&mut tx, caller, &row).await
}

/// Which mailboxes a list shows.
#[derive(Debug, Clone, Default)]
pub struct MailboxFilter {
    /// Of this domain.
    pub domain: Option<DomainId>,
    /// Of this tenant and below.
    pub tenant: Option<TenantId>,
    /// Whose address begins so.
    pub prefix: Option<String>,
    /// In this state; without one all that are not deleted.
    pub state: Option<MailboxState>,
    /// With which these protocols may be used now, or may not.
    pub protocols: Switches,
    /// Older than this, without a login since.
    pub not_used_since: Option<Timestamp>,
    /// That hold as much as they may, or more; or that do not.
    pub over_quota: Option<bool>,
    /// That hold more octets.
    pub used_above: Option<i64>,
}

impl MailboxFilter {
    /// Whether it is about what mailboxes hold.
    pub fn is_about_usage(&self) -> bool {
        self.over_quota.is_some() || self.used_above.is_some()
    }

    fn put(&self, listing: &mut Listing, now: i64) -> Result<()> {
        let time = || Arg::from(now);
        if let Some(prefix) = &self.prefix {
            listing.by("prefix", prefix_range(prefix, EmailAddress::key_prefix)?)?;
        }
        let names: &[&str] = match self.state {
            None => &["there"],
            Some(MailboxState::Active) => &["there", "not_expired", "not_suspended"],
            Some(MailboxState::Suspended) => &["there", "not_expired", "not_contained", "suspended"],
            Some(MailboxState::Contained) => &["there", "not_expired", "contained"],
            Some(MailboxState::Expired) => &["there", "expired"],
            Some(MailboxState::Deleted) => &["deleted"],
        };
        for name in names {
            match *name {
                "there" | "deleted" => listing.by(name, [])?,
                "suspended" | "not_suspended" => listing.by(name, [time(), time()])?,
                name => listing.by(name, [time()])?,
            }
        }
        for name in self.protocols.names() {
            listing.by(name, [time(), time(), time()])?;
        }
        if let Some(since) = self.not_used_since {
            listing.by("not_used_since", [since.0.into(), since.0.into()])?;
        }
        if let Some(over) = self.over_quota {
            listing.by(if over { "over_quota" } else { "not_over_quota" }, [])?;
        }
        if let Some(octets) = self.used_above {
            listing.by("used_above", [octets.into()])?;
        }
        Ok(())
    }
}

/// Mailboxes of a domain, or of tenants at and below one.
pub async fn list(
    control: &Control,
    caller: &Caller,
    filter: &MailboxFilter,
    page: impl Into<ListPage>,
) -> Result<Paged<Mailbox, Place>> {
    let page = page.into();
    let mut tx = control.db.read().await?;
    let mut listing = page.of(&rows::PARTS)?;
    if let Some(id) = filter.domain {
        domains::reach(&mut tx, caller, id).await?;
        listing.by("domain", [id.0.into()])?;
    }
    if filter.domain.is_none() || filter.tenant.is_some() {
        lists::within(&mut listing, &mut tx, caller, filter.tenant).await?;
    }
    filter.put(&mut listing, control.now_ms())?;
    let rows = rows::list(&mut tx, &listing).await?;
    page_of(&mut tx, caller, rows, &page).await
}

/// Changes a mailbox. Its owner may change name, password and what opens it.
pub async fn update(
    control: &Control,
    caller: &Caller,
    id: MailboxId,
    patch: MailboxPatch,
    expected: Option<&[i64]>,
) -> Result<(Mailbox, Revision)> {
    let errors = patch.check(control.now_ms());
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    if !patch.password.is_none() || patch.password.must_change.is_some() || patch.app_passwords_only.is_some() {
        caller.acts_for_itself()?;
    }
    let hash = patch.password.hash(control, caller).await?;
    let mut change = control.begin(caller, "update_mailbox").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    check_there(&before)?;
    check(caller, &before, &patch)?;
    let (address, name) = (patch.address.as_ref(), patch.name.as_ref());
    let words = words_of(address.unwrap_or(&before.address), name.unwrap_or(&before.name));
    patch.password.refuse_words(&words)?;
    let mut after = before.clone();
    after.revision = change.revision();
    let mut touches = vec![Touch::Mailbox(id)];
    if hash.is_some()
        || patch.address.as_ref().is_some_and(|address| *address != before.address)
        || patch.app_passwords_only == Some(true)
    {
        touches.extend(closes_all());
    } else if patch.mode.is_some() {
        touches.push(Touch::Closes(Protocol::Submission));
    }
    after.name = patch.name.unwrap_or(after.name);
    after.quota.bytes = patch.quota_bytes.unwrap_or(after.quota.bytes);
    after.quota.messages = patch.quota_messages.unwrap_or(after.quota.messages);
    if let Some(hash) = hash {
        after.password_hash = Some(hash);
        after.password_epoch = change.revision();
        api_sessions::revoke_all(change.tx(), &id.to_string()).await?;
    }
    after.must_change_password = patch.password.must_change.unwrap_or(after.must_change_password);
    after.mode = patch.mode.unwrap_or(after.mode);
    after.app_passwords_only = patch.app_passwords_only.unwrap_or(after.app_passwords_only);
    if let Some(at) = patch.expires_at {
        (after.expires_at, after.expired) = (at.map(|at| at.0), false);
    }
    if let Some(address) = patch.address {
        let now = change.now();
        rename(change.tx(), caller, &mut after, address, now).await?;
        if patch.leave_alias && after.address != before.address {
            touches.push(leave_alias(&mut change, caller, &before, &after.address).await?);
        }
    }
    rows::update(change.tx(), &after).await?;
    take_quota(change.tx(), caller, &after.path, Some(before.quota), Some(after.quota)).await?;
    let path = after.path.clone();
    let (before, after) = (view_of(change.tx(), caller, &before).await?, view_of(change.tx(), caller, &after).await?);
    let record = Record { object: id.to_string(), path, before: view(&before), after: view(&after), touches };
    Ok((after, change.commit(record).await?))
}

/// Makes an alias at the address that a mailbox had.
async fn leave_alias(
    change: &mut Change,
    caller: &Caller,
    before: &MailboxRow,
    target: &EmailAddress,
) -> Result<Touch> {
    let alias = AliasRow {
        id: AliasId(change.new_id()),
        domain: before.domain,
        tenant: before.tenant,
        path: before.path.clone(),
        address: before.address.clone(),
        targets: vec![target.clone()],
        expires_at: None,
        who_may_post: WhoMayPost::Anyone,
        posters: Vec::new(),
        created_at: change.now(),
        revision: change.revision(),
    };
    let tx = change.tx();
    addresses::insert(tx, alias.address.key(), Addressee::Alias(alias.id)).await?;
    aliases::insert(tx, &alias).await?;
    take(tx, caller, &alias.path, LimitName::Aliases).await?;
    Ok(Touch::Alias(alias.id))
}

/// Gives a mailbox another address, in a domain of the same tenant.
async fn rename(tx: &mut Tx, caller: &Caller, mailbox: &mut MailboxRow, address: EmailAddress, now: i64) -> Result<()> {
    let domain = domain_of(tx, caller, &address).await?;
    if domain.tenant != mailbox.tenant {
        return Err(Error::field(
            "/address",
            "other_tenant",
            "a mailbox can only be renamed within its tenant's domains",
        ));
    }
    if domain.id != mailbox.domain {
        refuse_escape(tx, caller, mailbox.domain, now).await?;
    }
    if address != mailbox.address {
        addresses::delete(tx, mailbox.address.key()).await?;
        take_address(tx, &address, mailbox.id).await?;
    }
    mailbox.domain = domain.id;
    mailbox.address = address;
    Ok(())
}

/// Whether the caller may end the mailbox's live sessions: whoever reaches it, unless it may only read.
pub async fn may_end_sessions(control: &Control, caller: &Caller, id: MailboxId) -> Result<()> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, id).await?;
    caller.may_write()
}
