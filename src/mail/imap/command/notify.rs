//! NOTIFY: which news of which folders a client wants without asking (RFC 5465 §3, §8).
//!
//! Invariant: what the grammar and RFC 5465 §5 exclude (half of a pair, two groups for the selected folder) is no value
//! here.

use super::{FetchItem, Source};

/// NOTIFY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notify {
    /// NONE: none any more.
    None,
    /// SET
    Set {
        /// STATUS: how the folders stand now is told first.
        status: bool,
        /// For each folder the first that takes it counts.
        groups: Vec<EventGroup>,
    },
}

/// Events of some folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventGroup {
    /// Which folders.
    pub filter: EventFilter,
    /// Which events; none of them for NONE.
    pub events: Vec<Event>,
}

/// The folders of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventFilter {
    /// SELECTED and SELECTED-DELAYED: the selected folder.
    Selected {
        /// Expunges wait for a command that may tell them.
        delayed: bool,
    },
    /// All others by name.
    Named(Source),
}

/// An event (RFC 5465 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// MessageNew, with what is to be told of each message of the selected folder.
    MessageNew(Vec<FetchItem>),
    /// MessageExpunge
    MessageExpunge,
    /// FlagChange
    FlagChange,
    /// MailboxName
    MailboxName,
    /// SubscriptionChange
    SubscriptionChange,
    /// MailboxMetadataChange
    MailboxMetadataChange,
    /// ServerMetadataChange
    ServerMetadataChange,
    /// AnnotationChange, or one that nobody has heard of.
    Unknown,
}

impl Event {
    /// The events that there are here, as BADEVENT names them.
    pub const KNOWN: &'static str = "MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange \
         MailboxMetadataChange ServerMetadataChange";

    /// Whether it is about messages rather than folders.
    pub fn is_of_messages(&self) -> bool {
        matches!(self, Self::MessageNew(_) | Self::MessageExpunge | Self::FlagChange)
    }
}
