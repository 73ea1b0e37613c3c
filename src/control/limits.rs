//! Limits: how much a tenant may have, held at every level above it, in the transaction that makes the object.
//!
//! A tenant's plan limits what is at and below it. Where the plan forbids overselling, what a reseller's
//! customers were sold counts as used. Invariant: counts are written before they are compared, so that
//! of many who want the last one, one gets it.

use super::{Caller, Control, Error, Result, tenants};
use crate::db::counts::{self, Sold};
use crate::db::levels::{self, Above, TenantLevel};
use crate::db::{Tx, sends, tenants as tenant_rows};
use crate::model::ids::{MailboxId, PlanId, TenantId};
use crate::model::{LimitName, Quota, TenantKind};

/// A limit that was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// What is limited.
    pub name: LimitName,
    /// How much there is; none where the caller may not know.
    pub used: Option<u64>,
    /// How much there may be; none where the caller may not know.
    pub max: Option<u64>,
    /// The kind of tenant whose plan decided.
    pub layer: TenantKind,
}

/// One limit of a tenant as callers see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct LimitView {
    /// What is limited.
    pub name: LimitName,
    /// How much is used: objects at and below the tenant, octets by quota, or what the tenants below were sold.
    #[schema(example = 12)]
    pub used: u64,
    /// How much there may be; `null` is no limit.
    #[schema(example = 50)]
    pub max: Option<u64>,
}

/// The limits of a tenant as callers see them.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct TenantLimits {
    /// The plan that sets them.
    pub plan: Option<PlanId>,
    /// Whether what is handed out may in sum pass the limits.
    pub oversell: bool,
    /// One entry a limit.
    pub items: Vec<LimitView>,
    /// Recipients of what was sent at and below it in the last 24 hours, by whole hours.
    #[schema(example = 120)]
    pub sent_last_day: u64,
}

fn reached(caller: &Caller, tenant: &TenantLevel, name: LimitName, used: u64, max: u64) -> Error {
    // What a tenant above has and uses is not the caller's to know.
    let known = caller.reach(&tenant.path).is_ok();
    Error::LimitReached(Reached { name, used: known.then_some(used), max: known.then_some(max), layer: tenant.kind })
}

/// Counts one more domain, mailbox or alias of a tenant, if every level has room for it.
pub(super) async fn take(tx: &mut Tx, caller: &Caller, path: &str, name: LimitName) -> Result<()> {
    let above = levels::above(tx, path).await?;
    counts::add(tx, above.0.iter().map(|tenant| tenant.id), name, 1).await?;
    for tenant in &above.0 {
        let Some(max) = tenant.limit(name) else { continue };
        let used = used_below(tx, tenant.id, name).await?;
        if used > max {
            return Err(reached(caller, tenant, name, used - 1, max));
        }
    }
    // What a reseller keeps for itself it can no longer sell.
    match above.0.first() {
        Some(owner) if owner.kind == TenantKind::Reseller => check_kept(tx, caller, owner, name).await,
        _ => Ok(()),
    }
}

/// Counts one domain, mailbox or alias of a tenant less.
pub(super) async fn give_back(tx: &mut Tx, path: &str, name: LimitName) -> Result<()> {
    let above = levels::above(tx, path).await?;
    Ok(counts::add(tx, above.0.iter().map(|tenant| tenant.id), name, -1).await?)
}

async fn used_below(tx: &mut Tx, tenant: TenantId, name: LimitName) -> Result<u64> {
    let counts = counts::of(tx, tenant).await?;
    Ok(match name {
        LimitName::Domains => counts.domains,
        LimitName::Mailboxes => counts.mailboxes,
        LimitName::Aliases => counts.aliases,
        LimitName::Bytes | LimitName::SendsPerDay => 0,
    })
}

/// What a quota counts for: octets given by name, and mailboxes that inherit.
fn parts(quota: Option<Quota>) -> (i64, i64) {
    match quota {
        Some(Quota { bytes: Some(bytes), .. }) => (i64::try_from(bytes).unwrap_or(i64::MAX), 0),
        Some(Quota { bytes: None, .. }) => (0, 1),
        None => (0, 0),
    }
}

/// Counts the change of a mailbox's quota (none before it is made and after it is gone), if there is room.
pub(super) async fn take_quota(
    tx: &mut Tx,
    caller: &Caller,
    path: &str,
    before: Option<Quota>,
    after: Option<Quota>,
) -> Result<()> {
    let above = levels::above(tx, path).await?;
    let Some(owner) = above.0.first() else { return Ok(()) };
    let ((bytes_before, inheriting_before), (bytes, inheriting)) = (parts(before), parts(after));
    if (bytes_before, inheriting_before) == (bytes, inheriting) {
        return Ok(());
    }
    counts::add_quota(tx, owner.id, bytes.saturating_sub(bytes_before), inheriting - inheriting_before).await?;
    let Some(plan) = owner.plan.as_ref().filter(|plan| !plan.oversell) else { return Ok(()) };
    let Some(max) = plan.limits.bytes else { return Ok(()) };
    if after.is_some_and(|quota| above.quota(quota).bytes.is_none()) {
        let detail = "is required: the plan limits the octets of all mailboxes and has no quota for those without one";
        return Err(Error::field("/quota/bytes", "required", detail));
    }
    let used = bytes_given(tx, owner, &above).await?;
    let sold =
        if owner.kind == TenantKind::Reseller { counts::sold(tx, owner.id, LimitName::Bytes).await?.limits } else { 0 };
    let more = above.quota(after.unwrap_or_default()).bytes.unwrap_or(0);
    let less = before.and_then(|quota| above.quota(quota).bytes).unwrap_or(0);
    if after.is_some() && more > less && used.saturating_add(sold) > max {
        let before = used.saturating_add(sold).saturating_sub(more - less);
        return Err(reached(caller, owner, LimitName::Bytes, before, max));
    }
    Ok(())
}

