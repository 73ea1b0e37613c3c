//! The number of a configuration change. Every write makes exactly one; they have no gaps.

use serde::{Deserialize, Serialize};

/// Number of a configuration change; 0 is the empty configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Revision(pub i64);

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a revision changed, so that every node drops just that from its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Touch {
    /// A tenant: its plan, settings or existence.
    Tenant(super::ids::TenantId),
    /// A plan: its limits and defaults.
    Plan(super::ids::PlanId),
    /// A domain: its settings, suspensions or existence.
    Domain(super::ids::DomainId),
    /// A mailbox: its settings, password, suspensions or existence.
    Mailbox(super::ids::MailboxId),
    /// An alias.
    Alias(super::ids::AliasId),
    /// A user who signs in to the API: role, password or existence.
    User(super::ids::UserId),
    /// An API key.
    Key(super::ids::KeyId),
    /// Sessions of this protocol lose their right by it. It says whose doing an ended session is, no more: a
    /// node looks at all sessions of what is touched, and may by then see what a later revision did.
    Closes(super::Protocol),
}
