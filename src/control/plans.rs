//! Plans: limits and defaults that an operator or reseller sells to the tenants below.
//!
//! Nothing of a plan is copied: whoever asks what is effective reads it, so that editing a plan
//! reaches every mailbox that inherits. Invariant: a plan stands above every tenant that has it.

use super::change::{check_unchanged, in_use, taken, view};
use super::editable::{Named, Patch, Writable, check, editable};
use super::limits::Sales;
use super::passwords::check_name;
use super::protocols::{ProtocolsPatch, ProtocolsView};
use super::{Caller, Change, Control, Error, FieldError, PageRequest, Paged, Record, Result, tenants};
use crate::db::plans::{self as rows, PlanRow};
use crate::db::protocols::ProtocolSettings;
use crate::db::{Tx, tenants as tenant_rows};
use crate::model::ids::{PlanId, TenantId};
use crate::model::{Limits, Protocol, Quota, Resource, Revision, TenantKind, Timestamp, Touch};

/// What a plan limits; `null` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct LimitsView {
    /// Domains.
    #[schema(example = 5)]
    pub domains: Option<u64>,
    /// Mailboxes.
    #[schema(example = 50)]
    pub mailboxes: Option<u64>,
    /// Aliases.
    #[schema(example = 100)]
    pub aliases: Option<u64>,
    /// Octets of all mailboxes, by their quotas.
    #[schema(example = 53687091200u64)]
    pub bytes: Option<u64>,
    /// Recipients of what is sent in a day (UTC).
    #[schema(example = 5000)]
    pub sends_per_day: Option<u64>,
}

/// A plan as callers see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// Who sells it.
    pub tenant: TenantId,
    /// Its name.
    #[schema(example = "Business 50")]
    pub name: String,
    /// How much its buyers may have.
    pub limits: LimitsView,
    /// Whether its buyers may hand out more than they have, in sum.
    pub oversell: bool,
    /// What a mailbox may hold that names no quota.
    pub mailbox_quota: super::mailboxes::QuotaView,
    /// The protocols that may be used at all; `null` allows all. No level below can switch on another.
    pub allowed_protocols: Option<Vec<Protocol>>,
    /// What it says about protocols: tenants, domains and mailboxes that say `inherit` take it.
    pub protocols: ProtocolsView,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The fields that you may set on it: those of its PATCH.
    #[schema(value_type = Vec<String>, example = json!(["name", "limits"]))]
    pub editable: Vec<&'static str>,
    /// The revision that last changed it: the value of its ETag.
    #[serde(skip)]
    pub etag: i64,
}

impl From<PlanRow> for Plan {
    fn from(row: PlanRow) -> Self {
        let limits = row.limits;
        Self {
            id: row.id,
            tenant: row.tenant,
            name: row.name,
            limits: LimitsView {
                domains: limits.domains,
                mailboxes: limits.mailboxes,
                aliases: limits.aliases,
                bytes: limits.bytes,
                sends_per_day: limits.sends_per_day,
            },
            oversell: row.oversell,
            mailbox_quota: row.quota.into(),
            allowed_protocols: row.allowed,
            protocols: row.protocols.into(),
            created_at: Timestamp(row.created_at),
            editable: Vec::new(),
            etag: row.revision,
        }
    }
}

/// A change of a plan, or what a new one is: what is `None` stays as it is, `Some(None)` takes away.
#[derive(Debug, Clone, Default)]
pub struct PlanPatch {
    /// Its name.
    pub name: Option<String>,
    /// Domains.
    pub domains: Option<Option<u64>>,
    /// Mailboxes.
    pub mailboxes: Option<Option<u64>>,
    /// Aliases.
    pub aliases: Option<Option<u64>>,
    /// Octets of all mailboxes.
    pub bytes: Option<Option<u64>>,
    /// Recipients of what is sent in a day.
    pub sends_per_day: Option<Option<u64>>,
    /// Whether its buyers may hand out more than they have.
    pub oversell: Option<bool>,
    /// What a mailbox may hold that says nothing.
    pub quota_bytes: Option<Option<u64>>,
    /// The same in messages.
    pub quota_messages: Option<Option<u64>>,
    /// The protocols that may be used at all.
    pub allowed: Option<Option<Vec<Protocol>>>,
    /// What it says about protocols.
    pub protocols: ProtocolsPatch,
}

