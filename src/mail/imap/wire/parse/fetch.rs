//! FETCH items, sections and modifiers (RFC 9051 §6.4.5, RFC 3516, RFC 7162).
//!
//! Invariant: the cursor is left behind what was read; what is unknown is refused, not passed over.

use super::Result;
use super::tokens::Cursor;
use crate::mail::imap::command::{Fetch, FetchItem, Partial, Section, SectionText};
use crate::model::bounds;

pub(super) fn fetch(c: &mut Cursor<'_>, uid: bool) -> Result<Fetch> {
    let set = c.sequence_set()?;
    c.space()?;
    let mut items = Vec::new();
    if c.take(b'(') {
        loop {
            add(&mut items, item(c)?);
            if !c.more_in_list()? {
                break;
            }
        }
    } else if let Some(all) = macro_items(c) {
        items = all;
    } else {
        items.push(item(c)?);
    }
    let mut fetch = Fetch { uid, set, items, changed_since: None, vanished: false, partial: None };
    if c.take(b' ') && c.peek().is_some() {
        modifiers(c, &mut fetch)?;
    }
    Ok(fetch)
}

fn add(items: &mut Vec<FetchItem>, item: FetchItem) {
    if !items.contains(&item) {
        items.push(item);
    }
}

/// RFC 9051 §6.4.5: macros stand alone.
fn macro_items(c: &mut Cursor<'_>) -> Option<Vec<FetchItem>> {
    let fast = [FetchItem::Flags, FetchItem::InternalDate, FetchItem::Rfc822Size];
    let more: &[FetchItem] = if c.take_keyword("FAST") {
        &[]
    } else if c.take_keyword("ALL") {
        &[FetchItem::Envelope]
    } else if c.take_keyword("FULL") {
        &[FetchItem::Envelope, FetchItem::Body]
    } else {
        return None;
    };
    Some(fast.iter().chain(more).cloned().collect())
}

fn modifiers(c: &mut Cursor<'_>, fetch: &mut Fetch) -> Result<()> {
    c.open()?;
    loop {
        match c.word()?.as_str() {
            "CHANGEDSINCE" => {
                c.space()?;
                fetch.changed_since = Some(c.number()?);
            }
            "VANISHED" => fetch.vanished = true,
            // RFC 9394 §3.2: a modifier of UID FETCH.
            "PARTIAL" if fetch.uid => {
                c.space()?;
                fetch.partial = Some(super::search::partial_range(c)?);
            }
            _ => return Err("Unknown modifier"),
        }
        if !c.more_in_list()? {
            break;
        }
    }
    // RFC 7162 §3.2.6.
    if fetch.vanished && (!fetch.uid || fetch.changed_since.is_none()) {
        return Err("VANISHED belongs to UID FETCH with CHANGEDSINCE");
    }
    Ok(())
}

pub(super) fn item(c: &mut Cursor<'_>) -> Result<FetchItem> {
    let name = c.word()?;
    let section_follows = c.peek() == Some(b'[');
    Ok(match name.as_str() {
        "BODY" if !section_follows => FetchItem::Body,
        "BODY" | "BODY.PEEK" => {
            let section = section(c)?;
            FetchItem::BodySection { peek: name.ends_with("PEEK"), section, partial: partial(c)? }
        }
        "BINARY" | "BINARY.PEEK" => {
            let part = bracketed_part(c)?;
            FetchItem::Binary { peek: name.ends_with("PEEK"), part, partial: partial(c)? }
        }
        "BINARY.SIZE" => FetchItem::BinarySize(bracketed_part(c)?),
        "UID" => FetchItem::Uid,
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "SAVEDATE" => FetchItem::SaveDate,
        "RFC822.SIZE" => FetchItem::Rfc822Size,
        "MODSEQ" => FetchItem::ModSeq,
        "EMAILID" => FetchItem::EmailId,
        "THREADID" => FetchItem::ThreadId,
        "PREVIEW" => {
            // RFC 8970 §4: the one modifier there is.
            c.take_text(" (LAZY)");
            FetchItem::Preview
        }
        "ENVELOPE" => FetchItem::Envelope,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "RFC822" => FetchItem::Rfc822,
        "RFC822.HEADER" => FetchItem::Rfc822Header,
        "RFC822.TEXT" => FetchItem::Rfc822Text,
        _ => return Err("Unknown data item"),
    })
}

/// RFC 9051 §9 section.
pub(super) fn section(c: &mut Cursor<'_>) -> Result<Section> {
    open_bracket(c)?;
    let mut section = Section::default();
    loop {
        match c.peek() {
            Some(b'0'..=b'9') => {
                push_number(c, &mut section.part)?;
                if !c.take(b'.') {
                    break;
                }
            }
            Some(b']') if section.part.is_empty() => break,
            _ => {
                section.text = Some(section_text(c, !section.part.is_empty())?);
                break;
            }
        }
    }
    close_bracket(c)?;
    Ok(section)
}

fn section_text(c: &mut Cursor<'_>, in_part: bool) -> Result<SectionText> {
    // The longer names first: each begins with the shorter one.
    if c.take_text("HEADER.FIELDS.NOT ") {
        return field_names(c).map(SectionText::HeaderFieldsNot);
    }
    if c.take_text("HEADER.FIELDS ") {
        return field_names(c).map(SectionText::HeaderFields);
    }
    if c.take_text("HEADER") {
        return Ok(SectionText::Header);
    }
    if c.take_text("TEXT") {
        return Ok(SectionText::Text);
    }
    // RFC 9051 §6.4.5: MIME needs a part number.
    if in_part && c.take_text("MIME") { Ok(SectionText::Mime) } else { Err("Unknown section") }
}

fn field_names(c: &mut Cursor<'_>) -> Result<Vec<Vec<u8>>> {
    c.open()?;
    let mut names = vec![c.astring()?];
    while c.more_in_list()? {
        names.push(c.astring()?);
    }
    Ok(names)
}

fn bracketed_part(c: &mut Cursor<'_>) -> Result<Vec<u32>> {
    open_bracket(c)?;
    let mut part = Vec::new();
    while c.peek() != Some(b']') {
        push_number(c, &mut part)?;
        if !c.take(b'.') {
            break;
        }
    }
    close_bracket(c)?;
    Ok(part)
}

fn push_number(c: &mut Cursor<'_>, part: &mut Vec<u32>) -> Result<()> {
    // Each level of MIME can be a message within a part.
    if part.len() >= 2 * bounds::MIME_DEPTH {
        return Err("The part lies too deep");
    }
    part.push(c.positive()?);
    Ok(())
}

fn open_bracket(c: &mut Cursor<'_>) -> Result<()> {
    if c.take(b'[') { Ok(()) } else { Err("[ is missing") }
}

fn close_bracket(c: &mut Cursor<'_>) -> Result<()> {
    if c.take(b']') { Ok(()) } else { Err("] is missing") }
}

/// RFC 9051 §9 partial.
fn partial(c: &mut Cursor<'_>) -> Result<Option<Partial>> {
    if !c.take(b'<') {
        return Ok(None);
    }
    let offset = c.number()?;
    if !c.take(b'.') {
        return Err("A partial is malformed");
    }
    let count = c.number()?;
    if count == 0 || !c.take(b'>') { Err("A partial is malformed") } else { Ok(Some(Partial { offset, count })) }
}
