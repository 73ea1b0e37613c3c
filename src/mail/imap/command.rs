//! What an IMAP client can ask, as values (RFC 9051 §9, RFC 3501 §9 and the extensions named below).
//!
//! Nothing here is resolved: sequence sets keep `*` and `$`, names keep their octets, texts their
//! charset. Invariant: a value is well-formed by the grammar; whether it makes sense now
//! (state, folder, capability) is the session's to say.

mod acl;
mod catenate;
mod fetch;
mod list;
mod metadata;
mod multi_search;
mod notify;
mod search;
mod sequence;
mod sort;

pub use acl::AclCommand;
pub use catenate::{Catenate, CatenateMessage, CatenatePart, UrlCommand};
pub use fetch::{Fetch, FetchItem, Partial, Section, SectionText};
pub use list::{List, ListReturn, ListSelection, MailboxName, StatusItem};
pub use metadata::{EntryName, GetMetadata, MetadataOptions};
pub use multi_search::{MultiSearch, Source};
pub use notify::{Event, EventFilter, EventGroup, Notify};
pub use search::{PartialRange, Search, SearchKey, SearchReturn};
pub use sequence::{SeqNumber, SequenceSet};
pub use sort::{Sort, SortCriterion, SortKey, Thread, ThreadAlgorithm};

use crate::model::Flags;
use crate::store::FlagMode;
use std::fmt;

/// A command with the tag that its answer bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The tag.
    pub tag: String,
    /// The command.
    pub command: Command,
}

/// One command. APPEND of messages that are sent is not among them: they are streamed, see `wire::Step::Append`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// CAPABILITY
    Capability,
    /// NOOP
    Noop,
    /// LOGOUT
    Logout,
    /// STARTTLS
    StartTls,
    /// COMPRESS (RFC 4978): the mechanism in upper case
    Compress(String),
    /// UNAUTHENTICATE (RFC 8437)
    Unauthenticate,
    /// ID (RFC 2971): what the client says of itself; empty for NIL.
    Id(Vec<(String, Option<String>)>),
    /// ENABLE (RFC 5161): names in upper case.
    Enable(Vec<String>),
    /// AUTHENTICATE
    Authenticate {
        /// The mechanism in upper case.
        mechanism: String,
        /// The initial response (SASL-IR, RFC 4959), still in base64; `=` stands for an empty one.
        initial: Option<Secret>,
    },
    /// LOGIN
    Login {
        /// The user name as sent.
        user: Vec<u8>,
        /// The password as sent.
        password: Secret,
    },
    /// SELECT, EXAMINE
    Select(Select),
    /// UNSELECT (RFC 3691)
    Unselect,
    /// CLOSE
    Close,
    /// CREATE with the USE attributes as sent, such as `\Sent` (RFC 6154 §3)
    Create(MailboxName, Vec<String>),
    /// DELETE
    Delete(MailboxName),
    /// RENAME from, to
    Rename(MailboxName, MailboxName),
    /// SUBSCRIBE
    Subscribe(MailboxName),
    /// UNSUBSCRIBE
    Unsubscribe(MailboxName),
    /// LIST
    List(List),
    /// LSUB reference, pattern (RFC 3501 §6.3.9)
    Lsub(MailboxName, MailboxName),
    /// NAMESPACE
    Namespace,
    /// STATUS
    Status(MailboxName, Vec<StatusItem>),
    /// CHECK (RFC 3501 §6.4.1)
    Check,
    /// EXPUNGE
    Expunge,
    /// UID EXPUNGE
    UidExpunge(SequenceSet),
    /// SEARCH, UID SEARCH
    Search(Search),
    /// ESEARCH (RFC 7377)
    MultiSearch(MultiSearch),
    /// CANCELUPDATE (RFC 5267): the tags of the contexts
    CancelUpdate(Vec<String>),
    /// SORT, UID SORT (RFC 5256)
    Sort(Sort),
    /// THREAD, UID THREAD (RFC 5256)
    Thread(Thread),
    /// FETCH, UID FETCH
    Fetch(Fetch),
    /// STORE, UID STORE
    Store(Store),
    /// COPY, UID COPY
    Copy(Transfer),
    /// MOVE, UID MOVE
    Move(Transfer),
    /// IDLE; then `Wire::next_line` until DONE
    Idle,
    /// GETQUOTA (RFC 9208): the root
    GetQuota(String),
    /// GETQUOTAROOT (RFC 9208)
    GetQuotaRoot(MailboxName),
    /// MYRIGHTS, GETACL and the like (RFC 4314)
    Acl(MailboxName, AclCommand),
    /// GETMETADATA (RFC 5464)
    GetMetadata(GetMetadata),
    /// SETMETADATA (RFC 5464): the folder (none: the server), entries with their values (none: to be removed)
    SetMetadata(Option<MailboxName>, Vec<(EntryName, Option<Vec<u8>>)>),
    /// APPEND with CATENATE (RFC 4469)
    Catenate(Catenate),
    /// GENURLAUTH and the like (RFC 4467)
    Urls(UrlCommand),
    /// NOTIFY (RFC 5465)
    Notify(Notify),
    /// SETQUOTA (RFC 9208): the root and its limits
    SetQuota(String, Vec<(String, u64)>),
}

