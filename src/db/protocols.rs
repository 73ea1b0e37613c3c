//! What one level (plan, tenant, domain, mailbox) says about protocols, as six columns of its row.
//!
//! It holds no rule of precedence. Invariant: what is `None` takes what the level above says.

use super::{Arg, DbError, Result, Row};
use crate::model::{Network, OnDelete, Protocol, ProtocolState};
use serde::{Deserialize, Serialize};

/// From where and how a protocol may be used; none takes the rest from above.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Restriction {
    /// Whether TLS is needed also where the listener does not ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_only: Option<bool>,
    /// The networks it may be used from; an empty list is everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_from: Option<Vec<Network>>,
}

/// The restrictions of all protocols.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Restrictions {
    /// IMAP's.
    #[serde(default)]
    pub imap: Restriction,
    /// POP3's.
    #[serde(default)]
    pub pop3: Restriction,
    /// Submission's.
    #[serde(default)]
    pub submission: Restriction,
}

/// What a level says about protocols; it takes the rest from above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolSettings {
    /// IMAP.
    pub imap: ProtocolState,
    /// POP3.
    pub pop3: ProtocolState,
    /// Submission.
    pub submission: ProtocolState,
    /// What POP3's DELE does; none inherits.
    pub pop3_on_delete: Option<OnDelete>,
    /// Days after retrieval; none inherits, 0 never.
    pub pop3_expire_days: Option<u16>,
    /// From where and how.
    pub restrictions: Restrictions,
}

impl Default for ProtocolSettings {
    fn default() -> Self {
        let inherit = ProtocolState::Inherit;
        Self {
            imap: inherit,
            pop3: inherit,
            submission: inherit,
            pop3_on_delete: None,
            pop3_expire_days: None,
            restrictions: Restrictions::default(),
        }
    }
}

impl ProtocolSettings {
    /// Whether one protocol is on.
    pub fn state(&self, protocol: Protocol) -> ProtocolState {
        match protocol {
            Protocol::Imap => self.imap,
            Protocol::Pop3 => self.pop3,
            Protocol::Submission => self.submission,
        }
    }

    /// Whether two levels say different things of one protocol.
    pub fn says_otherwise(&self, other: &Self, protocol: Protocol) -> bool {
        self.state(protocol) != other.state(protocol) || self.restriction(protocol) != other.restriction(protocol)
    }

    /// From where and how one protocol may be used.
    pub fn restriction(&self, protocol: Protocol) -> &Restriction {
        match protocol {
            Protocol::Imap => &self.restrictions.imap,
            Protocol::Pop3 => &self.restrictions.pop3,
            Protocol::Submission => &self.restrictions.submission,
        }
    }
}

/// Six columns from `at` on: imap, pop3, submission, pop3_on_delete, pop3_expire_days, restrictions.
pub(super) fn read_protocols(row: &Row, at: usize) -> Result<ProtocolSettings> {
    let on_delete: String = row.get(at + 3)?;
    let on_delete = match on_delete.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| DbError::Damaged(text.to_owned()))?),
    };
    let restrictions: String = row.get(at + 5)?;
    let restrictions = match restrictions.as_str() {
        "" => Restrictions::default(),
        text => serde_json::from_str(text).map_err(|error| DbError::Damaged(error.to_string()))?,
    };
    Ok(ProtocolSettings {
        imap: row.parse(at)?,
        pop3: row.parse(at + 1)?,
        submission: row.parse(at + 2)?,
        pop3_on_delete: on_delete,
        pop3_expire_days: row.get::<Option<i64>>(at + 4)?.map(|days| u16::try_from(days).unwrap_or(u16::MAX)),
        restrictions,
    })
}

/// The same six columns as parameters.
pub(super) fn protocol_args(protocols: &ProtocolSettings) -> [Arg; 6] {
    let restrictions = if protocols.restrictions == Restrictions::default() {
        String::new()
    } else {
        serde_json::to_string(&protocols.restrictions).unwrap_or_default()
    };
    [
        protocols.imap.as_str().into(),
        protocols.pop3.as_str().into(),
        protocols.submission.as_str().into(),
        protocols.pop3_on_delete.map_or("", OnDelete::as_str).into(),
        protocols.pop3_expire_days.map(i64::from).into(),
        restrictions.into(),
    ]
}
