//! Domains: owned by a tenant, named once.

use super::change::{check_unchanged, closes, in_use, taken, view};
use super::editable::{Named, Patch, Writable, check, editable};
use super::limits::{give_back, take};
use super::lists::{self, DomainState, ListPage, Place, Switches, prefix_range};
use super::loops::Trail;
use super::protocols::{ProtocolsPatch, ProtocolsView};
use super::suspensions::{in_force, refuse_deletion};
use super::{Caller, Control, Error, Paged, Record, Result, tenants};
use crate::db::domains::{self as rows, DomainRow};
use crate::db::effective::{self, Effective, Own, Said};
use crate::db::levels;
use crate::db::suspensions::{self, Suspended};
use crate::db::{Arg, Tx, addresses};
use crate::model::ids::{DomainId, MailboxId, TenantId};
use crate::model::{DomainName, EmailAddress, LimitName, Resource, Revision, Timestamp, Touch};

/// A domain as callers see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Domain {
    /// Its id.
    pub id: DomainId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, in A-labels.
    #[schema(value_type = String, example = "example.org")]
    pub name: DomainName,
    /// Its name with the letters of its language.
    #[schema(example = "example.org")]
    pub display_name: String,
    /// What it says about protocols; mailboxes that say `inherit` take it.
    pub protocols: ProtocolsView,
    /// The domain that it only spells differently: every address here is the same one there.
    pub alias_of: Option<DomainId>,
    /// Where mail for unknown addresses goes; `null` nowhere.
    #[schema(value_type = Option<String>, example = json!(null))]
    pub catch_all: Option<EmailAddress>,
    /// Where postmaster and abuse go when they are no addresses of their own; `null` to `catch_all`, else the oldest mailbox.
    #[schema(value_type = Option<String>, example = "alice@example.org")]
    pub reserved_to: Option<EmailAddress>,
    /// What stands between user and detail in `user+detail` (RFC 5233); `null` takes addresses as they are.
    #[schema(example = "+")]
    pub subaddress_separator: Option<String>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The fields that you may set on it: those of its PATCH.
    #[schema(value_type = Vec<String>, example = json!(["protocols", "catch_all", "reserved_to", "subaddress_separator"]))]
    pub editable: Vec<&'static str>,
    /// The revision that last changed it: the value of its ETag.
    #[serde(skip)]
    pub etag: i64,
}

impl From<DomainRow> for Domain {
    fn from(row: DomainRow) -> Self {
        Self {
            id: row.id,
            tenant: row.tenant,
            display_name: row.name.to_unicode(),
            name: row.name,
            protocols: row.protocols.into(),
            alias_of: row.alias_of,
            catch_all: row.catch_all,
            reserved_to: row.reserved_to,
            subaddress_separator: Some(row.separator).filter(|separator| !separator.is_empty()),
            created_at: Timestamp(row.created_at),
            editable: Vec::new(),
            etag: row.revision,
        }
    }
}

/// A domain with what the caller may set on it.
fn show(caller: &Caller, row: DomainRow) -> Domain {
    let editable = editable(caller, &row);
    Domain { editable, ..row.into() }
}

/// Refuses to send mail of a domain somewhere that stands for another one and has no addresses of its own.
fn check_said_here(domain: &DomainRow, pointer: &str) -> Result<()> {
    if domain.alias_of.is_some() {
        let detail = "is for the domain that this one stands for to say";
        return Err(Error::field(pointer, "alias_domain", detail));
    }
    Ok(())
}

impl Writable for DomainRow {
    type Patch = DomainPatch;
    const RESOURCE: Resource = Resource::Domains;

    fn may_set(&self, caller: &Caller, field: &str) -> Result<()> {
        caller.may_administer()?;
        match field {
            "catch_all" => check_said_here(self, "/catch_all"),
            "reserved_to" => check_said_here(self, "/reserved_to"),
            _ => Ok(()),
        }
    }
}

impl Patch for DomainPatch {
    fn named(&self) -> Named {
        vec![
            ("protocols", self.protocols != ProtocolsPatch::default()),
            ("catch_all", self.catch_all.as_ref().is_some_and(Option::is_some)),
            ("reserved_to", self.reserved_to.as_ref().is_some_and(Option::is_some)),
            ("subaddress_separator", self.separator.is_some()),
        ]
    }
}

/// A change of a domain, or what a new one is: what is `None` stays as it is, `Some(None)` takes away.
#[derive(Debug, Clone, Default)]
pub struct DomainPatch {
    /// What it says about protocols.
    pub protocols: ProtocolsPatch,
    /// Where mail for unknown addresses goes.
    pub catch_all: Option<Option<EmailAddress>>,
    /// Where postmaster and abuse go.
    pub reserved_to: Option<Option<EmailAddress>>,
    /// Between user and detail.
    pub separator: Option<Option<String>>,
    /// The domain that a new one only spells differently.
    pub alias_of: Option<DomainId>,
}

