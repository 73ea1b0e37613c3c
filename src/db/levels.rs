//! The levels above a domain: its tenant and those above it, each with its plan, nearest first.
//!
//! Read in one query for whoever asks what is effective. Invariant: the tree is at most
//! three deep (operator, reseller, customer), so four paths always hold all of it.

use super::plans::{self, PlanRow};
use super::protocols::{ProtocolSettings, read_protocols};
use super::{Result, Tx};
use crate::model::ids::TenantId;
use crate::model::{LimitName, Protocol, Quota, SettingLevel, TenantKind};

/// A tenant as a level of settings.
#[derive(Debug, Clone)]
pub struct TenantLevel {
    /// The tenant.
    pub id: TenantId,
    /// Its path.
    pub path: String,
    /// What it is.
    pub kind: TenantKind,
    /// Its say about protocols.
    pub protocols: ProtocolSettings,
    /// What it bought.
    pub plan: Option<PlanRow>,
}

impl TenantLevel {
    /// How much its plan lets it have of something.
    pub fn limit(&self, name: LimitName) -> Option<u64> {
        self.plan.as_ref().and_then(|plan| plan.limits.get(name))
    }
}

/// A tenant and all above it, nearest first.
#[derive(Debug, Clone, Default)]
pub struct Above(pub Vec<TenantLevel>);

/// A mailbox's limits and who set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct EffectiveQuota {
    /// Octets; none is no limit.
    #[schema(example = 1073741824)]
    pub bytes: Option<u64>,
    /// The level that decided it.
    pub bytes_source: SettingLevel,
    /// Messages; none is no limit.
    pub messages: Option<u64>,
    /// The level that decided it.
    pub messages_source: SettingLevel,
}

impl EffectiveQuota {
    /// The limits without their sources.
    pub fn quota(&self) -> Quota {
        Quota { bytes: self.bytes, messages: self.messages }
    }
}

impl Above {
    /// The plans, nearest first.
    pub fn plans(&self) -> impl Iterator<Item = &PlanRow> {
        self.0.iter().filter_map(|tenant| tenant.plan.as_ref())
    }

    /// Whether every plan allows a protocol.
    pub fn allows(&self, protocol: Protocol) -> bool {
        self.plans().all(|plan| plan.allows(protocol))
    }

    /// What a mailbox may hold that says this: what it says, else the nearest plan.
    pub fn quota(&self, own: Quota) -> EffectiveQuota {
        let nearest = |own: Option<u64>, of: fn(&Quota) -> Option<u64>| match own {
            Some(limit) => (Some(limit), SettingLevel::Mailbox),
            None => match self.plans().find_map(|plan| of(&plan.quota)) {
                Some(limit) => (Some(limit), SettingLevel::Plan),
                None => (None, SettingLevel::System),
            },
        };
        let (bytes, bytes_source) = nearest(own.bytes, |quota| quota.bytes);
        let (messages, messages_source) = nearest(own.messages, |quota| quota.messages);
        EffectiveQuota { bytes, bytes_source, messages, messages_source }
    }
}

/// A tenant, by its path, and all above it.
pub async fn above(tx: &mut Tx, path: &str) -> Result<Above> {
    const SQL: &str = "SELECT t.id, t.path, t.kind, t.imap, t.pop3, t.submission, t.pop3_on_delete, t.pop3_expire_days, t.restrictions, \
         p.id, p.tenant_id, o.path, p.name, p.domains, p.mailboxes, p.aliases, p.bytes, p.sends_per_day, p.oversell, p.quota_bytes, p.quota_messages, p.allowed, \
         p.imap, p.pop3, p.submission, p.pop3_on_delete, p.pop3_expire_days, p.restrictions, p.created_at, p.revision \
         FROM tenants t LEFT JOIN plans p ON p.id = t.plan_id LEFT JOIN tenants o ON o.id = p.tenant_id \
         WHERE t.path IN ($1, $2, $3, $4) ORDER BY LENGTH(t.path) DESC";
    let mut paths = path.match_indices('.').map(|(at, _)| path.get(..=at).unwrap_or_default()).rev();
    let args = [0; 4].map(|_| paths.next().unwrap_or_default().into());
    let rows = tx.all(SQL, &args).await?;
    let read = |row: &super::Row| {
        let plan = row.get::<Option<i64>>(9)?.map(|_| plans::read_at(row, 9)).transpose()?;
        let (id, path, kind) = (TenantId(row.get(0)?), row.get(1)?, row.parse(2)?);
        Ok(TenantLevel { id, path, kind, protocols: read_protocols(row, 3)?, plan })
    };
    rows.iter().map(read).collect::<Result<_>>().map(Above)
}
