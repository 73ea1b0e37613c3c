//! Tenants: resellers and customers as a tree under the operator.

use super::change::{check_unchanged, in_use, view};
use super::editable::{Named, Patch, Writable, check as check_fields, editable};
use super::limits::Sales;
use super::lists::{self, ListPage, Place, fold_name, prefix_range};
use super::passwords::check_name;
use super::protocols::{ProtocolsPatch, ProtocolsView};
use super::{Caller, Change, Control, Error, Paged, Record, Result};
use crate::db::protocols::ProtocolSettings;
use crate::db::tenants::{self as rows, TenantRow};
use crate::db::{Tx, counts, plans as plan_rows};
use crate::model::ids::{PlanId, TenantId};
use crate::model::{Protocol, Resource, Revision, Role, TenantKind, Timestamp, Touch};

/// A tenant as callers see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The tenant above; none for the operator.
    pub parent: Option<TenantId>,
    /// Operator, reseller or customer.
    pub kind: TenantKind,
    /// Its name.
    #[schema(example = "Example Hosting")]
    pub name: String,
    /// What it bought: its limits and defaults. Without one it has no limits but those above it.
    pub plan: Option<PlanId>,
    /// What it says about protocols; domains that say `inherit` take it.
    pub protocols: ProtocolsView,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The fields that you may set on it: those of its PATCH.
    #[schema(value_type = Vec<String>, example = json!(["name", "protocols"]))]
    pub editable: Vec<&'static str>,
    /// The revision that last changed it: the value of its ETag.
    #[serde(skip)]
    pub etag: i64,
}

impl From<TenantRow> for Tenant {
    fn from(row: TenantRow) -> Self {
        Self {
            id: row.id,
            parent: row.parent,
            kind: row.kind,
            name: row.name,
            plan: row.plan,
            protocols: row.protocols.into(),
            created_at: Timestamp(row.created_at),
            editable: Vec::new(),
            etag: row.revision,
        }
    }
}

/// A tenant with what the caller may set on it.
fn show(caller: &Caller, row: TenantRow) -> Tenant {
    let editable = editable(caller, &row);
    Tenant { editable, ..row.into() }
}

impl Writable for TenantRow {
    type Patch = TenantPatch;
    const RESOURCE: Resource = Resource::Tenants;

    fn may_set(&self, caller: &Caller, field: &str) -> Result<()> {
        caller.may_administer()?;
        match field {
            "plan" if self.id == caller.tenant => Err(Error::NotAllowed("a tenant's plan is chosen above it")),
            _ => Ok(()),
        }
    }
}

impl Patch for TenantPatch {
    fn named(&self) -> Named {
        let protocols = self.protocols != ProtocolsPatch::default();
        vec![("name", self.name.is_some()), ("plan", self.plan.is_some()), ("protocols", protocols)]
    }
}

/// A tenant to create.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// Its name.
    pub name: String,
    /// Reseller or customer.
    pub kind: TenantKind,
    /// The tenant above; the caller's own when none is named.
    pub parent: Option<TenantId>,
    /// What it buys.
    pub plan: Option<PlanId>,
    /// What it says about protocols.
    pub protocols: ProtocolsPatch,
}

/// A change of a tenant: what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct TenantPatch {
    /// Another name.
    pub name: Option<String>,
    /// Another plan; `Some(None)` takes it away.
    pub plan: Option<Option<PlanId>>,
    /// What it says about protocols.
    pub protocols: ProtocolsPatch,
}

/// A tenant that the caller reaches.
pub(super) async fn reach(tx: &mut Tx, caller: &Caller, id: TenantId) -> Result<TenantRow> {
    let row = rows::find(tx, id).await?.ok_or(Error::NotFound)?;
    caller.reach(&row.path)?;
    Ok(row)
}

fn check(name: &str) -> Result<()> {
    let empty = name.trim().is_empty();
    let error = if empty {
        Some(super::FieldError::new("/name", "required", "must not be empty"))
    } else {
        check_name("/name", name)
    };
    error.map_or(Ok(()), |error| Err(Error::Invalid(vec![error])))
}

/// Refuses a plan that the caller does not reach, or that does not stand above the tenant.
async fn check_plan(tx: &mut Tx, caller: &Caller, path: &str, plan: Option<PlanId>) -> Result<()> {
    let Some(plan) = plan else { return Ok(()) };
    let found = plan_rows::find(tx, plan).await?.filter(|row| caller.reach(&row.path).is_ok());
    match found {
        Some(row) if path.starts_with(&row.path) && path != row.path => Ok(()),
        // Whether another tenant sells it is not ours to tell.
        _ => Err(Error::field("/plan", "unknown_plan", "is no plan that you or a tenant between sells")),
    }
}

