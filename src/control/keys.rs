//! API keys: shown once, kept as a hash, never wider than who makes them.

use super::change::{check_unchanged, view};
use super::editable::{Named, Patch, Writable, check as check_fields, editable};
use super::lists::{self, EndState, ListPage, Place, fold_name, prefix_range};
use super::passwords::check_name;
use super::users::role_of;
use super::{Caller, Control, Error, Paged, Record, Result, tenants};
use crate::auth::tokens;
use crate::db::keys::{self as rows, Grants, KeyRow};
use crate::db::{Tx, domains};
use crate::model::ids::{DomainId, KeyId, TenantId};
use crate::model::{Network, Resource, Revision, Role, Scope, Timestamp, Touch, bounds};

/// An API key as callers see it: without the key.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// In which tenant it acts, and below.
    pub tenant: TenantId,
    /// What its owner calls it.
    #[schema(example = "panel")]
    pub name: String,
    /// What it may do, by its tenant's kind.
    pub role: Role,
    /// True when it may only read.
    pub read_only: bool,
    /// What it may be used for: a resource or `*`, and `read` or `write`; `null` for everything.
    #[schema(value_type = Option<Vec<String>>, example = json!(["mailboxes:write", "domains:read"]))]
    pub scopes: Option<Vec<Scope>>,
    /// The domains it reaches, and nothing else; `null` for its whole tenant.
    pub domains: Option<Vec<DomainId>>,
    /// The networks it may be used from; `null` for everywhere.
    #[schema(value_type = Option<Vec<String>>, example = json!(["203.0.113.0/24"]))]
    pub allow_from: Option<Vec<Network>>,
    /// When it stops working.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
    /// The address of that use.
    #[schema(example = "203.0.113.9")]
    pub last_used_from: Option<String>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The fields that you may set on it: those of its PATCH.
    #[schema(value_type = Vec<String>, example = json!(["name", "expires_at"]))]
    pub editable: Vec<&'static str>,
    /// The revision that last changed it: the value of its ETag.
    #[serde(skip)]
    pub etag: i64,
}

impl From<KeyRow> for Key {
    fn from(row: KeyRow) -> Self {
        Self {
            id: row.id,
            tenant: row.tenant,
            name: row.name,
            role: row.role,
            read_only: row.read_only,
            scopes: row.grants.scopes,
            domains: row.grants.domains,
            allow_from: row.grants.allow_from,
            expires_at: row.expires_at.map(Timestamp),
            last_used_at: row.last_used_at.map(Timestamp),
            last_used_from: row.last_used_from,
            created_at: Timestamp(row.created_at),
            editable: Vec::new(),
            etag: row.revision,
        }
    }
}

/// A key to create.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// The tenant it acts in; the caller's own when none is named.
    pub tenant: Option<TenantId>,
    /// True when it may only read.
    pub read_only: bool,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// What narrows it besides.
    pub grants: Grants,
}

/// A key with what the caller may set on it.
fn show(caller: &Caller, row: KeyRow) -> Key {
    let editable = editable(caller, &row);
    Key { editable, ..row.into() }
}

/// A change of a key; its rights never change.
#[derive(Default)]
pub(super) struct KeyPatch {
    name: Option<String>,
    expires_at: Option<Option<Timestamp>>,
}

impl Writable for KeyRow {
    type Patch = KeyPatch;
    const RESOURCE: Resource = Resource::Keys;

    fn may_set(&self, caller: &Caller, _: &str) -> Result<()> {
        caller.may_administer()
    }
}

impl Patch for KeyPatch {
    fn named(&self) -> Named {
        vec![("name", self.name.is_some()), ("expires_at", self.expires_at.is_some())]
    }
}

/// A key that the caller reaches: one that is no wider than the key that calls.
async fn reach(tx: &mut Tx, caller: &Caller, id: KeyId) -> Result<KeyRow> {
    let row = rows::find(tx, id).await?.ok_or(Error::NotFound)?;
    caller.reach(&row.path)?;
    if is_within(caller, &row) { Ok(row) } else { Err(Error::NotFound) }
}

