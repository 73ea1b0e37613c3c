//! Names of folders as clients write them, LIST with its options, STATUS items.
//!
//! Invariant: a name keeps the octets that were sent; what they mean depends on what is enabled.

use crate::mail::imap::wire::utf7;
use crate::model::FolderName;

/// A folder's name, reference or pattern in the octets that were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxName {
    /// As sent (already taken out of quotes or literal).
    pub raw: Vec<u8>,
}

impl MailboxName {
    /// The text it means. `utf8`: after ENABLE IMAP4rev2 or UTF8=ACCEPT names are UTF-8
    /// (RFC 9051 §5.1, RFC 6855 §3); before, modified UTF-7 (RFC 3501 §5.1.3), and UTF-8 is
    /// taken from those who send it all the same.
    pub fn text(&self, utf8: bool) -> Option<String> {
        if utf8 || !self.raw.is_ascii() {
            return std::str::from_utf8(&self.raw).ok().map(str::to_owned);
        }
        utf7::decode(&self.raw)
    }

    /// The folder it names; `None` when it can name none. A separator at the end, which CREATE
    /// allows (RFC 9051 §6.3.4), is passed over.
    pub fn folder(&self, utf8: bool) -> Option<FolderName> {
        let text = self.text(utf8)?;
        text.strip_suffix(crate::model::folder_name::SEPARATOR).unwrap_or(&text).parse().ok()
    }
}

/// LIST (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The reference.
    pub reference: MailboxName,
    /// The patterns, with `*` and `%`; one in the basic form.
    pub patterns: Vec<MailboxName>,
    /// Selection options.
    pub selection: ListSelection,
    /// Return options.
    pub returning: ListReturn,
    /// False for the form that RFC 3501 knows: no options, one pattern.
    pub extended: bool,
}

/// Which names LIST selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListSelection {
    /// SUBSCRIBED
    pub subscribed: bool,
    /// REMOTE
    pub remote: bool,
    /// RECURSIVEMATCH; only with SUBSCRIBED or SPECIAL-USE
    pub recursive_match: bool,
    /// SPECIAL-USE
    pub special_use: bool,
}

/// What LIST says of each name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListReturn {
    /// SUBSCRIBED
    pub subscribed: bool,
    /// CHILDREN
    pub children: bool,
    /// SPECIAL-USE
    pub special_use: bool,
    /// METADATA with these entries (RFC 9590)
    pub metadata: Vec<super::EntryName>,
    /// MYRIGHTS (RFC 8440)
    pub my_rights: bool,
    /// STATUS with these items
    pub status: Option<Vec<StatusItem>>,
}

/// A STATUS item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusItem {
    /// MESSAGES
    Messages,
    /// UIDNEXT
    UidNext,
    /// UIDVALIDITY
    UidValidity,
    /// UNSEEN
    Unseen,
    /// DELETED
    Deleted,
    /// SIZE
    Size,
    /// RECENT (RFC 3501)
    Recent,
    /// HIGHESTMODSEQ (RFC 7162)
    HighestModSeq,
    /// APPENDLIMIT (RFC 7889)
    AppendLimit,
    /// DELETED-STORAGE (RFC 9208)
    DeletedStorage,
    /// MAILBOXID (RFC 8474)
    MailboxId,
}

impl StatusItem {
    /// The items with their names on the wire.
    pub const ALL: &'static [(StatusItem, &'static str)] = &[
        (Self::Messages, "MESSAGES"),
        (Self::UidNext, "UIDNEXT"),
        (Self::UidValidity, "UIDVALIDITY"),
        (Self::Unseen, "UNSEEN"),
        (Self::Deleted, "DELETED"),
        (Self::Size, "SIZE"),
        (Self::Recent, "RECENT"),
        (Self::HighestModSeq, "HIGHESTMODSEQ"),
        (Self::AppendLimit, "APPENDLIMIT"),
        (Self::DeletedStorage, "DELETED-STORAGE"),
        (Self::MailboxId, "MAILBOXID"),
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(item, _)| *item == self).map_or("", |(_, name)| name)
    }
}
