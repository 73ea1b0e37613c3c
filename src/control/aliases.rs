//! Aliases: addresses that deliver to other addresses and have no store.

use super::change::{check_unchanged, taken, view};
use super::editable::{Named, Patch, Writable, check, editable};
use super::limits::{give_back, take};
use super::lists::{self, EndState, ListPage, Place, prefix_range};
use super::loops::Trail;
use super::mailboxes::domain_of;
use super::{Caller, Control, Error, Paged, Record, Result, domains};
use crate::db::Tx;
use crate::db::addresses::{self, Addressee};
use crate::db::aliases::{self as rows, AliasRow};
use crate::model::ids::{AliasId, DomainId, TenantId};
use crate::model::{EmailAddress, LimitName, Resource, Revision, Timestamp, Touch, WhoMayPost};
use std::collections::HashSet;

/// Targets of one alias.
const TARGETS: usize = 100;

/// An alias as callers see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Alias {
    /// Its id.
    pub id: AliasId,
    /// Its domain.
    pub domain: DomainId,
    /// The tenant that owns the domain.
    pub tenant: TenantId,
    /// Its address.
    #[schema(value_type = String, example = "sales@example.org")]
    pub address: EmailAddress,
    /// Where it delivers.
    #[schema(value_type = Vec<String>, example = json!(["alice@example.org"]))]
    pub targets: Vec<EmailAddress>,
    /// When it ends; `null` never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Who may send to it: `anyone`, its targets (`members`), addresses of its `domain`, or those `listed` in `posters`.
    pub who_may_post: WhoMayPost,
    /// Who may send to it besides.
    #[schema(value_type = Vec<String>, example = json!([]))]
    pub posters: Vec<EmailAddress>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The fields that you may set on it: those of its PATCH.
    #[schema(value_type = Vec<String>, example = json!(["targets", "expires_at", "who_may_post", "posters"]))]
    pub editable: Vec<&'static str>,
    /// The revision that last changed it: the value of its ETag.
    #[serde(skip)]
    pub etag: i64,
}

impl From<AliasRow> for Alias {
    fn from(row: AliasRow) -> Self {
        Self {
            id: row.id,
            domain: row.domain,
            tenant: row.tenant,
            address: row.address,
            targets: row.targets,
            expires_at: row.expires_at.map(Timestamp),
            who_may_post: row.who_may_post,
            posters: row.posters,
            created_at: Timestamp(row.created_at),
            editable: Vec::new(),
            etag: row.revision,
        }
    }
}

/// How an alias is used: what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct AliasUse {
    /// When it ends; `Some(None)` never.
    pub expires_at: Option<Option<Timestamp>>,
    /// Who may send to it.
    pub who_may_post: Option<WhoMayPost>,
    /// Who may send to it besides.
    pub posters: Option<Vec<EmailAddress>>,
}

impl AliasUse {
    fn apply(self, now: i64, alias: &mut AliasRow) -> Result<()> {
        if self.expires_at.flatten().is_some_and(|at| at.0 <= now) {
            return Err(Error::field("/expires_at", "past", "must lie in the future"));
        }
        if self.posters.as_ref().is_some_and(|posters| posters.len() > TARGETS) {
            return Err(Error::field("/posters", "too_many", format!("must hold at most {TARGETS} addresses")));
        }
        alias.expires_at = self.expires_at.map_or(alias.expires_at, |at| at.map(|at| at.0));
        alias.who_may_post = self.who_may_post.unwrap_or(alias.who_may_post);
        alias.posters = self.posters.unwrap_or_else(|| std::mem::take(&mut alias.posters));
        Ok(())
    }
}

/// An alias with what the caller may set on it.
fn show(caller: &Caller, row: AliasRow) -> Alias {
    let editable = editable(caller, &row);
    Alias { editable, ..row.into() }
}

/// A change of an alias.
#[derive(Default)]
pub(super) struct AliasPatch {
    targets: Option<Vec<EmailAddress>>,
    used: AliasUse,
}

impl Writable for AliasRow {
    type Patch = AliasPatch;
    const RESOURCE: Resource = Resource::Aliases;

    fn may_set(&self, caller: &Caller, _: &str) -> Result<()> {
        caller.may_administer()
    }
}

impl Patch for AliasPatch {
    fn named(&self) -> Named {
        vec![
            ("targets", self.targets.is_some()),
            ("expires_at", self.used.expires_at.is_some()),
            ("who_may_post", self.used.who_may_post.is_some()),
            ("posters", self.used.posters.is_some()),
        ]
    }
}

async fn reach(tx: &mut Tx, caller: &Caller, id: AliasId) -> Result<AliasRow> {
    let row = rows::find(tx, id).await?.ok_or(Error::NotFound)?;
    caller.reach_domain(&row.path, row.domain)?;
    Ok(row)
}

