//! APPEND with CATENATE, GENURLAUTH, RESETKEY, URLFETCH (RFC 4469 §6, RFC 4467 §9).
//!
//! Invariant: the cursor is left behind what was read; what is unknown is refused, not passed over.

use super::Result;
use super::append;
use super::tokens::Cursor;
use crate::mail::imap::command::{Catenate, CatenateMessage, CatenatePart, Command, UrlCommand};

/// APPEND that was not streamed: of texts and URLs. Behind its name.
pub(super) fn catenate(c: &mut Cursor<'_>) -> Result<Command> {
    let mailbox = c.mailbox()?;
    let mut messages = Vec::new();
    while c.take(b' ') && c.peek().is_some() {
        messages.push(message(c)?);
    }
    if messages.is_empty() {
        Err("APPEND is malformed or comes too early")
    } else {
        Ok(Command::Catenate(Catenate { mailbox, messages }))
    }
}

fn message(c: &mut Cursor<'_>) -> Result<CatenateMessage> {
    let (flags, internal_date) = append::options(c)?;
    if !c.take_keyword("CATENATE") {
        return Err("APPEND is malformed or comes too early");
    }
    c.space()?;
    c.open()?;
    let mut parts = vec![part(c)?];
    while c.more_in_list()? {
        parts.push(part(c)?);
    }
    Ok(CatenateMessage { flags, internal_date, parts })
}

fn part(c: &mut Cursor<'_>) -> Result<CatenatePart> {
    let kind = c.word()?;
    c.space()?;
    Ok(match kind.as_str() {
        "TEXT" => CatenatePart::Text(c.any_literal()?),
        "URL" => CatenatePart::Url(c.astring()?),
        _ => return Err("A part is TEXT or URL"),
    })
}

/// The commands of URLAUTH; `None` for a word that is none of them.
pub(super) fn command(name: &str, c: &mut Cursor<'_>) -> Result<Option<Command>> {
    Ok(match name {
        "GENURLAUTH" => {
            let mut asked = Vec::new();
            loop {
                let url = c.astring()?;
                c.space()?;
                asked.push((url, c.word()?));
                if !(c.take(b' ') && c.peek().is_some()) {
                    break Some(Command::Urls(UrlCommand::Generate(asked)));
                }
            }
        }
        "RESETKEY" => {
            let mailbox = c.mailbox()?;
            let mut mechanisms = Vec::new();
            while c.take(b' ') && c.peek().is_some() {
                mechanisms.push(c.word()?);
            }
            Some(Command::Urls(UrlCommand::Reset(Some(mailbox), mechanisms)))
        }
        "URLFETCH" => {
            let mut urls = vec![c.astring()?];
            while c.take(b' ') && c.peek().is_some() {
                urls.push(c.astring()?);
            }
            Some(Command::Urls(UrlCommand::Fetch(urls)))
        }
        _ => None,
    })
}