/// Whether a key can do nothing that the caller cannot.
fn is_within(caller: &Caller, row: &KeyRow) -> bool {
    let ends = caller.until.is_none_or(|own| row.expires_at.is_some_and(|at| at <= own));
    ends && (row.read_only || !caller.read_only) && wider(&caller.grants, &row.grants).is_none()
}

/// What of the new grants goes beyond the own ones.
fn wider(own: &Grants, new: &Grants) -> Option<&'static str> {
    fn beyond<T>(own: Option<&Vec<T>>, new: Option<&Vec<T>>, covers: impl Fn(&T, &T) -> bool) -> bool {
        match (own, new) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(own), Some(new)) => !new.iter().all(|narrow| own.iter().any(|wide| covers(wide, narrow))),
        }
    }
    if beyond(own.scopes.as_ref(), new.scopes.as_ref(), Scope::covers) {
        Some("/scopes")
    } else if beyond(own.domains.as_ref(), new.domains.as_ref(), DomainId::eq) {
        Some("/domains")
    } else if beyond(own.allow_from.as_ref(), new.allow_from.as_ref(), Network::covers) {
        Some("/allow_from")
    } else {
        None
    }
}

fn check(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::field("/name", "required", "must not be empty"));
    }
    check_name("/name", name).map_or(Ok(()), |error| Err(Error::Invalid(vec![error])))
}

/// Refuses an end that has passed (deleting says that more plainly), and one beyond the caller's own.
fn check_end(control: &Control, caller: &Caller, end: Option<Timestamp>) -> Result<()> {
    if end.is_some_and(|at| at.0 <= control.now_ms()) {
        return Err(Error::field("/expires_at", "past", "must lie in the future"));
    }
    match caller.until {
        Some(own) if end.is_none_or(|at| at.0 > own) => {
            let detail = format!("must not lie after {}, when the key that calls ends", Timestamp(own));
            Err(Error::field("/expires_at", "beyond_own_end", detail))
        }
        _ => Ok(()),
    }
}

/// Refuses what is too much, and what the key that calls may not do itself.
async fn check_grants(tx: &mut Tx, caller: &Caller, path: &str, grants: &Grants) -> Result<()> {
    if let Some(pointer) = wider(&caller.grants, grants) {
        return Err(Error::field(pointer, "wider_than_own", "goes beyond what the key that calls may do"));
    }
    let lengths = [
        ("/scopes", grants.scopes.as_ref().map(Vec::len)),
        ("/domains", grants.domains.as_ref().map(Vec::len)),
        ("/allow_from", grants.allow_from.as_ref().map(Vec::len)),
    ];
    for (pointer, length) in lengths {
        match length {
            Some(0) => return Err(Error::field(pointer, "required", "must name something, or be null")),
            Some(n) if n > bounds::KEY_SCOPES => return Err(Error::field(pointer, "too_many", "holds too many")),
            _ => {}
        }
    }
    for (index, domain) in grants.domains.iter().flatten().enumerate() {
        let found = domains::find(tx, *domain).await?;
        if !found.is_some_and(|row| row.path.starts_with(path) && caller.reach_domain(&row.path, row.id).is_ok()) {
            let detail = "is none of the tenant's domains";
            return Err(Error::field(&format!("/domains/{index}"), "unknown_domain", detail));
        }
    }
    Ok(())
}

/// Creates a key; the text is answered once and kept nowhere.
pub async fn create(control: &Control, caller: &Caller, new: NewKey) -> Result<(Key, String, Revision)> {
    caller.may_administer()?;
    caller.acts_for_itself()?;
    check(&new.name)?;
    check_end(control, caller, new.expires_at)?;
    let mut change = control.begin(caller, "create_key").await?;
    let tenant = tenants::reach(change.tx(), caller, new.tenant.unwrap_or(caller.tenant)).await?;
    check_grants(change.tx(), caller, &tenant.path, &new.grants).await?;
    let row = KeyRow {
        id: KeyId(change.new_id()),
        tenant: tenant.id,
        path: tenant.path,
        name: new.name,
        role: role_of(tenant.kind),
        read_only: new.read_only,
        grants: new.grants,
        expires_at: new.expires_at.map(|at| at.0),
        last_used_at: None,
        last_used_from: None,
        created_at: change.now(),
        revision: change.revision(),
    };
    let text = tokens::random_key();
    rows::insert(change.tx(), &row, &tokens::token_hash(&text)).await?;
    let (id, path, key) = (row.id, row.path.clone(), show(caller, row));
    let record =
        Record { object: id.to_string(), path, before: None, after: view(&key), touches: vec![Touch::Key(id)] };
    Ok((key, text, change.commit(record).await?))
}

