//! Protocols of plans, tenants, domains and mailboxes: what each level says, and what is effective, with its source.
//!
//! Patches merge: what is absent stays. The rule of precedence is `db::effective`'s, which
//! the directory uses too. Invariant: a suspension shows here and changes nothing here.

use super::change::closes;
use super::editable::{Named, Patch, Writable, check, editable};
use super::plans::PlanPatch;
use super::suspensions::in_force;
use super::tenants::TenantPatch;
use super::{Caller, Control, Error, FieldError, Record, Result, domains, mailboxes, plans, tenants};
use crate::db::effective::{self, Effective, Own, Said};
use crate::db::levels::{self, Above, TenantLevel};
use crate::db::plans::PlanRow;
use crate::db::protocols::{ProtocolSettings, Restriction};
use crate::db::tenants::TenantRow;
use crate::db::{Tx, mailboxes as mailbox_rows};
use crate::model::ids::{DomainId, MailboxId, PlanId, TenantId};
use crate::model::{Network, OnDelete, Protocol, ProtocolState, Resource, Revision, Touch, bounds};

/// Days until expiry at most: ten years.
pub const EXPIRE_DAYS: u16 = 3650;

/// One protocol's setting at one level.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct ProtocolView {
    /// `inherit` takes what the level above says.
    pub state: ProtocolState,
    /// Whether a login needs TLS also where the listener does not ask for it; `null` takes what the level above says.
    pub tls_only: Option<bool>,
    /// The networks a login may come from; an empty list is everywhere, `null` takes what the level above says.
    #[schema(value_type = Option<Vec<String>>, example = json!(["203.0.113.0/24"]))]
    pub allow_from: Option<Vec<Network>>,
}

/// The POP3 policy at one level; `null` takes what the level above says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Pop3PolicyView {
    /// What DELE does at QUIT.
    pub on_delete: Option<OnDelete>,
    /// Days after retrieval until a message is removed; 0 never.
    pub expire_days: Option<u16>,
}

/// POP3's setting at one level.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Pop3View {
    /// What every protocol has.
    #[serde(flatten)]
    pub protocol: ProtocolView,
    /// What the server does with what POP3 deletes and retrieves.
    pub policy: Pop3PolicyView,
}

/// The settings of all protocols at one level.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct ProtocolsView {
    /// IMAP.
    pub imap: ProtocolView,
    /// POP3.
    pub pop3: Pop3View,
    /// Sending with login.
    pub submission: ProtocolView,
}

impl From<ProtocolSettings> for ProtocolsView {
    fn from(settings: ProtocolSettings) -> Self {
        let view = |state, of: Restriction| ProtocolView { state, tls_only: of.tls_only, allow_from: of.allow_from };
        let policy = Pop3PolicyView { on_delete: settings.pop3_on_delete, expire_days: settings.pop3_expire_days };
        let of = settings.restrictions;
        Self {
            imap: view(settings.imap, of.imap),
            pop3: Pop3View { protocol: view(settings.pop3, of.pop3), policy },
            submission: view(settings.submission, of.submission),
        }
    }
}

/// A change of where and how a protocol may be used: `None` stays, `Some(None)` inherits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestrictionPatch {
    /// Whether a login needs TLS.
    pub tls_only: Option<Option<bool>>,
    /// The networks a login may come from.
    pub allow_from: Option<Option<Vec<Network>>>,
}

impl RestrictionPatch {
    fn apply(&self, restriction: &mut Restriction) {
        restriction.tls_only = self.tls_only.unwrap_or(restriction.tls_only);
        if let Some(networks) = &self.allow_from {
            restriction.allow_from = networks.clone();
        }
    }
}

/// A change of settings: what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProtocolsPatch {
    /// IMAP.
    pub imap: Option<ProtocolState>,
    /// POP3.
    pub pop3: Option<ProtocolState>,
    /// Submission.
    pub submission: Option<ProtocolState>,
    /// What DELE does; `Some(None)` inherits.
    pub pop3_on_delete: Option<Option<OnDelete>>,
    /// Days after retrieval; `Some(None)` inherits.
    pub pop3_expire_days: Option<Option<u16>>,
    /// From where and how IMAP may be used.
    pub imap_from: RestrictionPatch,
    /// From where and how POP3 may be used.
    pub pop3_from: RestrictionPatch,
    /// From where and how submission may be used.
    pub submission_from: RestrictionPatch,
}

