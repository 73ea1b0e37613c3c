//! What the settings of all levels come to, and which level decided: a pure function.
//!
//! It stands on this floor because the directory and the control plane both answer with it.
//! Invariant: a suspension wins over every setting and changes none; what a plan does not
//! allow no level below it switches on.

use super::levels::Above;
use super::mailboxes::MailboxRow;
use super::protocols::ProtocolSettings;
use crate::model::{
    MailboxMode, Network, OnDelete, Pop3Policy, Protocol, ProtocolState, SettingLevel, SuspensionScope,
};

/// An effective setting of one protocol.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct EffectiveAccess {
    /// Whether the protocol may be used now.
    pub enabled: bool,
    /// The level that decided.
    pub source: SettingLevel,
    /// The levels that keep it off whatever the settings say: `suspension`, `plan`, or `mailbox` by its mode or its end.
    pub blocked_by: Vec<SettingLevel>,
    /// Whether a login needs TLS also where the listener does not ask for it.
    pub tls_only: bool,
    /// The level that decided it.
    pub tls_only_source: SettingLevel,
    /// The networks a login may come from; an empty list is everywhere.
    #[schema(value_type = Vec<String>, example = json!(["203.0.113.0/24"]))]
    pub allow_from: Vec<Network>,
    /// The level that decided it.
    pub allow_from_source: SettingLevel,
}

/// Whether something is done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct EffectiveState {
    /// Whether it is.
    pub enabled: bool,
    /// The level that decided.
    pub source: SettingLevel,
}

/// The effective POP3 policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct EffectivePolicy {
    /// What DELE does at QUIT.
    pub on_delete: OnDelete,
    /// The level that decided it.
    pub on_delete_source: SettingLevel,
    /// Days after retrieval until a message is removed; none keeps it.
    pub expire_days: Option<u16>,
    /// The level that decided it.
    pub expire_days_source: SettingLevel,
}

/// What holds now for a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Effective {
    /// IMAP.
    pub imap: EffectiveAccess,
    /// POP3.
    pub pop3: EffectiveAccess,
    /// Submission.
    pub submission: EffectiveAccess,
    /// The POP3 policy.
    pub pop3_policy: EffectivePolicy,
    /// Whether mail from outside is taken in now.
    pub receiving: EffectiveState,
}

impl Effective {
    /// The POP3 policy without its sources.
    pub fn policy(&self) -> Pop3Policy {
        Pop3Policy { on_delete: self.pop3_policy.on_delete, expire_days: self.pop3_policy.expire_days }
    }
}

/// All that is said about protocols, by level.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// The mailbox's say.
    pub mailbox: Option<&'a ProtocolSettings>,
    /// The domain's say.
    pub domain: Option<&'a ProtocolSettings>,
    /// The say of tenants and plans.
    pub above: &'a Above,
    /// What the mailbox is, whatever is said.
    pub own: Own,
}

/// What a mailbox is for, and whether it has ended.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    /// What it is for.
    pub mode: MailboxMode,
    /// Whether its date has come.
    pub expired: bool,
}

impl Own {
    /// What a level above mailboxes has.
    pub const NONE: Self = Self { mode: MailboxMode::Both, expired: false };

    /// Of a mailbox, at a moment.
    pub fn of(mailbox: &MailboxRow, now: i64) -> Self {
        Self { mode: mailbox.mode, expired: mailbox.expires_at.is_some_and(|at| at <= now) }
    }

    fn blocks(self, protocol: Protocol) -> bool {
        self.expired || (protocol == Protocol::Submission && self.mode == MailboxMode::ReceiveOnly)
    }

    /// Whether mail is delivered to it.
    pub fn takes_mail(self) -> bool {
        !self.expired && self.mode != MailboxMode::SendOnly
    }
}