impl From<ProtocolsPatch> for DomainPatch {
    fn from(protocols: ProtocolsPatch) -> Self {
        Self { protocols, ..Self::default() }
    }
}

impl DomainPatch {
    /// Merges the change; what it says about protocols stands at `at` in the request's body.
    async fn apply(self, tx: &mut Tx, at: &str, domain: &mut DomainRow) -> Result<()> {
        self.protocols.apply(at, &mut domain.protocols)?;
        self.protocols.check_allowed(tx, at, &domain.path).await?;
        for (pointer, to) in [("/catch_all", &self.catch_all), ("/reserved_to", &self.reserved_to)] {
            if let Some(Some(to)) = to {
                check_said_here(domain, pointer)?;
                check_taker(tx, pointer, domain, to).await?;
                let mut then = domain.clone();
                *(if pointer == "/catch_all" { &mut then.catch_all } else { &mut then.reserved_to }) = Some(to.clone());
                Trail::of_taker(then, to).follow(tx, pointer, std::slice::from_ref(to)).await?;
            }
        }
        if let Some(separator) = self.separator {
            let separator = separator.unwrap_or_default();
            if !["", "+", "-", "=", "_"].contains(&separator.as_str()) {
                return Err(Error::field("/subaddress_separator", "invalid", "must be one of + - = _, or null"));
            }
            domain.separator = separator;
        }
        domain.catch_all = self.catch_all.unwrap_or_else(|| domain.catch_all.take());
        domain.reserved_to = self.reserved_to.unwrap_or_else(|| domain.reserved_to.take());
        Ok(())
    }
}

/// Who takes mail for others must be there himself: otherwise it would come back to him.
async fn check_taker(tx: &mut Tx, pointer: &str, domain: &DomainRow, to: &EmailAddress) -> Result<()> {
    if *to.domain() == domain.name && addresses::find(tx, to.key()).await?.is_none() {
        return Err(Error::field(pointer, "unknown_address", "must be a mailbox or alias that is there"));
    }
    Ok(())
}

/// The domain that a new one stands for: of the same tenant, and no alias itself.
async fn check_alias(tx: &mut Tx, caller: &Caller, domain: &DomainRow, target: DomainId) -> Result<()> {
    let found = rows::find(tx, target).await?.filter(|row| caller.reach_domain(&row.path, row.id).is_ok());
    let refused = |code, detail| Err(Error::field("/alias_of", code, detail));
    match found {
        None => refused("unknown_domain", "is none of your domains"),
        Some(row) if row.tenant != domain.tenant => refused("other_tenant", "must belong to the same tenant"),
        Some(row) if row.alias_of.is_some() => refused("alias_domain", "stands for another domain itself"),
        Some(_) => Ok(()),
    }
}

/// A domain that the caller reaches.
pub(super) async fn reach(tx: &mut Tx, caller: &Caller, id: DomainId) -> Result<DomainRow> {
    let row = rows::find(tx, id).await?.ok_or(Error::NotFound)?;
    caller.reach_domain(&row.path, row.id)?;
    Ok(row)
}

/// Creates a domain in a tenant that the caller reaches.
pub async fn create(
    control: &Control,
    caller: &Caller,
    tenant: Option<TenantId>,
    name: DomainName,
    new: impl Into<DomainPatch>,
) -> Result<(Domain, Revision)> {
    caller.may_administer()?;
    let new = new.into();
    let mut change = control.begin(caller, "create_domain").await?;
    let tenant = tenants::reach(change.tx(), caller, tenant.unwrap_or(caller.tenant)).await?;
    let mut row = DomainRow {
        id: DomainId(change.new_id()),
        tenant: tenant.id,
        path: tenant.path,
        name,
        protocols: rows::ProtocolSettings::default(),
        alias_of: new.alias_of,
        catch_all: None,
        reserved_to: None,
        separator: "+".into(),
        created_at: change.now(),
        revision: change.revision(),
    };
    if let Some(target) = row.alias_of {
        check_alias(change.tx(), caller, &row, target).await?;
    }
    new.apply(change.tx(), "/protocols", &mut row).await?;
    rows::insert(change.tx(), &row).await.map_err(|e| taken(e, "domains", "name", "the domain"))?;
    take(change.tx(), caller, &row.path, LimitName::Domains).await?;
    let (id, path, domain) = (row.id, row.path.clone(), show(caller, row));
    let record =
        Record { object: id.to_string(), path, before: None, after: view(&domain), touches: vec![Touch::Domain(id)] };
    Ok((domain, change.commit(record).await?))
}

