//! IMAP's octets: [`Wire`] takes commands out of the input, [`parse`] reads one.
//!
//! No I/O and no decision about what a command does. Invariant: linear, bounded by
//! `model::bounds`, no panic on any input, and the same commands however the input was split.

mod framing;
pub mod parse;
pub mod utf7;

#[cfg(test)]
mod tests;

pub use framing::Wire;

use super::command::{FlagList, MailboxName, SequenceSet, Tagged};

/// What [`Wire::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait for more input.
    More,
    /// A command.
    Command(Tagged),
    /// APPEND up to its first message literal. Either stream `message.octets` octets out of the input
    /// (after a continuation when `message.synchronising`) and call [`Wire::next_message`], or call
    /// [`Wire::refuse_append`] and answer.
    Append(Append),
    /// Answer BAD, untagged when there is no tag.
    Bad {
        /// The tag, as far as there was one.
        tag: Option<String>,
        /// What is wrong.
        text: &'static str,
    },
    /// Say BYE with these words and close: what comes next cannot be told apart any more.
    Close(&'static str),
}

/// What [`Wire::next_message`] found after a message.
#[derive(Debug, PartialEq, Eq)]
pub enum AppendStep {
    /// Wait for more input.
    More,
    /// A further message (MULTIAPPEND, RFC 3502).
    Message(AppendMessage),
    /// The command is over: store the messages and answer.
    End,
    /// The command is over and malformed: answer BAD, store nothing.
    Bad(&'static str),
    /// Say BYE with these words and close.
    Close(&'static str),
}

/// The beginning of an APPEND or REPLACE.
#[derive(Debug, PartialEq, Eq)]
pub struct Append {
    /// The tag.
    pub tag: String,
    /// REPLACE: which message it takes the place of (RFC 8508).
    pub replaces: Option<Replaced>,
    /// Where to.
    pub mailbox: MailboxName,
    /// The first message.
    pub message: AppendMessage,
}

/// The message that a REPLACE is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Whether it is named by its UID.
    pub uid: bool,
    /// One number, or `*`.
    pub set: SequenceSet,
}

/// What APPEND says of one message, up to its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendMessage {
    /// Its flags.
    pub flags: FlagList,
    /// Its INTERNALDATE, Unix seconds.
    pub internal_date: Option<i64>,
    /// How many octets follow.
    pub octets: u64,
    /// Whether the client waits for `+ ` before it sends them.
    pub synchronising: bool,
    /// `~{n}`: may hold NUL (RFC 9051 §4.3 literal8).
    pub binary: bool,
    /// `UTF8 (~{n})` (RFC 6855 §4)
    pub utf8: bool,
}