impl Said<'_> {
    /// What each level says, nearest first.
    fn levels(&self) -> impl Iterator<Item = (SettingLevel, &ProtocolSettings)> {
        let above = self.above.0.iter().flat_map(|tenant| {
            let plan = tenant.plan.as_ref().map(|plan| (SettingLevel::Plan, &plan.protocols));
            std::iter::once((SettingLevel::Tenant, &tenant.protocols)).chain(plan)
        });
        let mailbox = self.mailbox.map(|says| (SettingLevel::Mailbox, says));
        let domain = self.domain.map(|says| (SettingLevel::Domain, says));
        mailbox.into_iter().chain(domain).chain(above)
    }

    /// The nearest word on something; the system's when no level has one.
    fn nearest<T>(&self, of: impl Fn(&ProtocolSettings) -> Option<T>, system: T) -> (T, SettingLevel) {
        let found = self.levels().find_map(|(level, says)| of(says).map(|word| (word, level)));
        found.unwrap_or((system, SettingLevel::System))
    }

    fn access(&self, protocol: Protocol, suspended: bool) -> EffectiveAccess {
        let word = |says: &ProtocolSettings| match says.state(protocol) {
            ProtocolState::Inherit => None,
            ProtocolState::Enabled => Some(true),
            ProtocolState::Disabled => Some(false),
        };
        let (enabled, source) = self.nearest(word, true);
        let (tls_only, tls_only_source) = self.nearest(|says| says.restriction(protocol).tls_only, false);
        let (allow_from, allow_from_source) =
            self.nearest(|says| says.restriction(protocol).allow_from.clone(), Vec::new());
        let blocks = [
            (suspended, SettingLevel::Suspension),
            (!self.above.allows(protocol), SettingLevel::Plan),
            (self.own.blocks(protocol), SettingLevel::Mailbox),
        ];
        let blocked_by: Vec<_> = blocks.into_iter().filter(|(blocked, _)| *blocked).map(|(_, level)| level).collect();
        let (enabled, source) = blocked_by.first().map_or((enabled, source), |level| (false, *level));
        EffectiveAccess { enabled, source, blocked_by, tls_only, tls_only_source, allow_from, allow_from_source }
    }

    fn policy(&self) -> EffectivePolicy {
        let (on_delete, on_delete_source) = self.nearest(|says| says.pop3_on_delete, OnDelete::Delete);
        let (days, expire_days_source) = self.nearest(|says| says.pop3_expire_days, 0);
        let expire_days = (days > 0).then_some(days);
        EffectivePolicy { on_delete, on_delete_source, expire_days, expire_days_source }
    }
}

