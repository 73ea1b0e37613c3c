//! How a command ends: OK, NO or BAD with a response code and a sentence.
//!
//! A refusal is a value here; [`Stop::Interrupt`] alone ends the conversation. This is the
//! one place that turns store errors into IMAP's words (RFC 9051 §7.1, RFC 5530).

use crate::mail::conn::Interrupt;
use crate::store::StoreError;
use std::borrow::Cow;

/// The three ways in which a command ends (RFC 9051 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// It was done.
    Ok,
    /// It was understood and not done.
    No,
    /// It was not understood, or stands in the wrong place.
    Bad,
}

/// The last line of an answer, without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// Done or not.
    pub(super) status: Status,
    /// The response code without brackets.
    pub(super) code: Option<Cow<'static, str>>,
    /// A sentence for people.
    pub(super) text: &'static str,
}

impl Reply {
    /// It was done.
    pub(super) fn ok(text: &'static str) -> Self {
        Self { status: Status::Ok, code: None, text }
    }

    /// It was not done.
    pub(super) fn no(text: &'static str) -> Self {
        Self { status: Status::No, code: None, text }
    }

    /// It was not understood.
    pub(super) fn bad(text: &'static str) -> Self {
        Self { status: Status::Bad, code: None, text }
    }

    /// The same with a response code.
    #[must_use]
    pub(super) fn with(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Writes it: the tag, or `*`.
    pub(super) fn write(&self, tag: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(tag);
        out.extend_from_slice(match self.status {
            Status::Ok => b" OK ",
            Status::No => b" NO ",
            Status::Bad => b" BAD ",
        });
        if let Some(code) = &self.code {
            out.push(b'[');
            out.extend_from_slice(code.as_bytes());
            out.extend_from_slice(b"] ");
        }
        out.extend_from_slice(self.text.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Why a command stops before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// It is answered with this.
    Reply(Reply),
    /// We end the conversation, with these words.
    Bye(&'static str),
    /// The conversation is over.
    Interrupt(Interrupt),
}

/// What a command's function returns.
pub(super) type Answer = Result<Reply, Stop>;

impl From<Reply> for Stop {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

impl From<Interrupt> for Stop {
    fn from(interrupt: Interrupt) -> Self {
        Self::Interrupt(interrupt)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Reply(error.into())
    }
}

impl From<StoreError> for Reply {
    fn from(error: StoreError) -> Self {
        match &error {
            // RFC 9208 §4.3.1: the code for every command that would pass a limit.
            StoreError::OverQuota => Self::no("The mailbox has no room for it").with("OVERQUOTA"),
            StoreError::NoSuchFolder => Self::no("There is no such folder").with("NONEXISTENT"),
            // RFC 5530 §3.
            StoreError::NoSuchMessage => Self::no("The message no longer exists").with("EXPUNGEISSUED"),
            StoreError::FolderExists => Self::no("A folder of that name exists").with("ALREADYEXISTS"),
            StoreError::TooManyFolders => Self::no("The mailbox has too many folders").with("LIMIT"),
            StoreError::TooManyKeywords => Self::no("The folder has too many keywords").with("LIMIT"),
            StoreError::TooManyRights => Self::no("The folder's access control list is full").with("LIMIT"),
            // RFC 5464 §4.3.
            StoreError::TooManyAnnotations => Self::no("There are too many annotations").with("METADATA TOOMANY"),
            StoreError::InboxImmutable => Self::no("INBOX cannot be deleted").with("CANNOT"),
            // RFC 7889 §4.
            StoreError::TooLarge => Self::no("The message is too large").with("TOOBIG"),
            StoreError::ReadOnly | StoreError::Busy => {
                Self::no("Storage takes no changes now, try again later").with("UNAVAILABLE")
            }
            // RFC 5530 §3: CORRUPTION and SERVERBUG are for the people who read the log.
            StoreError::Corrupt(_) => {
                tracing::error!(%error, "stored data is damaged");
                Self::no("Stored data is damaged").with("CORRUPTION")
            }
            StoreError::Failed(_) => {
                tracing::error!(%error, "a store call failed");
                Self::no("Storage does not answer, try again later").with("UNAVAILABLE")
            }
        }
    }
}
