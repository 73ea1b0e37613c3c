//! ESEARCH over several folders (RFC 7377).

use super::{MailboxName, Search};

/// ESEARCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultiSearch {
    /// Where to look; the selected folder when nothing is said.
    pub sources: Vec<Source>,
    /// What to look for, always answered in UIDs.
    pub search: Search,
}

/// Folders by what they have in common (RFC 7377 §2.2, RFC 5465 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The selected one.
    Selected,
    /// Those that mail is delivered to.
    Inboxes,
    /// All of the mailbox.
    Personal,
    /// Those that are subscribed.
    Subscribed,
    /// These and all below them.
    Subtree(Vec<MailboxName>),
    /// These and the level below them.
    SubtreeOne(Vec<MailboxName>),
    /// These.
    Mailboxes(Vec<MailboxName>),
}
