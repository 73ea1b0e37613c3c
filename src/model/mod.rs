//! The words of the system as types: addresses, domains, quotas, protocols, ids.
//!
//! Floor 0: no I/O, no clock, no randomness, no imports from other floors.
//! Invariant: a value of any type here is valid; text is parsed once, at the edge.

pub mod access;
pub mod acl;
pub mod bounds;
pub mod day;
pub mod domain_name;
pub mod email_address;
pub mod flags;
pub mod folder_name;
pub mod ids;
pub mod limits;
pub mod locale;
pub mod login;
pub mod meanings;
pub mod network;
pub mod quota;
pub mod reverse_path;
pub mod revision;
pub mod scope;
pub mod timestamp;
pub mod uid_set;

pub use access::{
    MailboxMode, OnDelete, Pop3Policy, Protocol, ProtocolState, Role, SettingLevel, SuspensionScope, TenantKind,
    WhoMayPost,
};
pub use acl::{Acl, Rights, RightsChange, Who};
pub use day::Day;
pub use domain_name::DomainName;
pub use email_address::EmailAddress;
pub use flags::Flags;
pub use folder_name::FolderName;
pub use limits::{LimitName, Limits};
pub use locale::{LinkKind, Locale};
pub use login::{LoginOutcome, LoginReason};
pub use meanings::Meanings;
pub use network::Network;
pub use quota::{Quota, Usage};
pub use reverse_path::ReversePath;
pub use revision::{Revision, Touch};
pub use scope::{Duty, Resource, Scope};
pub use timestamp::Timestamp;
pub use uid_set::UidSet;