/// One domain.
pub async fn get(control: &Control, caller: &Caller, id: DomainId) -> Result<Domain> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, id).await.map(|row| show(caller, row))
}

/// One domain by name.
pub async fn get_by_name(control: &Control, caller: &Caller, name: &DomainName) -> Result<Domain> {
    let mut tx = control.db.read().await?;
    let row = rows::find_by_name(&mut tx, name).await?.ok_or(Error::NotFound)?;
    caller.reach_domain(&row.path, row.id)?;
    Ok(show(caller, row))
}

/// Which domains a list shows.
#[derive(Debug, Clone, Default)]
pub struct DomainFilter {
    /// Of this tenant and below.
    pub tenant: Option<TenantId>,
    /// Whose name begins so.
    pub prefix: Option<String>,
    /// In this state.
    pub state: Option<DomainState>,
    /// Where these protocols may be used now with mailboxes that say nothing, or may not.
    pub protocols: Switches,
}

/// Domains of tenants at and below the caller's, or one that it names.
pub async fn list(
    control: &Control,
    caller: &Caller,
    filter: &DomainFilter,
    page: impl Into<ListPage>,
) -> Result<Paged<Domain, Place>> {
    let page = page.into();
    let mut tx = control.db.read().await?;
    let mut listing = page.of(&rows::PARTS)?;
    lists::within(&mut listing, &mut tx, caller, filter.tenant).await?;
    if let Some(prefix) = &filter.prefix {
        listing.by("prefix", prefix_range(prefix, str::to_lowercase)?)?;
    }
    let now = || Arg::from(control.now_ms());
    match filter.state {
        Some(DomainState::Active) => listing.by("not_suspended", [now()])?,
        Some(DomainState::Suspended) => listing.by("suspended", [now()])?,
        None => {}
    }
    for name in filter.protocols.names() {
        listing.by(name, [now()])?;
    }
    Ok(Paged::of_list(rows::list(&mut tx, &listing).await?, &page, |row| show(caller, row)))
}

/// Changes a domain.
pub async fn update(
    control: &Control,
    caller: &Caller,
    id: DomainId,
    patch: impl Into<DomainPatch>,
    expected: Option<&[i64]>,
) -> Result<(Domain, Revision)> {
    let (domain, _, revision) = change(control, caller, id, "/protocols", patch.into(), expected).await?;
    Ok((domain, revision))
}

/// The same, with what then holds for mailboxes that say nothing; what the patch says about protocols stands at
/// `at` in the request's body.
pub(super) async fn change(
    control: &Control,
    caller: &Caller,
    id: DomainId,
    at: &str,
    patch: DomainPatch,
    expected: Option<&[i64]>,
) -> Result<(Domain, Effective, Revision)> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "update_domain").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    check(caller, &before, &patch)?;
    let mut after = before.clone();
    patch.apply(change.tx(), at, &mut after).await?;
    after.revision = change.revision();
    rows::update(change.tx(), &after).await?;
    let now = change.now();
    let suspended = in_force(change.tx(), MailboxId(0), id, now).await?;
    let above = levels::above(change.tx(), &before.path).await?;
    let holds = |row: &DomainRow| {
        let said = Said { mailbox: None, domain: Some(&row.protocols), above: &above, own: Own::NONE };
        effective::resolve(said, &suspended)
    };
    let (held, effective) = (holds(&before), holds(&after));
    let (path, before, after) = (before.path.clone(), Domain::from(before), show(caller, after));
    let record = Record {
        object: id.to_string(),
        path,
        before: view(&before),
        after: view(&after),
        touches: [Touch::Domain(id)].into_iter().chain(closes(&held, &effective)).collect(),
    };
    Ok((after, effective, change.commit(record).await?))
}

/// Deletes a domain that has no mailbox and no alias left.
pub async fn delete(control: &Control, caller: &Caller, id: DomainId, expected: Option<&[i64]>) -> Result<Revision> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "delete_domain").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    let now = change.now();
    refuse_deletion(change.tx(), caller, Suspended::Domain(id), now).await?;
    suspensions::delete_all(change.tx(), Suspended::Domain(id)).await?;
    let refused = |e| {
        in_use(
            e,
            "the domain still has mailboxes (deleted ones too, while they can be restored), aliases or domains that stand for it: delete them first",
        )
    };
    rows::delete(change.tx(), id).await.map_err(refused)?;
    let path = before.path.clone();
    give_back(change.tx(), &path, LimitName::Domains).await?;
    let record = Record {
        object: id.to_string(),
        path,
        before: view(&Domain::from(before)),
        after: None,
        touches: vec![Touch::Domain(id)],
    };
    change.commit(record).await
}