/// Targets without repeats, at least one, at most [`TARGETS`].
fn check_targets(targets: Vec<EmailAddress>) -> Result<Vec<EmailAddress>> {
    let mut seen = HashSet::new();
    let targets: Vec<EmailAddress> = targets.into_iter().filter(|t| seen.insert(t.key().to_owned())).collect();
    match targets.len() {
        0 => Err(Error::field("/targets", "required", "must hold at least one address")),
        n if n > TARGETS => Err(Error::field("/targets", "too_many", format!("must hold at most {TARGETS} addresses"))),
        _ => Ok(targets),
    }
}

/// Creates an alias in a domain that the caller reaches.
pub async fn create(
    control: &Control,
    caller: &Caller,
    address: EmailAddress,
    targets: Vec<EmailAddress>,
    used: AliasUse,
) -> Result<(Alias, Revision)> {
    caller.may_administer()?;
    let targets = check_targets(targets)?;
    let mut change = control.begin(caller, "create_alias").await?;
    let domain = domain_of(change.tx(), caller, &address).await?;
    Trail::of_alias(&address).follow(change.tx(), "/targets", &targets).await?;
    let mut row = AliasRow {
        id: AliasId(change.new_id()),
        domain: domain.id,
        tenant: domain.tenant,
        path: domain.path,
        address,
        targets,
        expires_at: None,
        who_may_post: WhoMayPost::Anyone,
        posters: Vec::new(),
        created_at: change.now(),
        revision: change.revision(),
    };
    used.apply(change.now(), &mut row)?;
    let refused = |e| taken(e, "addresses", "address_key", "the address");
    addresses::insert(change.tx(), row.address.key(), Addressee::Alias(row.id)).await.map_err(refused)?;
    rows::insert(change.tx(), &row).await?;
    take(change.tx(), caller, &row.path, LimitName::Aliases).await?;
    let (id, path, alias) = (row.id, row.path.clone(), show(caller, row));
    let record =
        Record { object: id.to_string(), path, before: None, after: view(&alias), touches: vec![Touch::Alias(id)] };
    Ok((alias, change.commit(record).await?))
}

/// One alias.
pub async fn get(control: &Control, caller: &Caller, id: AliasId) -> Result<Alias> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, id).await.map(|row| show(caller, row))
}

/// Which aliases a list shows.
#[derive(Debug, Clone, Default)]
pub struct AliasFilter {
    /// Of this domain.
    pub domain: Option<DomainId>,
    /// Of this tenant and below.
    pub tenant: Option<TenantId>,
    /// Whose address begins so.
    pub prefix: Option<String>,
    /// In this state.
    pub state: Option<EndState>,
}

/// Aliases of a domain, or of tenants at and below one.
pub async fn list(
    control: &Control,
    caller: &Caller,
    filter: &AliasFilter,
    page: impl Into<ListPage>,
) -> Result<Paged<Alias, Place>> {
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
    if let Some(prefix) = &filter.prefix {
        listing.by("prefix", prefix_range(prefix, EmailAddress::key_prefix)?)?;
    }
    match filter.state {
        Some(EndState::Active) => listing.by("not_expired", [control.now_ms().into()])?,
        Some(EndState::Expired) => listing.by("expired", [control.now_ms().into()])?,
        None => {}
    }
    Ok(Paged::of_list(rows::list(&mut tx, &listing).await?, &page, |row| show(caller, row)))
}

/// Changes where an alias delivers, for whom and how long.
pub async fn update(
    control: &Control,
    caller: &Caller,
    id: AliasId,
    targets: Option<Vec<EmailAddress>>,
    used: AliasUse,
    expected: Option<&[i64]>,
) -> Result<(Alias, Revision)> {
    caller.may_administer()?;
    let patch = AliasPatch { targets: targets.map(check_targets).transpose()?, used };
    let mut change = control.begin(caller, "update_alias").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    check(caller, &before, &patch)?;
    let AliasPatch { targets, used } = patch;
    let mut after = before.clone();
    after.revision = change.revision();
    if let Some(targets) = targets {
        Trail::of_alias(&after.address).follow(change.tx(), "/targets", &targets).await?;
        after.targets = targets;
    }
    used.apply(change.now(), &mut after)?;
    rows::update(change.tx(), &after).await?;
    let (path, before, after) = (before.path.clone(), Alias::from(before), show(caller, after));
    let record = Record {
        object: id.to_string(),
        path,
        before: view(&before),
        after: view(&after),
        touches: vec![Touch::Alias(id)],
    };
    Ok((after, change.commit(record).await?))
}

/// Deletes an alias.
pub async fn delete(control: &Control, caller: &Caller, id: AliasId, expected: Option<&[i64]>) -> Result<Revision> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "delete_alias").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    addresses::delete(change.tx(), before.address.key()).await?;
    rows::delete(change.tx(), id).await?;
    give_back(change.tx(), &before.path, LimitName::Aliases).await?;
    let path = before.path.clone();
    let record = Record {
        object: id.to_string(),
        path,
        before: view(&Alias::from(before)),
        after: None,
        touches: vec![Touch::Alias(id)],
    };
    change.commit(record).await
}