impl ProtocolsPatch {
    /// Merges the change into the settings of one level; `at` is where it stands in the request's body.
    pub(super) fn apply(&self, at: &str, settings: &mut ProtocolSettings) -> Result<()> {
        let mut errors = Vec::new();
        if self.pop3_expire_days.flatten().is_some_and(|days| days > EXPIRE_DAYS) {
            let detail = format!("must be at most {EXPIRE_DAYS} days");
            errors.push(FieldError::new(format!("{at}/pop3/policy/expire_days"), "too_large", detail));
        }
        let restrictions =
            [("imap", &self.imap_from), ("pop3", &self.pop3_from), ("submission", &self.submission_from)];
        for (name, patch) in restrictions {
            if patch.allow_from.iter().flatten().any(|networks| networks.len() > bounds::NETWORKS) {
                let detail = format!("must hold at most {} networks", bounds::NETWORKS);
                errors.push(FieldError::new(format!("{at}/{name}/allow_from"), "too_many", detail));
            }
        }
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        settings.imap = self.imap.unwrap_or(settings.imap);
        settings.pop3 = self.pop3.unwrap_or(settings.pop3);
        settings.submission = self.submission.unwrap_or(settings.submission);
        settings.pop3_on_delete = self.pop3_on_delete.unwrap_or(settings.pop3_on_delete);
        settings.pop3_expire_days = self.pop3_expire_days.unwrap_or(settings.pop3_expire_days);
        self.imap_from.apply(&mut settings.restrictions.imap);
        self.pop3_from.apply(&mut settings.restrictions.pop3);
        self.submission_from.apply(&mut settings.restrictions.submission);
        Ok(())
    }

    /// Refuses to switch on what a plan above does not allow: it would stay off.
    pub(super) async fn check_allowed(&self, tx: &mut Tx, at: &str, path: &str) -> Result<()> {
        let said = [(Protocol::Imap, self.imap), (Protocol::Pop3, self.pop3), (Protocol::Submission, self.submission)];
        if said.iter().all(|(_, state)| *state != Some(ProtocolState::Enabled)) {
            return Ok(());
        }
        let above = levels::above(tx, path).await?;
        let refused = |(protocol, state): &(Protocol, Option<ProtocolState>)| {
            *state == Some(ProtocolState::Enabled) && !above.allows(*protocol)
        };
        let error = |(protocol, _): (Protocol, _)| {
            FieldError::new(format!("{at}/{protocol}/state"), "not_in_plan", "the plan does not allow this protocol")
        };
        let errors: Vec<_> = said.into_iter().filter(refused).map(error).collect();
        if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
    }
}

/// The settings of a level and what they come to.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Protocols {
    /// What this level says.
    #[serde(flatten)]
    pub settings: ProtocolsView,
    /// What holds now, and the level that decided.
    pub effective: Effective,
    /// The protocols that you may set here: the fields of their PATCH.
    #[schema(value_type = Vec<String>, example = json!(["imap", "pop3", "submission"]))]
    pub editable: Vec<&'static str>,
    /// The revision that last changed them: the value of their ETag.
    #[serde(skip)]
    pub etag: i64,
}

/// The protocols of one level: who may change them there.
enum Level<'a> {
    Mailbox(&'a mailbox_rows::MailboxRow),
    Plan(&'a PlanRow),
    /// A domain or a tenant.
    Other,
}

impl Writable for Level<'_> {
    type Patch = ProtocolsPatch;
    const RESOURCE: Resource = Resource::Protocols;

    fn may_set(&self, caller: &Caller, _: &str) -> Result<()> {
        caller.may_administer()?;
        match self {
            Self::Mailbox(mailbox) => mailboxes::check_there(mailbox),
            Self::Plan(plan) => caller.reach(&plan.path),
            Self::Other => Ok(()),
        }
    }
}

impl Patch for ProtocolsPatch {
    fn named(&self) -> Named {
        let none = RestrictionPatch::default();
        let policy = self.pop3_on_delete.is_some() || self.pop3_expire_days.is_some();
        vec![
            ("imap", self.imap.is_some() || self.imap_from != none),
            ("pop3", self.pop3.is_some() || self.pop3_from != none || policy),
            ("submission", self.submission.is_some() || self.submission_from != none),
        ]
    }
}

/// What a mailbox says, and what holds for it now.
pub async fn of_mailbox(control: &Control, caller: &Caller, id: MailboxId) -> Result<Protocols> {
    let mut tx = control.db.read().await?;
    let mailbox = mailboxes::reach(&mut tx, caller, id).await?;
    explain_mailbox(&mut tx, caller, mailbox, control.now_ms()).await
}

async fn explain_mailbox(
    tx: &mut Tx,
    caller: &Caller,
    mailbox: mailbox_rows::MailboxRow,
    now: i64,
) -> Result<Protocols> {
    let domain = crate::db::domains::find(tx, mailbox.domain).await?.ok_or(Error::NotFound)?;
    let suspended = in_force(tx, mailbox.id, mailbox.domain, now).await?;
    let above = levels::above(tx, &mailbox.path).await?;
    let own = Own::of(&mailbox, now);
    let said = Said { mailbox: Some(&mailbox.protocols), domain: Some(&domain.protocols), above: &above, own };
    let effective = effective::resolve(said, &suspended);
    let editable = editable(caller, &Level::Mailbox(&mailbox));
    Ok(Protocols { effective, editable, settings: mailbox.protocols.into(), etag: mailbox.revision })
}