impl PlanPatch {
    fn check(&self) -> Result<()> {
        let mut errors: Vec<FieldError> = Vec::new();
        match self.name.as_deref() {
            Some(name) if name.trim().is_empty() => {
                errors.push(FieldError::new("/name", "required", "must not be empty"));
            }
            name => errors.extend(name.and_then(|name| check_name("/name", name))),
        }
        let numbers = [
            ("/limits/domains", self.domains),
            ("/limits/mailboxes", self.mailboxes),
            ("/limits/aliases", self.aliases),
            ("/limits/bytes", self.bytes),
            ("/limits/sends_per_day", self.sends_per_day),
            ("/mailbox_quota/bytes", self.quota_bytes),
            ("/mailbox_quota/messages", self.quota_messages),
        ];
        let too_large = |(_, number): &&(&str, Option<Option<u64>>)| number.flatten().is_some_and(|n| n > Limits::MOST);
        for (pointer, _) in numbers.iter().filter(too_large) {
            errors.push(FieldError::new(*pointer, "too_large", format!("must be at most {}", Limits::MOST)));
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
    }

    fn apply(self, plan: &mut PlanRow) -> Result<()> {
        let limits = &mut plan.limits;
        limits.domains = self.domains.unwrap_or(limits.domains);
        limits.mailboxes = self.mailboxes.unwrap_or(limits.mailboxes);
        limits.aliases = self.aliases.unwrap_or(limits.aliases);
        limits.bytes = self.bytes.unwrap_or(limits.bytes);
        limits.sends_per_day = self.sends_per_day.unwrap_or(limits.sends_per_day);
        plan.name = self.name.unwrap_or_else(|| std::mem::take(&mut plan.name));
        plan.oversell = self.oversell.unwrap_or(plan.oversell);
        plan.quota.bytes = self.quota_bytes.unwrap_or(plan.quota.bytes);
        plan.quota.messages = self.quota_messages.unwrap_or(plan.quota.messages);
        if let Some(allowed) = self.allowed {
            plan.allowed = allowed.map(|mut words| {
                words.sort_unstable();
                words.dedup();
                words
            });
        }
        self.protocols.apply("/protocols", &mut plan.protocols)
    }
}

/// A plan with what the caller may set on it.
fn show(caller: &Caller, row: PlanRow) -> Plan {
    let editable = editable(caller, &row);
    Plan { editable, ..row.into() }
}

impl Writable for PlanRow {
    type Patch = PlanPatch;
    const RESOURCE: Resource = Resource::Plans;

