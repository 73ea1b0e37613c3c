//! GETMETADATA, SETMETADATA and LIST's METADATA (RFC 5464 §5, RFC 9590 §5).
//!
//! Invariant: the cursor is left behind what was read; what is unknown is refused, not passed over.

use super::Result;
use super::tokens::Cursor;
use crate::mail::imap::command::{Command, EntryName, GetMetadata, MailboxName, MetadataOptions};

/// Both commands; `None` for a word that is neither.
pub(super) fn command(name: &str, c: &mut Cursor<'_>) -> Result<Option<Command>> {
    Ok(match name {
        "GETMETADATA" => Some(Command::GetMetadata(get(c)?)),
        "SETMETADATA" => {
            let mailbox = mailbox(c)?;
            c.space()?;
            Some(Command::SetMetadata(mailbox, values(c)?))
        }
        _ => None,
    })
}

/// RFC 5464 §5: an empty name means the server.
fn mailbox(c: &mut Cursor<'_>) -> Result<Option<MailboxName>> {
    Ok(Some(c.mailbox()?).filter(|name| !name.raw.is_empty()))
}

/// The options stand before the folder in the grammar (RFC 5464 §5) and behind it in the examples (§4.2.1).
fn get(c: &mut Cursor<'_>) -> Result<GetMetadata> {
    let mut given = MetadataOptions::default();
    if c.peek() == Some(b'(') {
        given = options(c)?;
        c.space()?;
    }
    let mailbox = mailbox(c)?;
    c.space()?;
    // Entries begin with a slash, options with a letter.
    if c.peek() == Some(b'(') && c.remaining().get(1).is_some_and(u8::is_ascii_alphabetic) {
        given = options(c)?;
        c.space()?;
    }
    Ok(GetMetadata { mailbox, options: given, entries: entries(c)? })
}

fn options(c: &mut Cursor<'_>) -> Result<MetadataOptions> {
    let mut options = MetadataOptions::default();
    c.open()?;
    loop {
        let name = c.word()?;
        c.space()?;
        match name.as_str() {
            "MAXSIZE" => options.max_size = Some(c.number()?),
            "DEPTH" => {
                options.depth = match c.word()?.as_str() {
                    "0" => 0,
                    "1" => 1,
                    "INFINITY" => usize::MAX,
                    _ => return Err("DEPTH is 0, 1 or infinity"),
                }
            }
            _ => return Err("Unknown option"),
        }
        if !c.more_in_list()? {
            return Ok(options);
        }
    }
}

/// RFC 5464 §5 entries.
pub(super) fn entries(c: &mut Cursor<'_>) -> Result<Vec<EntryName>> {
    if !c.take(b'(') {
        return Ok(vec![entry(c)?]);
    }
    let mut entries = Vec::new();
    loop {
        entries.push(entry(c)?);
        if !c.more_in_list()? {
            return Ok(entries);
        }
    }
}

fn entry(c: &mut Cursor<'_>) -> Result<EntryName> {
    // RFC 5464 §3.2: an invalid name is BAD in any command.
    EntryName::new(&c.text()?).ok_or("No entry can have that name")
}

fn values(c: &mut Cursor<'_>) -> Result<Vec<(EntryName, Option<Vec<u8>>)>> {
    let mut values = Vec::new();
    c.open()?;
    loop {
        let name = entry(c)?;
        if !name.can_be_set() {
            return Err("No entry can have that name");
        }
        c.space()?;
        values.push((name, c.nstring8()?));
        if !c.more_in_list()? {
            return Ok(values);
        }
    }
}
