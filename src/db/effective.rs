//! What the settings of all levels come to, and which level decided: a pure function.
//!
//! It stands on this floor because the directory and the control plane both answer with it.
//! Invariant: a suspension wins over every setting and changes none.

use super::domains::ProtocolSettings;
use crate::model::{OnDelete, Pop3Policy, ProtocolState, SettingLevel, SuspensionScope};

/// An effective setting of one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct EffectiveAccess {
    /// Whether the protocol may be used now.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
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
    pub receiving: EffectiveAccess,
}

impl Effective {
    /// The POP3 policy without its sources.
    pub fn policy(&self) -> Pop3Policy {
        Pop3Policy { on_delete: self.pop3_policy.on_delete, expire_days: self.pop3_policy.expire_days }
    }
}

/// Works out what holds, from the domain's say, the mailbox's say and the suspensions in force.
pub fn resolve(
    domain: &ProtocolSettings,
    mailbox: Option<&ProtocolSettings>,
    suspended: &[SuspensionScope],
) -> Effective {
    let stopped = |scope| suspended.contains(&scope);
    let access = |of: fn(&ProtocolSettings) -> ProtocolState, blocked: bool| {
        let source = if blocked { Some(false).map(|enabled| (enabled, SettingLevel::Suspension)) } else { None };
        let (enabled, source) = source.unwrap_or_else(|| decide(mailbox.map(of), of(domain)));
        EffectiveAccess { enabled, source }
    };
    let login = stopped(SuspensionScope::Login);
    let receiving = stopped(SuspensionScope::Receive);
    Effective {
        imap: access(|s| s.imap, login),
        pop3: access(|s| s.pop3, login),
        submission: access(|s| s.submission, login || stopped(SuspensionScope::SendReject)),
        pop3_policy: policy(domain, mailbox),
        receiving: EffectiveAccess {
            enabled: !receiving,
            source: if receiving { SettingLevel::Suspension } else { SettingLevel::System },
        },
    }
}

/// The nearest level that says something; the system says enabled.
fn decide(mailbox: Option<ProtocolState>, domain: ProtocolState) -> (bool, SettingLevel) {
    match (mailbox.unwrap_or(ProtocolState::Inherit), domain) {
        (ProtocolState::Enabled, _) => (true, SettingLevel::Mailbox),
        (ProtocolState::Disabled, _) => (false, SettingLevel::Mailbox),
        (ProtocolState::Inherit, ProtocolState::Enabled) => (true, SettingLevel::Domain),
        (ProtocolState::Inherit, ProtocolState::Disabled) => (false, SettingLevel::Domain),
        (ProtocolState::Inherit, ProtocolState::Inherit) => (true, SettingLevel::System),
    }
}

fn policy(domain: &ProtocolSettings, mailbox: Option<&ProtocolSettings>) -> EffectivePolicy {
    fn nearest<T>(mailbox: Option<T>, domain: Option<T>, system: T) -> (T, SettingLevel) {
        match (mailbox, domain) {
            (Some(value), _) => (value, SettingLevel::Mailbox),
            (None, Some(value)) => (value, SettingLevel::Domain),
            (None, None) => (system, SettingLevel::System),
        }
    }
    let (on_delete, on_delete_source) =
        nearest(mailbox.and_then(|m| m.pop3_on_delete), domain.pop3_on_delete, OnDelete::Delete);
    let (days, expire_days_source) = nearest(mailbox.and_then(|m| m.pop3_expire_days), domain.pop3_expire_days, 0);
    let expire_days = (days > 0).then_some(days);
    EffectivePolicy { on_delete, on_delete_source, expire_days, expire_days_source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProtocolState::{Disabled, Enabled, Inherit};

    fn pop3(state: ProtocolState) -> ProtocolSettings {
        ProtocolSettings { pop3: state, ..ProtocolSettings::default() }
    }

    #[test]
    fn the_nearest_level_decides_and_a_suspension_wins() {
        let table = [
            (Inherit, Inherit, true, SettingLevel::System),
            (Disabled, Inherit, false, SettingLevel::Domain),
            (Enabled, Inherit, true, SettingLevel::Domain),
            (Disabled, Enabled, true, SettingLevel::Mailbox),
            (Enabled, Disabled, false, SettingLevel::Mailbox),
            (Inherit, Disabled, false, SettingLevel::Mailbox),
        ];
        for (domain, mailbox, enabled, source) in table {
            let effective = resolve(&pop3(domain), Some(&pop3(mailbox)), &[]);
            assert_eq!(effective.pop3, EffectiveAccess { enabled, source }, "{domain} {mailbox}");
            assert_eq!(effective.imap, EffectiveAccess { enabled: true, source: SettingLevel::System });
            let suspended = resolve(&pop3(domain), Some(&pop3(mailbox)), &[SuspensionScope::Login]);
            assert_eq!(suspended.pop3, EffectiveAccess { enabled: false, source: SettingLevel::Suspension });
            assert!(suspended.receiving.enabled, "who cannot sign in still receives");
        }
        let sending = resolve(&pop3(Inherit), None, &[SuspensionScope::SendReject]);
        assert!(!sending.submission.enabled && sending.imap.enabled);
        assert!(!resolve(&pop3(Inherit), None, &[SuspensionScope::Receive]).receiving.enabled);
    }

    #[test]
    fn zero_days_at_the_mailbox_lifts_the_domains_expiry() {
        let domain =
            ProtocolSettings { pop3_expire_days: Some(30), pop3_on_delete: Some(OnDelete::Trash), ..pop3(Inherit) };
        let mailbox = ProtocolSettings { pop3_expire_days: Some(0), ..pop3(Inherit) };
        let effective = resolve(&domain, Some(&mailbox), &[]);
        assert_eq!(effective.policy(), Pop3Policy { on_delete: OnDelete::Trash, expire_days: None });
        assert_eq!(resolve(&domain, None, &[]).policy().expire_days, Some(30));
    }
}