/// Octets that a tenant's own mailboxes were given, by name or by the plan.
async fn bytes_given(tx: &mut Tx, tenant: &TenantLevel, above: &Above) -> Result<u64> {
    let counts = counts::of(tx, tenant.id).await?;
    let default = above.quota(Quota::default()).bytes.unwrap_or(0);
    Ok(counts.quota_bytes.saturating_add(counts.inheriting.saturating_mul(default)))
}

/// What a tenant has sold and keeps for itself of something.
async fn sold_and_kept(tx: &mut Tx, seller: &TenantLevel, name: LimitName) -> Result<(u64, Sold)> {
    let sold = counts::sold(tx, seller.id, name).await?;
    let kept = match name {
        LimitName::Bytes => {
            let above = levels::above(tx, &seller.path).await?;
            bytes_given(tx, seller, &above).await?
        }
        LimitName::SendsPerDay => 0,
        _ => used_below(tx, seller.id, name).await?.saturating_sub(sold.used),
    };
    Ok((sold.limits.saturating_add(kept), sold))
}

/// Refuses one more of something for a seller itself where it has sold the rest.
async fn check_kept(tx: &mut Tx, caller: &Caller, seller: &TenantLevel, name: LimitName) -> Result<()> {
    let Some(plan) = seller.plan.as_ref().filter(|plan| !plan.oversell) else { return Ok(()) };
    let Some(max) = plan.limits.get(name) else { return Ok(()) };
    let (used, _) = sold_and_kept(tx, seller, name).await?;
    if used > max { Err(reached(caller, seller, name, used - 1, max)) } else { Ok(()) }
}

/// What tenants have sold where their plans forbid overselling, before a change that may make it more.
pub(super) struct Sales(Vec<Sale>);

/// What one tenant has sold and keeps of one thing that its plan limits.
struct Sale {
    seller: TenantLevel,
    name: LimitName,
    used: u64,
    unlimited: u64,
}

impl Sales {
    /// What these tenants have sold now.
    pub(super) async fn of(tx: &mut Tx, sellers: Vec<TenantId>) -> Result<Self> {
        let mut sales = Vec::new();
        for seller in sellers {
            let Some(row) = tenant_rows::find(tx, seller).await? else { continue };
            let Some(seller) = levels::above(tx, &row.path).await?.0.into_iter().next() else { continue };
            let Some(plan) = seller.plan.as_ref().filter(|plan| !plan.oversell) else { continue };
            for name in LimitName::ALL.iter().copied() {
                if plan.limits.get(name).is_some() {
                    let (used, sold) = sold_and_kept(tx, &seller, name).await?;
                    sales.push(Sale { seller: seller.clone(), name, used, unlimited: sold.unlimited });
                }
            }
        }
        Ok(Self(sales))
    }

    /// What the tenants above those that have a plan have sold now.
    pub(super) async fn of_plan(tx: &mut Tx, plan: PlanId) -> Result<Self> {
        let sellers = tenant_rows::sellers_of(tx, plan).await?;
        Self::of(tx, sellers).await
    }

    /// Refuses a change that made a tenant sell more than it has. One that sold too much before, as its own plan
    /// shrank since, may still sell less.
    pub(super) async fn check(self, tx: &mut Tx, caller: &Caller) -> Result<()> {
        for before in self.0 {
            let (used, sold) = sold_and_kept(tx, &before.seller, before.name).await?;
            if sold.unlimited > before.unlimited {
                let name = before.name;
                let detail =
                    format!("must be one that limits {name}: the seller has a limited number and may not oversell");
                return Err(Error::field("/plan", "unlimited", detail));
            }
            // The change may be one of the seller's own plan.
            let now = levels::above(tx, &before.seller.path).await?;
            let max = now.0.first().and_then(|seller| seller.limit(before.name));
            if let Some(max) = max.filter(|max| used > before.used.max(*max)) {
                return Err(reached(caller, &before.seller, before.name, used, max));
            }
        }
        Ok(())
    }
}

/// How much a tenant may have and has.
pub async fn of_tenant(control: &Control, caller: &Caller, id: TenantId) -> Result<TenantLimits> {
    let mut tx = control.db.read().await?;
    let row = tenants::reach(&mut tx, caller, id).await?;
    let above = levels::above(&mut tx, &row.path).await?;
    let Some(tenant) = above.0.first() else { return Err(Error::NotFound) };
    let oversell = tenant.plan.as_ref().is_some_and(|plan| plan.oversell);
    let sent_last_day = sends::used(&mut tx, id.0, control.now_ms()).await?;
    let mut items = Vec::new();
    for name in LimitName::ALL.iter().copied() {
        let used = match name {
            // What is sold counts as used where there is a limit to it.
            _ if tenant.kind == TenantKind::Reseller && !oversell && tenant.limit(name).is_some() => {
                sold_and_kept(&mut tx, tenant, name).await?.0
            }
            LimitName::Bytes => bytes_given(&mut tx, tenant, &above).await?,
            LimitName::SendsPerDay => sent_last_day,
            _ => used_below(&mut tx, tenant.id, name).await?,
        };
        items.push(LimitView { name, used, max: tenant.limit(name) });
    }
    Ok(TenantLimits { plan: tenant.plan.as_ref().map(|plan| plan.id), oversell, items, sent_last_day })
}

/// Recipients of what a mailbox sent in the last 24 hours, by whole hours.
pub async fn sent_last_day(control: &Control, mailbox: MailboxId) -> Result<u64> {
    let mut tx = control.db.read().await?;
    Ok(sends::used(&mut tx, mailbox.0, control.now_ms()).await?)
}