/// Creates a tenant below one that the caller reaches.
pub async fn create(control: &Control, caller: &Caller, new: NewTenant) -> Result<(Tenant, Revision)> {
    caller.may_administer()?;
    check(&new.name)?;
    let mut protocols = ProtocolSettings::default();
    new.protocols.apply("/protocols", &mut protocols)?;
    let mut change = control.begin(caller, "create_tenant").await?;
    let parent = reach(change.tx(), caller, new.parent.unwrap_or(caller.tenant)).await?;
    match (parent.kind, new.kind) {
        (TenantKind::Operator, TenantKind::Reseller | TenantKind::Customer) => {}
        (TenantKind::Reseller, TenantKind::Customer) => {}
        (_, TenantKind::Operator) => return Err(Error::field("/kind", "not_allowed", "there is one operator")),
        _ => {
            return Err(Error::field(
                "/kind",
                "not_allowed",
                "resellers and customers stand below the operator, customers also below a reseller",
            ));
        }
    }
    let id = TenantId(change.new_id());
    let row = TenantRow {
        id,
        parent: Some(parent.id),
        path: path_of(&parent.path, id),
        kind: new.kind,
        name: new.name,
        plan: new.plan,
        protocols,
        created_at: change.now(),
        revision: change.revision(),
    };
    check_plan(change.tx(), caller, &row.path, row.plan).await?;
    let sales = Sales::of(change.tx(), vec![parent.id]).await?;
    rows::insert(change.tx(), &row).await?;
    counts::insert(change.tx(), id).await?;
    new.protocols.check_allowed(change.tx(), "/protocols", &row.path).await?;
    sales.check(change.tx(), caller).await?;
    let path = row.path.clone();
    let tenant = show(caller, row);
    let record =
        Record { object: id.to_string(), path, before: None, after: view(&tenant), touches: vec![Touch::Tenant(id)] };
    Ok((tenant, change.commit(record).await?))
}

/// The path of a tenant below another.
pub(super) fn path_of(parent: &str, id: TenantId) -> String {
    format!("{parent}{}.", id.to_string().trim_start_matches(TenantId::PREFIX))
}

/// One tenant.
pub async fn get(control: &Control, caller: &Caller, id: TenantId) -> Result<Tenant> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, id).await.map(|row| show(caller, row))
}

/// Which tenants a list shows.
#[derive(Debug, Clone, Default)]
pub struct TenantFilter {
    /// Of this tenant and below.
    pub tenant: Option<TenantId>,
    /// Whose name begins so; capital letters of ASCII do not matter.
    pub prefix: Option<String>,
    /// Of this kind.
    pub kind: Option<TenantKind>,
    /// With this plan.
    pub plan: Option<PlanId>,
}

/// Of tenants at and below the caller's, or one that it names.
pub async fn list(
    control: &Control,
    caller: &Caller,
    filter: &TenantFilter,
    page: impl Into<ListPage>,
) -> Result<Paged<Tenant, Place>> {
    let page = page.into();
    let mut tx = control.db.read().await?;
    let mut listing = page.of(&rows::PARTS)?;
    lists::within(&mut listing, &mut tx, caller, filter.tenant).await?;
    if let Some(prefix) = &filter.prefix {
        listing.by("prefix", prefix_range(prefix, fold_name)?)?;
    }
    if let Some(kind) = filter.kind {
        listing.by("kind", [kind.as_str().into()])?;
    }
    if let Some(plan) = filter.plan {
        listing.by("plan", [plan.0.into()])?;
    }
    Ok(Paged::of_list(rows::list(&mut tx, &listing).await?, &page, |row| show(caller, row)))
}

/// Changes a tenant: its name, its say about protocols, and, from above, its plan.
pub async fn update(
    control: &Control,
    caller: &Caller,
    id: TenantId,
    patch: TenantPatch,
    expected: Option<&[i64]>,
) -> Result<(Tenant, Revision)> {
    let (change, after, record) = self::change(control, caller, id, patch, expected).await?;
    Ok((show(caller, after), change.commit(record).await?))
}

/// The change that [`update`] makes, with what is to be recorded of it: not committed yet.
pub(super) async fn change(
    control: &Control,
    caller: &Caller,
    id: TenantId,
    patch: TenantPatch,
    expected: Option<&[i64]>,
) -> Result<(Change, TenantRow, Record)> {
    caller.may_administer()?;
    if let Some(name) = &patch.name {
        check(name)?;
    }
    let mut change = control.begin(caller, "update_tenant").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    check_fields(caller, &before, &patch)?;
    let mut after = before.clone();
    after.name = patch.name.unwrap_or(after.name);
    after.revision = change.revision();
    patch.protocols.apply("/protocols", &mut after.protocols)?;
    if let Some(plan) = patch.plan {
        check_plan(change.tx(), caller, &before.path, plan).await?;
        after.plan = plan;
    }
    let seller = before.parent.filter(|_| after.plan != before.plan);
    let sales = Sales::of(change.tx(), seller.into_iter().collect()).await?;
    rows::update(change.tx(), &after).await?;
    patch.protocols.check_allowed(change.tx(), "/protocols", &before.path).await?;
    sales.check(change.tx(), caller).await?;
    let restricts =
        |protocol: &Protocol| before.plan != after.plan || before.protocols.says_otherwise(&after.protocols, *protocol);
    let closes = Protocol::ALL.iter().filter(|protocol| restricts(protocol)).map(|protocol| Touch::Closes(*protocol));
    let touches = std::iter::once(Touch::Tenant(id)).chain(closes).collect();
    let record = Record {
        object: id.to_string(),
        path: before.path.clone(),
        before: view(&Tenant::from(before)),
        after: view(&Tenant::from(after.clone())),
        touches,
    };
    Ok((change, after, record))
}

/// Deletes a tenant that has nothing left.
pub async fn delete(control: &Control, caller: &Caller, id: TenantId, expected: Option<&[i64]>) -> Result<Revision> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "delete_tenant").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    if before.id == caller.tenant || (caller.role == Role::Customer) {
        return Err(Error::NotAllowed("a tenant cannot delete itself"));
    }
    let refused =
        |e| in_use(e, "the tenant still has tenants, users, keys, plans, domains or webhooks: delete them first");
    counts::delete(change.tx(), id).await?;
    rows::delete(change.tx(), id).await.map_err(refused)?;
    let path = before.path.clone();
    let record = Record {
        object: id.to_string(),
        path,
        before: view(&Tenant::from(before)),
        after: None,
        touches: vec![Touch::Tenant(id)],
    };
    change.commit(record).await
}
