//! ESEARCH over several folders (RFC 7377 §3, RFC 5465 §8 filter-mailboxes).
//!
//! Invariant: the cursor is left behind what was read; what is unknown is refused, not passed over.

use super::Result;
use super::search;
use super::tokens::Cursor;
use crate::mail::imap::command::{MailboxName, MultiSearch, Source};

pub(super) fn multi_search(c: &mut Cursor<'_>) -> Result<MultiSearch> {
    let mut sources = vec![Source::Selected];
    if c.take_text("IN (") {
        sources = vec![source(c)?];
        // RFC 7377 §2.2: no scope option is defined, so that one is an error.
        while c.more_in_list()? {
            sources.push(source(c)?);
        }
        c.space()?;
    }
    Ok(MultiSearch { sources, search: search::search(c, true)? })
}

fn source(c: &mut Cursor<'_>) -> Result<Source> {
    match c.word()?.as_str() {
        "SELECTED" => Ok(Source::Selected),
        name => source_named(name, c),
    }
}

/// Any other than the selected one.
pub(super) fn source_named(name: &str, c: &mut Cursor<'_>) -> Result<Source> {
    Ok(match name {
        "INBOXES" => Source::Inboxes,
        "PERSONAL" => Source::Personal,
        "SUBSCRIBED" => Source::Subscribed,
        "SUBTREE" => Source::Subtree(mailboxes(c)?),
        "SUBTREE-ONE" => Source::SubtreeOne(mailboxes(c)?),
        "MAILBOXES" => Source::Mailboxes(mailboxes(c)?),
        // RFC 7377 §2.2: "selected-delayed" has no meaning here.
        _ => return Err("Unknown name for folders"),
    })
}

/// RFC 5465 §8 one-or-more-mailbox.
fn mailboxes(c: &mut Cursor<'_>) -> Result<Vec<MailboxName>> {
    c.space()?;
    if !c.take(b'(') {
        return Ok(vec![c.mailbox()?]);
    }
    let mut names = vec![c.mailbox()?];
    while c.more_in_list()? {
        names.push(c.mailbox()?);
    }
    Ok(names)
}