/// Works out what holds, from what all levels say and the suspensions in force.
pub fn resolve(said: Said<'_>, suspended: &[SuspensionScope]) -> Effective {
    let stopped = |scope| suspended.contains(&scope);
    let login = stopped(SuspensionScope::Login);
    let receiving = stopped(SuspensionScope::Receive);
    Effective {
        imap: said.access(Protocol::Imap, login),
        pop3: said.access(Protocol::Pop3, login),
        submission: said.access(Protocol::Submission, login || stopped(SuspensionScope::SendReject)),
        pop3_policy: said.policy(),
        receiving: match (receiving, said.own.takes_mail()) {
            (true, _) => EffectiveState { enabled: false, source: SettingLevel::Suspension },
            (false, false) => EffectiveState { enabled: false, source: SettingLevel::Mailbox },
            (false, true) => EffectiveState { enabled: true, source: SettingLevel::System },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::levels::TenantLevel;
    use crate::db::plans::PlanRow;
    use crate::model::ids::{PlanId, TenantId};
    use crate::model::{Limits, Quota, TenantKind};
    use ProtocolState::{Disabled, Enabled, Inherit};

    fn pop3(state: ProtocolState) -> ProtocolSettings {
        ProtocolSettings { pop3: state, ..ProtocolSettings::default() }
    }

    fn tenant(says: ProtocolSettings, plan: Option<ProtocolSettings>) -> TenantLevel {
        let plan = plan.map(|protocols| PlanRow {
            id: PlanId(1),
            tenant: TenantId(1),
            path: "a.".into(),
            name: "plan".into(),
            limits: Limits::default(),
            oversell: false,
            quota: Quota { bytes: Some(5), messages: None },
            allowed: None,
            protocols,
            created_at: 0,
            revision: 0,
        });
        TenantLevel { id: TenantId(2), path: "a.b.".into(), kind: TenantKind::Customer, protocols: says, plan }
    }

    fn below(above: &Above, domain: ProtocolSettings, mailbox: ProtocolSettings) -> Effective {
        resolve(Said { mailbox: Some(&mailbox), domain: Some(&domain), above, own: Own::NONE }, &[])
    }

    #[test]
    fn the_nearest_level_decides_and_a_suspension_wins() {
        use SettingLevel::{Domain, Mailbox, Plan, System, Tenant};
        let table = [
            // plan, tenant, domain, mailbox: what comes of it, by whom
            ([Inherit, Inherit, Inherit, Inherit], true, System),
            ([Disabled, Inherit, Inherit, Inherit], false, Plan),
            ([Disabled, Enabled, Inherit, Inherit], true, Tenant),
            ([Enabled, Disabled, Inherit, Inherit], false, Tenant),
            ([Inherit, Inherit, Disabled, Inherit], false, Domain),
            ([Disabled, Disabled, Enabled, Inherit], true, Domain),
            ([Inherit, Inherit, Disabled, Enabled], true, Mailbox),
            ([Enabled, Enabled, Enabled, Disabled], false, Mailbox),
            ([Inherit, Inherit, Inherit, Disabled], false, Mailbox),
        ];
        for ([plan, of_tenant, domain, mailbox], enabled, source) in table {
            let above = Above(vec![tenant(pop3(of_tenant), Some(pop3(plan)))]);
            let (domain, mailbox) = (pop3(domain), pop3(mailbox));
            let said = Said { mailbox: Some(&mailbox), domain: Some(&domain), above: &above, own: Own::NONE };
            let effective = resolve(said, &[]);
            assert_eq!((effective.pop3.enabled, effective.pop3.source), (enabled, source), "{said:?}");
            assert_eq!((effective.imap.enabled, effective.imap.source), (true, System));
            let suspended = resolve(said, &[SuspensionScope::Login]);
            assert_eq!((suspended.pop3.enabled, suspended.pop3.source), (false, SettingLevel::Suspension));
            assert_eq!(suspended.pop3.blocked_by, [SettingLevel::Suspension]);
            assert!(suspended.receiving.enabled, "who cannot sign in still receives");
        }
        let none = Above::default();
        let said = Said { mailbox: None, domain: None, above: &none, own: Own::NONE };
        let sending = resolve(said, &[SuspensionScope::SendReject]);
        assert!(!sending.submission.enabled && sending.imap.enabled);
        assert!(!resolve(said, &[SuspensionScope::Receive]).receiving.enabled);
    }

    #[test]
    fn what_a_plan_does_not_allow_nobody_below_switches_on() {
        let mut level = tenant(pop3(Enabled), Some(pop3(Enabled)));
        level.plan.as_mut().unwrap().allowed = Some(vec![Protocol::Imap]);
        // Also when it is the plan of a tenant further above.
        let above = Above(vec![tenant(pop3(Enabled), None), level]);
        let effective = below(&above, pop3(Enabled), pop3(Enabled));
        assert_eq!((effective.pop3.enabled, effective.pop3.source), (false, SettingLevel::Plan));
        assert_eq!(effective.pop3.blocked_by, [SettingLevel::Plan]);
        assert!(effective.imap.enabled && effective.imap.blocked_by.is_empty());
    }

    #[test]
    fn restrictions_and_quota_come_from_the_nearest_level_that_has_them() {
        let mut far = pop3(Inherit);
        far.restrictions.pop3.tls_only = Some(true);
        far.restrictions.pop3.allow_from = Some(vec!["192.0.2.0/24".parse().unwrap()]);
        let above = Above(vec![tenant(pop3(Inherit), Some(far))]);
        let effective = below(&above, pop3(Inherit), pop3(Inherit));
        assert_eq!((effective.pop3.tls_only, effective.pop3.tls_only_source), (true, SettingLevel::Plan));
        assert_eq!(effective.pop3.allow_from.len(), 1);
        assert!(!effective.imap.tls_only && effective.imap.allow_from.is_empty());
        let mut near = pop3(Inherit);
        near.restrictions.pop3.allow_from = Some(Vec::new());
        let effective = below(&above, pop3(Inherit), near);
        assert!(effective.pop3.tls_only && effective.pop3.allow_from.is_empty());
        assert_eq!(effective.pop3.allow_from_source, SettingLevel::Mailbox);

        let quota = above.quota(Quota { bytes: None, messages: Some(7) });
        assert_eq!((quota.bytes, quota.bytes_source), (Some(5), SettingLevel::Plan));
        assert_eq!((quota.messages, quota.messages_source), (Some(7), SettingLevel::Mailbox));
        assert_eq!(above.quota(Quota { bytes: Some(9), messages: None }).quota().bytes, Some(9));
    }

    #[test]
    fn zero_days_at_the_mailbox_lifts_the_domains_expiry() {
        let none = Above::default();
        let domain =
            ProtocolSettings { pop3_expire_days: Some(30), pop3_on_delete: Some(OnDelete::Trash), ..pop3(Inherit) };
        let mailbox = ProtocolSettings { pop3_expire_days: Some(0), ..pop3(Inherit) };
        let effective = below(&none, domain.clone(), mailbox);
        assert_eq!(effective.policy(), Pop3Policy { on_delete: OnDelete::Trash, expire_days: None });
        assert_eq!(below(&none, domain, pop3(Inherit)).policy().expire_days, Some(30));
    }
}
