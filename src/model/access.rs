//! Who may come in how: protocols, their tri-state settings, POP3 policy, suspensions.
//!
//! These are the words; which level decides is worked out by `db::effective`.
//! Invariant: every enum's text form is the one that API, database and logs share.

use serde::{Deserialize, Serialize};

/// Text that names none of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one of the known values")]
pub struct UnknownWord;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+ }

        // By hand: the derive does not see names that come through a macro.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let words = Self::ALL.iter().map(|word| word.as_str());
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some(words))
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
        }

        impl $name {
            /// All values, in their order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The text form.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::model::access::UnknownWord;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text { $($text => Ok($name::$variant),)+ _ => Err($crate::model::access::UnknownWord) }
            }
        }
    };
}

pub(super) use words;

words!(/// A way in to a mailbox.
Protocol {
    /// Reading on many devices (RFC 9051, RFC 3501).
    Imap = "imap",
    /// Fetching (RFC 1939).
    Pop3 = "pop3",
    /// Sending with login (RFC 6409).
    Submission = "submission",
});

words!(/// What one level says about one protocol.
ProtocolState {
    /// Take what the level above says.
    Inherit = "inherit",
    /// On, unless a level above says otherwise by suspension.
    Enabled = "enabled",
    /// Off.
    Disabled = "disabled",
});

words!(/// The level that decided an effective setting.
SettingLevel {
    /// Facteur's own default.
    System = "system",
    /// The plan of the tenant, or of one above it.
    Plan = "plan",
    /// The tenant's setting, or that of one above it.
    Tenant = "tenant",
    /// The domain's setting.
    Domain = "domain",
    /// The mailbox's own setting.
    Mailbox = "mailbox",
    /// A suspension, whatever the settings say.
    Suspension = "suspension",
});

words!(/// What a suspension stops.
SuspensionScope {
    /// No login on any protocol; mail is still received.
    Login = "login",
    /// Submissions are refused; reading goes on.
    SendReject = "send_reject",
    /// Mail from outside is refused for now (`450 4.2.1`), so that senders retry.
    Receive = "receive",
});

words!(/// What a tenant is.
TenantKind {
    /// The root: who runs this Facteur.
    Operator = "operator",
    /// Sells to customers below it.
    Reseller = "reseller",
    /// Owns domains.
    Customer = "customer",
});

words!(/// What a caller may do, from most to least; within its tenant's subtree alone.
Role {
    /// Everything.
    Operator = "operator",
    /// Tenants, users, keys, domains, mailboxes and aliases at and below its tenant.
    Reseller = "reseller",
    /// Users, keys, domains, mailboxes and aliases of its tenant.
    Customer = "customer",
    /// Its own mailbox.
    MailboxUser = "mailbox_user",
});

words!(/// What a mailbox is for.
MailboxMode {
    /// Sending and receiving.
    Both = "both",
    /// Sending alone: mail for it is refused as for an unknown address.
    SendOnly = "send_only",
    /// Receiving alone: nothing is submitted with it.
    ReceiveOnly = "receive_only",
});

words!(/// Who may send to an alias.
WhoMayPost {
    /// Everybody.
    Anyone = "anyone",
    /// Its targets.
    Members = "members",
    /// Addresses of its domain.
    Domain = "domain",
    /// The addresses that it lists.
    Listed = "listed",
});

words!(/// What POP3's DELE does at QUIT.
OnDelete {
    /// The message is removed.
    Delete = "delete",
    /// The message moves to the Trash folder.
    Trash = "trash",
    /// The message stays; POP3 no longer lists it.
    Keep = "keep",
});

/// The server's POP3 policy for a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pop3Policy {
    /// What DELE does.
    pub on_delete: OnDelete,
    /// Days after its first retrieval by POP3 until a message is removed; `None` keeps it.
    pub expire_days: Option<u16>,
}

impl Default for Pop3Policy {
    fn default() -> Self {
        Self { on_delete: OnDelete::Delete, expire_days: None }
    }
}