/// One key.
pub async fn get(control: &Control, caller: &Caller, id: KeyId) -> Result<Key> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, id).await.map(|row| show(caller, row))
}

/// Which keys a list shows.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// Of this tenant and below.
    pub tenant: Option<TenantId>,
    /// Whose name begins so; capital letters of ASCII do not matter.
    pub prefix: Option<String>,
    /// In this state.
    pub state: Option<EndState>,
    /// Older than this, and not used since.
    pub not_used_since: Option<Timestamp>,
}

/// Of tenants at and below the caller's, or one that it names.
pub async fn list(
    control: &Control,
    caller: &Caller,
    filter: &KeyFilter,
    page: impl Into<ListPage>,
) -> Result<Paged<Key, Place>> {
    let page = page.into();
    let mut tx = control.db.read().await?;
    let mut listing = page.of(&rows::PARTS)?;
    lists::within(&mut listing, &mut tx, caller, filter.tenant).await?;
    if let Some(prefix) = &filter.prefix {
        listing.by("prefix", prefix_range(prefix, fold_name)?)?;
    }
    match filter.state {
        Some(EndState::Active) => listing.by("not_expired", [control.now_ms().into()])?,
        Some(EndState::Expired) => listing.by("expired", [control.now_ms().into()])?,
        None => {}
    }
    if let Some(since) = filter.not_used_since {
        listing.by("not_used_since", [since.0.into(), since.0.into()])?;
    }
    let rows = rows::list(&mut tx, &listing).await?;
    let paged = Paged::of_list(rows, &page, |row| is_within(caller, &row).then(|| show(caller, row)));
    // A page may hold less than was asked for; where the next one begins does not depend on that.
    Ok(Paged { items: paged.items.into_iter().flatten().collect(), next: paged.next })
}

/// Gives a key another name or expiry; its rights never change.
pub async fn update(
    control: &Control,
    caller: &Caller,
    id: KeyId,
    name: Option<String>,
    expires_at: Option<Option<Timestamp>>,
    expected: Option<&[i64]>,
) -> Result<(Key, Revision)> {
    caller.may_administer()?;
    caller.acts_for_itself()?;
    if let Some(name) = &name {
        check(name)?;
    }
    if let Some(expires_at) = expires_at {
        check_end(control, caller, expires_at)?;
    }
    let mut change = control.begin(caller, "update_key").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    let patch = KeyPatch { name, expires_at };
    check_fields(caller, &before, &patch)?;
    let KeyPatch { name, expires_at } = patch;
    let mut after = before.clone();
    after.name = name.unwrap_or(after.name);
    after.expires_at = expires_at.map_or(after.expires_at, |at| at.map(|at| at.0));
    after.revision = change.revision();
    rows::update(change.tx(), &after).await?;
    let (path, before, after) = (before.path.clone(), Key::from(before), show(caller, after));
    let record = Record {
        object: id.to_string(),
        path,
        before: view(&before),
        after: view(&after),
        touches: vec![Touch::Key(id)],
    };
    Ok((after, change.commit(record).await?))
}

/// Deletes a key: it stops working at once.
pub async fn delete(control: &Control, caller: &Caller, id: KeyId, expected: Option<&[i64]>) -> Result<Revision> {
    caller.may_administer()?;
    caller.acts_for_itself()?;
    let mut change = control.begin(caller, "delete_key").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    rows::delete(change.tx(), id).await?;
    let record = Record {
        object: id.to_string(),
        path: before.path.clone(),
        before: view(&Key::from(before)),
        after: None,
        touches: vec![Touch::Key(id)],
    };
    change.commit(record).await
}