impl Command {
    /// The command's name, for logs and the answer's text.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Capability => "CAPABILITY",
            Self::Noop => "NOOP",
            Self::Logout => "LOGOUT",
            Self::StartTls => "STARTTLS",
            Self::Compress(_) => "COMPRESS",
            Self::Unauthenticate => "UNAUTHENTICATE",
            Self::Id(_) => "ID",
            Self::Enable(_) => "ENABLE",
            Self::Authenticate { .. } => "AUTHENTICATE",
            Self::Login { .. } => "LOGIN",
            Self::Select(select) if select.read_only => "EXAMINE",
            Self::Select(_) => "SELECT",
            Self::Unselect => "UNSELECT",
            Self::Close => "CLOSE",
            Self::Create(..) => "CREATE",
            Self::Delete(_) => "DELETE",
            Self::Rename(..) => "RENAME",
            Self::Subscribe(_) => "SUBSCRIBE",
            Self::Unsubscribe(_) => "UNSUBSCRIBE",
            Self::List(_) => "LIST",
            Self::Lsub(..) => "LSUB",
            Self::Namespace => "NAMESPACE",
            Self::Status(..) => "STATUS",
            Self::Check => "CHECK",
            Self::Expunge => "EXPUNGE",
            Self::UidExpunge(_) => "UID EXPUNGE",
            Self::Search(search) => by_uid(search.uid, "SEARCH", "UID SEARCH"),
            Self::MultiSearch(_) => "ESEARCH",
            Self::CancelUpdate(_) => "CANCELUPDATE",
            Self::Sort(sort) => by_uid(sort.search.uid, "SORT", "UID SORT"),
            Self::Thread(thread) => by_uid(thread.uid, "THREAD", "UID THREAD"),
            Self::Fetch(fetch) => by_uid(fetch.uid, "FETCH", "UID FETCH"),
            Self::Store(store) => by_uid(store.uid, "STORE", "UID STORE"),
            Self::Copy(copy) => by_uid(copy.uid, "COPY", "UID COPY"),
            Self::Move(transfer) => by_uid(transfer.uid, "MOVE", "UID MOVE"),
            Self::Idle => "IDLE",
            Self::GetQuota(_) => "GETQUOTA",
            Self::GetQuotaRoot(_) => "GETQUOTAROOT",
            Self::SetQuota(..) => "SETQUOTA",
            Self::Notify(_) => "NOTIFY",
            Self::Catenate(_) => "APPEND",
            Self::Urls(UrlCommand::Generate(_)) => "GENURLAUTH",
            Self::Urls(UrlCommand::Reset(..)) => "RESETKEY",
            Self::Urls(UrlCommand::Fetch(_)) => "URLFETCH",
            Self::GetMetadata(_) => "GETMETADATA",
            Self::SetMetadata(..) => "SETMETADATA",
            Self::Acl(_, AclCommand::Get) => "GETACL",
            Self::Acl(_, AclCommand::Mine) => "MYRIGHTS",
            Self::Acl(_, AclCommand::List(_)) => "LISTRIGHTS",
            Self::Acl(_, AclCommand::Set(..)) => "SETACL",
            Self::Acl(_, AclCommand::Delete(_)) => "DELETEACL",
        }
    }
}

impl Command {
    /// Whether it names a message by its number (RFC 9586 §3: refused once only UIDs are used).
    pub fn speaks_of_numbers(&self) -> bool {
        let numbered = SearchKey::names_numbers;
        match self {
            Self::Fetch(Fetch { uid, .. }) | Self::Store(Store { uid, .. }) => !uid,
            Self::Copy(Transfer { uid, .. }) | Self::Move(Transfer { uid, .. }) => !uid,
            Self::Search(search) => !search.uid || numbered(&search.key),
            Self::Sort(sort) => !sort.search.uid || numbered(&sort.search.key),
            Self::Thread(thread) => !thread.uid || numbered(&thread.key),
            _ => false,
        }
    }
}

fn by_uid(uid: bool, plain: &'static str, with_uid: &'static str) -> &'static str {
    if uid { with_uid } else { plain }
}

/// Octets that no log may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// SELECT or EXAMINE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// Which folder.
    pub mailbox: MailboxName,
    /// EXAMINE.
    pub read_only: bool,
    /// The CONDSTORE parameter (RFC 7162 §3.1.8).
    pub condstore: bool,
    /// The QRESYNC parameter (RFC 7162 §3.2.5).
    pub qresync: Option<Qresync>,
}

/// What the client of a QRESYNC knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qresync {
    /// The UIDVALIDITY it knows.
    pub uid_validity: u32,
    /// The MODSEQ it knows everything up to.
    pub modseq: u64,
    /// The UIDs it holds; absent means all.
    pub known: Option<SequenceSet>,
    /// Sequence numbers and the UIDs they had (RFC 7162 §3.2.5.2).
    pub matching: Option<(SequenceSet, SequenceSet)>,
}

/// STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Whether `set` holds UIDs.
    pub uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// UNCHANGEDSINCE (RFC 7162 §3.1.3).
    pub unchanged_since: Option<u64>,
    /// Add, remove, replace.
    pub mode: FlagMode,
    /// `.SILENT`
    pub silent: bool,
    /// Which flags.
    pub flags: FlagList,
}

/// COPY or MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Whether `set` holds UIDs.
    pub uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// Where to.
    pub mailbox: MailboxName,
}

/// Flags as a client names them. `\Recent` is passed over: no client can set it (RFC 3501 §2.3.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlagList {
    /// System flags.
    pub system: Flags,
    /// Keywords as spelled, each once (compared without case).
    pub keywords: Vec<String>,
}
