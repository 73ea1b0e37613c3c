//! Domains: owned by a tenant, named once.

use super::change::{check_unchanged, closes, in_use, taken, view};
use super::limits::{give_back, take};
use super::protocols::{ProtocolsPatch, ProtocolsView};
use super::suspensions::{in_force, refuse_deletion};
use super::{Caller, Control, Error, PageRequest, Paged, Record, Result, tenants};
use crate::db::Tx;
use crate::db::domains::{self as rows, DomainRow};
use crate::db::effective::{self, Effective, Said};
use crate::db::levels;
use crate::db::suspensions::{self, Suspended};
use crate::model::ids::{DomainId, MailboxId, TenantId};
use crate::model::{DomainName, LimitName, Revision, Timestamp, Touch};

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
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
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
            created_at: Timestamp(row.created_at),
            etag: row.revision,
        }
    }
}

/// A domain that the caller reaches.
pub(super) async fn reach(tx: &mut Tx, caller: &Caller, id: DomainId) -> Result<DomainRow> {
    let row = rows::find(tx, id).await?.ok_or(Error::NotFound)?;
    caller.reach(&row.path)?;
    Ok(row)
}

/// Creates a domain in a tenant that the caller reaches.
pub async fn create(
    control: &Control,
    caller: &Caller,
    tenant: Option<TenantId>,
    name: DomainName,
    protocols: ProtocolsPatch,
) -> Result<(Domain, Revision)> {
    caller.may_administer()?;
    let mut settings = rows::ProtocolSettings::default();
    protocols.apply("/protocols", &mut settings)?;
    let mut change = control.begin(caller, "create_domain").await?;
    let tenant = tenants::reach(change.tx(), caller, tenant.unwrap_or(caller.tenant)).await?;
    let row = DomainRow {
        id: DomainId(change.new_id()),
        tenant: tenant.id,
        path: tenant.path,
        name,
        protocols: settings,
        created_at: change.now(),
        revision: change.revision(),
    };
    protocols.check_allowed(change.tx(), "/protocols", &row.path).await?;
    rows::insert(change.tx(), &row).await.map_err(|e| taken(e, "domains", "name", "the domain"))?;
    take(change.tx(), caller, &row.path, LimitName::Domains).await?;
    let (id, path, domain) = (row.id, row.path.clone(), Domain::from(row));
    let record =
        Record { object: id.to_string(), path, before: None, after: view(&domain), touches: vec![Touch::Domain(id)] };
    Ok((domain, change.commit(record).await?))
}

/// One domain.
pub async fn get(control: &Control, caller: &Caller, id: DomainId) -> Result<Domain> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, id).await.map(Domain::from)
}

/// One domain by name.
pub async fn get_by_name(control: &Control, caller: &Caller, name: &DomainName) -> Result<Domain> {
    let mut tx = control.db.read().await?;
    let row = rows::find_by_name(&mut tx, name).await?.ok_or(Error::NotFound)?;
    caller.reach(&row.path)?;
    Ok(row.into())
}

/// Domains of tenants at and below the caller's, or of one of them.
pub async fn list(
    control: &Control,
    caller: &Caller,
    tenant: Option<TenantId>,
    page: PageRequest,
) -> Result<Paged<Domain>> {
    let mut tx = control.db.read().await?;
    let path = match tenant {
        Some(id) => tenants::reach(&mut tx, caller, id).await?.path,
        None => caller.list_path()?.to_owned(),
    };
    let rows = rows::list(&mut tx, &path, page.into()).await?;
    Ok(Paged::new(rows, page, |row| row.id.0, Domain::from))
}

/// Changes what a domain says about protocols.
pub async fn update(
    control: &Control,
    caller: &Caller,
    id: DomainId,
    protocols: ProtocolsPatch,
    expected: Option<i64>,
) -> Result<(Domain, Revision)> {
    let (domain, _, revision) = change_protocols(control, caller, id, "/protocols", protocols, expected).await?;
    Ok((domain, revision))
}

/// The same, with what then holds for mailboxes that say nothing; the patch stands at `at` in the request's body.
pub(super) async fn change_protocols(
    control: &Control,
    caller: &Caller,
    id: DomainId,
    at: &str,
    protocols: ProtocolsPatch,
    expected: Option<i64>,
) -> Result<(Domain, Effective, Revision)> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "update_domain").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    let mut after = before.clone();
    protocols.apply(at, &mut after.protocols)?;
    protocols.check_allowed(change.tx(), at, &before.path).await?;
    after.revision = change.revision();
    rows::set_protocols(change.tx(), id, &after.protocols, after.revision).await?;
    let now = change.now();
    let suspended = in_force(change.tx(), MailboxId(0), id, now).await?;
    let above = levels::above(change.tx(), &before.path).await?;
    let holds = |row: &DomainRow| {
        effective::resolve(Said { mailbox: None, domain: Some(&row.protocols), above: &above }, &suspended)
    };
    let (held, effective) = (holds(&before), holds(&after));
    let (path, before, after) = (before.path.clone(), Domain::from(before), Domain::from(after));
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
pub async fn delete(control: &Control, caller: &Caller, id: DomainId, expected: Option<i64>) -> Result<Revision> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "delete_domain").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    let now = change.now();
    refuse_deletion(change.tx(), caller, Suspended::Domain(id), now).await?;
    suspensions::delete_all(change.tx(), Suspended::Domain(id)).await?;
    let refused = |e| in_use(e, "the domain still has mailboxes or aliases: delete them first");
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
