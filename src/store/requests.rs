//! The values that go into and come out of store calls.
//!
//! Plain data; the rules are in the calls that take it.

use super::StagedBody;
use crate::model::ids::{FolderId, MailboxId, MessageId, TenantId};
use crate::model::{Acl, Flags, FolderName, Quota, UidSet};
use bytes::Bytes;
use std::sync::Arc;

/// A mailbox as the store knows it: whose bodies it shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MailboxRef {
    /// The mailbox.
    pub id: MailboxId,
    /// The tenant within which bodies are stored once.
    pub tenant: TenantId,
}

/// What a folder is for (RFC 6154 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialUse {
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl SpecialUse {
    /// The attribute as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }
}

/// A folder as LIST and STATUS show it; needs no open folder.
#[derive(Debug, Clone)]
pub struct FolderInfo {
    /// The folder.
    pub id: FolderId,
    /// Its full name.
    pub name: FolderName,
    /// False for a name that only holds folders below it (`\Noselect`).
    pub selectable: bool,
    /// True when its head does not read: only its name is known, and it cannot be opened.
    pub damaged: bool,
    /// Whether its name is subscribed.
    pub subscribed: bool,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// UIDNEXT.
    pub uid_next: u32,
    /// HIGHESTMODSEQ.
    pub highest_modseq: u64,
    /// Messages, unseen ones, deleted ones, octets.
    pub counts: super::Counts,
    /// Who may do what (RFC 4314).
    pub acl: Acl,
}

/// A message to put into a folder.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its octets, staged.
    pub body: Arc<StagedBody>,
    /// Flags without keywords.
    pub flags: Flags,
    /// Keywords by name.
    pub keywords: Vec<String>,
    /// INTERNALDATE, Unix seconds.
    pub internal_date: i64,
}

/// One recipient of a delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Whose INBOX.
    pub mailbox: MailboxRef,
    /// Its limits now.
    pub quota: Quota,
    /// Header fields of this recipient alone (Return-Path, Delivered-To), CRLF-terminated.
    pub prefix: Bytes,
    /// INTERNALDATE, Unix seconds.
    pub internal_date: i64,
}

/// Where messages went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// UIDVALIDITY of the folder.
    pub uid_validity: u32,
    /// UIDs in the order of the messages, rising.
    pub uids: UidSet,
}

/// A change of flags.
#[derive(Debug, Clone)]
pub struct FlagChange {
    /// Which messages; those that are gone are passed over.
    pub uids: UidSet,
    /// Which way.
    pub mode: FlagMode,
    /// Which flags (keywords already resolved by `Store::keywords`).
    pub flags: Flags,
    /// Only messages whose MODSEQ is not above this (RFC 7162 §3.1.3).
    pub unchanged_since: Option<u64>,
}

/// Which way flags change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagMode {
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
    /// `FLAGS`
    Replace,
}

/// The outcome of a change of flags.
#[derive(Debug, Clone)]
pub struct FlagsChanged {
    /// The MODSEQ of the change; `None` when nothing changed.
    pub modseq: Option<u64>,
    /// Messages passed over because of `unchanged_since`.
    pub modified: UidSet,
}

/// The outcome of an expunge.
#[derive(Debug, Clone)]
pub struct Expunged {
    /// What was removed.
    pub uids: UidSet,
    /// HIGHESTMODSEQ after it.
    pub highest_modseq: u64,
}

/// Where a copy or a move goes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The folder.
    pub folder: FolderId,
    /// The flags that may come along (RFC 4314 §4).
    pub flags: Flags,
}

impl From<FolderId> for Target {
    fn from(folder: FolderId) -> Self {
        Self { folder, flags: Flags(u64::MAX) }
    }
}

/// The outcome of a copy or a move; both sets have the same number of UIDs, in the same order.
#[derive(Debug, Clone)]
pub struct Copied {
    /// UIDVALIDITY of the target.
    pub uid_validity: u32,
    /// UIDs in the source.
    pub source: UidSet,
    /// UIDs in the target.
    pub target: UidSet,
}

/// What is kept beside a message's body.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// The message.
    pub id: MessageId,
    /// Header fields of this recipient alone; stand before the body's octets.
    pub prefix: Bytes,
    /// Octets of prefix and body.
    pub size: u64,
    /// What `mime` prepared on arrival, in its stored form; offsets count from the body's start.
    pub summary: Bytes,
}

/// What POP3 did to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pop3Mark {
    /// The message's UID in INBOX.
    pub uid: u32,
    /// First retrieval by POP3, Unix seconds.
    pub retrieved_at: Option<i64>,
    /// Deleted by a client whose policy is `keep`: POP3 lists it no more.
    pub hidden: bool,
}

/// What a POP3 session leaves behind at QUIT.
#[derive(Debug, Clone, Default)]
pub struct Pop3Finish {
    /// Retrieved in this session.
    pub retrieved: UidSet,
    /// To be hidden from POP3.
    pub hide: UidSet,
    /// To be removed.
    pub delete: UidSet,
    /// To be moved to the folder that is `\Trash` (removed when there is none).
    pub trash: UidSet,
    /// Now, Unix seconds.
    pub now: i64,
}
