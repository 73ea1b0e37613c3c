//! APPEND with CATENATE (RFC 4469), the commands of URLAUTH (RFC 4467).

use super::{FlagList, MailboxName};

/// APPEND whose messages are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catenate {
    /// Where to.
    pub mailbox: MailboxName,
    /// The messages.
    pub messages: Vec<CatenateMessage>,
}

/// One of its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatenateMessage {
    /// Its flags.
    pub flags: FlagList,
    /// Its INTERNALDATE, Unix seconds.
    pub internal_date: Option<i64>,
    /// What it is made of, in order.
    pub parts: Vec<CatenatePart>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatenatePart {
    /// TEXT: these octets.
    Text(Vec<u8>),
    /// URL: what it names, as sent.
    Url(Vec<u8>),
}

/// A command of URLAUTH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlCommand {
    /// GENURLAUTH: URLs and mechanisms in upper case.
    Generate(Vec<(Vec<u8>, String)>),
    /// RESETKEY: the folder (none: all of them) and mechanisms in upper case.
    Reset(Option<MailboxName>, Vec<String>),
    /// URLFETCH
    Fetch(Vec<Vec<u8>>),
}