/// What a domain says, and what holds for its mailboxes that say nothing.
pub async fn of_domain(control: &Control, caller: &Caller, id: DomainId) -> Result<Protocols> {
    let mut tx = control.db.read().await?;
    let domain = domains::reach(&mut tx, caller, id).await?;
    let suspended = in_force(&mut tx, MailboxId(0), id, control.now_ms()).await?;
    let above = levels::above(&mut tx, &domain.path).await?;
    let said = Said { mailbox: None, domain: Some(&domain.protocols), above: &above, own: Own::NONE };
    let effective = effective::resolve(said, &suspended);
    let editable = editable(caller, &Level::Other);
    Ok(Protocols { effective, editable, settings: domain.protocols.into(), etag: domain.revision })
}

/// What a tenant says, and what holds for its mailboxes where they and their domains say nothing.
pub async fn of_tenant(control: &Control, caller: &Caller, id: TenantId) -> Result<Protocols> {
    let mut tx = control.db.read().await?;
    let tenant = tenants::reach(&mut tx, caller, id).await?;
    explain_tenant(&mut tx, caller, &tenant).await
}

async fn explain_tenant(tx: &mut Tx, caller: &Caller, tenant: &TenantRow) -> Result<Protocols> {
    let above = levels::above(tx, &tenant.path).await?;
    let effective = effective::resolve(Said { mailbox: None, domain: None, above: &above, own: Own::NONE }, &[]);
    let editable = editable(caller, &Level::Other);
    Ok(Protocols { effective, editable, settings: tenant.protocols.clone().into(), etag: tenant.revision })
}

/// What a plan says, and what comes of it where nobody else says anything.
pub async fn of_plan(control: &Control, caller: &Caller, id: PlanId) -> Result<Protocols> {
    let mut tx = control.db.read().await?;
    Ok(explain_plan(caller, plans::see(&mut tx, caller, id).await?))
}

fn explain_plan(caller: &Caller, plan: PlanRow) -> Protocols {
    let editable = editable(caller, &Level::Plan(&plan));
    let (settings, etag) = (plan.protocols.clone().into(), plan.revision);
    let level = TenantLevel {
        id: plan.tenant,
        path: plan.path.clone(),
        kind: crate::model::TenantKind::Customer,
        protocols: ProtocolSettings::default(),
        plan: Some(plan),
    };
    let above = Above(vec![level]);
    let effective = effective::resolve(Said { mailbox: None, domain: None, above: &above, own: Own::NONE }, &[]);
    Protocols { settings, effective, editable, etag }
}

/// Changes what a mailbox says.
pub async fn patch_mailbox(
    control: &Control,
    caller: &Caller,
    id: MailboxId,
    patch: ProtocolsPatch,
    expected: Option<&[i64]>,
) -> Result<(Protocols, Revision)> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "update_mailbox_protocols").await?;
    let mut mailbox = mailboxes::reach(change.tx(), caller, id).await?;
    super::change::check_unchanged(expected, mailbox.revision)?;
    mailboxes::check_there(&mailbox)?;
    let now = change.now();
    let (before, path) = (ProtocolsView::from(mailbox.protocols.clone()), mailbox.path.clone());
    check(caller, &Level::Mailbox(&mailbox), &patch)?;
    let held = explain_mailbox(change.tx(), caller, mailbox.clone(), now).await?.effective;
    patch.apply("", &mut mailbox.protocols)?;
    patch.check_allowed(change.tx(), "", &path).await?;
    mailbox.revision = change.revision();
    mailbox_rows::update(change.tx(), &mailbox).await?;
    let after = explain_mailbox(change.tx(), caller, mailbox, now).await?;
    let record = Record {
        object: id.to_string(),
        path,
        before: super::change::view(&before),
        after: super::change::view(&after.settings),
        touches: [Touch::Mailbox(id)].into_iter().chain(closes(&held, &after.effective)).collect(),
    };
    Ok((after, change.commit(record).await?))
}

/// Changes what a domain says.
pub async fn patch_domain(
    control: &Control,
    caller: &Caller,
    id: DomainId,
    patch: ProtocolsPatch,
    expected: Option<&[i64]>,
) -> Result<(Protocols, Revision)> {
    let (domain, effective, revision) = domains::change(control, caller, id, "", patch.into(), expected).await?;
    let editable = editable(caller, &Level::Other);
    Ok((Protocols { settings: domain.protocols, effective, editable, etag: domain.etag }, revision))
}

/// Changes what a tenant says.
pub async fn patch_tenant(
    control: &Control,
    caller: &Caller,
    id: TenantId,
    patch: ProtocolsPatch,
    expected: Option<&[i64]>,
) -> Result<(Protocols, Revision)> {
    let patch = TenantPatch { protocols: patch, ..TenantPatch::default() };
    let (mut change, after, record) = tenants::change(control, caller, id, patch, expected).await?;
    let after = explain_tenant(change.tx(), caller, &after).await?;
    Ok((after, change.commit(record).await?))
}

/// Changes what a plan says.
pub async fn patch_plan(
    control: &Control,
    caller: &Caller,
    id: PlanId,
    patch: ProtocolsPatch,
    expected: Option<&[i64]>,
) -> Result<(Protocols, Revision)> {
    let patch = PlanPatch { protocols: patch, ..PlanPatch::default() };
    let (change, after, record) = plans::change(control, caller, id, patch, expected).await?;
    Ok((explain_plan(caller, after), change.commit(record).await?))
}
