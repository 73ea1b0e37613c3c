//! LIST with its options, CREATE with USE, STATUS items (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154).
//!
//! Invariant: the cursor is left behind what was read; what is unknown is refused, not passed over.

use super::Result;
use super::tokens::Cursor;
use crate::mail::imap::command::{Command, List, ListReturn, ListSelection, MailboxName, StatusItem};

pub(super) fn list(c: &mut Cursor<'_>) -> Result<List> {
    let mut extended = false;
    let mut selection = ListSelection::default();
    if c.peek() == Some(b'(') {
        extended = true;
        selection = selection_options(c)?;
        c.space()?;
    }
    let reference = c.mailbox()?;
    c.space()?;
    let patterns = if c.peek() == Some(b'(') {
        extended = true;
        patterns(c)?
    } else {
        vec![c.pattern()?]
    };
    let mut returning = ListReturn::default();
    if c.take_text(" RETURN ") {
        extended = true;
        returning = return_options(c)?;
    }
    Ok(List { reference, patterns, selection, returning, extended })
}

fn patterns(c: &mut Cursor<'_>) -> Result<Vec<MailboxName>> {
    c.open()?;
    let mut patterns = vec![c.pattern()?];
    while c.more_in_list()? {
        patterns.push(c.pattern()?);
    }
    Ok(patterns)
}

fn selection_options(c: &mut Cursor<'_>) -> Result<ListSelection> {
    let mut selection = ListSelection::default();
    c.open()?;
    if c.take(b')') {
        return Ok(selection);
    }
    loop {
        match c.word()?.as_str() {
            "SUBSCRIBED" => selection.subscribed = true,
            "REMOTE" => selection.remote = true,
            "RECURSIVEMATCH" => selection.recursive_match = true,
            "SPECIAL-USE" => selection.special_use = true,
            _ => return Err("Unknown selection option"),
        }
        if !c.more_in_list()? {
            break;
        }
    }
    // RFC 5258 §3.1: RECURSIVEMATCH needs another option that selects.
    if selection.recursive_match && !selection.subscribed && !selection.special_use {
        return Err("RECURSIVEMATCH does not stand alone");
    }
    Ok(selection)
}

fn return_options(c: &mut Cursor<'_>) -> Result<ListReturn> {
    let mut returning = ListReturn::default();
    c.open()?;
    if c.take(b')') {
        return Ok(returning);
    }
    loop {
        match c.word()?.as_str() {
            "SUBSCRIBED" => returning.subscribed = true,
            "CHILDREN" => returning.children = true,
            "SPECIAL-USE" => returning.special_use = true,
            "MYRIGHTS" => returning.my_rights = true,
            "METADATA" => {
                c.space()?;
                returning.metadata = super::metadata::entries(c)?;
            }
            "STATUS" => {
                c.space()?;
                returning.status = Some(status_items(c)?);
            }
            _ => return Err("Unknown return option"),
        }
        if !c.more_in_list()? {
            return Ok(returning);
        }
    }
}

pub(super) fn status_items(c: &mut Cursor<'_>) -> Result<Vec<StatusItem>> {
    c.open()?;
    let mut items = Vec::new();
    loop {
        let name = c.word()?;
        let known = StatusItem::ALL.iter().find(|(_, known)| *known == name).ok_or("Unknown status item")?;
        if !items.contains(&known.0) {
            items.push(known.0);
        }
        if !c.more_in_list()? {
            return Ok(items);
        }
    }
}

/// CREATE with the USE parameter (RFC 6154 §3).
pub(super) fn create(c: &mut Cursor<'_>) -> Result<Command> {
    let mailbox = c.mailbox()?;
    let mut uses = Vec::new();
    if c.take_text(" (USE (") {
        while !c.take(b')') {
            if !uses.is_empty() {
                c.space()?;
            }
            if !c.take(b'\\') {
                return Err("A use attribute begins with a backslash");
            }
            uses.push(format!("\\{}", c.keyword()?));
        }
        c.close()?;
    }
    Ok(Command::Create(mailbox, uses))
}