    fn may_set(&self, caller: &Caller, _: &str) -> Result<()> {
        caller.may_administer()?;
        // Whoever has the plan may read it, too.
        caller.reach(&self.path)
    }
}

impl Patch for PlanPatch {
    fn named(&self) -> Named {
        let limits = [self.domains, self.mailboxes, self.aliases, self.bytes, self.sends_per_day];
        vec![
            ("name", self.name.is_some()),
            ("limits", limits.iter().any(Option::is_some)),
            ("oversell", self.oversell.is_some()),
            ("mailbox_quota", self.quota_bytes.is_some() || self.quota_messages.is_some()),
            ("allowed_protocols", self.allowed.is_some()),
            ("protocols", self.protocols != ProtocolsPatch::default()),
        ]
    }
}

/// A plan that the caller may change.
pub(super) async fn reach(tx: &mut Tx, caller: &Caller, id: PlanId) -> Result<PlanRow> {
    let row = rows::find(tx, id).await?.ok_or(Error::NotFound)?;
    caller.reach(&row.path)?;
    Ok(row)
}

/// A plan that the caller may read: one in reach, or its own tenant's.
pub(super) async fn see(tx: &mut Tx, caller: &Caller, id: PlanId) -> Result<PlanRow> {
    let row = rows::find(tx, id).await?.ok_or(Error::NotFound)?;
    let own = async |tx: &mut Tx| -> Result<bool> {
        let tenant = tenant_rows::find(tx, caller.tenant).await?;
        Ok(tenant.is_some_and(|tenant| tenant.plan == Some(id)))
    };
    if caller.reach(&row.path).is_err() && (caller.list_path().is_err() || !own(tx).await?) {
        return Err(Error::NotFound);
    }
    Ok(row)
}

/// Creates a plan that the caller's tenant, or one below, sells.
pub async fn create(
    control: &Control,
    caller: &Caller,
    tenant: Option<TenantId>,
    new: PlanPatch,
) -> Result<(Plan, Revision)> {
    caller.may_administer()?;
    new.check()?;
    let mut change = control.begin(caller, "create_plan").await?;
    let tenant = tenants::reach(change.tx(), caller, tenant.unwrap_or(caller.tenant)).await?;
    if tenant.kind == TenantKind::Customer {
        return Err(Error::field("/tenant", "not_allowed", "operators and resellers sell plans"));
    }
    let mut row = PlanRow {
        id: PlanId(change.new_id()),
        tenant: tenant.id,
        path: tenant.path,
        name: String::new(),
        limits: Limits::default(),
        oversell: false,
        quota: Quota::default(),
        allowed: None,
        protocols: ProtocolSettings::default(),
        created_at: change.now(),
        revision: change.revision(),
    };
    new.apply(&mut row)?;
    rows::insert(change.tx(), &row).await.map_err(|e| taken(e, "plans", "name", "the name"))?;
    let (id, path, plan) = (row.id, row.path.clone(), show(caller, row));
    let record =
        Record { object: id.to_string(), path, before: None, after: view(&plan), touches: vec![Touch::Plan(id)] };
    Ok((plan, change.commit(record).await?))
}

/// One plan.
pub async fn get(control: &Control, caller: &Caller, id: PlanId) -> Result<Plan> {
    let mut tx = control.db.read().await?;
    see(&mut tx, caller, id).await.map(|row| show(caller, row))
}

/// Plans that tenants at and below the caller's sell.
pub async fn list(control: &Control, caller: &Caller, page: PageRequest) -> Result<Paged<Plan>> {
    let mut tx = control.db.read().await?;
    let rows = rows::list(&mut tx, caller.list_path()?, page.into()).await?;
    Ok(Paged::new(rows, page, |row| row.id.0, |row| show(caller, row)))
}

/// Changes a plan: it holds at once for every tenant that has it.
pub async fn update(
    control: &Control,
    caller: &Caller,
    id: PlanId,
    patch: PlanPatch,
    expected: Option<&[i64]>,
) -> Result<(Plan, Revision)> {
    let (change, after, record) = self::change(control, caller, id, patch, expected).await?;
    Ok((show(caller, after), change.commit(record).await?))
}

/// The change that [`update`] makes, with what is to be recorded of it: not committed yet.
pub(super) async fn change(
    control: &Control,
    caller: &Caller,
    id: PlanId,
    patch: PlanPatch,
    expected: Option<&[i64]>,
) -> Result<(Change, PlanRow, Record)> {
    caller.may_administer()?;
    patch.check()?;
    let mut change = control.begin(caller, "update_plan").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    check(caller, &before, &patch)?;
    let mut after = before.clone();
    patch.apply(&mut after)?;
    after.revision = change.revision();
    let sales = Sales::of_plan(change.tx(), id).await?;
    rows::update(change.tx(), &after).await.map_err(|e| taken(e, "plans", "name", "the name"))?;
    // More in the plan is more sold.
    sales.check(change.tx(), caller).await?;
    let restricts = |protocol: &Protocol| {
        before.protocols.says_otherwise(&after.protocols, *protocol)
            || before.allows(*protocol) != after.allows(*protocol)
    };
    let closes = Protocol::ALL.iter().filter(|protocol| restricts(protocol)).map(|protocol| Touch::Closes(*protocol));
    let touches = std::iter::once(Touch::Plan(id)).chain(closes).collect();
    let record = Record {
        object: id.to_string(),
        path: before.path.clone(),
        before: view(&Plan::from(before)),
        after: view(&Plan::from(after.clone())),
        touches,
    };
    Ok((change, after, record))
}

/// Deletes a plan that no tenant has.
pub async fn delete(control: &Control, caller: &Caller, id: PlanId, expected: Option<&[i64]>) -> Result<Revision> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "delete_plan").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    let refused = |e| in_use(e, "tenants still have this plan: give them another one first");
    rows::delete(change.tx(), id).await.map_err(refused)?;
    let path = before.path.clone();
    let record = Record {
        object: id.to_string(),
        path,
        before: view(&Plan::from(before)),
        after: None,
        touches: vec![Touch::Plan(id)],
    };
    change.commit(record).await
}
